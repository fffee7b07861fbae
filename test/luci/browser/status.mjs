// What a person does on the monitoring page, and routers to look at.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { PSK } from './form.mjs';

export const PAGE = 'admin/status/wireguard';

// pair makes the keys of a peer.
export function pair() {
	const { privateKey, publicKey } = generateKeyPairSync('x25519');
	const base64 = (jwk, field) => Buffer.from(jwk[field], 'base64url').toString('base64');
	return { priv: base64(privateKey.export({ format: 'jwk' }), 'd'), pub: base64(publicKey.export({ format: 'jwk' }), 'x') };
}

// iface and peer write sections of /etc/config/network.
export function iface(name, keys, lines = []) {
	return section(`interface '${name}'`, ['option proto \'wireguard\'', ...(keys ? [`option private_key '${keys.priv}'`] : []), ...lines]);
}

export function peer(name, key, lines = []) {
	return section(`wireguard_${name}`, [`option public_key '${key}'`, ...lines]);
}

function section(head, lines) {
	return `\nconfig ${head}\n${lines.map((line) => `\t${line}\n`).join('')}`;
}

// many writes n peers of an interface; they have no keys of their own: any 32
// bytes are the public key of somebody.
export function many(name, n) {
	let text = '';
	for (let i = 0; i < n; i++) {
		const key = Buffer.alloc(32);
		key.writeUInt32BE(i + 1, 20);
		const at = `10.${64 + (i >> 14)}.${(i >> 6) & 255}.${(i & 63) * 4 + 1}`;
		text += peer(name, key.toString('base64'), [`option description 'Customer ${String(i + 1).padStart(4, '0')}'`, `list allowed_ips '${at}/32'`, ...(i % 3 ? [] : ['option disabled \'1\''])]);
	}
	return text;
}

