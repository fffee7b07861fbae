import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { PSK, quiet } from './form.mjs';
import { screenshot, start, shows } from './harness.mjs';
import { ALL, EVIL, HOUSE, PRIVATE, Status, calm, configure, contrast, home, keys, pair, patch, peer, traffic } from './status.mjs';

let lab;

before(async () => { lab = await start(); });
after(() => lab?.stop());
afterEach(async () => {
	await Promise.all(lab.browser.pages().slice(1).map((page) => page.close()));
	await lab.browser.unrouteAll({ behavior: 'ignoreErrors' });
});

test('the summary comes first: state, address, port, peers connected of all, traffic now', async () => {
	const status = await home(lab);
	// Rates are known when the device was read twice.
	for (const want of [/^wg0\n/, /\bup\b/, /10\.9\.0\.1\/24/, /fd09::1\/64/, /UDP port 51820/, /1 of 6 connected/, /↓.*B\/s/, /↑.*B\/s/]) await shows(status.card('wg0'), want);
	await shows(status.card('wg1'), /disabled\nSwitched off in the configuration/);
	await shows(status.card('wg2'), /failed[^]*network\.wg2\.private_key/);
	await status.card('wg2').getByText('1 problem').click();
	await shows(status.page.locator('#modal_overlay'), /network\.wg2\.private_key: a key is 44 characters/);
	await status.press('Close');
	const order = await status.page.evaluate(() => document.querySelector('.wgn-cards').compareDocumentPosition(document.querySelector('.wgn-peers')));
	assert.equal(order & 4, 4, 'interfaces stand before peers');
	quiet(status.page, ...PRIVATE);
});

