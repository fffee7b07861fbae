import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loader } from '../load.mjs';
import { FILE, OTHER, PEER, PRIV, PSK, PUB, WG0, apply, editing, peerSection, picture, quiet } from './form.mjs';
import { start, shows } from './harness.mjs';

const options = loader()('wgnetifd.options');
let lab;

before(async () => { lab = await start(); });
after(() => lab?.stop());

async function config(pattern, message) {
	const text = await lab.network();
	assert.match(text, pattern, message ?? text);
	return text;
}

test('every option of the schema has a field, with the schema\'s help', async () => {
	const { page, form } = await editing(lab, WG0 + peerSection(PEER, []));
	for (const { name, help } of options.INTERFACE) {
		assert.equal(await form.field(name).count(), 1, name);
		assert.ok((await form.field(name).locator('.cbi-value-description').textContent()).includes(help), name);
	}
	await picture(page, 'interface-general');
	await form.tab('Advanced Settings');
	await picture(page, 'interface-advanced');
	await form.tab('Peers');
	await picture(page, 'interface-peers');
	await form.peer();
	for (const { name, help } of options.PEER) {
		assert.equal(await form.field(name).count(), 1, name);
		if (name !== 'disabled') assert.ok((await form.field(name).locator('.cbi-value-description').textContent()).includes(help), name);
	}
	await picture(page, 'peer-general');
	await form.tab('Advanced Settings');
	await picture(page, 'peer-advanced');
	quiet(page, PRIV);
});

test('a new key pair is made, applied, and nowhere in an address', async () => {
	const { page, form } = await editing(lab, WG0);
	assert.equal(await form.value('public_key'), PUB);
	await form.press('Generate new key pair');
	await page.waitForFunction((old) => document.querySelector('.cbi-value[data-name="public_key"] input').value !== old, PUB);
	const key = await form.value('private_key'), pub = await form.value('public_key');
	assert.match(key, /^[A-Za-z0-9+/]{43}=$/);
	await form.fill('listen_port', '51821');
	await form.save();
	await apply(page);
	await config(new RegExp(`option private_key '${key.replaceAll('+', '\\+')}'`));
	await config(/option listen_port '51821'/);
	assert.equal(await publicKeyOf('wg0', page, pub), pub);
	quiet(page, key, PRIV);
	await page.close();
});

