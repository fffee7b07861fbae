import assert from 'node:assert/strict';
import test from 'node:test';
import { loader, plain } from '../load.mjs';

// Whom the facts ask: nobody, in tests of logic.
const rpc = { declare: () => () => { throw new Error('this is no router'); } };
const load = loader({ modules: { rpc, ui: {} } });
const facts = load('wgnetifd.devicefacts'), plan = load('wgnetifd.deviceplan'), firewall = load('wgnetifd.devicefirewall');
const endpoint = load('wgnetifd.deviceendpoint'), net = load('wgnetifd.devicenet');

const KEY = '4CcOGxDDnwEB9cD+Vi7BKQVNH9NYQIF2YMFsF3jLN1E=', PUB = 'WrkAZlQ3tkfcvGlBVOs4EPjCGdTSMSYV9Ig0yOwqZlc=', PSK = '7PmjQAcsc8KALnFNDR8nH6yn/GR7qHnQdzK1R0OcmFU=';
const OWN = '+GBQC3sf/XtcXC1i28gMtlceSy0CEM5UC/vLdZF9TlA=';

const ZONES = [
	{ '.name': 'z1', name: 'lan', input: 'ACCEPT', output: 'ACCEPT', forward: 'ACCEPT', network: ['lan'] },
	{ '.name': 'z2', name: 'wan', input: 'REJECT', output: 'ACCEPT', forward: 'REJECT', masq: '1', network: ['wan', 'wan6'] },
];
const wall = (more = {}) => ({ zones: ZONES, forwardings: [{ src: 'lan', dest: 'wan' }], rules: [], redirects: [], defaults: { input: 'REJECT' }, ...more });
const WG0 = { '.name': 'wg0', proto: 'wireguard', private_key: KEY, listen_port: '51820', addresses: ['10.9.0.1/24', 'fd09::1/64'] };
const DUMP = [
	{ interface: 'lan', proto: 'static', up: true, l3_device: 'br-lan', 'ipv4-address': [{ address: '192.168.1.1', mask: 24 }], 'ipv6-address': [], route: [],
		'ipv6-prefix-assignment': [{ address: 'fd12:3456:789a::', mask: 60, 'local-address': { address: 'fd12:3456:789a::1', mask: 60 } }, { address: '2001:db8:1::', mask: 60 }] },
	{ interface: 'wan', proto: 'dhcp', up: true, l3_device: 'eth1', 'ipv4-address': [{ address: '192.0.2.1', mask: 24 }], route: [{ target: '0.0.0.0', mask: 0, nexthop: '192.0.2.2' }] },
];

// router makes facts as they are read; peers of wg0 are given.
function router({ sections = [WG0], dump = DUMP, wall: fw = wall(), peers = [], ddns = [], hostname = 'OpenWrt', dnsmasq = [{ domain: 'lan' }] } = {}) {
	const status = { daemon: true, interfaces: [{ name: 'wg0', public_key: OWN, listen_port: 51820 }] };
	const f = facts.from([sections, [], dump, status, fw.zones, fw.forwardings, fw.rules, fw.redirects, [fw.defaults], ddns, [{ hostname }], dnsmasq]);
	f.known.wg0 = peers;
	return f;
}

const wish = (more = {}) => ({ name: 'Telephone', interface: 'wg0', fresh: false, reach: 'lan', endpoint: '192.0.2.1', devices: '10.9.0.2, fd09::2', dns: '10.9.0.1', keepKey: true,
	keys: { priv: KEY, pub: PUB }, psk: PSK, own: { priv: '', pub: OWN }, ...more });

