import assert from 'node:assert/strict';
import test from 'node:test';
import { loader, plain } from '../load.mjs';

const query = loader()('wgnetifd.query');
const START = query.START;

test('another filter, order or size begins at the first page', () => {
	const third = query.turn(query.turn(START, 1), 1);
	assert.equal(third.offset, 50);
	for (const other of [query.text(third, 'a'), query.iface(third, 'wg0'), query.size(third, 100), query.state(third, 'stale'), query.sort(third, 'name'), query.everything(third)])
		assert.equal(other.offset, 0);
	assert.equal(START.offset, 0, 'a query is never changed');
});

test('at most 100 rows a page', () => {
	assert.ok(Math.max(...query.SIZES) <= 100);
	for (const size of [0, -1, 101, 5000, 'x', NaN, undefined]) assert.equal(query.size(START, size).limit, START.limit, size);
	assert.equal(query.size(START, '100').limit, 100);
	assert.equal(query.read('#limit=5000').limit, START.limit);
});

test('pages go on and back, and not before the first', () => {
	let q = query.size(START, 50);
	q = query.turn(q, 2);
	assert.equal(q.offset, 100);
	assert.equal(query.turn(q, -1).offset, 50);
	assert.equal(query.turn(q, -9).offset, 0);
});

test('a column sorts, and again the other way round', () => {
	const once = query.sort(START, 'rx'), twice = query.sort(once, 'rx');
	assert.deepEqual([once.sort, once.reverse, twice.reverse, query.sort(twice, 'name').reverse], ['rx', false, true, false]);
	assert.equal(query.sort(START, 'constructor'), START);
});

test('states are put on and off', () => {
	const two = query.state(query.state(START, 'stale'), 'invalid');
	assert.deepEqual(plain(query.args(two)), { offset: 0, limit: 25, state: 'stale,invalid' });
	assert.deepEqual(plain(query.state(two, 'stale').states), ['invalid']);
	assert.equal(query.filtered(START), false);
	for (const q of [two, query.text(START, 'x'), query.iface(START, 'wg0')]) assert.equal(query.filtered(q), true);
});

test('arguments are those of the backend, and nothing that is not asked for', () => {
	assert.deepEqual(plain(query.args(START)), { offset: 0, limit: 25 });
	let q = query.iface(query.text(START, ' laptop '), 'wg0');
	q = query.sort(query.sort(q, 'handshake'), 'handshake');
	assert.deepEqual(plain(query.args(q)), { offset: 0, limit: 25, interface: 'wg0', text: 'laptop', sort: 'handshake', reverse: true });
	assert.equal(query.text(START, 'x'.repeat(1000)).text.length, 200);
});

test('a page behind the last one is asked for again', () => {
	const q = query.turn(START, 9);
	assert.equal(query.answered(q, { total: 60 }).offset, 50);
	assert.equal(query.answered(q, { total: 0 }).offset, 0);
	assert.equal(query.answered(q, { total: 226 }), null);
	assert.equal(query.answered(START, { total: 0 }), null);
});

test('where the page is', () => {
	const at = (offset, n, total) => plain(query.place({ ...START, offset }, { peers: Array(n).fill({}), total }));
	assert.deepEqual(at(0, 25, 60), { from: 1, to: 25, total: 60, page: 1, pages: 3, before: false, behind: true });
	assert.deepEqual(at(50, 10, 60), { from: 51, to: 60, total: 60, page: 3, pages: 3, before: true, behind: false });
	assert.deepEqual(at(0, 0, 0), { from: 0, to: 0, total: 0, page: 1, pages: 1, before: false, behind: false });
});

test('an address keeps a query, and takes nothing that it cannot be', () => {
	let q = query.state(query.iface(query.text(query.size(START, 50), 'Köln & <b>'), 'wg0'), 'stale');
	q = query.turn(query.sort(q, 'tx'), 2);
	assert.deepEqual(plain(query.read(`#${query.write(q)}`)), plain(q));
	assert.equal(query.write(START), '');
	for (const hash of ['', '#', '#x', '#offset=-1&limit=7&sort=__proto__&state=<img>,,&text=%E0%A4', '#offset=1e9&sort', '#state=bogus,constructor', null, '#reverse=2'])
		assert.deepEqual(plain(query.read(hash)), plain(START), String(hash));
	assert.equal(query.read('#offset=30').offset, 25, 'pages begin where pages begin');
});
