import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { PEER, PRIV, PUB, WG0, picture, quiet, scan } from './form.mjs';
import { start, shows } from './harness.mjs';
import { PAGE, configure, peer } from './status.mjs';

const WAN = '\nconfig interface \'wan\'\n\toption gateway \'192.0.2.2\'\n';
const FIREWALL = `config defaults
	option input 'REJECT'

config zone
	option name 'lan'
	option input 'ACCEPT'
	option output 'ACCEPT'
	option forward 'ACCEPT'
	list network 'lan'

config zone
	option name 'wan'
	option input 'REJECT'
	option output 'ACCEPT'
	option forward 'REJECT'
	option masq '1'
	list network 'wan'

config forwarding
	option src 'lan'
	option dest 'wan'
`;
const DNS = 'config dnsmasq\n\toption domain \'lan\'\n';
let lab;

before(async () => { lab = await start(); });
after(() => lab?.stop());

// Dialog is what a person does in "Add a device".
class Dialog {
	constructor(page) {
		this.page = page;
		this.node = page.locator('#modal_overlay .modal');
	}

	// open makes a router and opens the dialog on its status page.
	static async open({ network = WAN, firewall = FIREWALL, ddns = '', dhcp = DNS, ...options } = {}) {
		for (const [name, text] of Object.entries({ firewall, ddns, dhcp })) await lab.world('POST', `config?name=${name}`, text);
		await configure(lab, network);
		const page = await lab.open(PAGE, options);
		await page.locator('.wgn-head .wgn-add').click();
		const dialog = new Dialog(page);
		await dialog.field('name').waitFor();
		return dialog;
	}

	field(name) { return this.node.locator(`.cbi-value[data-name="${name}"]`); }

	input(name) { return this.node.locator(`input[data-field="${name}"]`); }

	wrong(name) { return this.field(name).locator('.wgn-wrong').innerText(); }

	choose(group, value) { return this.node.locator(`input[name="wgn-${group}"][value="${value}"]`).check(); }

	chosen(group) { return this.node.locator(`input[name="wgn-${group}"]:checked`).getAttribute('value'); }

	press(title) { return this.node.locator(`button:text-is("${title}")`).click(); }

	async unfold() { await this.node.locator('summary').first().click(); }

	// review goes on to what will be changed, and returns its text.
	async review() {
		await this.press('Continue');
		await this.node.locator('[data-group="Firewall"]').waitFor().catch(async (e) => { throw new Error(await this.node.innerText(), { cause: e }); });
		return this.node.innerText();
	}

	// apply makes the changes, and waits for the code.
	async apply() {
		await this.press('Save & Apply');
		await this.node.locator('.wgn-qr svg').waitFor();
		return this.node.locator('textarea').inputValue();
	}

	monitor() { return this.node.locator('.wgn-monitor'); }

	// connected takes the configuration to a device, and waits for the green line.
	async connected(text, to) {
		await lab.world('POST', 'client?name=wg-new', text);
		assert.equal((await lab.world('GET', `ping?to=${to}`)).ok, true, 'the device gets an answer through the tunnel');
		await this.node.locator('.wgn-monitor[data-colour="ok"]').waitFor();
	}

	async close() {
		await lab.world('POST', 'leave?name=wg-new').catch(() => {}); // There may be none.
		await this.page.close();
	}
}

// sections reads a file of the router as the page's user.
async function sections(page, config, type) {
	const reply = await lab.call(page, 'uci', 'get', { config, ...(type ? { type } : {}) });
	return Object.values(reply.result[1].values);
}

async function staged(page) {
	const reply = await lab.call(page, 'uci', 'changes');
	return reply.result[1].changes;
}

const brief = (text) => text.replaceAll(/\s+/g, ' ');

