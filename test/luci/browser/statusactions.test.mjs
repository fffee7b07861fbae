import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { quiet, scan } from './form.mjs';
import { screenshot, start } from './harness.mjs';
import { HOUSE, PRIVATE, Status, calls, configure, deviceHas, home, keys, pair, refuse, sectionOf, session, settled, silent } from './status.mjs';

let lab;

before(async () => { lab = await start(); });
after(() => lab?.stop());

afterEach(() => Promise.all(lab.browser.pages().slice(1).map((page) => settled(page).finally(() => page.close()))));

const box = (status, name) => status.row(name).locator('input[type=checkbox]');
const staged = async (status) => (await lab.call(status.page, 'uci', 'changes')).result[1].changes;

test('the switch enables and disables a peer at once, in the device and in the file', async () => {
	const status = await home(lab);
	const kept = await deviceHas(lab, keys.tablet.pub, true);
	assert.ok(kept);
	await status.row('Tablet').locator('input[type=checkbox]').click();
	await status.until('Tablet', 'disabled');
	assert.match(await sectionOf(lab, keys.tablet.pub), /option disabled '1'/);
	assert.ok(await deviceHas(lab, keys.tablet.pub, false));
	assert.equal(await status.row('Laptop').getAttribute('data-state'), 'connected', 'nobody else notices');
	await settled(status.page);
	await status.row('Tablet').locator('input[type=checkbox]').click();
	await status.until('Tablet', 'waiting');
	assert.doesNotMatch(await sectionOf(lab, keys.tablet.pub), /disabled/);
	assert.ok(await deviceHas(lab, keys.tablet.pub, true));
	await silent(status.page); // What is wrong with the camera is not said again.
	// LuCI takes a change back that is not confirmed: this one was.
	await settled(status.page);
	assert.deepEqual((await lab.call(status.page, 'uci', 'changes')).result[1].changes, {});
	quiet(status.page, ...PRIVATE);
});

test('changes that wait are named before they go along', async () => {
	const status = await home(lab);
	await lab.call(status.page, 'uci', 'set', { config: 'network', section: 'lan', values: { mtu: '1400' } });
	await box(status, 'Tablet').click();
	await status.page.locator('#modal_overlay').getByText('(network)').waitFor();
	await status.press('Cancel');
	// The page asks the router again, and shows what that says.
	await status.page.waitForFunction(() => !document.querySelector('.wgn-row[aria-busy="true"]') && [...document.querySelectorAll('.wgn-row input')].at(-1).checked);
	assert.equal(await box(status, 'Tablet').isChecked(), true);
	assert.doesNotMatch(await lab.network(), /mtu '1400'/);
});

// rpcd applies nothing while a change waits for its confirmation.
test('two switches, one behind the other, are two changes', async () => {
	const status = await home(lab);
	await box(status, 'Tablet').click();
	await box(status, 'Office').click();
	await status.until('Tablet', 'disabled');
	await status.until('Office', 'disabled');
	assert.match(await sectionOf(lab, keys.office.pub), /option disabled '1'/);
	await settled(status.page);
	await silent(status.page);
	assert.deepEqual(await staged(status), {});
	quiet(status.page, ...PRIVATE);
});

test('a switch waits for what somebody else has not confirmed', async () => {
	const status = await home(lab);
	const other = await session(lab);
	await lab.call(other, 'uci', 'set', { config: 'network', section: 'lan', values: { mtu: '1400' } });
	assert.deepEqual((await lab.call(other, 'uci', 'apply', { timeout: 4, rollback: true })).result[0], 0);
	await box(status, 'Tablet').click();
	await status.until('Tablet', 'disabled');
	const text = await lab.network();
	assert.doesNotMatch(text, /mtu '1400'/, 'it was taken back');
	assert.match(await sectionOf(lab, keys.tablet.pub), /option disabled '1'/);
	quiet(status.page, ...PRIVATE);
});

test('a confirmation whose answer is lost is one', async () => {
	const status = await home(lab);
	let lost = 0;
	await status.page.route('**/ubus/**', async (route) => {
		if (lost || !calls(route.request()).some((call) => call.method === 'confirm')) return route.fallback();
		lost++;
		await route.fetch();
		return route.abort();
	});
	await box(status, 'Tablet').click();
	await status.until('Tablet', 'disabled');
	await settled(status.page);
	assert.equal(lost, 1);
	await silent(status.page);
	assert.match(await sectionOf(lab, keys.tablet.pub), /option disabled '1'/);
});

