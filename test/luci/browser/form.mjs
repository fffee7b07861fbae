// What a person does in the form of an interface: find it, fill it in, save it.
import assert from 'node:assert/strict';
import jsQR from 'jsqr';
import { screenshot } from './harness.mjs';

export const PRIV = '4CcOGxDDnwEB9cD+Vi7BKQVNH9NYQIF2YMFsF3jLN1E=';
export const PUB = '+GBQC3sf/XtcXC1i28gMtlceSy0CEM5UC/vLdZF9TlA=';
export const PEER = 'WrkAZlQ3tkfcvGlBVOs4EPjCGdTSMSYV9Ig0yOwqZlc=';
export const OTHER = 'GuMMCrW2EXAkjCXyWpnBGgYE5Ks1vEnI/8TLzlk5qGc=';
export const PSK = '7PmjQAcsc8KALnFNDR8nH6yn/GR7qHnQdzK1R0OcmFU=';

export const WG0 = `
config interface 'wg0'
	option proto 'wireguard'
	option private_key '${PRIV}'
	option listen_port '51820'
	list addresses '10.0.0.1/24'
	list addresses 'fd00::1/64'
`;

// A provider's file, with everything that one can have.
export const FILE = ['[Interface]', `PrivateKey = ${PRIV}`, 'Address = 10.9.0.2/24', 'Address = fd09::2/64', 'DNS = 10.9.0.1, corp.example', 'MTU = 1380', 'FwMark = 0x51',
	'Table = 1234', 'PostUp = echo secret', '', '[Peer]', '# Name = provider', `PublicKey = ${PEER}`, `PresharedKey = ${PSK}`, 'AllowedIPs = 10.9.0.0/24',
	'AllowedIPs = fd09::/64', 'Endpoint = [2001:db8::9]:51822', 'PersistentKeepalive = 25', ''].join('\n');

// peerSection is a peer of wg0 with lines of uci.
export const peerSection = (key, lines) => `
config wireguard_wg0
	option public_key '${key}'
${lines.map((line) => `\t${line}\n`).join('')}`;

const MAP = '#modal_overlay .modal .cbi-map:not(.hidden)';

// editing opens the form of wg0 with a configuration.
export async function editing(lab, text, options) {
	await lab.configure(text);
	const page = await lab.open('admin/network/network', options);
	return { page, form: await Form.edit(page, 'wg0') };
}

export class Form {
	constructor(page) {
		this.page = page;
	}

	get map() { return this.page.locator(MAP); }

	// edit opens the dialog of an interface, from the list of interfaces.
	static async edit(page, name) {
		await page.locator(`.cbi-section-table-row[data-sid="${name}"] button:has-text("Edit"), .cbi-section-table-row[data-sid="${name}"] button:has-text("Bearbeiten")`).first().click();
		const form = new Form(page);
		await form.field('listen_port').first().waitFor({ state: 'attached' });
		return form;
	}

	// peer opens the dialog of the nth peer.
	async peer(n = 0) {
		await this.rows().nth(n).locator('button').filter({ hasText: /Edit|View|Bearbeiten/ }).first().click();
		await this.field('endpoint_failback').waitFor({ state: 'attached' });
	}

	// generated waits until a field has a value.
	async generated(name) {
		await this.page.waitForFunction((map) => document.querySelector(`${map[0]} .cbi-value[data-name="${map[1]}"] input`).value !== '', [MAP, name]);
		return this.value(name);
	}

	field(name) { return this.map.locator(`.cbi-value[data-name="${name}"]`); }

	async tab(title) {
		await this.map.locator('.cbi-tabmenu').getByText(title, { exact: true }).first().click();
	}

	input(name) { return this.field(name).locator('input:not([type=hidden])').first(); }

	value(name) { return this.input(name).inputValue(); }

	async fill(name, text) {
		await this.input(name).fill(text);
		await this.input(name).dispatchEvent('keyup');
		await this.input(name).blur();
	}

	// items are the values of a list.
	items(name) {
		return this.field(name).locator('.cbi-dynlist .item').evaluateAll((items) => items.map((i) => i.querySelector('input[type=hidden]').value));
	}

	async addItem(name, text) {
		const input = this.field(name).locator('.add-item input');
		await input.fill(text);
		await input.dispatchEvent('keyup');
		return input;
	}