test('a device is added to an interface, scans the code, and the line turns green', async () => {
	const dialog = await Dialog.open({ network: WAN + WG0 });
	await dialog.input('name').fill('Telephone');
	assert.equal(await dialog.chosen('reach'), 'lan');
	assert.equal(await dialog.chosen('endpoint'), 'router.example.org');
	await dialog.choose('endpoint', '192.0.2.1');
	await dialog.unfold();
	assert.equal(await dialog.input('devices').inputValue(), '10.0.0.2/32, fd00::2/128');
	assert.equal(await dialog.input('dns').inputValue(), '10.0.0.1, lan');
	await picture(dialog.page, 'add-device-1');
	const before = await lab.network();

	const text = brief(await dialog.review());
	for (const said of ['“Telephone” is added to wg0 as a peer, at 10.0.0.2, fd00::2.', 'A firewall zone wg0 is made for wg0.', 'The devices of wg0 may connect to the zone lan.',
		'UDP port 51820 is open to calls from the zone wan.']) assert.ok(text.includes(said), `${said} in ${text}`);
	await dialog.node.locator('summary').click();
	const lines = await dialog.node.locator('pre').innerText();
	assert.match(lines, /^add firewall zone$/m);
	assert.match(lines, /^firewall\.@rule\[-1\]\.dest_port='51820'$/m);
	assert.match(lines, /^network\.@wireguard_wg0\[-1\]\.private_key='…'$/m);
	await picture(dialog.page, 'add-device-2');
	// Shown, and not even staged.
	assert.deepEqual(await staged(dialog.page), {});
	assert.equal(await lab.network(), before);

	const config = await dialog.apply();
	assert.match(config, new RegExp(['\\[Interface\\]', 'PrivateKey = (\\S{44})', 'Address = 10\\.0\\.0\\.2/32, fd00::2/128', 'DNS = 10\\.0\\.0\\.1, lan', '', '\\[Peer\\]',
		`PublicKey = ${PUB.replaceAll('+', '\\+')}`, 'PresharedKey = \\S{44}', 'AllowedIPs = 10\\.0\\.0\\.0/24, fd00::/64, 192\\.168\\.1\\.0/24', 'Endpoint = 192\\.0\\.2\\.1:51820', 'PersistentKeepalive = 25', ''].join('\n')));
	assert.equal(await scan(dialog.page, config), config);
	await dialog.monitor().getByText('Waiting for Telephone to call…').waitFor();
	await picture(dialog.page, 'add-device-3');
	const [download] = await Promise.all([dialog.page.waitForEvent('download'), dialog.press('Download file')]);
	assert.equal(download.suggestedFilename(), 'Telephone.conf');
	assert.equal(readFileSync(await download.path(), 'utf8'), config);

	await dialog.connected(config, '10.0.0.1');
	await shows(dialog.monitor(), /Telephone is connected\.\s+It calls from 192\.0\.2\.2:\d+\. Last handshake \d+ s ago/);
	await picture(dialog.page, 'add-device-4');
	const key = /PrivateKey = (\S+)/.exec(config)[1], psk = /PresharedKey = (\S+)/.exec(config)[1];
	const [made] = await sections(dialog.page, 'network', 'wireguard_wg0');
	assert.equal(made.private_key, key);
	assert.deepEqual([made.description, made.preshared_key, made.route_allowed_ips, made.client_endpoint, made.client_keepalive], ['Telephone', psk, '1', '192.0.2.1', '25']);
	assert.deepEqual([made.allowed_ips, made.client_addresses], [['10.0.0.2/32', 'fd00::2/128'], ['10.0.0.2/32', 'fd00::2/128']]);
	assert.deepEqual([made.client_dns, made.client_allowed_ips], [['10.0.0.1', 'lan'], ['10.0.0.0/24', 'fd00::/64', '192.168.1.0/24']]);
	const zone = (await sections(dialog.page, 'firewall', 'zone')).find((z) => z.name === 'wg0');
	assert.deepEqual([zone.network, zone.input, zone.forward], [['wg0'], 'ACCEPT', 'REJECT']);
	const [rule] = await sections(dialog.page, 'firewall', 'rule');
	assert.deepEqual([rule.name, rule.src, rule.proto, rule.dest_port, rule.target], ['Allow-WireGuard-wg0', 'wan', 'udp', '51820', 'ACCEPT']);
	assert.ok((await sections(dialog.page, 'firewall', 'forwarding')).some((f) => f.src === 'wg0' && f.dest === 'lan'));
	// One change, which the router takes back unless it is confirmed.
	const asked = (pattern) => dialog.page.bodies.join('\n').match(pattern)?.length ?? 0;
	assert.deepEqual([asked(/"uci","apply"/g), asked(/"uci","apply",\{[^{}]*"rollback":true/g)], [1, 1]);
	assert.ok(asked(/"uci","confirm"/g) >= 1);
	await dialog.press('Close');
	await dialog.page.locator('.wgn-unfold', { hasText: 'Telephone' }).waitFor();
	quiet(dialog.page, key, psk, PRIV);
	await dialog.close();
});

test('the first device makes the interface', async () => {
	const dialog = await Dialog.open();
	await shows(dialog.node, /There is no WireGuard interface on this router yet/);
	await dialog.input('name').fill('Laptop');
	await dialog.choose('endpoint', '192.0.2.1');
	await dialog.choose('reach', 'all');
	await dialog.unfold();
	assert.equal(await dialog.input('interface').inputValue(), 'wg0');
	assert.equal(await dialog.input('port').inputValue(), '51820');
	const [v4, v6] = (await dialog.input('addresses').inputValue()).split(', ');
	assert.match(v4, /^10\.\d+\.\d+\.1\/24$/);
	assert.match(v6, /^fd[0-9a-f]{2}:[0-9a-f:]+::1\/64$/);
	await picture(dialog.page, 'add-device-new');
	// A name and a network of its own, and the device's addresses follow.
	await dialog.input('interface').fill('home');
	await dialog.input('addresses').fill('192.168.1.200/24');
	await dialog.press('Continue');
	assert.match(await dialog.wrong('addresses'), /192\.168\.1\.200\/24 has addresses in common with 192\.168\.1\.1\/24/);
	await dialog.input('addresses').fill('10.77.0.1/24');
	assert.equal(await dialog.input('devices').inputValue(), '10.77.0.2/32');
	const text = brief(await dialog.review());
	for (const said of ['The WireGuard interface home is made, with a key of its own, UDP port 51820 and the addresses 10.77.0.1/24.', 'A firewall zone home is made',
		'The devices of home may connect to the zone lan.', 'The devices of home may connect to the zone wan.', 'UDP port 51820 is open']) assert.ok(text.includes(said), `${said} in ${text}`);
	const config = await dialog.apply();
	assert.match(config, /AllowedIPs = 0\.0\.0\.0\/0, ::\/0\n/);
	assert.equal(await scan(dialog.page, config), config);
	// The laptop of the test has no other way to the router than its default route.
	await dialog.connected(config.replace('0.0.0.0/0, ::/0', '10.77.0.0/24'), '10.77.0.1');
	const [made] = (await sections(dialog.page, 'network', 'interface')).filter((s) => s['.name'] === 'home');
	assert.deepEqual([made.proto, made.listen_port, made.addresses], ['wireguard', '51820', ['10.77.0.1/24']]);
	quiet(dialog.page, made.private_key, /PrivateKey = (\S+)/.exec(config)[1]);
	await dialog.close();
});

test('what the firewall has already is not made again, and said', async () => {
	const firewall = `${FIREWALL}
config zone
	option name 'vpn'
	option input 'ACCEPT'
	option network 'wg0'

config forwarding
	option src 'vpn'
	option dest 'lan'

config rule
	option name 'My WireGuard'
	option src 'wan'
	option proto 'udp'
	option dest_port '51820'
	option target 'ACCEPT'
`;
	const dialog = await Dialog.open({ network: `${WAN}${WG0}\nconfig wireguard_wg0\n\toption description 'Laptop'\n\toption public_key '${PEER}'\n\tlist allowed_ips '10.0.0.2/32'\n`, firewall });
	await dialog.input('name').fill('Telephone');
	const text = brief(await dialog.review());
	assert.match(text, /Firewall Nothing is changed\. wg0 is in the firewall zone vpn\. The devices of wg0 reach the zone lan already\. The rule “My WireGuard” lets UDP port 51820 in/);
	await picture(dialog.page, 'add-device-known');
	// Everything is more than that: one forwarding, and whom it is for.
	await dialog.press('Back');
	await dialog.choose('reach', 'all');
	const more = brief(await dialog.review());
	assert.match(more, /The devices of wg0 may connect to the zone wan\. .*all devices of wg0 may connect to the zone wan then \(1 besides this one\)/);
	await dialog.press('Back');
	await dialog.choose('reach', 'router');
	assert.match(await dialog.review(), /lets every device of wg0 connect to lan/);
	await dialog.apply();
	const [zones, rules] = [await sections(dialog.page, 'firewall', 'zone'), await sections(dialog.page, 'firewall', 'rule')];
	assert.deepEqual([zones.length, rules.length], [3, 1]);
	quiet(dialog.page);
	await dialog.close();
});

test('who cancels leaves nothing behind', async () => {
	const dialog = await Dialog.open({ network: WAN + WG0 });
	const before = [await lab.network(), JSON.stringify(await sections(dialog.page, 'firewall'))];
	await dialog.press('Cancel');
	await dialog.node.waitFor({ state: 'hidden' });
	await dialog.page.locator('.wgn-head .wgn-add').click();
	await dialog.input('name').fill('Telephone');
	await dialog.review();
	await dialog.press('Cancel');
	await dialog.node.waitFor({ state: 'hidden' });
	assert.deepEqual(await staged(dialog.page), {});
	assert.deepEqual([await lab.network(), JSON.stringify(await sections(dialog.page, 'firewall'))], before);
	quiet(dialog.page);
	await dialog.close();
});

test('what is wrong is said at the field, and nothing goes on', async () => {
	const dialog = await Dialog.open({ network: `${WAN}${WG0}\nconfig wireguard_wg0\n\toption description 'Laptop'\n\toption public_key '${PEER}'\n\tlist allowed_ips '10.0.0.2/32'\n` });
	await dialog.press('Continue');
	assert.match(await dialog.wrong('name'), /Give the device a name/);
	await dialog.input('name').fill('LAPTOP');
	await dialog.input('endpoint').fill('not a name');
	await dialog.press('Continue');
	assert.match(await dialog.wrong('name'), /wg0 has a device of this name already/);
	assert.match(await dialog.wrong('endpoint'), /A name or an address is right here/);
	assert.equal(await dialog.chosen('endpoint'), 'typed');
	await dialog.input('name').fill('Telephone');
	await dialog.input('endpoint').fill('home.example.org:40000');
	await dialog.unfold();
	await dialog.input('devices').fill('10.0.0.2');
	await dialog.unfold();
	await dialog.press('Continue');
	// It stands in what was folded, and unfolds.
	assert.match(await dialog.wrong('devices'), /10\.0\.0\.2 is the address of Laptop/);
	await picture(dialog.page, 'add-device-wrong');
	await dialog.input('devices').fill('10.0.0.9');
	await dialog.input('dns').fill('');
	await dialog.review();
	const config = await dialog.apply();
	assert.match(config, /Address = 10\.0\.0\.9\/32\n\n/);
	assert.match(config, /Endpoint = home\.example\.org:40000/);
	quiet(dialog.page);
	await dialog.close();
});

test('without an uplink, and with a private address, the way in is explained', async () => {
	const down = await Dialog.open({ network: `\nconfig interface 'wan'\n\toption proto 'none'\n${WG0}` });
	await lab.world('POST', 'config?name=system', 'config system\n\toption hostname \'OpenWrt\'\n');
	await down.page.reload();
	await down.page.locator('.wgn-head .wgn-add').click();
	await down.field('endpoint').getByText('The router has no uplink at the moment').waitFor();
	assert.equal(await down.chosen('endpoint'), 'typed');
	await down.input('name').fill('Telephone');
	await down.press('Continue');
	assert.match(await down.wrong('endpoint'), /has to know where to call/);
	await picture(down.page, 'add-device-no-wan');
	quiet(down.page);
	await down.close();

	const inner = await Dialog.open({ network: `\nconfig interface 'wan'\n\tlist ipaddr '192.168.178.2/24'\n\toption gateway '192.168.178.1'\n${WG0}`.replace('list ipaddr', 'option ipaddr') });
	await shows(inner.field('endpoint'), /behind another router\. There, forward UDP port 51820 to 192\.168\.178\.2/);
	await inner.input('name').fill('Telephone');
	await inner.choose('endpoint', '192.168.178.2');
	assert.match(await inner.review(), /192\.168\.178\.2 is a private address/);
	quiet(inner.page);
	await inner.close();

	const named = await Dialog.open({ network: WAN + WG0, ddns: 'config service\n\toption enabled \'1\'\n\toption lookup_host \'home.dyn.example.net\'\n' });
	assert.equal(await named.chosen('endpoint'), 'home.dyn.example.net');
	await shows(named.field('endpoint'), /the router's name by dynamic DNS/);
	await lab.world('POST', 'config?name=system', 'config system\n\toption hostname \'router.example.org\'\n');
	quiet(named.page);
	await named.close();
});

// As many as need more than one answer of the backend.
test('the next free address is found behind hundreds of peers', async () => {
	let peers = '';
	for (let n = 0; n < 700; n++) {
		const key = Buffer.alloc(32);
		key.writeUInt32BE(n + 1, 20);
		peers += peer('wg0', key.toString('base64'), [`list allowed_ips '10.0.${(n + 2) >> 8}.${(n + 2) & 255}/32'`]);
	}
	const dialog = await Dialog.open({ network: WAN + WG0.replace('10.0.0.1/24', '10.0.0.1/16') + peers });
	await dialog.unfold();
	assert.equal(await dialog.input('devices').inputValue(), '10.0.2.190/32, fd00::2/128');
	await dialog.input('devices').fill('10.0.2.189');
	await dialog.input('name').fill('Telephone');
	await dialog.press('Continue');
	assert.match(await dialog.wrong('devices'), /10\.0\.2\.189 is the address of/);
	quiet(dialog.page);
	await dialog.close();
});

test('changes that wait to be applied are not mixed with this one', async () => {
	await configure(lab, WAN + WG0);
	const page = await lab.open(PAGE);
	await page.locator('.wgn-head .wgn-add').waitFor();
	await lab.call(page, 'uci', 'set', { config: 'firewall', section: (await sections(page, 'firewall', 'zone'))[0]['.name'], values: { x: '1' } });
	await page.locator('.wgn-head .wgn-add').click();
	await page.getByText('You have changed firewall before').waitFor();
	await lab.call(page, 'uci', 'revert', { config: 'firewall' });
	quiet(page);
	await page.close();
});

test('a change that the router refuses leaves nothing staged', async () => {
	const dialog = await Dialog.open({ network: WAN + WG0 });
	await dialog.input('name').fill('Telephone');
	await dialog.review();
	await dialog.page.route('**/ubus/**', (route) => {
		if (!(route.request().postData() ?? '').includes('"type":"rule"')) return route.fallback();
		const calls = [].concat(JSON.parse(route.request().postData()));
		const refused = calls.map(({ id }) => ({ jsonrpc: '2.0', id, result: [6] }));
		return route.fulfill({ json: refused.length > 1 ? refused : refused[0] });
	});
	await dialog.press('Save & Apply');
	await dialog.node.locator('.alert-message.danger').waitFor();
	assert.deepEqual(await staged(dialog.page), {});
	assert.doesNotMatch(await lab.network(), /Telephone/);
	// Where the cause is gone, the same page goes on.
	await dialog.page.unroute('**/ubus/**');
	await dialog.apply();
	assert.match(await lab.network(), /option description 'Telephone'/);
	await dialog.close();
});

test('without the daemon a device is added, and what is left to do is said', async () => {
	await lab.world('POST', 'daemon?run=0');
	try {
		await lab.world('POST', 'config?name=firewall', FIREWALL);
		await lab.configure(WAN + WG0);
		const dialog = new Dialog(await lab.open(PAGE));
		await dialog.page.locator('.wgn-card').waitFor();
		await dialog.page.locator('.wgn-head .wgn-add').click();
		await dialog.input('name').fill('Telephone');
		assert.match(await dialog.review(), /The daemon is not running, so nothing takes the change over/);
		await dialog.apply();
		await dialog.monitor().getByText('Saved, but not in effect yet').waitFor();
		await dialog.monitor().getByText('wg0 does not know Telephone yet.').waitFor();
		assert.match(await lab.network(), /option description 'Telephone'/);
		await picture(dialog.page, 'add-device-no-daemon');
		quiet(dialog.page);
		await dialog.close();
	} finally {
		await lab.world('POST', 'daemon?run=1');
	}
});

test('names are text', async () => {
	const evil = '<img src=x onerror=window.hacked=1>';
	const dialog = await Dialog.open({
		network: `${WAN}${WG0}\nconfig wireguard_wg0\n\toption description '${evil}1'\n\toption public_key '${PEER}'\n\tlist allowed_ips '10.0.0.2/32'\n`,
		ddns: `config service\n\toption enabled '1'\n\toption lookup_host '${evil}'\n`,
		firewall: `${FIREWALL}\nconfig rule\n\toption name '${evil}'\n\toption src 'wan'\n\toption proto 'udp'\n\toption dest_port '51820'\n\toption target 'ACCEPT'\n`,
	});
	await dialog.input('name').fill(evil);
	assert.ok((await dialog.review()).includes(`The rule “${evil}” lets`));
	const config = await dialog.apply();
	assert.ok(!config.includes('<img'));
	await dialog.monitor().getByText(`Waiting for ${evil} to call…`).waitFor();
	assert.equal((await sections(dialog.page, 'network', 'wireguard_wg0'))[1].description, evil);
	assert.equal(await dialog.page.evaluate(() => window.hacked), undefined);
	assert.equal(await dialog.page.locator('img[src="x"]').count(), 0);
	quiet(dialog.page);
	await dialog.close();
});

test('who may only read is not offered to add one', async () => {
	await configure(lab, WAN + WG0);
	const page = await lab.open(PAGE, { user: 'reader' });
	await page.locator('.wgn-card').first().waitFor();
	assert.equal(await page.getByText('Add a device').count(), 0);
	await page.close();
});

test('in German', async () => {
	const dialog = await Dialog.open({ network: WAN + WG0, lang: 'de' });
	const text = await dialog.node.innerText();
	for (const said of ['Gerät hinzufügen', 'Was darf es erreichen?', 'Nur diesen Router']) assert.ok(text.includes(said), text);
	await picture(dialog.page, 'add-device-german');
	quiet(dialog.page);
	await dialog.close();
});

test('light, dark and narrow', async () => {
	for (const [name, options] of [['light', {}], ['dark', { dark: true }], ['narrow', { width: 390, height: 800 }], ['narrow-dark', { width: 390, height: 800, dark: true }]]) {
		const dialog = await Dialog.open({ network: WAN + WG0, ...options });
		await dialog.input('name').fill('Telephone');
		await picture(dialog.page, `add-device-1-${name}`);
		await dialog.review();
		await picture(dialog.page, `add-device-2-${name}`);
		await dialog.apply();
		await picture(dialog.page, `add-device-3-${name}`);
		const over = await dialog.node.evaluate((modal) => modal.scrollWidth - modal.clientWidth);
		assert.ok(over <= 1, `${name}: ${over} px stand over`);
		quiet(dialog.page);
		await dialog.close();
	}
});
