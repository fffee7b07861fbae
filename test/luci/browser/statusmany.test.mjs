import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { quiet } from './form.mjs';
import { screenshot, start, shows } from './harness.mjs';
import { Status, calls, configure, iface, many, pair, settled } from './status.mjs';

const PEERS = 5000;
const keys = pair();
let lab;

before(async () => {
	lab = await start();
	await configure(lab, iface('wg0', keys, ['option listen_port \'51820\'', 'list addresses \'10.64.0.2/10\'']) + many('wg0', PEERS));
});
after(() => lab?.stop());

test('5,000 peers: one page at a time, 100 rows at most, answers under 100 KB', { timeout: 300000 }, async () => {
	const status = await Status.open(lab);
	const asked = [], sizes = [];
	status.page.on('response', async (response) => {
		const mine = calls(response.request()).filter((call) => call.method === 'peers');
		if (!mine.length) return;
		asked.push(...mine.map((call) => call.args));
		sizes.push((await response.body().catch(() => '')).length);
	});
	const rows = (n) => status.page.waitForFunction((want) => document.querySelectorAll('.wgn-row').length === want, n);
	await rows(25);
	await shows(status.card('wg0'), /0 of 5000 connected/);
	assert.equal(await status.place(), '1 to 25 of 5000');
	await status.page.locator('.wgn-tools select').nth(1).selectOption('100');
	await rows(100);
	assert.equal(await status.place(), '1 to 100 of 5000');
	await screenshot(status.page, 'status-5000');
	await status.button('Next ›').click();
	await status.page.getByText('Customer 0101').waitFor();
	assert.equal(await status.place(), '101 to 200 of 5000');
	await status.button('‹ Back').click();
	await status.page.getByText('Customer 0001').waitFor();
	assert.ok(await status.button('‹ Back').isDisabled());
	await status.page.locator('.wgn-tools input').fill('customer 4999');
	await rows(1);
	assert.deepEqual(await status.names(), ['Customer 4999']);
	await status.page.locator('.wgn-tools').getByText('All peers').click();
	await rows(100);
	await status.page.locator('.wgn-chip[data-state="disabled"]').click();
	await status.page.waitForFunction(() => [...document.querySelectorAll('.wgn-row')].every((row) => row.dataset.state === 'disabled'));
	assert.equal(await status.place(), '1 to 100 of 1667');
	await status.page.locator('.wgn-tools').getByText('All peers').click();
	await status.page.locator('th', { hasText: 'Name' }).getByRole('button').click();
	await status.page.locator('th', { hasText: 'Name' }).getByRole('button').click();
	await status.page.getByText('Customer 5000').waitFor();

	// The last page; and what was on it goes while it is shown.
	for (const args of asked) assert.ok(args.limit <= 100 && args.limit > 0, JSON.stringify(args));
	for (const size of sizes) assert.ok(size < 100 * 1024, `an answer of ${size} bytes`);
	assert.ok(Math.max(...sizes) > 20 * 1024, 'a page of 100 was among them');
	assert.ok(await status.page.evaluate(() => document.querySelectorAll('.wgn-page *').length) < 100 * 60, 'nor are there others that cannot be seen');
	quiet(status.page, keys.priv);

	// A switch asks for its section, not for 5,000.
	const bodies = [];
	status.page.on('response', async (response) => { if (calls(response.request()).some((call) => call.object === 'uci')) bodies.push((await response.body().catch(() => '')).length); });
	await status.row('Customer 5000').locator('input[type=checkbox]').click();
	await status.until('Customer 5000', 'disabled');
	assert.ok(bodies.length >= 4 && bodies.every((size) => size < 4096), bodies.join(' '));
	await settled(status.page);
	await status.page.close();
});

test('peers go while the last page is shown', { timeout: 300000 }, async () => {
	const status = await Status.open(lab, { hash: '#offset=4975' });
	await status.page.getByText('4976 to 5000 of 5000').waitFor();
	await configure(lab, iface('wg0', keys, ['list addresses \'10.64.0.2/10\'']) + many('wg0', 60));
	await status.page.getByText('51 to 60 of 60').waitFor();
	await status.page.waitForFunction(() => document.querySelectorAll('.wgn-row').length === 10);
	quiet(status.page, keys.priv);
	await status.page.close();
});