test('a device of an interface that is there', () => {
	const built = plan.build(router(), wish());
	assert.deepEqual(plain(built.ops), [
		{ op: 'add', config: 'network', type: 'wireguard_wg0', values: {
			description: 'Telephone', public_key: PUB, private_key: KEY, preshared_key: PSK, allowed_ips: ['10.9.0.2/32', 'fd09::2/128'], route_allowed_ips: '1',
			client_addresses: ['10.9.0.2/32', 'fd09::2/128'], client_dns: ['10.9.0.1'],
			client_allowed_ips: ['10.9.0.0/24', 'fd09::/64', '192.168.1.0/24', 'fd12:3456:789a::/60'], client_endpoint: '192.0.2.1', client_keepalive: '25' } },
		{ op: 'add', config: 'firewall', type: 'zone', values: { name: 'wg0', input: 'ACCEPT', output: 'ACCEPT', forward: 'REJECT', network: ['wg0'] } },
		{ op: 'add', config: 'firewall', type: 'forwarding', values: { src: 'wg0', dest: 'lan' } },
		{ op: 'add', config: 'firewall', type: 'rule', values: { name: 'Allow-WireGuard-wg0', src: 'wan', proto: 'udp', dest_port: '51820', target: 'ACCEPT' } },
	]);
	assert.deepEqual(plain(built.iface), { public_key: OWN, listen_port: '51820' });
});

test('without its key kept, the file of the device has it all the same', () => {
	const built = plan.build(router(), wish({ keepKey: false, psk: '' }));
	assert.equal(built.ops[0].values.private_key, undefined);
	assert.equal(built.ops[0].values.preshared_key, undefined);
	assert.equal(built.peer.private_key, KEY);
});

test('lines that are shown have no secret', () => {
	const built = plan.build(router({ sections: [] }), wish({ fresh: true, interface: 'wg0', port: '51820', addresses: '10.77.0.1/24', devices: '10.77.0.2', own: { priv: KEY, pub: OWN } }));
	const text = built.ops.flatMap((op) => plain(plan.command(op))).join('\n');
	assert.ok(!text.includes(KEY) && !text.includes(PSK));
	for (const line of ['network.wg0=interface', 'network.wg0.private_key=\'…\'', 'add network wireguard_wg0', 'network.@wireguard_wg0[-1].description=\'Telephone\'', 'firewall.@rule[-1].dest_port=\'51820\''])
		assert.ok(text.split('\n').includes(line), `${line} in\n${text}`);
	assert.deepEqual(plain(plan.command({ op: 'set', config: 'network', section: 'wg0', values: { x: 'it\'s' } })), ['network.wg0.x=\'it\'\\\'\'s\'']);
});

test('a new interface has key, port and addresses in the same change', () => {
	const w = wish({ fresh: true, interface: 'wg7', port: '51821', addresses: ['10.77.0.1/24', 'fd77::1/64'], devices: ['10.77.0.2/32'], own: { priv: KEY, pub: OWN } });
	const built = plan.build(router(), w);
	assert.deepEqual(plain(built.ops[0]), { op: 'add', config: 'network', type: 'interface', name: 'wg7',
		values: { proto: 'wireguard', private_key: KEY, listen_port: '51821', addresses: ['10.77.0.1/24', 'fd77::1/64'] } });
	assert.equal(built.ops[1].type, 'wireguard_wg7');
	assert.equal(built.iface.listen_port, '51821');
	assert.deepEqual(plain(plan.devices(router(), w)), ['10.77.0.2/32', 'fd77::2/128']);
});

test('an interface without a port or a key gets them', () => {
	const bare = { '.name': 'wg0', proto: 'wireguard', private_key: 'generate', addresses: '10.9.0.1/24', disabled: '1' };
	const built = plan.build(router({ sections: [bare] }), wish({ own: { priv: KEY, pub: OWN } }));
	assert.deepEqual(plain(built.ops[0]), { op: 'set', config: 'network', section: 'wg0', values: { listen_port: '51821', private_key: KEY } });
	assert.equal(built.iface.listen_port, '51821');
	assert.match(built.network.notes.join(' '), /no fixed port.*switched off/s);
});

test('what the device sends through the tunnel', () => {
	const f = router();
	assert.deepEqual(plain(plan.allowed(f, wish({ reach: 'all' }))), ['0.0.0.0/0', '::/0']);
	assert.deepEqual(plain(plan.allowed(f, wish({ reach: 'router' }))), ['10.9.0.1/32', 'fd09::1/128']);
	assert.deepEqual(plain(plan.reaches(f)).map((r) => r.value), ['lan', 'all', 'router']);
	// A prefix of the provider's would be another one tomorrow.
	assert.ok(!plain(plan.allowed(f, wish())).some((a) => a.startsWith('2001:db8')));
	assert.deepEqual(plain(plan.reaches(router({ dump: [DUMP[1]] }))).map((r) => r.value), ['all', 'router']);
});