	// choose types a value into a field or a list that has proposals.
	async choose(name, text) {
		const list = this.field(name).locator('.add-item');
		const place = await list.count() ? list : this.field(name);
		const dropdown = await place.locator('.cbi-dropdown').count();
		if (!dropdown && !await list.count()) return this.fill(name, text);
		if (dropdown) await place.locator('.cbi-dropdown').click();
		const input = place.locator('input:visible').first();
		await input.fill(text);
		await input.press('Enter');
		return this.field(name).locator('.item, li[selected]').getByText(text).first().waitFor();
	}

	// hint is the note below a field, error what keeps it from being saved.
	hint(name) { return this.field(name).locator('.wgn-hint').innerText(); }

	error(name) { return this.field(name).locator('[data-tooltip]').first().getAttribute('data-tooltip', { timeout: 3000 }).catch(() => ''); }

	button(title) { return this.map.locator(`button:has-text("${title}"), input[type=button][value="${title}"]`).filter({ visible: true }).first(); }

	press(title) { return this.button(title).click(); }

	// save presses the dialog's Save, and waits until that dialog is behind.
	async save() {
		const before = await this.page.locator('#modal_overlay .modal h4').innerText();
		await this.page.locator('#modal_overlay .modal button:text-is("Save"):visible').click();
		await this.page.waitForFunction((title) => {
			const open = document.body.classList.contains('modal-overlay-active');
			const head = document.querySelector('#modal_overlay .modal h4');
			return !open || !head || head.innerText !== title;
		}, before);
	}

	rows() { return this.map.locator('.cbi-section-table-row:not(.placeholder)'); }

	pane() { return this.page.locator('.wgn-pane'); }
}

// picture takes the whole dialog: a dialog that is longer than the screen is
// scrolled, and a screen as high as it needs is not.
export async function picture(page, name) {
	const size = page.viewportSize();
	const height = await page.locator('#modal_overlay .modal').evaluate((modal) => modal.scrollHeight + 140);
	await page.setViewportSize({ width: size.width, height: Math.max(size.height, height) });
	await screenshot(page, name);
	await page.setViewportSize(size);
}

// apply is Save & Apply of the page. It waits until the router has it.
export async function apply(page) {
	await page.locator('.cbi-page-actions .cbi-button-apply, .cbi-page-actions .important').filter({ visible: true }).first().click();
	await page.waitForFunction(() => !document.querySelector('.uci_change_indicator, [data-indicator="uci-changes"]')
		&& !document.body.classList.contains('apply-overlay-active'), null, { timeout: 60000 });
}

// scan reads the QR code on the page, as a telephone does; it waits until the
// picture says what is wanted.
export async function scan(page, want) {
	for (let n = 0; ; n++) {
		const text = await scanned(page);
		if (text === want || n > 300) return text;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
}

async function scanned(page) {
	const { size, dots } = await page.locator('.wgn-qr svg').evaluate(async (svg) => {
		const image = new Image();
		const copy = svg.cloneNode(true);
		// Every module is a whole number of pixels.
		const size = svg.viewBox.baseVal.width;
		copy.setAttribute('width', size);
		copy.setAttribute('height', size);
		image.src = `data:image/svg+xml;base64,${btoa(new XMLSerializer().serializeToString(copy))}`;
		await image.decode();
		const canvas = document.createElement('canvas');
		canvas.width = canvas.height = size;
		const context = canvas.getContext('2d');
		context.drawImage(image, 0, 0, size, size);
		const { data } = context.getImageData(0, 0, size, size);
		let dots = '';
		for (let i = 0; i < data.length; i += 4) dots += data[i] < 128 ? '1' : '0';
		return { size, dots };
	});
	const pixels = new Uint8ClampedArray(4 * dots.length).fill(255);
	for (let i = 0; i < dots.length; i++) if (dots[i] === '1') pixels.fill(0, 4 * i, 4 * i + 3);
	const code = jsQR(pixels, size, size);
	assert.ok(code, 'the QR code can be read');
	return code.data;
}

// quiet fails when the page has shown an error, had a key in an address, or had
// rpcd run a command. A request that a page leaves behind when it is loaded again
// is no error.
export function quiet(page, ...keys) {
	assert.deepEqual(page.errors.filter((text) => !text.includes('ERR_ABORTED')), []);
	for (const body of page.bodies) assert.doesNotMatch(body, /"file","exec"/);
	for (const url of page.urls) {
		if (url.startsWith('data:')) continue;
		for (const key of keys) assert.ok(!decodeURIComponent(url).includes(key), `a key is in ${url}`);
	}
}
