import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { quiet } from './form.mjs';
import { screenshot, start, shows } from './harness.mjs';
import { PRIVATE, Status, calm, configure, home, keys, patch, patchAll, session } from './status.mjs';

let lab;

before(async () => { lab = await start(); });
after(() => lab?.stop());
afterEach(() => Promise.all(lab.browser.pages().slice(1).map((page) => page.close())));

test('who may only read sees the status, no key, and no button', async () => {
	const status = await home(lab, { user: 'reader' });
	await status.unfold('Laptop');
	for (const gone of ['.wgn-row input', '.wgn-row .cbi-button-edit', '.wgn-add', '.wgn-details .wgn-buttons button']) assert.equal(await status.page.locator(gone).count(), 0, gone);
	const html = await status.page.content();
	for (const key of PRIVATE) assert.ok(!html.includes(key));
	await screenshot(status.page, 'status-reader');
	quiet(status.page, ...PRIVATE);
	for (const user of ['reader', 'status']) {
		const other = await session(lab, user);
		for (const [method, args] of [['peers', {}], ['peer', { interface: 'wg0', public_key: keys.laptop.pub }], ['history', { interface: 'wg0' }], ['status', {}]]) {
			const reply = JSON.stringify(await lab.call(other, 'luci.wireguard', method, args));
			assert.ok(reply.includes('"result":[0,'), `${user} ${method}: ${reply.slice(0, 200)}`);
			for (const key of PRIVATE) assert.ok(!reply.includes(key), `${user} ${method}`);
		}
		for (const [object, method, args] of [['luci.wireguard', 'reload', {}], ['luci.wireguard', 'resolve', {}], ['luci.wireguard', 'generatePsk', {}], ['uci', 'set', { config: 'network', section: 'wg0', values: {} }]])
			assert.equal((await lab.call(other, object, method, args)).error?.message, 'Access denied', `${user} ${object} ${method}`);
	}
});

test('no interface yet: how to make one', async () => {
	await configure(lab, '');
	const status = await Status.open(lab);
	await status.notice('none').waitFor();
	assert.equal(await status.notice('none').getByText('Network → Interfaces').getAttribute('href'), '/cgi-bin/luci/admin/network/network');
	assert.equal(await status.page.locator('.wgn-peers').isVisible(), false);
	await screenshot(status.page, 'status-empty');
	await status.notice('none').locator('button').click();
	await status.page.locator('#modal_overlay .modal').filter({ visible: true }).waitFor();
	const reader = await Status.open(lab, { user: 'reader' });
	await reader.notice('none').waitFor();
	assert.equal(await reader.notice('none').locator('button, a').count(), 0);
	quiet(reader.page);
});

test('the daemon is not running: what that means, and a button that starts it', async () => {
	const status = await home(lab);
	await lab.world('POST', 'daemon?run=0');
	await status.notice('daemon').waitFor();
	assert.equal(await status.row('Office').count(), 1, 'the kernel and the configuration are shown');
	await shows(status.page.locator('.wgn-summary-chart'), /measured by the daemon, which is not running/);
	await screenshot(status.page, 'status-no-daemon');
	const ran = await status.asked('exec', async () => {
		await status.notice('daemon').locator('button').click();
		await lab.world('POST', 'daemon?run=1'); // as the init script does
		await status.notice('daemon').waitFor({ state: 'detached' });
	}, 2);
	assert.deepEqual(ran.map((a) => [a.command, ...a.params]), [['/etc/init.d/wgnetifd', 'enable'], ['/etc/init.d/wgnetifd', 'start']]);
	calm(status.page);
});

test('netifd has not loaded the handler: restart the network, with a warning', async () => {
	const status = await home(lab);
	await patchAll(status.page, {
		get_proto_handlers: ([code, all]) => [code, { ...all, wireguard: undefined }],
		peers: ([code, a]) => [code, { ...a, interfaces: a.interfaces.map((i) => ({ ...i, state: 'failed', reason: 'error', detail: 'NO_DEVICE: put that right, then ifup' })) }],
	});
	await status.page.reload();
	await status.notice('no-handler').waitFor();
	await shows(status.card('wg0'), /failed\nThe network service does not know WireGuard yet\./);
	await screenshot(status.page, 'status-no-handler');
	const ran = await status.asked('exec', async () => {
		await status.notice('no-handler').locator('button').click();
		await status.page.getByText('Every connection through this router drops').waitFor();
		await status.page.locator('#modal_overlay').getByRole('button', { name: 'Restart the network' }).click();
	}, 1);
	assert.deepEqual(ran.map((a) => [a.command, ...a.params]), [['/etc/init.d/network', 'restart']]);
	// When netifd knows it, the notice goes by itself.
	await status.page.unrouteAll({ behavior: 'ignoreErrors' });
	await status.notice('no-handler').waitFor({ state: 'detached' });
	await patch(status.page, 'get_proto_handlers', ([code, all]) => [code, { ...all, wireguard: {} }]);
	await status.page.reload();
	await status.notice('other-handler').waitFor();
	calm(status.page);
});

test('a kernel without WireGuard, a file that cannot be read, and no backend', async () => {
	const status = await home(lab);
	await patch(status.page, 'peers', ([code, a]) => [code, {
		...a, config_error: 'network:3: a quote is not closed', interfaces: a.interfaces.map((i) => ({ ...i, state: 'failed', reason: 'no-wireguard', up: false })),
	}]);
	await status.notice('kernel').waitFor();
	await shows(status.notice('kernel'), /wg0, wg1, wg2 cannot come up[^]*kmod-wireguard/);
	await shows(status.notice('config'), /a quote is not closed/);
	await screenshot(status.page, 'status-no-kernel');
	await status.page.unrouteAll({ behavior: 'ignoreErrors' });
	await status.page.route('**/ubus/**', async (route) => {
		const body = JSON.parse(route.request().postData());
		if (!JSON.stringify(body).includes('luci.wireguard')) return route.fallback();
		const no = (call) => ({ jsonrpc: '2.0', id: call.id, error: { code: -32000, message: 'Object not found' } });
		return route.fulfill({ json: Array.isArray(body) ? body.map(no) : no(body) });
	});
	await status.page.getByText('The router does not answer').waitFor();
	assert.equal(await status.rows().count(), 6, 'what is known stays');
	await status.page.reload();
	await status.notice('backend').waitFor();
	await shows(status.notice('backend'), /service rpcd restart/);
	await status.page.unrouteAll({ behavior: 'ignoreErrors' });
	await status.notice('backend').waitFor({ state: 'detached' });
	await status.until('Laptop', 'connected');
});
