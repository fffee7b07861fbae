import assert from 'node:assert/strict';
import test from 'node:test';
import { loader, plain } from '../load.mjs';

const client = loader()('wgnetifd.client');
const PRIV = '4CcOGxDDnwEB9cD+Vi7BKQVNH9NYQIF2YMFsF3jLN1E=';
const PUB = 'WrkAZlQ3tkfcvGlBVOs4EPjCGdTSMSYV9Ig0yOwqZlc=';

// openwrt/luci#6050, openwrt/luci#7420
test('what is kept with the peer is in its file', () => {
	const peer = { private_key: PRIV, preshared_key: PUB, allowed_ips: ['10.0.0.2/32', 'fd00::2', '192.168.5.0/24'], persistent_keepalive: '25',
		client_dns: ['10.0.0.1, lan'], client_allowed_ips: ['192.168.1.0/24', '10.0.0.0/24'], client_endpoint: 'vpn.example.org' };
	assert.equal(client.text({ public_key: PUB, listen_port: '1234', mtu: '1400' }, peer), [
		'[Interface]', `PrivateKey = ${PRIV}`, 'Address = 10.0.0.2/32, fd00::2/128', 'DNS = 10.0.0.1, lan', 'MTU = 1400', '',
		'[Peer]', `PublicKey = ${PUB}`, `PresharedKey = ${PUB}`, 'AllowedIPs = 192.168.1.0/24, 10.0.0.0/24', 'Endpoint = vpn.example.org:1234', 'PersistentKeepalive = 25', '',
	].join('\n'));
	assert.deepEqual(plain(client.build({ public_key: PUB, listen_port: '1234' }, peer).missing), []);
	assert.match(client.text({}, { ...peer, client_addresses: ['10.0.0.2/24'], client_keepalive: '0' }), /Address = 10.0.0.2\/24\n/);
	assert.doesNotMatch(client.text({}, { ...peer, client_keepalive: '0' }), /Keepalive/);
});

test('endpoints', () => {
	for (const [value, want] of [['vpn.example.org', 'vpn.example.org:51820'], ['vpn.example.org:1', 'vpn.example.org:1'], ['2001:db8::1', '[2001:db8::1]:51820'],
		['[2001:db8::1]:5', '[2001:db8::1]:5'], ['192.0.2.1', '192.0.2.1:51820']])
		assert.match(client.text({ public_key: PUB }, { client_endpoint: value }), new RegExp(`Endpoint = ${want.replaceAll(/[[\]]/g, '\\$&')}\n`), value);
});

test('a port that nobody has set is another one at each start', () => {
	const peer = { private_key: PRIV, allowed_ips: '10.0.0.2', client_endpoint: 'a.example' };
	for (const [iface, port, said] of [
		[{}, '51820', 1], [{ listen_port: '0' }, '51820', 1], [{ listen_port: '', running_port: 37499 }, '37499', 1], [{ listen_port: '0', running_port: 37499 }, '37499', 1],
		[{ listen_port: '1234', running_port: 37499 }, '1234', 0],
	]) {
		const { config, missing } = client.build({ public_key: PUB, ...iface }, peer);
		assert.equal(config.peers[0].endpointPort, port);
		assert.equal(missing.filter((text) => /no listen port/.test(text)).length, said, JSON.stringify(iface));
	}
	assert.deepEqual(plain(client.build({ public_key: PUB }, { ...peer, client_endpoint: 'a.example:7' }).missing), [], 'the endpoint has one of its own');
});

// openwrt/luci#7700: nothing is there, and nothing breaks.
test('an empty peer has a file, and words for what it lacks', () => {
	assert.equal(client.text({}, {}), '[Interface]\n\n[Peer]\nAllowedIPs = 0.0.0.0/0, ::/0\n');
	assert.equal(client.build({}, {}).missing.length, 4);
	assert.match(client.build({ public_key: PUB }, { private_key: PRIV, allowed_ips: '10.0.0.2', client_endpoint: 'a.example' }).missing[0], /listen port/);
});
