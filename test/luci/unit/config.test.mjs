import assert from 'node:assert/strict';
import test from 'node:test';
import { loader, plain } from '../load.mjs';

const config = loader()('wgnetifd.config');
const PRIV = '4CcOGxDDnwEB9cD+Vi7BKQVNH9NYQIF2YMFsF3jLN1E=';
const PUB = 'WrkAZlQ3tkfcvGlBVOs4EPjCGdTSMSYV9Ig0yOwqZlc=';
const PUB2 = 'GuMMCrW2EXAkjCXyWpnBGgYE5Ks1vEnI/8TLzlk5qGc=';
const PSK = '7PmjQAcsc8KALnFNDR8nH6yn/GR7qHnQdzK1R0OcmFU=';

const file = (...lines) => lines.join('\n');

test('a file of a provider', () => {
	const c = config.parse(file('\ufeff# made by somebody', '[Interface]', `PrivateKey = ${PRIV} # key`, 'Address = 10.64.1.2/32,fc00:bbbb::2/128',
		'DNS = 10.64.0.1, corp.example', '', '[Peer]', `PublicKey=${PUB}`, 'AllowedIPs = 0.0.0.0/0,::0/0', 'Endpoint = 193.32.127.66:51820', ''));
	assert.deepEqual(plain(c), {
		interface: { privateKey: PRIV, addresses: ['10.64.1.2/32', 'fc00:bbbb::2/128'], listenPort: '', dns: ['10.64.0.1'], search: ['corp.example'],
			mtu: '', fwMark: '', table: '', hooks: [], unset: [] },
		hasInterface: true,
		peers: [{ name: null, publicKey: PUB, presharedKey: '', allowedIPs: ['0.0.0.0/0', '::0/0'], endpointHost: '193.32.127.66', endpointPort: '51820', keepalive: '' }],
		errors: [], ignored: [],
	});
});

test('repeated lines add up; words in any case; DOS line ends', () => {
	const c = config.parse(['[interface]', `privatekey=${PRIV}`, 'ADDRESS = 10.0.0.2/24', 'Address = fd00::2/64, 10.0.1.2', 'DNS=10.0.0.1', 'dns = lan, home.arpa',
		'ListenPort = 1', 'ListenPort = 51820', '[PEER]', `PublicKey = ${PUB}`, 'AllowedIPs = 10.0.0.0/24', 'AllowedIPs = fd00::/64,10.0.0.0/24',
		`PresharedKey = ${PSK}`, 'Endpoint = [2001:db8::1]:51821', 'PersistentKeepalive = 25'].join('\r\n'));
	assert.deepEqual(plain(c.errors), []);
	assert.deepEqual(plain(c.interface.addresses), ['10.0.0.2/24', 'fd00::2/64', '10.0.1.2']);
	assert.deepEqual(plain(c.interface.search), ['lan', 'home.arpa']);
	assert.equal(c.interface.listenPort, '51820');
	assert.deepEqual(plain(c.peers), [{ name: null, publicKey: PUB, presharedKey: PSK, allowedIPs: ['10.0.0.0/24', 'fd00::/64'],
		endpointHost: '2001:db8::1', endpointPort: '51821', keepalive: '25' }]);
});

test('MTU, FwMark and Table are imported, hooks are named', () => {
	const c = config.parse(file('[Interface]', `PrivateKey = ${PRIV}`, 'MTU = 1380', 'FwMark = 0xca6c', 'Table = 1234', 'PostUp = iptables -A INPUT; echo secret', 'PostUp = x',
		'PreDown = y', 'SaveConfig = true', 'Jc = 4', '[Peer]', `PublicKey = ${PUB}`, 'AllowedIPs = 10.0.0.0/24'));
	const r = config.asRouter(c, 'file');
	assert.deepEqual(plain(r.interface), { private_key: PRIV, listen_port: '', addresses: [], dns: [], dns_search: [], mtu: '1380', fwmark: '0xca6c', ip4table: '1234', ip6table: '1234' });
	assert.match(r.notes[0], /Not imported: PostUp, PreDown\./);
	assert.match(r.notes[1], /Jc \(line 10\)/);
	assert.equal(r.notes.length, 2);
	assert.deepEqual(plain(r.peers), [{ description: 'file', public_key: PUB, preshared_key: '', allowed_ips: ['10.0.0.0/24'], route_allowed_ips: '1',
		endpoint_host: '', endpoint_port: '', persistent_keepalive: '' }]);
});

test('Table = off makes no routes; off and auto are defaults', () => {
	const c = config.parse(file('[Interface]', `PrivateKey = ${PRIV}`, 'FwMark = off', 'Table = off', '[Peer]', `PublicKey = ${PUB}`, 'AllowedIPs = 0.0.0.0/0', 'PersistentKeepalive = off'));
	const r = config.asRouter(c, '');
	assert.equal(r.interface.fwmark, '');
	assert.equal(r.interface.ip4table, '');
	assert.equal(r.peers[0].route_allowed_ips, '0', 'the peer may be there, and make routes');
	assert.equal(r.peers[0].persistent_keepalive, '');
	assert.equal(config.parse(file('[Interface]', 'Table = auto')).interface.table, '');
});

