import assert from 'node:assert/strict';
import test from 'node:test';
import { loader, plain } from '../load.mjs';

const load = loader();
const series = load('wgnetifd.series');
const format = load('wgnetifd.format');

test('bytes of a step become rates; what nobody measured stays unknown', () => {
	const s = series.cut({ step: 60, rx: [60, -1, 120], tx: [0, 600, -1] }, 300);
	assert.deepEqual(plain(s), { step: 60, rx: [null, null, 1, null, 2], tx: [null, null, 0, 10, null] });
	assert.deepEqual(plain(series.cut({ step: 1, rx: [1, 2, 3], tx: [4, 5, 6] }, 2)), { step: 1, rx: [2, 3], tx: [5, 6] });
	assert.equal(series.empty(s), false);
	for (const h of [{ step: 1, rx: [-1], tx: [-1] }, { step: 1 }, {}]) assert.equal(series.empty(series.cut(h, 10)), true);
});

test('a day fits into as many points as there are pixels', () => {
	const rx = Array.from({ length: 1440 }, (_, i) => i);
	const s = series.thin({ step: 60, rx, tx: rx }, 240);
	assert.ok(s.rx.length <= 240 && s.rx.length > 200);
	assert.equal(s.step, 60 * 6);
	assert.equal(s.rx.at(-1), (1434 + 1439) / 2, 'the newest point is the mean of all that it stands for');
	const gaps = series.thin({ step: 1, rx: [null, null, 4, null], tx: [1, 1, 1, 1] }, 2);
	assert.deepEqual(plain(gaps), { step: 2, rx: [null, 4], tx: [1, 1] });
});

test('axes have two to five round steps that hold all values', () => {
	for (const max of [0, 1, 3, 7, 99, 383, 999, 1000, 1500, 4096, 1e5, 2.5e6, 1e9, 123456789012]) {
		const { top, ticks } = series.axis(max);
		assert.ok(top >= max && ticks.at(-1) === top && ticks[0] === 0, `${max}: ${ticks}`);
		assert.ok(ticks.length >= 3 && ticks.length <= 6, `${max}: ${ticks}`);
		const texts = ticks.map((t) => format.tick(t));
		assert.equal(new Set(texts).size, texts.length, texts.join(' '));
	}
	assert.equal(format.tick(4096).replaceAll('\u00a0', ' '), '4 KiB/s');
	assert.equal(format.tick(200).replaceAll('\u00a0', ' '), '200 B/s');
	assert.equal(format.tick(1.5 * 1024 * 1024).replaceAll('\u00a0', ' '), '1.5 MiB/s');
});

test('times have room', () => {
	for (const [span, n] of [[120, 7], [120, 2], [3600, 8], [21600, 5], [86400, 8], [86400, 1]]) {
		const at = series.times(span, n);
		assert.ok(at.length <= n && at.every((t) => t > 0 && t < span), `${span}: ${at}`);
	}
	assert.deepEqual(plain(series.times(120, 4)), [30, 60, 90]);
});

test('lines have gaps, stay inside, and a point alone can be seen', () => {
	const pieces = plain(series.lines([0, 5, null, 20, null, 10], 10, 100, 50));
	assert.deepEqual(pieces, [[[0, 50], [20, 25]], [[60, 0], [70, 0]], [[100, 0], [100, 0]]]);
	assert.equal(series.path([[[0, 50], [20, 25]]]), 'M0 50L20 25');
	assert.equal(series.path([[[0, 50], [20, 25]]], 50), 'M0 50L20 25L20 50L0 50Z');
	assert.doesNotMatch(series.path(series.lines([1, 2], 0, 100, 50)), /NaN/);
});

test('what a picture says in words', () => {
	assert.deepEqual(plain(series.facts({ rx: [null, 2, 4], tx: [null, null, null] })), { rx: { last: 4, mean: 3, most: 4 }, tx: null });
});
