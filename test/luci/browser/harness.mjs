// What the tests in the browser share: the development server, Chromium, and
// what a person does on LuCI's pages. Everything goes through what is on the
// screen.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { root } from '../load.mjs';

export const real = Boolean(process.env.LUCI_ROOT);
// Pictures of the shim are not in the place of those that are looked at.
const pictures = join(root, 'build/screenshots', process.env.SCREENSHOTS ?? (real ? '' : 'shim'));

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

// How long a step may take on a busy machine, in ms.
export const PATIENCE = 60000;

// shows waits until a text is there: LuCI draws a table anew some time after a dialog
// has closed.
export async function shows(locator, pattern) {
	for (const end = Date.now() + PATIENCE; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
		const text = await locator.innerText();

		if (pattern.test(text)) return;
		if (Date.now() > end) assert.match(text, pattern);
	}
}

// start runs the server; the addresses of the site and of the world are the line that it prints.
export async function start() {
	const child = spawn(join(root, 'bin/luci-serve'), ['-source', root, '-attached'], { stdio: ['pipe', 'pipe', 'inherit'] });
	const [url, worldURL] = await new Promise((resolve, reject) => {
		let text = '';
		child.stdout.on('data', (data) => {
			text += data;
			const found = /^(http:\S+) (http:\S+)$/m.exec(text);
			if (found) resolve(found.slice(1));
		});
		child.on('exit', (code) => reject(new Error(`the server ended: ${code}`)));
	});
	const profile = mkdtempSync(join(tmpdir(), 'wgnetifd-chromium-'));
	const browser = await chromium.launchPersistentContext(profile, {
		executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS, viewport: { width: 1200, height: 900 }, acceptDownloads: true,
		timeout: 2 * PATIENCE,
	});
	browser.setDefaultTimeout(PATIENCE);
	return new Lab(url, worldURL, child, browser, profile);
}

class Lab {
	constructor(url, worldURL, child, browser, profile) {
		Object.assign(this, { url, worldURL, child, browser, profile });
	}

	async stop() {
		await this.browser.close();
		this.child.removeAllListeners('exit');
		const gone = new Promise((resolve) => this.child.on('exit', resolve));
		this.child.kill('SIGTERM');
		await gone;
		// Not all of Chromium's processes end with the first one.
		rmSync(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
	}

	// world asks the hosts behind the server (serve/world.go).
	async world(method, path, body) {
		const response = await fetch(this.worldURL + path, { method, body });
		if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
		return response.json();
	}

	// configure writes interfaces into the router's /etc/config/network.
	configure(text) { return this.world('POST', 'network', text); }

	async network() { return (await this.world('GET', 'network')).text; }

	// open opens a page of LuCI as a user with a session of its own.
	async open(path, { user = 'admin', lang = 'en', dark = false, width = 1200, height = 900 } = {}) {
		await this.browser.clearCookies();
		const session = await (await fetch(`${this.url}test/login?user=${user}`)).text();
		const cookie = (name, value) => ({ name, value, url: this.url });
		await this.browser.addCookies([cookie('sysauth', session), cookie('lang', lang), cookie('dark', String(dark)), cookie('readonly', user === 'admin' ? '0' : '1')]);
		const page = await this.browser.newPage();
		page.session = session;
		page.urls = [];
		page.errors = [];
		page.bodies = [];
		page.running = new Set(); // requests without an answer so far
		page.on('request', (request) => page.running.add(request));
		for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => page.running.delete(request));
		page.on('request', (request) => { page.urls.push(request.url()); page.bodies.push(request.postData() ?? ''); });
		page.on('requestfailed', (request) => page.errors.push(`${request.url()} ${request.postData() ?? ''} ${request.failure().errorText}`));
		page.on('pageerror', (error) => page.errors.push(`${error.message}\n${error.stack}`));
		page.on('console', (message) => { if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) page.errors.push(message.text()); });
		await page.setViewportSize({ width, height });
		await page.addInitScript(() => document.addEventListener('DOMContentLoaded', () => {
			const style = document.createElement('style');
			style.textContent = '*, *::before, *::after { animation: none !important; transition: none !important; }';
			document.head.appendChild(style);
		}));
		await page.goto(`${this.url}cgi-bin/luci/${path}`);
		return page;
	}

	// call calls ubus as the page's user does.
	async call(page, object, method, args = {}) {
		const response = await fetch(`${this.url}ubus/`, {
			method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: [page.session, object, method, args] }),
		});
		return (await response.json());
	}
}

export async function screenshot(page, name) {
	mkdirSync(pictures, { recursive: true });
	await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}
