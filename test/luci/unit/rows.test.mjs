import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { loader, plain, root } from '../load.mjs';

const load = loader();
const rows = load('wgnetifd.rows');
const state = load('wgnetifd.state');
const words = (text) => text.replaceAll('\u00a0', ' ');

const PEER = {
	interface: 'wg0', name: 'laptop', section: 'laptop', state: 'connected', reason: '', detail: '', public_key: 'WrkAZlQ3tkfcvGlBVOs4EPjCGdTSMSYV9Ig0yOwqZlc=',
	endpoint: '192.0.2.2:51820', endpoint_host: '', endpoint_port: 0, allowed_ips: ['10.0.0.2/32'], allowed_ips_total: 1, latest_handshake: 1700000000, handshake_age: 12,
	transfer_rx: 2048, transfer_tx: 1024, rx_rate: 10, tx_rate: 0, persistent_keepalive: 0, disabled: false,
};
const peer = (values) => rows.peer({ ...PEER, ...values });

// The tables of docs/ubus.md are made from the daemon's own lists.
function documented(heading) {
	const text = readFileSync(join(root, 'docs/ubus.md'), 'utf8');
	const table = text.slice(text.indexOf(heading));
	return [...table.slice(0, table.indexOf('\n\n')).matchAll(/^\| `([\w-]+)` \| (?:`([\w-]+)`|empty) \|/gm)].map(([, s, reason]) => ({ state: s, reason: reason ?? '' }));
}

test('every state that the backend has is a word, a colour, a reason and what to do', () => {
	const all = documented('| `state` of a peer');
	assert.ok(all.length > 20);
	assert.deepEqual([...new Set(all.map((s) => s.state))].sort(), plain(state.PEERS).sort());
	for (const s of all) {
		const r = peer({ ...s, detail: 'the backend says so' });
		assert.notEqual(r.word, s.state === 'stale' ? 'stale' : '', s.state);
		assert.match(r.colour, /^(ok|busy|bad|idle|off)$/);
		if (s.reason || s.state !== 'connected') assert.match(r.sentence, /^[A-Z].*[.?]$|^The backend says so$/, JSON.stringify(s));
	}
	assert.equal(peer({}).sentence, '', 'what is well needs no sentence');
});

test('every state of an interface too', () => {
	for (const s of documented('| `state` of an interface')) {
		const r = rows.iface({ name: 'wg0', ...s, detail: s.state === 'up' ? '' : 'network.wg0.private_key: wrong' });
		assert.match(r.colour, /^(ok|busy|bad|off)$/, s.state);
		assert.equal(r.sentence === '', s.state === 'up', JSON.stringify(s));
	}
});

test('a state that is not known yet is shown as it is', () => {
	for (const s of ['hibernating', '__proto__', 'constructor', '', undefined]) assert.equal(typeof peer({ state: s }).word, 'string');
	assert.equal(peer({ state: 'hibernating' }).word, 'hibernating');
	assert.equal(peer({ state: 'stale', reason: 'constructor', detail: 'x' }).sentence, 'x');
});

test('sentences begin with a capital, names of options do not', () => {
	assert.equal(rows.words('the peer is away'), 'The peer is away');
	assert.equal(rows.words('network.wg0.mtu: too small'), 'network.wg0.mtu: too small');
	assert.equal(rows.words(undefined), '');
});

test('an error is its first line', () => {
	assert.equal(rows.failure(new Error('RPC call failed\n  at a.js:1\n at b.js:2')), 'RPC call failed');
	assert.equal(rows.failure('text'), 'text');
});

test('ages by the router\'s clock: never is not unknown', () => {
	assert.equal(peer({}).handshake, '12 s ago');
	assert.equal(peer({ latest_handshake: 0, handshake_age: -1 }).handshake, 'never');
	assert.match(peer({ handshake_age: -1 }).handshake, /clock was set back/);
});

