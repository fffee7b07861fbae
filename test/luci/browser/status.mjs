// What a person does on the monitoring page, and routers to look at.
import { generateKeyPairSync } from 'node:crypto';

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
		if (n > 200) throw new Error(`the daemon does not reload: ${JSON.stringify(reply)}`);
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

	// asked calls do, and returns the method's calls that the page made meanwhile.
	async asked(method, action) {
		const out = [];
		const see = (request) => { for (const call of calls(request)) if (call.method === method) out.push(call.args); };
		this.page.on('request', see);
		await action();
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

// patch has what a method answers go through change before the page gets it:
// what this router cannot be, such as one without WireGuard.
export async function patch(page, method, change) {
	await page.route('**/ubus/**', async (route) => {
		const asked = calls(route.request());
		if (!asked.some((call) => call.method === method)) return route.fallback();
		const response = await route.fetch();
		const json = await response.json();
		const all = [].concat(json);
		asked.forEach((call, i) => { if (call.method === method) all[i].result = change(all[i].result, call.args); });
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