test('peers: state as a word and a colour, with the reason and what to do; disabled and invalid ones too', async () => {
	await patch(lab.browser, 'history', traffic);
	const status = await home(lab);
	await status.until('Holiday home', 'unresolved');
	for (const [name, word, sentence] of [['Laptop', 'connected', /^$/], ['Office', 'connecting', /does not answer\. Is it switched on, are address and port right/], ['img src', 'disabled', /Switched off/],
		['Camera', 'left out', /public_key: .*a key is 44 characters/], ['Holiday', 'name not resolved', /Check its spelling and the router's DNS/], ['Tablet', 'waiting', /has not called yet/]]) {
		const row = status.row(name);
		await shows(row.locator('.wgn-state'), new RegExp(`^${word}$`));
		await shows(row.locator('.wgn-sentence'), sentence);
	}
	const colours = await status.page.locator('.wgn-row .wgn-state').evaluateAll((all) => all.map((n) => getComputedStyle(n).color));
	assert.ok(new Set(colours).size >= 4, colours.join(' '));
	const laptop = status.row('Laptop');
	assert.match(await status.cell(laptop, 'Endpoint'), /^192\.0\.2\.2:\d+/);
	assert.match(await status.cell(laptop, 'Last handshake'), /^\d+ s ago|^1 min/);
	await shows(laptop.locator('[data-title="Traffic"]'), /↓.*B\/s\n↑.*B\/s[^]*in, [^]*out/);
	assert.match(await status.cell(laptop, 'Allowed IPs'), /10\.9\.0\.2\/32\nfd09::2\/128/);
	assert.match(await status.cell(status.row('Office'), 'Allowed IPs'), /\+ 1 more/);
	await laptop.locator('svg.wgn-spark').waitFor();
	await status.page.locator('.wgn-summary-chart .wgn-rx-line').waitFor();
	await screenshot(status.page, 'status');
	quiet(status.page, ...PRIVATE);
});

test('text of the configuration is text', async () => {
	const status = await home(lab);
	assert.equal((await status.names())[2], EVIL);
	await status.unfold('img src');
	assert.ok((await status.page.locator('.wgn-details').innerText()).includes(EVIL));
	// LuCI takes a dialog's title for HTML.
	await status.row('img src').locator('button:has-text("Edit")').click();
	await status.page.locator('#modal_overlay .cbi-value[data-name="description"]').waitFor();
	assert.ok((await status.page.locator('#modal_overlay h4').first().innerText()).includes(EVIL));
	await status.press('Dismiss');
	await status.press('QR code and file');
	await status.page.locator('.wgn-config').waitFor();
	await status.press('Close');
	await status.page.locator('.wgn-tools input').fill(EVIL);
	await status.page.waitForFunction(() => document.querySelectorAll('.wgn-row').length === 1);
	assert.equal(await status.page.locator('img[src="x"]').count(), 0);
	assert.doesNotMatch(await status.page.title(), /666/);
	quiet(status.page);
});

test('the age of a handshake is by the router\'s clock', async () => {
	const status = await home(lab);
	await status.page.evaluate(() => {
		const now = Date.now.bind(Date);
		Date.now = () => now() + 3e11;
	});
	await status.page.waitForTimeout(3000);
	assert.match(await status.cell(status.row('Laptop'), 'Last handshake'), /^\d+ s ago$|^[123] min/);
});

test('details unfold: all fields, candidates of the endpoint, what the configuration says', async () => {
	const status = await home(lab);
	await patch(status.page, 'history', traffic);
	const details = await status.unfold('Office');
	await details.getByText('backup.example.invalid:51821').first().waitFor();
	const text = await details.innerText();
	for (const want of [keys.office.pub, 'No handshake so far', 'network.@wireguard_wg0[1]', '192.0.2.77:51821', 'backup.example.invalid:51821', 'every 25 s', '2001:db8:20::/48', 'Back to the first endpoint after', 'Endpoints in the order of use'])
		assert.ok(text.includes(want), `${want}: ${text}`);
	assert.match(text, /Preshared key\s+yes/);
	assert.ok(!(await status.page.content()).includes(PSK));
	await screenshot(status.page, 'status-details');
	// It stays open, and what is selected in it, while the page goes on.
	await status.page.evaluate(() => { window.kept = document.querySelector('.wgn-details'); });
	await status.page.waitForTimeout(2500);
	assert.equal(await status.page.evaluate(() => window.kept === document.querySelector('.wgn-details')), true);
	await status.row('Office').locator('.wgn-unfold').click();
	await status.page.locator('.wgn-details').waitFor({ state: 'detached' });
	await status.unfold('Camera');
	await shows(status.page.locator('.wgn-details'), /left out|which does not have this peer/);
	quiet(status.page, ...PRIVATE);
});

test('what moves in the details moves in its place, and the rest stays', async () => {
	const status = await home(lab);
	const details = await status.unfold('Laptop');
	const received = details.locator('.wgn-facts > div', { hasText: 'Received' }).locator('dd > span');
	await received.waitFor();
	const before = await received.getAttribute('title');
	await status.page.evaluate(() => {
		const lists = document.querySelectorAll('.wgn-details .wgn-scroll');
		lists[0].style.maxHeight = '1em';
		lists[0].scrollTop = 8;
		window.list = lists[0];
		window.getSelection().selectAllChildren(document.querySelector('.wgn-details code'));
	});
	assert.equal((await lab.world('GET', 'ping?to=10.9.0.1')).ok, true);
	await status.page.waitForFunction((old) => [...document.querySelectorAll('.wgn-details dd > span[title]')].some((node) => / B$/.test(node.title) && node.title !== old), before);
	assert.deepEqual(await status.page.evaluate(() => [document.body.contains(window.list), window.list.scrollTop > 0, String(window.getSelection()).length]), [true, true, 44]);
	quiet(status.page, ...PRIVATE);
});

test('the picture of an interface that is down comes when it is up', async () => {
	let up = false;
	await patch(lab.browser, 'peers', ([status, answer]) => [status, { ...answer, interfaces: answer.interfaces.map((i) => (i.name === 'wg0' ? { ...i, up } : i)) }]);
	await configure(lab, ALL);
	const status = await Status.open(lab, { hash: '#interface=wg0' });
	await status.card('wg0').waitFor();
	assert.equal(await status.page.locator('.wgn-summary-chart svg').count(), 0);
	up = true;
	await status.page.locator('.wgn-summary-chart svg').waitFor();
	quiet(status.page, ...PRIVATE);
});

test('pictures: a sparkline per peer, a chart with axes and units, for the interface and for the peer', async () => {
	await patch(lab.browser, 'history', traffic);
	const status = await home(lab);
	const spark = status.row('Laptop').locator('svg.wgn-spark');
	await spark.waitFor();
	assert.match(await spark.getAttribute('aria-label'), /^Received [\d.]+.KiB\/s on average, at most/);
	assert.equal(await status.row('Tablet').locator('svg').count(), 0, 'nothing moved, no picture');
	const chart = status.page.locator('.wgn-summary-chart');
	await chart.locator('.wgn-rx-line').waitFor();
	assert.equal(await chart.locator('[aria-pressed="true"]').innerText(), '1 hour', 'where there is an hour');
	await chart.getByText('2 minutes').click();
	await chart.getByText('−30 s', { exact: true }).waitFor();
	const labels = () => chart.locator('svg text').allInnerTexts();
	const texts = (await chart.locator('svg text').evaluateAll((all) => all.map((t) => t.textContent.replaceAll('\u00a0', ' '))));
	for (const want of ['0 B/s', '200 KiB/s', '800 KiB/s', '−1 min', '−30 s', 'now']) assert.ok(texts.includes(want), `${want}: ${texts}`);
	assert.equal(new Set(texts).size, texts.length, texts.join(' '));
	assert.ok((await labels()).length > 5);
	await chart.locator('svg').hover({ position: { x: 300, y: 60 } });
	await shows(chart.locator('.wgn-chart-at'), /s ago: ↓ .*\/s ↑ .*\/s/);
	await chart.locator('svg').press('ArrowLeft');
	await shows(chart.locator('.wgn-chart-at'), /ago: ↓/);
	const asked = await status.asked('history', async () => {
		await chart.getByText('24 hours').click();
		await chart.getByText('−6 h', { exact: true }).waitFor();
	});
	assert.ok(asked.some((a) => a.interface === 'wg0' && a.step === 'minute' && !a.public_key));
	const own = await status.asked('history', async () => {
		await status.unfold('Laptop');
		await status.page.locator('.wgn-details .wgn-rx-line').waitFor();
	});
	assert.ok(own.some((a) => a.public_key === keys.laptop.pub));
	quiet(status.page, ...PRIVATE);
});

test('search, filter by state, sort, one interface; the address keeps it', async () => {
	const config = ALL.replace('option disabled \'1\'\n\tlist addresses \'10.10', 'list addresses \'10.10') + peer('wg1', pair().pub, ['option description \'Zebra\'']);
	const status = await home(lab, { config });
	const names = async (want) => {
		await status.page.waitForFunction((w) => JSON.stringify([...document.querySelectorAll('.wgn-unfold')].map((n) => n.textContent)) === w, JSON.stringify(want));
	};
	const search = status.page.locator('.wgn-tools input');
	await search.fill('10.22.');
	await names(['Office in Berlin']);
	await search.fill('nobody is called this');
	await status.page.getByText('No peer is like that.').waitFor();
	await status.page.locator('.wgn-tools').getByText('All peers').click();
	await status.page.waitForFunction(() => document.querySelectorAll('.wgn-row').length === 7);
	assert.equal(await search.inputValue(), '');
	await status.page.locator('.wgn-chip[data-state="disabled"]').click();
	await names([EVIL]);
	await status.page.locator('.wgn-chip[data-state="invalid"]').click();
	await names([EVIL, 'Camera']);
	assert.equal(await status.page.locator('.wgn-chip[data-state="invalid"]').getAttribute('aria-pressed'), 'true');
	const hash = new URL(status.page.url()).hash;
	await status.page.reload();
	await names([EVIL, 'Camera']);
	assert.equal(new URL(status.page.url()).hash, hash);
	await status.page.locator('.wgn-tools').getByText('All peers').click();
	await status.page.locator('th', { hasText: 'Name' }).getByRole('button').click();
	await status.page.waitForFunction(() => document.querySelector('th[aria-sort="ascending"]'));
	const sorted = (await status.names()).map((n) => n.toLowerCase());
	assert.deepEqual(sorted, [...sorted].sort());
	await status.page.locator('th', { hasText: 'Name' }).getByRole('button').click();
	await status.page.waitForFunction(() => document.querySelector('.wgn-unfold').textContent === 'Zebra');
	await status.card('wg1').getByText('Show only its peers').click();
	await names(['Zebra']);
	await status.card('wg1').getByText('Show all peers').click();
	await status.page.waitForFunction(() => document.querySelectorAll('.wgn-row').length === 7);
	calm(status.page);
});

test('polling stops while nobody sees the page', async () => {
	const status = await home(lab);
	const hide = (hidden) => status.page.evaluate((h) => {
		Object.defineProperty(document, 'hidden', { configurable: true, get: () => h });
		Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (h ? 'hidden' : 'visible') });
		document.dispatchEvent(new Event('visibilitychange'));
	}, hidden);
	await hide(true);
	// What was under way ends, and so does what follows from its answers.
	for (let quiet = 0, n = 0; quiet < 15 && n < 600; n++) {
		await status.page.evaluate(() => new Promise((resolve) => { setTimeout(resolve, 100); }));
		quiet = status.page.running.size ? 0 : quiet + 1;
	}
	for (const method of ['peers', 'history', 'peer']) {
		const asked = await status.asked(method, () => status.page.waitForTimeout(2500));
		assert.deepEqual(asked, [], method);
	}
	const first = await status.asked('peers', () => hide(false), 1);
	const next = await status.asked('peers', () => {}, 1);
	assert.ok(first.length > 0 && next.length > 0, 'it goes on');
});