test('endpoints, and names behind them', () => {
	assert.deepEqual([peer({}).endpoint, peer({}).host], ['192.0.2.2:51820', '']);
	const named = peer({ endpoint_host: 'vpn.example.org', endpoint_port: 51820 });
	assert.deepEqual([named.endpoint, named.host, named.named], ['192.0.2.2:51820', 'vpn.example.org', true]);
	assert.equal(peer({ endpoint: '', endpoint_host: '2001:db8::1', endpoint_port: 51820 }).endpoint, '[2001:db8::1]:51820');
	assert.equal(peer({ endpoint_host: '2001:db8::1' }).named, false);
	assert.equal(peer({ endpoint_host: '192.0.2.2' }).named, false);
	assert.match(peer({ endpoint: '' }).host, /calls/);
});

test('rates only where they are measured, totals where there are any', () => {
	assert.equal(peer({}).flows, true);
	assert.equal(words(peer({}).rx_rate), '10 B/s');
	assert.equal(peer({ rx_rate: undefined, tx_rate: undefined }).flows, false);
	assert.equal(peer({ state: 'idle', rx_rate: 0, tx_rate: 0 }).flows, false);
	assert.equal(peer({ transfer_rx: 0, transfer_tx: 0 }).moved, false);
});

test('three allowed IPs in a row, and how many more', () => {
	const r = peer({ allowed_ips: ['a', 'b', 'c', 'd'], allowed_ips_total: 400 });
	assert.deepEqual([plain(r.ips), r.more], [['a', 'b', 'c'], 397]);
	assert.equal(peer({}).more, 0);
});

test('peers are told from each other, with and without key or section', () => {
	const all = [{}, { public_key: '' }, { section: '' }, { interface: 'wg1' }].map((v) => rows.id({ ...PEER, ...v }));
	assert.equal(new Set(all).size, all.length);
	assert.deepEqual(plain(rows.where({ ...PEER, public_key: '' })), { interface: 'wg0', section: 'laptop' });
	assert.deepEqual(plain(rows.where(PEER)), { interface: 'wg0', public_key: PEER.public_key, section: 'laptop' }, 'two sections may have one key');
	assert.deepEqual(plain(rows.where({ ...PEER, section: '' })), { interface: 'wg0', public_key: PEER.public_key });
});

test('an interface: addresses that matter, peers connected of all', () => {
	const r = rows.iface({ name: 'wg0', state: 'up', up: true, uptime: 61, addresses: ['10.0.0.1/24', 'fe80::1/64', 'fd00::1/64'], listen_port: 51820, peers_total: 3, peers_connected: 1, problems_total: 2 });
	assert.deepEqual(plain(r.addresses), ['10.0.0.1/24', 'fd00::1/64']);
	assert.deepEqual([r.port, r.peers, r.uptime, r.problems], ['51820', '1 of 3 connected', 'up for 1 min 1 s', '2 problems']);
	assert.equal(rows.iface({ name: 'wg0', state: 'down' }).peers, 'no peers');
	assert.equal(rows.problem({ option: 'network.wg0.mtu', value: '50%', text: 'too %s' }), 'network.wg0.mtu = 50%: too %s');
});

test('what stands in the way of everything else', () => {
	const kinds = (answer, handlers) => plain(rows.situation({ interfaces: [{ name: 'wg0', reason: '' }], daemon: true, ...answer }, handlers)).map((s) => s.kind);
	const ours = { wireguard: { no_device: true } };
	assert.deepEqual(kinds({}, ours), []);
	assert.deepEqual(kinds({}, null), [], 'who may not ask netifd is told nothing');
	assert.deepEqual(kinds({}, { static: {} }), ['no-handler']);
	assert.deepEqual(kinds({}, { wireguard: {} }), ['other-handler']);
	assert.deepEqual(kinds({ daemon: false }, ours), ['daemon']);
	assert.deepEqual(kinds({ interfaces: [] }, {}), ['none'], 'nothing is missed where nothing is to come up');
	assert.deepEqual(kinds({ interfaces: [], config_error: 'broken' }, ours), ['config']);
	assert.deepEqual(kinds({ interfaces: [{ name: 'wg0', reason: 'no-wireguard' }], daemon: false }, { static: {} }), ['kernel', 'no-handler', 'daemon']);
});
