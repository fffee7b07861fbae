// What a device gets from the form: its file and its QR code.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { OTHER, PEER, PRIV, PUB, WG0, apply, editing, peerSection, picture, quiet, scan } from './form.mjs';
import { start, shows } from './harness.mjs';

const SYSTEM = 'config system\n\toption hostname \'router.example.org\'\n';
let lab;

before(async () => { lab = await start(); });
after(() => lab?.stop());

// exported opens the device's file, and returns its text.
async function exported(form) {
	await form.tab('For the device');
	await form.press('Show configuration and QR code…');
	await form.pane().waitFor();
	return form.pane().locator('textarea').inputValue();
}

// openwrt/luci#6050, #7420: addresses, DNS and allowed IPs of the device are
// kept with the peer; the text that is edited is the one that is exported.
test('a device scans the code, and is connected', async () => {
	const { page, form } = await editing(lab, WG0);
	await form.tab('Peers');
	await form.press('Add peer');
	await form.field('endpoint_failback').waitFor({ state: 'attached' });
	await form.fill('description', 'Telephone');
	await form.press('Generate new key pair');
	const key = await form.generated('private_key');
	await form.tab('For the device');
	await form.choose('client_allowed_ips', '10.0.0.0/24');
	await form.choose('client_dns', '10.0.0.1');
	await form.choose('client_dns', 'home.example');
	await picture(page, 'peer-client');
	const text = await exported(form);
	const want = (addresses, endpoint, keepalive) => ['[Interface]', `PrivateKey = ${key}`, `Address = ${addresses}`, 'DNS = 10.0.0.1, home.example', '', '[Peer]', `PublicKey = ${PUB}`,
		'AllowedIPs = 10.0.0.0/24', `Endpoint = ${endpoint}:51820`, ...keepalive, ''].join('\n');
	assert.equal(text, want('10.0.0.2/32, fd00::2/128', 'router.example.org', []));
	assert.equal(await scan(page, text), text);
	await picture(page, 'export');
	// What is edited is what is scanned and saved.
	const edited = text.replace('router.example.org', '192.0.2.1');
	await form.pane().locator('textarea').fill(edited);
	assert.equal(await scan(page, edited), edited);
	const [download] = await Promise.all([page.waitForEvent('download'), form.pane().getByText('Download file').click()]);
	assert.equal(download.suggestedFilename(), 'Telephone.conf');
	assert.equal(readFileSync(await download.path(), 'utf8'), edited);
	await form.pane().locator('.wgn-close').click();
	await form.save();
	await form.save();
	await apply(page);
	await lab.world('POST', 'client?name=wg-phone', edited);
	assert.equal((await lab.world('GET', 'ping?to=10.0.0.1')).ok, true, 'the device gets an answer through the tunnel');
	await lab.world('POST', 'leave?name=wg-phone');
	quiet(page, key, PRIV);
	await page.close();

	const saved = await lab.network();
	for (const line of ['list client_allowed_ips \'10.0.0.0/24\'', 'list client_dns \'10.0.0.1\'', 'list client_dns \'home.example\'', 'option client_endpoint \'router.example.org\'',
		'list allowed_ips \'10.0.0.2/32\'', 'option route_allowed_ips \'1\''])
		assert.ok(saved.includes(`\t${line}\n`), `${line} in\n${saved}`);

	// Another day: the same file, and what is changed here is in it.
	const again = await editing(lab, saved.slice(saved.indexOf('config interface \'wg0\'')));
	await again.form.tab('Peers');
	await again.form.peer();
	assert.equal(await exported(again.form), text);
	await again.form.pane().locator('.wgn-close').click();
	await again.form.addItem('client_addresses', '10.0.0.77/24').then((input) => input.press('Enter'));
	await again.form.fill('client_keepalive', '25');
	assert.equal(await exported(again.form), want('10.0.0.77/24', 'router.example.org', ['PersistentKeepalive = 25']));
	quiet(again.page, key, PRIV);
	await again.page.close();
});

// openwrt/luci#7700: a router that has no host name, and nothing else either.
test('without a host name, a key and an endpoint nothing breaks, and what is missing is said', async () => {
	await lab.world('POST', 'config?name=system', 'config system\n');
	try {
		const { page, form } = await editing(lab, WG0.replace(/.*listen_port.*\n/, '') + peerSection(PEER, []));
		await form.tab('Peers');
		await form.peer();
		const text = await exported(form);
		await shows(form.pane(), /private key is not kept here[^]*no address[^]*Nothing says where the device reaches this router/);
		assert.doesNotMatch(text, /undefined|null|Endpoint|PrivateKey|Address/);
		await form.pane().locator('.wgn-close').click();
		await form.addItem('client_addresses', '10.0.0.300');
		assert.match(await form.error('client_addresses'), /an IPv4 or IPv6 address/);
		await form.addItem('client_addresses', '');
		await form.choose('client_endpoint', '192.0.2.1');
		assert.match(await exported(form), /Endpoint = 192\.0\.2\.1:51820/);
		await shows(form.pane(), /no listen port/);
		await form.pane().locator('.wgn-close').click();
		await form.choose('client_endpoint', '100.64.1.2');
		await exported(form);
		await shows(form.pane(), /100\.64\.1\.2 is shared with other customers/);
		quiet(page);
		await page.close();
	}
	finally {
		await lab.world('POST', 'config?name=system', SYSTEM);
	}
});

test('the name of a dynamic DNS service is proposed first', async () => {
	await lab.world('POST', 'config?name=ddns', 'config service \'mine\'\n\toption enabled \'1\'\n\toption lookup_host \'home.dyn.example\'\n');
	try {
		const { page, form } = await editing(lab, WG0 + peerSection(OTHER, [`option private_key '${PRIV}'`, 'list allowed_ips \'10.0.0.2\'']));
		await form.tab('Peers');
		await form.peer();
		assert.match(await exported(form), /Endpoint = home\.dyn\.example:51820/);
		quiet(page, PRIV);
		await page.close();
	}
	finally {
		await lab.world('POST', 'config?name=ddns', '');
	}
});

test('what is too long for a QR code is said, and can be saved all the same', async () => {
	const { page, form } = await editing(lab, WG0 + peerSection(PEER, [`option private_key '${PRIV}'`, 'list allowed_ips \'10.0.0.2/32\'']));
	await form.tab('Peers');
	await form.peer();
	const text = await exported(form);
	const long = `${text}${'# '.padEnd(80, 'x').concat('\n').repeat(60)}`;
	await form.pane().locator('textarea').fill(long);
	await form.pane().getByText('too long for a QR code').waitFor();
	const [download] = await Promise.all([page.waitForEvent('download'), form.pane().getByText('Download file').click()]);
	assert.equal(download.suggestedFilename(), 'wireguard.conf');
	assert.equal(readFileSync(await download.path(), 'utf8'), long);
	quiet(page, PRIV);
	await page.close();
});