// configure writes interfaces into the router, and waits until the daemon has
// them, as reload_config on a router tells it.
export async function configure(lab, text) {
	await lab.configure(text);
	const admin = await session(lab);
	for (let n = 0; ; n++) {
		const reply = await lab.call(admin, 'luci.wireguard', 'reload');
		if (reply.result?.[1] && !reply.result[1].error) return;
		if (n > 600) throw new Error(`the daemon does not reload: ${JSON.stringify(reply)}`);
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
}

// session is what lab.call takes, of a user without a page.
export async function session(lab, user = 'admin') {
	return { session: await (await fetch(`${lab.url}test/login?user=${user}`)).text() };
}

// device makes a device on the laptop that keeps a tunnel to wg0 of the router.
export function device(lab, name, own, router, { address = '10.9.0.2/32', port = 51820 } = {}) {
	return lab.world('POST', `client?name=${name}`, `[Interface]
PrivateKey = ${own.priv}
Address = ${address}
[Peer]
PublicKey = ${router.pub}
AllowedIPs = 10.9.0.0/24
Endpoint = 192.0.2.1:${port}
PersistentKeepalive = 5
`);
}

export class Status {
	constructor(page) {
		this.page = page;
	}

	// open opens the page and waits for an answer on it.
	static async open(lab, options = {}) {
		const page = await lab.open(PAGE + (options.hash ?? ''), options);
		await page.locator('.wgn-page').waitFor();
		return new Status(page);
	}

	card(name) { return this.page.locator(`.wgn-card[data-interface="${name}"]`); }

	rows() { return this.page.locator('.wgn-row'); }

	row(name) { return this.rows().filter({ has: this.page.locator('.wgn-unfold', { hasText: name }) }); }

	notice(kind) { return this.page.locator(`[data-notice="${kind}"]`); }

	// until waits until a peer is in a state.
	async until(name, state) { await this.page.locator(`.wgn-row[data-state="${state}"]`).filter({ hasText: name }).waitFor(); }

	// cell is the text of a cell, by the title of its column.
	cell(row, title) { return row.locator(`[data-title="${title}"]`).innerText(); }

	names() { return this.page.locator('.wgn-unfold').allInnerTexts(); }

	async unfold(name) {
		await this.row(name).locator('.wgn-unfold').click();
		await this.page.locator('.wgn-details .wgn-facts').first().waitFor();
		return this.page.locator('.wgn-details');
	}

	place() { return this.page.locator('.wgn-pages > span').innerText(); }

	button(title) { return this.page.locator(`button:text-is("${title}")`).filter({ visible: true }).first(); }

	press(title) { return this.button(title).click(); }

	// asked returns the method's calls that the page makes while action goes on, and
	// then until there are so many.
	async asked(method, action, many = 0) {
		const out = [];
		const see = (request) => { for (const call of calls(request)) if (call.method === method) out.push(call.args); };
		this.page.on('request', see);
		await action();
		for (let n = 0; out.length < many && n < 300; n++) await this.page.waitForTimeout(100);
		this.page.off('request', see);
		return out;
	}
}

// calls are the ubus calls of a request of the page.
export function calls(request) {
	if (!request.url().includes('/ubus')) return [];
	let body = [];
	try { body = [].concat(JSON.parse(request.postData())); } catch { /* not a call */ }
	return body.filter((call) => call?.method === 'call').map(({ params: [, object, method, args] }) => ({ object, method, args }));
}

// refuse has calls of a method fail with a status of ubus, before they reach the router.
export async function refuse(page, method, status) {
	await page.route('**/ubus/**', async (route) => {
		const body = JSON.parse(route.request().postData());
		if (!calls(route.request()).some((call) => call.method === method)) return route.fallback();
		const no = (call) => ({ jsonrpc: '2.0', id: call.id, result: [status] });
		return route.fulfill({ json: Array.isArray(body) ? body.map(no) : no(body) });
	});
}

// patch has what a method answers go through change before the page gets it:
// what this router cannot be, such as one without WireGuard. page: or all pages,
// lab.browser.
export async function patch(page, method, change) {
	await patchAll(page, { [method]: change });
}

// patchAll is patch for several methods; LuCI may ask for them in one request.
export async function patchAll(page, changes) {
	await page.route('**/ubus/**', async (route) => {
		const asked = calls(route.request());
		if (!asked.some((call) => changes[call.method])) return route.fallback();
		const response = await route.fetch();
		const json = await response.json();
		const all = [].concat(json);
		asked.forEach((call, i) => { if (changes[call.method]) all[i].result = changes[call.method](all[i].result, call.args); });
		return route.fulfill({ response, json: Array.isArray(json) ? all : all[0] });
	});
}

// colour is how bright a colour of CSS is (WCAG 2's relative luminance).
export function luminance(colour) {
	const [r, g, b] = /(\d+), (\d+), (\d+)/.exec(colour).slice(1).map((v) => {
		const c = v / 255;
		return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	});
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// contrast is the ratio of two colours (WCAG 2), 1 to 21.
export function contrast(a, b) {
	const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
	return (light + 0.05) / (dark + 0.05);
}

export const EVIL = '<img src=x onerror="document.title=666">';
export const keys = Object.fromEntries(['router', 'second', 'laptop', 'office', 'disabled', 'holiday', 'tablet'].map((name) => [name, pair()]));

// What a household has, well and not: one of each state that needs no waiting.
export const HOUSE = iface('wg0', keys.router, ['option listen_port \'51820\'', 'list addresses \'10.9.0.1/24\'', 'list addresses \'fd09::1/64\''])
	+ peer('wg0', keys.laptop.pub, ['option description \'Laptop\'', `option private_key '${keys.laptop.priv}'`, 'option route_allowed_ips \'1\'', 'list allowed_ips \'10.9.0.2/32\'', 'list allowed_ips \'fd09::2/128\''])
	+ peer('wg0', keys.office.pub, ['option description \'Office in Berlin\'', `option preshared_key '${PSK}'`, 'option endpoint_host \'192.0.2.77\'', 'option endpoint_port \'51821\'', 'option persistent_keepalive \'25\'',
		'list allowed_ips \'10.20.0.0/16\'', 'list allowed_ips \'10.21.0.0/16\'', 'list allowed_ips \'10.22.0.0/16\'', 'list allowed_ips \'2001:db8:20::/48\'', 'list endpoint \'backup.example.invalid:51821\''])
	+ peer('wg0', keys.disabled.pub, [`option description '${EVIL}'`, 'option disabled \'1\'', 'list allowed_ips \'10.9.0.4/32\''])
	+ peer('wg0', 'not a key', ['option description \'Camera\'', 'list allowed_ips \'10.9.0.5/32\''])
	+ peer('wg0', keys.holiday.pub, ['option description \'Holiday home\'', 'option endpoint_host \'home.example.invalid\'', 'list allowed_ips \'192.168.77.0/24\''])
	+ peer('wg0', keys.tablet.pub, ['option description \'Tablet\'', 'list allowed_ips \'10.9.0.7/32\'']);
export const ALL = HOUSE + iface('wg1', keys.second, ['option disabled \'1\'', 'list addresses \'10.10.0.1/24\'']) + iface('wg2', { priv: 'wrong' }, ['list addresses \'10.11.0.1/24\'']);
export const PRIVATE = [keys.router.priv, keys.second.priv, keys.laptop.priv, PSK];

// home makes the household, opens the page and waits for the laptop.
export async function home(lab, options = {}) {
	await configure(lab, options.config ?? ALL);
	await device(lab, 'laptop0', keys.laptop, keys.router);
	const status = await Status.open(lab, options);
	await status.until(options.laptop ?? 'Laptop', 'connected');
	return status;
}

// traffic has the history be one that pictures can be compared with.
export function traffic(answer, { step }) {
	const n = step === 'second' ? 120 : 1440, seconds = step === 'second' ? 1 : 60;
	const wave = (i, by) => Math.round(seconds * 1024 * by * (1.4 + Math.sin(i / 9) + 0.3 * Math.sin(i / 2.3)));
	return [0, { time: 1700000000, step: seconds, start: 1700000000 - n * seconds, rx: Array.from({ length: n }, (_, i) => wave(i, 300)), tx: Array.from({ length: n }, (_, i) => wave(i + 20, 60)) }];
}

// sectionOf is a peer's section of the file.
export async function sectionOf(lab, key) {
	return (await lab.network()).split('\n\n').find((s) => s.includes(`option public_key '${key}'`));
}

// deviceHas says whether the device comes to have a peer, or not to have it.
export async function deviceHas(lab, key, want) {
	const admin = await session(lab);
	for (let n = 0; n < 300; n++) {
		const answer = (await lab.call(admin, 'luci.wireguard', 'peer', { interface: 'wg0', public_key: key })).result?.[1];
		if (answer && Boolean(answer.in_device) === want) return true;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
	return false;
}

// settled waits until no change of the page is under way: one that the page does not
// confirm, because it is gone by then, is taken back by the router half a minute later.
export function settled(page) {
	return page.waitForFunction(() => !document.querySelector('.wgn-row[aria-busy="true"], .modal-overlay-active #modal_overlay .spinning'));
}

// silent waits until no message is on the page. What the page says of a change stays
// there; what says that an answer is late does not.
export function silent(page) {
	return page.locator('.alert-message').filter({ visible: true }).first().waitFor({ state: 'hidden' });
}

// calm fails when the page has shown an error. A request that a page leaves
// behind when it is loaded again is none.
export function calm(page) {
	assert.deepEqual(page.errors.filter((text) => !text.includes('ERR_ABORTED')), []);
}
