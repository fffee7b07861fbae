import assert from 'node:assert/strict';
import test from 'node:test';
import { loader } from '../load.mjs';

const load = loader();
const format = load('wgnetifd.format');
const state = load('wgnetifd.state');
const words = (text) => text.replaceAll('\u00a0', ' ');

test('amounts and rates', () => {
	for (const [n, want] of [[0, '0 B'], [999, '999 B'], [1000, '0.98 KiB'], [1024, '1.00 KiB'], [12345, '12.1 KiB'], [1 << 20, '1.00 MiB'],
		[123 * 1024 * 1024, '123 MiB'], [5e12, '4.55 TiB'], ['2048', '2.00 KiB'], [-1, '–'], [NaN, '–'], [undefined, '–']])
		assert.equal(words(format.bytes(n)), want, n);
	assert.equal(words(format.rate(2048)), '2.00 KiB/s');
	for (const n of [null, undefined, -1]) assert.equal(format.rate(n), '–');
});

test('spans and ages', () => {
	for (const [n, want] of [[0, '0 s'], [59, '59 s'], [60, '1 min'], [125, '2 min 5 s'], [3600, '1 h'], [3725, '1 h 2 min'], [86400, '1 d'], [90000, '1 d 1 h'], [8640000, '100 d']])
		assert.equal(format.span(n), want);
	assert.equal(format.age(5), '5 s ago');
	for (const n of [null, undefined, -1]) assert.equal(format.age(n), 'never');
});

test('names of files that WireGuard takes', () => {
	for (const [text, want] of [['laptop', 'laptop'], ['Jörgs Läptop!', 'Jorgs-Laptop'], ['../../etc/passwd', 'etc-passwd'], ['', 'wireguard'], ['🦊', 'wireguard'],
		['a name that is much too long', 'a-name-that-is']])
		assert.equal(format.fileName(text), want);
	assert.equal(format.key('WrkAZlQ3tkfcvGlBVOs4EPjCGdTSMSYV9Ig0yOwqZlc='), 'WrkAZ…wqZlc=');
});

test('every state has a word and a colour', () => {
	for (const s of ['disabled', 'invalid', 'down', 'unresolved', 'waiting', 'connecting', 'connected', 'idle', 'stale']) {
		assert.ok(state.PEERS.includes(s));
		assert.notEqual(state.peer(s).word, undefined);
	}
	for (const s of ['up', 'down', 'disabled', 'pending', 'failed']) assert.ok(state.iface(s).word);
	assert.equal(state.peer('toString').word, 'toString');
	assert.equal(state.reason('constructor'), '');
	assert.match(state.reason('no-answer'), /does not answer/);
});