test('light, dark, narrow, German: words stand out, cells say what they are', async () => {
	await patch(lab.browser, 'history', traffic);
	for (const [name, options] of [['light', {}], ['dark', { dark: true }], ['narrow', { width: 380, height: 800 }], ['german', { lang: 'de' }]]) {
		const status = await home(lab, { ...options, config: HOUSE });
		await status.unfold('Office');
		await status.page.locator('.wgn-details .wgn-rx-line').waitFor();
		await screenshot(status.page, `status-${name}`);
		const untitled = await status.page.locator('.wgn-row td:not(.cbi-section-actions)').evaluateAll((all) => all.filter((td) => !td.dataset.title).length);
		assert.equal(untitled, 0);
		const pairs = await status.page.locator('.wgn-row .wgn-state, .wgn-under').filter({ visible: true }).evaluateAll((all) => all.map((n) => {
			let ground = n;
			while (ground && /^(rgba\(.*, 0\)|transparent)$/.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
			return [n.textContent, getComputedStyle(n).color, ground ? getComputedStyle(ground).backgroundColor : 'rgb(255, 255, 255)'];
		}));
		for (const [text, colour, ground] of pairs) assert.ok(contrast(colour, ground) >= 4.5, `${name}: ${text}: ${colour} on ${ground}`);
		if (name === 'narrow') assert.ok(await status.page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing is wider than the screen');
		if (name === 'german') await shows(status.page.locator('.wgn-page'), /Gegenstellen[^]*verbunden/);
		quiet(status.page, ...PRIVATE);
		}
});