// publicKeyOf asks the backend until the kernel has what was applied.
async function publicKeyOf(name, page, want) {
	for (let n = 0; ; n++) {
		const reply = await lab.call(page, 'luci.wireguard', 'getWgInstances');
		const got = reply.result?.[1]?.[name]?.public_key;
		if (got === want || n > 300) return got;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
}

test('the public key follows the private one while one types', async () => {
	const { page, form } = await editing(lab, WG0.replace(`option private_key '${PRIV}'`, 'option disabled \'1\''));
	assert.equal(await form.value('public_key'), '');
	await form.fill('private_key', 'nonsense');
	assert.match(await form.error('private_key'), /44 characters of base64/);
	await form.fill('private_key', PRIV);
	await page.waitForFunction((want) => document.querySelector('.cbi-value[data-name="public_key"] input').value === want, PUB);
	quiet(page, PRIV);
	await page.close();
});

// openwrt/luci#8806
test('a new peer has the next free addresses, IPv4 and IPv6', async () => {
	const { page, form } = await editing(lab, WG0 + peerSection(PEER, ['list allowed_ips \'10.0.0.2/32\'', 'list allowed_ips \'fd00::2/128\'']));
	await form.tab('Peers');
	await form.press('Add peer');
	await form.field('endpoint_failback').waitFor({ state: 'attached' });
	assert.deepEqual(await form.items('allowed_ips'), ['10.0.0.3/32', 'fd00::3/128']);
	await form.fill('description', 'telephone');
	await form.press('Generate new key pair');
	await form.generated('private_key');
	await form.press('Generate preshared key');
	await form.generated('preshared_key');
	const pub = await form.value('public_key');
	await form.save();
	await form.rows().nth(1).waitFor();
	await shows(form.rows().nth(1), /telephone/);
	await shows(form.rows().nth(1), /PSK/);
	await picture(page, 'interface-peers-two');
	await form.save();
	await apply(page);
	const text = await config(/option description 'telephone'/);
	assert.ok(text.includes(pub));
	assert.match(text, /list allowed_ips '10.0.0.3\/32'\n\tlist allowed_ips 'fd00::3\/128'/);
	quiet(page, pub, PRIV);
	await page.close();
});

test('a peer that was not saved leaves nothing', async () => {
	const { page, form } = await editing(lab, WG0);
	await form.tab('Peers');
	await form.press('Add peer');
	await form.field('endpoint_failback').waitFor({ state: 'attached' });
	await page.locator('#modal_overlay button:text-is("Dismiss"):visible, #modal_overlay button:text-is("Back"):visible').click();
	await form.field('listen_port').waitFor({ state: 'attached' });
	await form.rows().first().waitFor({ state: 'detached' });
	await form.save();
	await apply(page);
	assert.doesNotMatch(await lab.network(), /wireguard_wg0/);
	quiet(page);
	await page.close();
});

test('no peer is added behind a form that is wrong', async () => {
	const { page, form } = await editing(lab, WG0);
	await form.tab('Advanced Settings');
	await form.fill('mtu', 'abc');
	await form.tab('Peers');
	await form.press('Add peer');
	await page.locator('.alert-message.danger').getByText('MTU').waitFor();
	assert.equal(await form.rows().count(), 0);
	await form.tab('Advanced Settings');
	await form.fill('mtu', '1400');
	await form.tab('Peers');
	await form.press('Add peer');
	await form.field('endpoint_failback').waitFor({ state: 'attached' });
	await page.locator('#modal_overlay button:text-is("Dismiss"):visible, #modal_overlay button:text-is("Back"):visible').click();
	await form.field('listen_port').waitFor({ state: 'attached' });
	await form.rows().first().waitFor({ state: 'detached' });
	await form.save();
	await apply(page);
	const text = await config(/option mtu '1400'/);
	assert.doesNotMatch(text, /wireguard_wg0/);
	quiet(page);
	await page.close();
});

test('rows show what a peer has, and are sorted by hand', async () => {
	const { page, form } = await editing(lab, WG0
		+ peerSection(PEER, ['option description \'office\'', `option preshared_key '${PSK}'`, ...[2, 3, 4, 5, 6, 7, 8, 9].map((n) => `list allowed_ips '10.0.0.${n}/32'`),
			'option endpoint_host \'2001:db8::9\'', 'option endpoint_port \'51899\'', 'list endpoint \'vpn.example.org:51820\''])
		+ peerSection(OTHER, ['option description \'phone\'', `option private_key '${PRIV}'`]));
	await form.tab('Peers');
	const [office, phone] = await form.rows().allInnerTexts();
	for (const text of ['office', `${PEER.slice(0, 5)}…${PEER.slice(-6)}`, 'PSK', '10.0.0.7/32', '+ 2 more', '[2001:db8::9]:51899', '+ 1 more']) assert.ok(office.includes(text), `${text} in ${office}`);
	for (const text of ['phone', `${OTHER.slice(0, 5)}…${OTHER.slice(-6)}`, 'QR', 'none', 'calls us']) assert.ok(phone.includes(text), `${text} in ${phone}`);
	assert.ok(!office.includes('QR') && !phone.includes('PSK'));
	assert.equal(await form.rows().first().locator('.ifacebadge').first().getAttribute('data-tooltip'), `Public key: ${PEER}`);
	await form.rows().nth(1).locator('.drag-handle').dragTo(form.rows().first(), { targetPosition: { x: 100, y: 5 } });
	await shows(form.rows().first(), /phone/);
	await form.save();
	await apply(page);
	const text = await lab.network();
	assert.ok(text.indexOf(OTHER) < text.indexOf(PEER), text);
	quiet(page, PSK, PRIV);
	await page.close();
});

test('what netifd has against an interface is said in words', async () => {
	await lab.configure(WG0 + peerSection('nonsense', []));
	const page = await lab.open('admin/network/network');
	await page.getByText('A peer is left out because an option of it is not right').first().waitFor();
	await lab.configure('');
	await page.close();
});

test('the switch in the row disables a peer', async () => {
	const { page, form } = await editing(lab, WG0 + peerSection(PEER, ['list allowed_ips \'10.0.0.2/32\'']) + peerSection(OTHER, ['option disabled \'yes\'', 'list allowed_ips \'10.0.0.3/32\'']));
	await form.tab('Peers');
	const on = (n) => form.rows().nth(n).locator('input[type=checkbox]');
	assert.deepEqual([await on(0).isChecked(), await on(1).isChecked()], [true, false]);
	await on(0).click();
	await on(1).click();
	await form.save();
	await apply(page);
	const text = await lab.network();
	assert.match(text.slice(text.indexOf(PEER)), /^[^\n]*\n(\t[^\n]*\n)*\toption disabled '1'/);
	assert.doesNotMatch(text.slice(text.indexOf(OTHER)), /disabled/);
	quiet(page);
	await page.close();
});

// openwrt/luci#7846
test('what is wrong is said at the field while one types, as the backend says it', async () => {
	const { page, form } = await editing(lab, WG0 + peerSection(PEER, ['option description \'laptop\'', 'list allowed_ips \'10.0.0.2/32\''])
		+ peerSection(OTHER, ['option description \'phone\'', 'list allowed_ips \'10.0.0.3/32\'']));
	await form.tab('Peers');
	await form.peer(1);
	await form.fill('public_key', PUB);
	assert.match(await form.error('public_key'), /interface's own public key/);
	await form.fill('public_key', PEER);
	assert.match(await form.error('public_key'), /the same key as that of the peer laptop/);
	await form.fill('public_key', 'short');
	assert.match(await form.error('public_key'), /44 characters/);
	await form.fill('public_key', OTHER);
	assert.equal(await form.error('public_key') || '', '');
	await form.addItem('allowed_ips', '10.0.0.2');
	assert.match(await form.hint('allowed_ips'), /the peer laptop has the same; it goes to this peer alone/);
	await picture(page, 'peer-overlap');
	await form.addItem('allowed_ips', '192.168.7.9/24');
	assert.match(await form.hint('allowed_ips'), /bits behind its prefix length; used as 192.168.7.0\/24/);
	await form.addItem('allowed_ips', '10.0.0.0/33');
	assert.match(await form.error('allowed_ips'), /prefix length is over 32/);
	await form.addItem('allowed_ips', '');
	assert.equal(await form.hint('allowed_ips'), '');
	await form.fill('endpoint_host', 'vpn.example.org:51820');
	assert.match(await form.error('endpoint_host'), /the port goes into endpoint_port/);
	quiet(page, PEER, OTHER);
	await page.close();
});

test('the two keys of a device belong together', async () => {
	const { page, form } = await editing(lab, WG0 + peerSection(OTHER, []));
	await form.tab('Peers');
	await form.peer();
	await form.fill('private_key', PSK);
	await form.field('private_key').getByText('not the private key that belongs to the public key').waitFor();
	await form.fill('public_key', '');
	await form.fill('private_key', '');
	await form.fill('private_key', PSK);
	const pub = await form.generated('public_key');
	assert.match(pub, /^[A-Za-z0-9+/]{43}=$/);
	assert.equal(await form.hint('private_key'), '');
	quiet(page, PSK);
	await page.close();
});

test('an interface that is deleted takes its peers along', async () => {
	await lab.configure(WG0 + peerSection(OTHER, []));
	const page = await lab.open('admin/network/network');
	await page.locator('.cbi-section-table-row[data-sid="wg0"] button:has-text("Delete")').click();
	await apply(page);
	assert.doesNotMatch(await lab.network(), /wg0/);
	await page.close();
});

test('a configuration file becomes the interface', async () => {
	const { page, form } = await editing(lab, WG0.replace(PRIV, 'generate'));
	await form.press('Load configuration…');
	await form.pane().waitFor();
	const area = form.pane().locator('textarea');
	await area.fill('[Interface]\nAddress = 10.9.0.300\n');
	await shows(form.pane(), /Line 2: Address 10\.9\.0\.300: an IPv4 or IPv6 address/);
	assert.equal(await form.pane().locator('.wgn-import').isDisabled(), true);
	await area.fill(FILE);
	await shows(form.pane(), /Nothing in the file tells|becomes what the file describes/);
	await form.pane().locator('input[value=router]').check();
	await shows(form.pane(), /Not imported: PostUp\./);
	await picture(page, 'import-router');
	await form.pane().locator('.wgn-import').click();
	await form.pane().waitFor({ state: 'detached' });
	await form.save();
	await apply(page);
	const text = await lab.network();
	for (const line of [`option private_key '${PRIV}'`, 'list addresses \'10.9.0.2/24\'', 'list addresses \'fd09::2/64\'', 'list dns \'10.9.0.1\'', 'list dns_search \'corp.example\'',
		'option mtu \'1380\'', 'option fwmark \'0x51\'', 'option ip4table \'1234\'', 'option ip6table \'1234\'', 'option description \'provider\'', `option public_key '${PEER}'`,
		`option preshared_key '${PSK}'`, 'list allowed_ips \'10.9.0.0/24\'', 'list allowed_ips \'fd09::/64\'', 'option route_allowed_ips \'1\'', 'option endpoint_host \'2001:db8::9\'',
		'option endpoint_port \'51822\'', 'option persistent_keepalive \'25\''])
		assert.ok(text.includes(`\t${line}\n`), `${line} in\n${text}`);
	assert.doesNotMatch(text, /secret|PostUp|listen_port/);
	quiet(page, PRIV, PSK);
	await page.close();
});

test('a file that comes again changes what it says, and makes no routes with Table = off', async () => {
	const old = ['option mtu \'1400\'', 'option fwmark \'0x51\'', 'option ip4table \'77\''];
	const { page, form } = await editing(lab, WG0 + old.map((line) => `\t${line}\n`).join('')
		+ peerSection(PEER, ['option description \'office\'', 'option route_allowed_ips \'1\'', 'list allowed_ips \'10.7.0.0/24\'']));
	await form.press('Load configuration…');
	await form.pane().locator('textarea').fill(`[Interface]\nPrivateKey = ${PRIV}\nAddress = 10.9.0.1/24\nTable = off\n[Peer]\nPublicKey = ${PEER}\nAllowedIPs = 0.0.0.0/0\n`);
	await shows(form.pane(), /Table = off: no routes are made/);
	await form.pane().locator('.wgn-import').click();
	await form.pane().waitFor({ state: 'detached' });
	await form.save();
	await apply(page);
	const text = await lab.network();
	for (const line of [...old, 'option listen_port \'51820\'', 'list addresses \'10.9.0.1/24\'', 'option description \'office\'', 'list allowed_ips \'0.0.0.0/0\'', 'option route_allowed_ips \'0\''])
		assert.ok(text.includes(`\t${line}\n`), `${line} in\n${text.replaceAll(PRIV, 'PRIVATE')}`);
	quiet(page, PRIV);
	await page.close();
});

test('a file is chosen or dropped, and whom it describes is asked where nobody can know', async () => {
	const { page, form } = await editing(lab, WG0);
	await form.press('Load configuration…');
	const file = FILE.replace(PRIV, PSK);
	await form.pane().locator('input[type=file]').setInputFiles({ name: 'home.conf', mimeType: 'text/plain', buffer: Buffer.from(file) });
	await form.pane().getByText('Whom does it describe?').waitFor();
	assert.equal(await form.pane().locator('.wgn-import').isDisabled(), true);
	assert.equal(await form.pane().locator('input[name=wgn-side]:checked').count(), 0);
	await form.pane().locator('textarea').fill('');
	const data = await page.evaluateHandle((text) => {
		const transfer = new DataTransfer();
		transfer.items.add(new File([text], 'dropped.conf', { type: 'text/plain' }));
		return transfer;
	}, file.replace(PEER, PUB));
	await form.pane().locator('textarea').dispatchEvent('drop', { dataTransfer: data });
	await form.pane().getByText('has this interface\'s public key').waitFor();
	assert.equal(await form.pane().locator('input[value=peer]').isChecked(), true);
	await picture(page, 'import-peer');
	await form.pane().locator('.wgn-import').click();
	await form.pane().waitFor({ state: 'detached' });
	await form.save();
	await apply(page);
	const text = await lab.network();
	for (const line of ['option description \'dropped\'', `option private_key '${PSK}'`, 'list allowed_ips \'10.9.0.2/32\'', 'list allowed_ips \'fd09::2/128\'',
		'list client_addresses \'10.9.0.2/24\'', 'list client_dns \'10.9.0.1\'', 'list client_dns \'corp.example\'', 'list client_allowed_ips \'10.9.0.0/24\'',
		'option client_endpoint \'[2001:db8::9]:51822\'', 'option client_keepalive \'25\'', `option private_key '${PRIV}'`])
		assert.ok(text.includes(`\t${line}\n`), `${line} in\n${text}`);
	quiet(page, PRIV, PSK);
	await page.close();
});

test('a device that keeps its key to itself becomes a peer, once', async () => {
	const { page, form } = await editing(lab, WG0);
	const row = form.rows().first();
	await form.tab('Peers');
	for (const address of ['10.0.0.8/32', '10.0.0.9/32']) {
		await form.press('Import configuration as peer…');
		await form.pane().locator('textarea').fill(`[Interface]\nAddress = ${address}\n[Peer]\nPublicKey = ${PUB}\nAllowedIPs = 0.0.0.0/0\nEndpoint = vpn.example.org:51820\n`);
		await form.pane().getByText('Public key of the device:').waitFor();
		assert.equal(await form.pane().locator('.wgn-import').isDisabled(), true);
		await form.pane().getByPlaceholder('Public key of the device').fill(OTHER);
		await picture(page, 'import-device');
		await form.pane().locator('.wgn-import').click();
		await form.pane().waitFor({ state: 'detached' });
		await row.getByText(address).waitFor();
		await row.locator('button:has-text("Edit")').click();
		await form.field('endpoint_failback').waitFor({ state: 'attached' });
		await form.fill('description', 'tablet');
		await form.save();
	}
	assert.equal(await form.rows().count(), 1);
	await form.save();
	await apply(page);
	const text = await lab.network();
	for (const line of ['option description \'tablet\'', `option public_key '${OTHER}'`, 'list allowed_ips \'10.0.0.9/32\'', 'list client_addresses \'10.0.0.9/32\'', 'list client_allowed_ips \'0.0.0.0/0\'',
		'option client_endpoint \'vpn.example.org:51820\''])
		assert.ok(text.includes(`\t${line}\n`), `${line} in\n${text}`);
	assert.doesNotMatch(text, /10\.0\.0\.8/);
	quiet(page, PRIV);
	await page.close();
});

test('text from the configuration is text', async () => {
	const evil = '<img src=x onerror=window.hacked=1><script>window.hacked=1</script>';
	const { page, form } = await editing(lab, WG0 + peerSection(PEER, [`option description '${evil}'`, `option endpoint_host '${evil}'`, `list allowed_ips '${evil}'`, `option private_key '${evil}'`,
		`list client_dns '${evil}'`]) + peerSection(OTHER, [`option description '${evil}2'`]));
	await form.tab('Peers');
	assert.ok((await form.rows().first().innerText()).includes(evil));
	await form.peer(1);
	await form.fill('public_key', PEER);
	await form.tab('For the device');
	await form.press('Show configuration and QR code…');
	await form.pane().waitFor();
	await form.pane().locator('.wgn-close').click();
	assert.equal(await page.evaluate(() => window.hacked), undefined);
	assert.equal(await page.locator('img[src="x"]').count(), 0);
	quiet(page);
	await page.close();
});

test('who may only read sees no key, and cannot make or show one', async () => {
	const { page, form } = await editing(lab, WG0 + peerSection(PEER, [`option private_key '${PRIV}'`, `option preshared_key '${PSK}'`]), { user: 'reader' });
	assert.equal(await form.field('private_key').count(), 0);
	assert.equal(await form.button('Generate new key pair').count(), 0);
	await form.tab('Peers');
	const rows = form.rows();
	await rows.first().locator('button').filter({ hasText: /Edit|View/ }).first().click();
	await form.field('endpoint_failback').waitFor({ state: 'attached' });
	for (const name of ['private_key', 'preshared_key', 'client_endpoint']) assert.equal(await form.field(name).count(), 0, name);
	const html = await page.content();
	assert.ok(!html.includes(PRIV) && !html.includes(PSK));
	for (const user of ['reader', 'status']) {
		const other = { session: await (await fetch(`${lab.url}test/login?user=${user}`)).text() };
		for (const [method, args] of [['generateKeyPair', {}], ['generatePsk', {}], ['getPublicAndPrivateKeyFromPrivate', { privkey: PRIV }], ['reload', {}], ['resolve', {}]])
			assert.equal((await lab.call(other, 'luci.wireguard', method, args)).error?.message, 'Access denied', `${user} ${method}`);
		for (const method of ['getWgInstances', 'status', 'peers']) {
			const reply = JSON.stringify(await lab.call(other, 'luci.wireguard', method));
			assert.ok(!reply.includes('Access denied') && !reply.includes(PRIV) && !reply.includes(PSK), `${user} ${method}: ${reply.slice(0, 200)}`);
		}
	}
	const status = { session: await (await fetch(`${lab.url}test/login?user=status`)).text() };
	assert.equal((await lab.call(status, 'uci', 'get', { config: 'network' })).error?.message, 'Access denied');
	await page.close();
});

test('in German, in the dark, and on a telephone', async () => {
	for (const [name, options] of [['german', { lang: 'de' }], ['dark', { dark: true }], ['narrow', { width: 380, height: 800 }]]) {
		const { page, form } = await editing(lab, WG0 + peerSection(PEER, ['option description \'laptop\'', `option preshared_key '${PSK}'`, 'list allowed_ips \'10.0.0.2/32\'', 'option endpoint_host \'vpn.example.org\'']), options);
		if (name === 'german') await shows(form.field('private_key'), /Privater Schlüssel/);
		await picture(page, `interface-general-${name}`);
		await form.tab(name === 'german' ? 'Gegenstellen' : 'Peers');
		await picture(page, `interface-peers-${name}`);
		await form.rows().first().locator('button').filter({ hasText: /Edit|Bearbeiten/ }).click();
		await form.field('endpoint_failback').waitFor({ state: 'attached' });
		await picture(page, `peer-${name}`);
		await form.tab(name === 'german' ? 'Für das Gerät' : 'For the device');
		await form.press(name === 'german' ? 'Konfiguration und QR-Code zeigen…' : 'Show configuration and QR code…');
		await form.pane().waitFor();
		await picture(page, `export-${name}`);
		quiet(page);
		await page.close();
	}
});