test('a change that is taken back leaves nothing staged', async () => {
	const status = await home(lab);
	await status.page.route('**/ubus/**', (route) => (calls(route.request()).some((call) => call.method === 'confirm') ? route.abort() : route.fallback()));
	await box(status, 'Tablet').click();
	await status.until('Tablet', 'disabled');
	await status.page.locator('.alert-message.danger').waitFor({ timeout: 120000 });
	assert.match(await status.page.locator('.alert-message.danger').innerText(), /was not reachable after the change/);
	assert.doesNotMatch(await sectionOf(lab, keys.tablet.pub), /disabled/);
	assert.deepEqual(await staged(status), {});
	assert.equal(await status.page.locator('[data-indicator="uci-changes"]').count(), 0);
	// Trying again is a change as any other.
	await status.page.unroute('**/ubus/**');
	await status.until('Tablet', 'waiting');
	await box(status, 'Tablet').click();
	await status.until('Tablet', 'disabled');
	await settled(status.page);
	assert.deepEqual(await staged(status), {});
});

test('a change that the router refuses leaves nothing behind', async () => {
	const status = await home(lab);
	await refuse(status.page, 'apply', 4);
	await status.row('Tablet').locator('input[type=checkbox]').click();
	const said = status.page.locator('.alert-message.danger');
	await said.waitFor();
	assert.match(await said.innerText(), /^RPC call to uci\/apply failed with ubus code 4: Resource not found\s*Dismiss/, 'and no trace behind it');
	await status.page.waitForFunction(() => !document.querySelector('.wgn-row[aria-busy="true"]') && [...document.querySelectorAll('.wgn-row input')].at(-1).checked);
	assert.deepEqual((await lab.call(status.page, 'uci', 'changes')).result[1].changes, {});
	assert.equal(await status.row('Tablet').locator('input[type=checkbox]').isChecked(), true);
});

test('a peer is edited, and only what was changed is', async () => {
	const status = await home(lab);
	const old = await sectionOf(lab, keys.office.pub);
	await status.row('Office').locator('button:has-text("Edit")').click();
	const field = (name) => status.page.locator(`#modal_overlay .cbi-value[data-name="${name}"]`);
	await field('endpoint_failback').waitFor({ state: 'attached' });
	await screenshot(status.page, 'status-edit');
	await field('description').locator('input').fill('Office in Bremen');
	await status.page.locator('#modal_overlay button:text-is("Save & Apply")').click();
	await status.row('Office in Bremen').waitFor();
	assert.equal(await sectionOf(lab, keys.office.pub), old.replace('Berlin', 'Bremen'));
	quiet(status.page, ...PRIVATE);
});

test('a peer without a key can be put right here', async () => {
	const status = await home(lab);
	await status.row('Camera').locator('button:has-text("Edit")').click();
	const input = status.page.locator('#modal_overlay .cbi-value[data-name="public_key"] input').first();
	await input.waitFor();
	const good = pair().pub;
	await input.fill(good);
	await input.blur();
	await status.page.locator('#modal_overlay button:text-is("Save & Apply")').click();
	await status.until('Camera', 'waiting');
	assert.ok(await sectionOf(lab, good));
});

test('the QR code of a device is shown, its keys in no address', async () => {
	const status = await home(lab);
	await status.unfold('Laptop');
	await status.press('QR code and file');
	await status.page.locator('.wgn-qr svg').waitFor();
	const text = await status.page.locator('.wgn-config').inputValue();
	assert.ok(text.includes(keys.laptop.priv) && text.includes(keys.router.pub), text.replaceAll(keys.laptop.priv, 'PRIVATE'));
	assert.match(text, /Endpoint = router\.example\.org:51820/, 'the router\'s own name is proposed');
	assert.equal(await scan(status.page), text);
	await screenshot(status.page, 'status-qr');
	quiet(status.page, ...PRIVATE);
});

test('a port that the kernel has chosen is in the code with a warning', async () => {
	await configure(lab, HOUSE.replace(/\toption listen_port .*\n/, ''));
	const status = await Status.open(lab);
	await status.unfold('Laptop');
	await status.press('QR code and file');
	await status.page.getByText('The interface has no listen port').waitFor();
	const { interfaces: [{ listen_port: port }] } = (await lab.call(status.page, 'luci.wireguard', 'peers')).result[1];
	assert.ok(port > 0);
	assert.match(await status.page.locator('.wgn-config').inputValue(), new RegExp(`Endpoint = router\\.example\\.org:${port}\n`));
	quiet(status.page, ...PRIVATE);
});

test('a name is looked up again', async () => {
	const status = await home(lab);
	await status.unfold('Holiday');
	const asked = await status.asked('resolve', () => status.press('Look the name up again'), 1);
	assert.deepEqual(asked.map((a) => [a.interface, a.public_key]), [['wg0', keys.holiday.pub]]);
	await status.row('Holiday').locator('.wgn-unfold').click();
	await status.unfold('Office');
	assert.equal(await status.page.getByText('Look the name up again').count(), 0, 'an address is no name');
	quiet(status.page, ...PRIVATE);
});