test('an interface that has the file\'s key keeps what the file says nothing of', () => {
	const parse = (...lines) => config.parse(file('[Interface]', `PrivateKey = ${PRIV}`, 'Address = 10.0.0.1/24', ...lines));
	assert.deepEqual(plain(config.asRouter(parse('Table = off'), '', true).interface), { private_key: PRIV, addresses: ['10.0.0.1/24'] });
	assert.deepEqual(plain(config.asRouter(parse('MTU = 1400', 'FwMark = off', 'Table = auto'), '', true).interface),
		{ private_key: PRIV, addresses: ['10.0.0.1/24'], mtu: '1400', fwmark: '', ip4table: '', ip6table: '' });
});

test('everything through the tunnel is said', () => {
	const c = config.parse(file('[Interface]', `PrivateKey = ${PRIV}`, '[Peer]', `PublicKey = ${PUB}`, 'AllowedIPs = ::/0'));
	assert.match(config.asRouter(c).notes[0], /all traffic/);
});

test('mistakes are told with their line, without secrets', () => {
	for (const [text, line, want] of [
		['', 1, /neither \[Interface\] nor \[Peer\]/],
		['hello', 1, /neither/],
		[file('[Interface]', 'PrivateKey = SECRETSECRET'), 2, /^PrivateKey: a key is 44/],
		[file('[Interface]', '', 'Address = 10.0.0.300/24'), 3, /^Address 10.0.0.300\/24: an IPv4/],
		[file('[Interface]', 'ListenPort = 70000'), 2, /0 to 65535/],
		[file('[Interface]', 'MTU = 12'), 2, /68 to 65535/],
		[file('[Interface]', 'DNS = !'), 2, /search domain/],
		[file('[Interface]', '[Interface]'), 2, /second \[Interface\]/],
		[file('[Peer]', 'AllowedIPs = 10.0.0.0/8'), 1, /no PublicKey/],
		[file('[Peer]', 'PublicKey =', 'AllowedIPs = 10.0.0.0/8'), 1, /no PublicKey/],
		[file('[Peer]', `PublicKey = ${PUB}`, 'PresharedKey = SECRETSECRET'), 3, /^PresharedKey: a key/],
		[file('[Peer]', `PublicKey = ${PUB}`, 'AllowedIPs = 10.0.0.0/33'), 3, /over 32/],
		[file('[Peer]', `PublicKey = ${PUB}`, 'Endpoint = vpn.example.org'), 3, /HOST:PORT/],
		[file('[Peer]', `PublicKey = ${PUB}`, 'Endpoint = 2001:db8::1:51820'), 3, /HOST:PORT/],
		[file('[Peer]', `PublicKey = ${PUB}`, 'PersistentKeepalive = x'), 3, /65535/],
	]) {
		const errors = config.parse(text).errors;
		assert.equal(errors.length, 1, text);
		assert.equal(errors[0].line, line, text);
		assert.match(errors[0].text, want);
		assert.doesNotMatch(errors[0].text, /SECRET/);
	}
	assert.doesNotMatch(JSON.stringify(config.parse(file('[Interface]', 'Unknown = SECRET', 'SECRET', '__proto__ = 1', 'constructor = 2'))), /Unknown = |"SECRET/);
});

test('names of peers in comments', () => {
	const c = config.parse(file('[Interface]', '### Client phone', '[Peer]', `PublicKey = ${PUB}`, '', '[Peer]', '# Name = laptop <b>', `PublicKey = ${PUB2}`,
		'# Client: tablet (1234)', '[Peer]', `PublicKey = ${PSK}`, '# Name = late'));
	assert.deepEqual(plain(c.peers.map((p) => p.name)), ['phone', 'laptop <b>', 'tablet (1234)']);
});

test('a name is of the section that it stands in, or right above', () => {
	const names = (...lines) => plain(config.parse(file(...lines)).peers.map((p) => p.name));
	assert.deepEqual(names('[Interface]', '# Name = node1', 'Address = 10.0.0.1/24', '', '[Peer]', '# Name = node2', `PublicKey = ${PUB}`, '', '[Peer]', '# Name = node3', `PublicKey = ${PUB2}`),
		['node2', 'node3']);
	// Without a setting behind it nobody can tell but by the name below.
	assert.deepEqual(names('[Interface]', `PrivateKey = ${PRIV}`, '# Name = node1', '[Peer]', '# Name = node2', `PublicKey = ${PUB}`), ['node2']);
	assert.deepEqual(names('[Peer]', '# Name = a', '# Name = b', `PublicKey = ${PUB}`, '# Name = c', 'AllowedIPs = 10.0.0.1', '[Peer]', `PublicKey = ${PUB2}`), ['a', null]);
});

// openwrt/luci#8818: whom the file describes.
test('whom a file describes', () => {
	const text = file('[Interface]', `PrivateKey = ${PRIV}`, 'Address = 10.0.0.2/32', '[Peer]', `PublicKey = ${PUB}`);
	const c = config.parse(text);
	for (const [own, want] of [
		[{ privateKey: PRIV, publicKey: PUB2, peers: 3 }, 'router'],
		[{ privateKey: PSK, publicKey: PUB, peers: 3 }, 'peer'],
		[{ privateKey: '', publicKey: '', peers: 0 }, 'router'],
		[{ privateKey: PSK, publicKey: PUB2, peers: 0 }, null],
		[{ privateKey: '', publicKey: '', peers: 1 }, null],
	]) {
		const got = config.side(c, own);
		assert.equal(got.side, want);
		assert.ok(got.why);
	}
	assert.equal(config.side(config.parse(file('[Peer]', `PublicKey = ${PUB}`)), { privateKey: PSK, publicKey: PUB2, peers: 0 }).side, 'peers');
	assert.equal(config.side(config.parse(file('[Interface]', 'Address = 10.0.0.2/32', '[Peer]', `PublicKey = ${PUB}`)), { privateKey: PSK, publicKey: PUB, peers: 0 }).side, 'peer');
});

test('a device becomes a peer, and its own configuration stays with it', () => {
	const c = config.parse(file('[Interface]', `PrivateKey = ${PRIV}`, 'Address = 10.0.0.2/24, fd00::2/64', 'DNS = 10.0.0.1, lan', '[Peer]', `PublicKey = ${PUB}`, `PresharedKey = ${PSK}`,
		'AllowedIPs = 10.0.0.0/24', 'Endpoint = vpn.example.org:51820', 'PersistentKeepalive = 25'));
	assert.deepEqual(plain(config.asPeer(c, { priv: PRIV, pub: PUB2 }, PUB, 'laptop')), {
		description: 'laptop', public_key: PUB2, private_key: PRIV, preshared_key: PSK, allowed_ips: ['10.0.0.2/32', 'fd00::2/128'], route_allowed_ips: '1',
		client_addresses: ['10.0.0.2/24', 'fd00::2/64'], client_dns: ['10.0.0.1', 'lan'], client_allowed_ips: ['10.0.0.0/24'],
		client_endpoint: 'vpn.example.org:51820', client_keepalive: '25',
	});
});

test('what is written is read again as the same', () => {
	const c = {
		interface: { privateKey: PRIV, addresses: ['10.0.0.2/32', 'fd00::2/128'], listenPort: '', dns: ['10.0.0.1'], search: ['lan'], mtu: '1400', fwMark: '', table: '', hooks: [], unset: [] },
		hasInterface: true,
		peers: [{ name: null, publicKey: PUB, presharedKey: PSK, allowedIPs: ['0.0.0.0/0', '::/0'], endpointHost: '2001:db8::1', endpointPort: '51820', keepalive: '25' }],
		errors: [], ignored: [],
	};
	const text = config.write(c);
	assert.equal(text, file('[Interface]', `PrivateKey = ${PRIV}`, 'Address = 10.0.0.2/32, fd00::2/128', 'DNS = 10.0.0.1, lan', 'MTU = 1400', '', '[Peer]', `PublicKey = ${PUB}`,
		`PresharedKey = ${PSK}`, 'AllowedIPs = 0.0.0.0/0, ::/0', 'Endpoint = [2001:db8::1]:51820', 'PersistentKeepalive = 25', ''));
	assert.deepEqual(plain(config.parse(text)), c);
});

// openwrt/luci#7700: no host name is no error.
test('an endpoint without a host is left out', () => {
	assert.equal(config.joinEndpoint('', '51820'), '');
	assert.equal(config.joinEndpoint(undefined, '51820'), '');
	assert.equal(config.joinEndpoint('[::1]', ''), '[::1]:51820');
	assert.doesNotMatch(config.write({ interface: { privateKey: PRIV }, peers: [{ publicKey: PUB }] }), /Endpoint|undefined|null/);
});

test('nothing breaks the parser', () => {
	const words = ['[Interface]', '[Peer]', '[', ']', '=', 'PrivateKey', PRIV, 'AllowedIPs', 'Endpoint', '10.0.0.0/8', '::/0', '#', ',', ' ', '\n', '\r', '\ud83d', '%s', '__proto__', '\0'];
	let seed = 1;
	const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
	for (let round = 0; round < 3000; round++) {
		let text = '';
		for (let n = random(30); n > 0; n--) text += words[random(words.length)];
		const c = config.parse(text);
		config.asRouter(c, 'x');
		config.write(c);
	}
});
