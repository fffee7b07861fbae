import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { loader } from '../load.mjs';

const check = loader()('wgnetifd.check');
const checks = JSON.parse(readFileSync(new URL('../testdata/checks.json', import.meta.url), 'utf8'));
const OWN = publicKey('4CcOGxDDnwEB9cD+Vi7BKQVNH9NYQIF2YMFsF3jLN1E=');

function publicKey(priv) {
	const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), Buffer.from(priv, 'base64')]);
	return createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
		.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
}

test('fields say what the backend says (the Go test reads the same table)', () => {
	for (const { section, option, value, level, text } of checks.options) {
		const got = section === 'peer' ? check.peerOption(option, value) : check.interfaceOption(option, value);
		assert.equal(got ? `${got.level}: ${got.text}` : '', level ? `${level}: ${text}` : '', `${section}.${option} ${JSON.stringify(value)}`);
	}
});

for (const { name, peers, want } of checks.peers) {
	test(`between peers: ${name}`, () => {
		const sections = peers.map((p, n) => ({ ...p, section: `@wireguard_wg0[${n}]`, public_key: p.public_key === 'OWN' ? OWN : p.public_key }));
		const got = check.peers(OWN, sections).map((p) => `${p.section}.${p.option} ${p.level}: ${p.text}`);
		const cross = want.filter((w) => ['public_key'].includes(w.option) || w.text.startsWith('network.'));
		assert.deepEqual(Array.from(got).sort(), cross.map((w) => `@wireguard_wg0[${w.peer}].${w.option} ${w.level}: ${w.text}`).sort());
	});
}

test('5,000 peers are checked in linear time', () => {
	const peers = [];
	for (let n = 0; n < 5000; n++)
		peers.push({ section: `p${n}`, public_key: `${String(n).padStart(42, 'A')}A=`, allowed_ips: [`10.${n >> 8}.${n & 255}.2/32`] });
	assert.equal(check.peers(OWN, peers).length, 0);
});

test('endpoints are cut in host and port', () => {
	for (const [value, want] of [
		['vpn.example.org:51820', ['vpn.example.org', '51820']], ['[2001:db8::1]:1', ['2001:db8::1', '1']],
		['192.0.2.1', ['192.0.2.1', '']], ['2001:db8::1', null], ['a:b', null],
	]) {
		const got = check.splitEndpoint(value);
		assert.deepEqual(got && [got.host, got.port], want, value);
	}
});

test('what a device is told is checked too, and leaves the peer out of nothing', () => {
	for (const [option, good, bad] of [
		['client_addresses', '10.0.0.2/24, fd00::2', '10.0.0.300'],
		['client_allowed_ips', '0.0.0.0/0 ::/0', '10.0.0.0/33'],
		['client_dns', '10.0.0.1, fd00::1, home.example lan', 'no domain!'],
		['client_endpoint', '[2001:db8::1]:51820', '2001:db8::1:port'],
		['client_endpoint', '2001:db8::1', 'vpn.example.org:0'],
		['client_endpoint', 'vpn.example.org', 'vpn example'],
		['client_keepalive', 'off', '70000'],
	]) {
		assert.equal(check.peerOption(option, good), null, `${option} ${good}`);
		assert.equal(check.peerOption(option, bad)?.level, 'left out', `${option} ${bad}`);
	}
	const key = (n) => `${'A'.repeat(41)}${'BC'[n]}A=`;
	const peers = [{ section: 'a', public_key: key(0), allowed_ips: ['10.0.0.2'], client_dns: ['?'] }, { section: 'b', public_key: key(0) }];
	assert.equal(check.peers('', peers).length, 1, 'the peer counts all the same');
});
