import assert from 'node:assert/strict';
import test from 'node:test';
import { loader, plain } from '../load.mjs';

const address = loader()('wgnetifd.address');

test('addresses are read and written in their one form', () => {
	for (const [input, want] of [
		['10.0.0.1', '10.0.0.1'], ['255.255.255.255', '255.255.255.255'],
		['2001:DB8:0:0:0:0:0:1', '2001:db8::1'], ['::', '::'], ['::1', '::1'], ['fd00::', 'fd00::'],
		['1:0:0:2:0:0:0:3', '1:0:0:2::3'], ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'], ['::ffff:192.0.2.1', '::ffff:c000:201'],
		['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
	]) assert.equal(address.format(address.parse(input)), want, input);
	for (const input of ['', '10.0.0', '10.0.0.1.2', '10.0.0.256', '010.0.0.1', '1:2', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9',
		'12345::', '1:2:3:4:5:6:7:8::', '::1.2.3', '1.2.3.4::', 'x', '10.0.0.1%', '::1%', '::10.0.0.1:1'])
		assert.equal(address.parse(input), null, input);
});

test('prefixes', () => {
	assert.equal(address.formatPrefix(address.masked(address.parsePrefix('10.1.2.3/20'))), '10.1.0.0/20');
	assert.equal(address.formatPrefix(address.masked(address.parsePrefix('fd00:1:2:3::9/50'))), 'fd00:1:2::/50');
	assert.equal(address.parsePrefix('10.0.0.1').bits, 32);
	assert.equal(address.parsePrefix('10.0.0.1/024').bits, 24);
	for (const input of ['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '/24', '10.0.0.0/24/1'])
		assert.equal(address.parsePrefix(input), null, input);
});

// openwrt/luci#8806: the next free address, IPv4 and IPv6, any prefix length.
test('the next free address', () => {
	for (const [prefix, used, want] of [
		['10.0.0.1/24', [], '10.0.0.2/32'],
		['10.0.0.1/24', ['10.0.0.2/32', '10.0.0.3'], '10.0.0.4/32'],
		['10.0.0.1/24', ['10.0.0.3/32'], '10.0.0.2/32'],
		['10.0.0.254/24', ['10.0.0.1/32'], '10.0.0.2/32'],
		['10.0.0.1/24', ['10.0.0.0/28'], '10.0.0.16/32'],
		['10.0.0.1/24', ['0.0.0.0/0', '::/0', '10.0.0.0/24'], '10.0.0.2/32'],
		['10.0.0.1/24', ['10.0.0.0/25', '10.0.0.128/26', '10.0.0.192/26'], null],
		['10.0.0.1/30', [], '10.0.0.2/32'],
		['10.0.0.1/30', ['10.0.0.2'], null],
		['10.0.0.0/31', [], '10.0.0.1/32'],
		['10.0.0.1/31', [], '10.0.0.0/32'],
		['10.0.0.1/31', ['10.0.0.0/32'], null],
		['10.0.0.1/32', [], null],
		['10.0.0.1', [], null],
		['172.16.0.1/12', ['172.16.0.0/16'], '172.17.0.0/32'],
		['10.0.0.1/20', ['10.0.0.0/24', '10.0.1.0/24'], '10.0.2.0/32'],
		['255.255.255.1/24', ['255.255.255.0/25', '255.255.255.128/25'], null],
		['0.0.0.1/0', [], '0.0.0.2/32'],
		['fd00::1/64', [], 'fd00::2/128'],
		['fd00::1/64', ['fd00::2/128', 'fd00::4/128'], 'fd00::3/128'],
		['fd00::1/64', ['fd00::/65'], 'fd00::8000:0:0:0/128'],
		['fd00:0:0:0:ffff:ffff:ffff:ffff/64', ['fd00::1/128'], 'fd00::2/128'],
		['fd00::1/120', ['fd00::/121', 'fd00::80/122'], 'fd00::c0/128'],
		['fd00::ff/127', [], 'fd00::fe/128'],
		['fd00::1/128', [], null],
		['ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/126', ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'], null],
		['fd00::1/57', ['fd00::2/128'], 'fd00::3/128'],
		['not an address', [], null],
	]) assert.equal(address.nextFree(prefix, used), want, `${prefix} with ${used}`);
});

test('one address of each subnet, never one of the router itself', () => {
	assert.deepEqual(plain(address.propose(['10.0.0.1/24', 'fd00::1/64'], ['10.0.0.2/32'])), ['10.0.0.3/32', 'fd00::2/128']);
	assert.deepEqual(plain(address.propose(['10.0.0.1/24', '10.0.0.2/24', '10.0.1.1/24'], [])), ['10.0.0.3/32', '10.0.1.2/32']);
	assert.deepEqual(plain(address.propose(['10.0.0.1/32'], [])), []);
});

test('5,000 peers', () => {
	const used = [];
	for (let n = 2; n < 5002; n++) used.push(`10.1.${n >> 8}.${n & 255}/32`);
	assert.deepEqual(plain(address.propose(['10.1.0.1/16', 'fd00::1/64'], used)), ['10.1.19.138/32', 'fd00::2/128']);
});