test('a LAN that is down at the moment is a LAN', () => {
	const lan = { '.name': 'lan', proto: 'static', ipaddr: '192.168.5.1', netmask: '255.255.252.0' };
	const f = router({ sections: [WG0, lan], dump: [{ ...DUMP[0], up: false, 'ipv4-address': [], 'ipv6-prefix-assignment': [] }, DUMP[1]] });
	assert.deepEqual(plain(plan.reaches(f)[0]), { value: 'lan', networks: ['192.168.4.0/22'] });
	assert.ok(f.taken.includes('192.168.5.1/22'));
});

test('DNS is proposed where the router serves names', () => {
	assert.deepEqual(plain(plan.dns(router(), wish())), ['10.9.0.1', 'lan']);
	assert.deepEqual(plain(plan.dns(router(), wish({ reach: 'router' }))), []);
	assert.deepEqual(plain(plan.dns(router({ dnsmasq: [] }), wish())), []);
	assert.deepEqual(plain(plan.dns(router({ dnsmasq: [{ domain: '<img>' }] }), wish())), ['10.9.0.1']);
});

test('the next free addresses, and none that somebody has', () => {
	const peers = [{ name: 'laptop', allowed_ips: ['10.9.0.2/32', 'fd09::2/128'] }, { name: 'site', allowed_ips: ['10.9.0.4/30', '192.168.7.0/24'] }];
	const f = router({ peers });
	assert.deepEqual(plain(plan.devices(f, wish())), ['10.9.0.3/32', 'fd09::3/128']);
	for (const [devices, want] of [['', /needs an address/], ['10.9.0.2', /is the address of laptop/], ['10.9.0.1', /router's own/], ['10.9.0.0/25', /without a prefix length/],
		['10.8.0.9', /not in the tunnel's network \(10\.9\.0\.0\/24, fd09::\/64\)/], ['nonsense', /IPv4 or IPv6 address/], ['10.9.0.3', undefined]])
		assert.match(String(plain(plan.problems(f, wish({ devices }))).devices), want ?? /undefined/, devices);
});

test('names of devices', () => {
	const f = router({ peers: [{ name: 'Laptop', allowed_ips: [] }] });
	for (const [name, want] of [['', /Give the device a name/], [' ', /Give/], ['laptop', /has a device of this name/], ['a\nb', /control characters/], ['x'.repeat(65), /64 characters/],
		['<img src=x onerror=alert(1)>', undefined], ['Büro "2"', undefined]])
		assert.match(String(plain(plan.problems(f, wish({ name }))).name), want ?? /undefined/, name);
	assert.equal(plan.problems(f, wish({ name: 'laptop', fresh: true, interface: 'wg1', addresses: '10.77.0.1/24', devices: '10.77.0.2', port: '1' })).name, undefined);
});

test('what a new interface cannot have', () => {
	const f = router();
	const wrong = (more) => plain(plan.problems(f, wish({ fresh: true, interface: 'wg1', port: '51821', addresses: '10.77.0.1/24', devices: '10.77.0.2', ...more })));
	assert.deepEqual(wrong({}), {});
	for (const name of ['wg0', 'lan', 'br-lan', 'eth1', '', '1x', 'a b', 'x'.repeat(16), 'it\'s']) assert.ok(wrong({ interface: name }).interface, name);
	for (const port of ['', '0', '65536', 'x', '51820']) assert.ok(wrong({ port }).port, port);
	for (const [addresses, want] of [['192.168.1.9/24', /in common with 192\.168\.1\.1\/24/], ['10.0.0.1/8', /10\.9\.0\.1\/24/], ['fd12:3456:789a:5::1/64', /in common/], ['', /needs an address/], ['10.77.0.1/99', /prefix length/]])
		assert.match(wrong({ addresses }).addresses, want, addresses);
});

test('endpoints that somebody types', () => {
	const wrong = (text) => plain(plan.problems(router(), wish({ endpoint: text }))).endpoint;
	for (const good of ['home.example.org', 'home.example.org:40000', '192.0.2.1', '2001:db8::1', '[2001:db8::1]:5']) assert.equal(wrong(good), undefined, good);
	for (const bad of ['', 'a b', 'http://x', 'x:70000', '<img src=x>']) assert.ok(wrong(bad), bad);
});

// The firewall.
const asked = (more) => ({ interface: 'wg0', port: '51820', reach: 'lan', uplinks: ['wan'], others: 0, ...more });
const added = (p) => plain(p.ops).map((o) => `${o.type} ${o.values.name ?? `${o.values.src}>${o.values.dest}`}`);

test('where a device may go, by what is chosen', () => {
	assert.deepEqual(added(firewall.plan(wall(), asked())), ['zone wg0', 'forwarding wg0>lan', 'rule Allow-WireGuard-wg0']);
	assert.deepEqual(added(firewall.plan(wall(), asked({ reach: 'router' }))), ['zone wg0', 'rule Allow-WireGuard-wg0']);
	assert.deepEqual(added(firewall.plan(wall(), asked({ reach: 'all' }))), ['zone wg0', 'forwarding wg0>lan', 'forwarding wg0>wan', 'rule Allow-WireGuard-wg0']);
});

test('what is there is not made again', () => {
	const there = wall({ zones: [...ZONES, { name: 'vpn', input: 'ACCEPT', network: 'wg0 wg1' }], forwardings: [{ src: 'vpn', dest: 'lan' }],
		rules: [{ name: 'WireGuard', src: 'wan', proto: ['udp'], dest_port: '51820', target: 'ACCEPT' }] });
	const p = firewall.plan(there, asked());
	assert.deepEqual(added(p), []);
	assert.match(p.kept.join('\n'), /wg0 is in the firewall zone vpn[^]*reach the zone lan already[^]*The rule “WireGuard” lets UDP port 51820 in/);
	assert.deepEqual(added(firewall.plan(there, asked({ reach: 'all' }))), ['forwarding vpn>wan']);
	assert.match(firewall.plan(there, asked({ reach: 'all', others: 3 })).notes.join(), /all devices of wg0 may connect to the zone wan then \(3 besides/);
	assert.match(firewall.plan(there, asked({ reach: 'router' })).notes.join(), /lets every device of wg0 connect to lan/);
});

test('which rules let the port in', () => {
	const made = (rule) => added(firewall.plan(wall({ rules: [{ src: 'wan', proto: 'udp', dest_port: '51820', target: 'ACCEPT', ...rule }] }), asked({ reach: 'router' }))).includes('rule Allow-WireGuard-wg0');
	for (const same of [{}, { proto: undefined }, { proto: 'tcp udp' }, { proto: 'tcpudp' }, { proto: 'all', dest_port: undefined }, { dest_port: '51000-52000' }, { dest_port: '80 51820' },
		{ dest_port: ['80', '51820'] }, { src: '*' }, { family: 'any' }, { enabled: '1' }]) assert.equal(made(same), false, JSON.stringify(same));
	for (const other of [{ enabled: '0' }, { proto: 'tcp' }, { dest_port: '51821' }, { dest_port: '!51820' }, { target: 'REJECT' }, { src: 'lan' }, { dest: 'lan' }, { src_ip: '192.0.2.9' }, { family: 'ipv4' }])
		assert.equal(made(other), true, JSON.stringify(other));
});

test('zones of uplinks, of others, and none', () => {
	assert.deepEqual(added(firewall.plan(wall({ zones: [] }), asked())), []);
	assert.match(firewall.plan(wall({ zones: [] }), asked()).notes.join(), /no firewall zones/);
	// Nothing is up: the zone that is called wan.
	assert.deepEqual(added(firewall.plan(wall(), asked({ uplinks: [] }))), ['zone wg0', 'forwarding wg0>lan', 'rule Allow-WireGuard-wg0']);
	const open = [ZONES[0], { ...ZONES[1], input: 'ACCEPT' }];
	assert.deepEqual(added(firewall.plan(wall({ zones: open }), asked({ reach: 'router' }))), ['zone wg0']);
	assert.deepEqual(added(firewall.plan(wall({ zones: [{ ...ZONES[0], network: ['lan', 'wg0'] }, ZONES[1]] }), asked({ reach: 'all' }))), ['rule Allow-WireGuard-wg0']);
	assert.match(firewall.plan(wall({ zones: [ZONES[0], { ...ZONES[1], masq: '0' }] }), asked({ reach: 'all' })).notes.join(), /masquerading/);
	assert.match(firewall.plan(wall({ zones: [...ZONES, { name: 'vpn', input: 'DROP', network: 'wg0' }] }), asked()).notes.join(), /not even for DNS/);
	assert.match(firewall.plan(wall({ redirects: [{ name: 'game', src: 'wan', src_dport: '51820', proto: 'udp', dest_ip: '192.168.1.7' }] }), asked()).notes.join(), /A port forward \(game\) sends UDP port 51820 on to 192\.168\.1\.7/);
	assert.equal(plain(firewall.plan(wall(), asked({ interface: 'wireguard_home' })).ops)[0].values.name, 'wireguard_h');
	assert.equal(plain(firewall.plan(wall({ zones: [...ZONES, { name: 'wg0', network: [] }] }), asked()).ops)[0].values.name, 'wg0_2');
});

test('where answers do not find back is said', () => {
	// A router that is a host in another one's network.
	const p = firewall.plan(wall({ zones: [ZONES[0]] }), asked({ uplinks: ['lan'], reach: 'all' }));
	assert.deepEqual(added(p), ['zone wg0', 'forwarding wg0>lan']);
	assert.match(p.notes.join(), /not the gateway of its network[^]*masquerading on for the zone lan/);
	assert.match(p.kept.join(), /zone lan lets UDP port 51820 in/);
	assert.doesNotMatch(firewall.plan(wall({ zones: [{ ...ZONES[0], masq: '1' }] }), asked({ uplinks: ['lan'] })).notes.join(), /gateway/);
	// A provider's tunnel takes everything, unless the WAN is better.
	const tunnel = (metric, table) => ({ interface: 'provider', proto: 'wireguard', up: true, route: [{ target: '0.0.0.0', mask: 0, metric, table }] });
	const notes = (...args) => plan.build(router({ dump: [...DUMP, tunnel(...args)] }), wish()).network.notes.join();
	assert.match(notes(0), /leaves through the tunnel provider/);
	assert.doesNotMatch(notes(10), /provider/);
	assert.doesNotMatch(notes(0, '100'), /provider/);
});

test('without the daemon, an interface that is there has to be restarted', () => {
	const f = router();
	f.daemon = false;
	assert.match(plan.build(f, wish()).network.notes.join(), /The daemon is not running[^]*restarted wg0/);
});

// The way in.
test('endpoints that are proposed, the best first', () => {
	const up = (...addresses) => [{ name: 'wan', proto: 'dhcp', addresses }];
	const hosts = (...args) => plain(endpoint.proposals(...args)).map((p) => p.host);
	assert.deepEqual(hosts([], 'OpenWrt', up('fe80::1/64', '2001:db8::1/64', '192.0.2.1/24')), ['192.0.2.1', '2001:db8::1']);
	assert.deepEqual(hosts(['home.example.org', '<img src=x>', undefined], 'router.lan', up('192.168.178.2/24')), ['home.example.org', '192.168.178.2']);
	assert.deepEqual(hosts([], 'router.example.org', []), ['router.example.org']);
	assert.equal(endpoint.best(endpoint.proposals([], '', up('192.168.178.2/24', '100.64.0.9/10'))), '');
	assert.match(plain(endpoint.proposals([], '', up('192.0.2.1/24')))[0].from, /the provider may change it/);
});

test('what kind of address it is', () => {
	for (const [host, kind] of [['192.0.2.1', 'public'], ['10.1.1.1', 'private'], ['172.16.0.1', 'private'], ['172.32.0.1', 'public'], ['192.168.0.1', 'private'], ['100.64.0.1', 'shared'],
		['100.128.0.1', 'public'], ['192.0.0.2', 'shared'], ['169.254.1.1', 'private'], ['2001:db8::1', 'public'], ['fd00::1', 'private'], ['fe80::1', 'private'],
		['home.example.org', 'name'], ['router.lan', 'local'], ['nas.local', 'local'], ['OpenWrt', 'local']]) assert.equal(endpoint.kindOf(host), kind, host);
});

test('an uplink that nobody can call is explained', () => {
	const say = (addresses, names = []) => endpoint.situation(endpoint.proposals(names, '', addresses && [{ name: 'wan', proto: 'dhcp', addresses }] || []), addresses ? [{}] : [], '51820');
	assert.equal(say(['192.0.2.1/24']), null);
	assert.equal(say(['192.168.178.2/24'], ['home.example.org']), null);
	assert.match(say(['192.168.178.2/24']), /behind another router\. There, forward UDP port 51820 to 192\.168\.178\.2/);
	assert.match(say(['100.70.1.2/10']), /CGNAT/);
	assert.equal(say(['100.70.1.2/10', '2001:db8::1/64']), null);
	assert.match(say(null), /no uplink/);
	assert.match(plan.build(router(), wish({ endpoint: '192.168.178.2' })).network.notes.join(), /private address/);
});

test('a new interface is proposed what nobody has', () => {
	assert.equal(net.name(['wg0', 'wg1', 'lan']), 'wg2');
	assert.equal(net.port([51820, 51821]), '51822');
	const random = () => 0;
	assert.deepEqual(plain(net.addresses([], random)), ['10.64.0.1/24', 'fd00::1/64']);
	// A company's 10.0.0.0/8 leads to another range, a default route to none.
	assert.deepEqual(plain(net.addresses(['10.0.0.0/8', '0.0.0.0/0'], random)), ['172.16.0.1/24', 'fd00::1/64']);
	assert.deepEqual(plain(net.addresses(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'], random)), []);
	assert.deepEqual(plain(router().ports), [51820, 51820]);
	assert.ok(router({ wall: wall({ redirects: [{ src: 'wan', src_dport: '51821' }] }) }).ports.includes(51821));
});

test('uplinks are what leads to the Internet', () => {
	const names = (dump) => plain(router({ dump }).uplinks.map((u) => u.name));
	assert.deepEqual(names(DUMP), ['wan']);
	assert.deepEqual(names([DUMP[0], { ...DUMP[1], route: [] }]), ['wan'], 'up, in the zone of the WAN');
	assert.deepEqual(names([DUMP[0], { ...DUMP[1], up: false, route: [] }]), []);
	const tunnel = { interface: 'provider', proto: 'wireguard', up: true, route: [{ target: '0.0.0.0', mask: 0 }], 'ipv4-address': [{ address: '10.2.0.2', mask: 32 }] };
	assert.deepEqual(names([tunnel, DUMP[1]]), ['wan'], 'a provider\'s tunnel is no way in');
});

test('the line of the monitor', () => {
	const monitor = load('wgnetifd.devicemonitor'), what = { name: 'Telephone', interface: 'wg0', port: '51820' };
	const words = (peer, waited = 0) => plain(monitor.words(peer, what, waited));
	assert.deepEqual([words(null).colour, words(null).text], ['busy', 'The router sets wg0 up…']);
	assert.equal(words({ state: 'waiting' }).text, 'Waiting for Telephone to call…');
	assert.equal(words({ state: 'waiting' }).help.length, 0);
	assert.equal(words({ state: 'waiting' }, 61000).help.length, 3);
	const on = words({ state: 'connected', endpoint: '192.0.2.2:4', latest_handshake: 1700000000, handshake_age: 3, transfer_rx: 148, transfer_tx: 92 });
	assert.deepEqual([on.colour, on.text, on.more], ['ok', 'Telephone is connected.', 'It calls from 192.0.2.2:4. Last handshake 3 s ago, 148\u00a0B received, 92\u00a0B sent.']);
	assert.equal(words({ state: 'invalid', detail: 'the key is wrong' }).colour, 'bad');
	assert.equal(words({ state: 'down', detail: 'no such device' }, 70000).colour, 'bad');
	const left = { state: 'down', reason: 'not-applied', detail: 'start the daemon' };
	assert.equal(words(left).text, 'The router sets wg0 up…');
	assert.deepEqual([words(left, 11000).text, words(left, 11000).more], ['wg0 does not know Telephone yet.', 'start the daemon']);
	assert.equal(words({ state: 'idle', latest_handshake: 1700000000, handshake_age: 300 }).colour, 'idle');
});
