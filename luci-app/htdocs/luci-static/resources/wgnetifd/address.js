'use strict';
'require baseclass';

/* Addresses and prefixes of IPv4 and IPv6: reading, writing, comparing, and the
 * next one that is free. An address is { family: 4 or 6, bytes: [ 4 or 16 ] },
 * a prefix has `bits`, its length, too. Host bits stay until masked(). */

function parse4(text) {
	const parts = text.split('.');

	if (parts.length != 4 || parts.some(function(p) { return !p.match(/^(0|[1-9]\d{0,2})$/) || +p > 255 }))
		return null;

	return parts.map(Number);
}

/* groups reads one side of an IPv6 address's `::` into bytes. */
function groups(text, last) {
	const out = [];

	if (text === '')
		return out;

	const parts = text.split(':');

	for (let i = 0; i < parts.length; i++) {
		if (last && i == parts.length - 1 && parts[i].indexOf('.') >= 0) {
			const v4 = parse4(parts[i]);

			if (!v4)
				return null;

			out.push.apply(out, v4);
		}
		else if (parts[i].match(/^[0-9a-fA-F]{1,4}$/)) {
			const n = parseInt(parts[i], 16);

			out.push(n >> 8, n & 255);
		}
		else {
			return null;
		}
	}

	return out;
}

function parse6(text) {
	const halves = text.split('::');

	if (halves.length > 2)
		return null;

	const head = groups(halves[0], halves.length == 1);

	if (halves.length == 1)
		return (head && head.length == 16) ? head : null;

	const tail = groups(halves[1], true);

	/* `::` stands for at least one group. */
	if (!head || !tail || head.length + tail.length > 14)
		return null;

	return head.concat(new Array(16 - head.length - tail.length).fill(0), tail);
}

function mask(bytes, bits) {
	return bytes.map(function(b, i) {
		const keep = Math.max(0, Math.min(8, bits - 8 * i));

		return b & (0xff00 >> keep) & 0xff;
	});
}

function compare(a, b) {
	for (let i = 0; i < a.length; i++)
		if (a[i] != b[i])
			return a[i] - b[i];

	return 0;
}

/* last is the highest address of a prefix. */
function last(prefix) {
	const low = mask(prefix.bytes, prefix.bits);

	return low.map(function(b, i) {
		const keep = Math.max(0, Math.min(8, prefix.bits - 8 * i));

		return b | (0xff >> keep);
	});
}

/* step returns the address behind or before this one, null at the end. */
function step(bytes, by) {
	const out = bytes.slice();

	for (let i = out.length - 1; i >= 0; i--) {
		out[i] += by;

		if (out[i] >= 0 && out[i] <= 255)
			return out;

		out[i] &= 255;
	}

	return null;
}

function format6(bytes) {
	const words = [];

	for (let i = 0; i < 16; i += 2)
		words.push((bytes[i] << 8 | bytes[i + 1]).toString(16));

	/* The first of the longest runs of two zeros or more (RFC 5952). */
	let at = -1, len = 1;

	for (let i = 0; i < 8; i++) {
		let n = 0;

		while (i + n < 8 && words[i + n] == '0')
			n++;

		if (n > len) {
			at = i;
			len = n;
		}
	}

	if (at < 0)
		return words.join(':');

	return words.slice(0, at).join(':') + '::' + words.slice(at + len).join(':');
}

return baseclass.extend({
	/* parse reads an address; null when it is none. `zone` holds what stands
	 * behind a %. */
	parse(text) {
		text = String(text);

		if (text.indexOf(':') < 0) {
			const v4 = parse4(text);

			return v4 ? { family: 4, bytes: v4 } : null;
		}

		const cut = text.indexOf('%');

		if (cut == text.length - 1)
			return null;

		const v6 = parse6(cut < 0 ? text : text.substring(0, cut));

		if (!v6)
			return null;

		return (cut < 0) ? { family: 6, bytes: v6 } : { family: 6, bytes: v6, zone: text.substring(cut + 1) };
	},

	/* parsePrefix reads ADDRESS or ADDRESS/LENGTH; without a length it is the one
	 * address. null when it is neither. */
	parsePrefix(text) {
		const m = String(text).match(/^([^\/]+)(?:\/0*(\d{1,3}))?$/);
		const addr = m ? this.parse(m[1]) : null;

		if (!addr || addr.zone)
			return null;

		addr.bits = (m[2] == null) ? addr.bytes.length * 8 : +m[2];

		return (addr.bits <= addr.bytes.length * 8) ? addr : null;
	},

	/* is4In6 says whether it is an IPv4 address written as ::ffff:192.0.2.1. */
	is4In6(addr) {
		return addr.family == 6 && compare(addr.bytes.slice(0, 12), [ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255 ]) == 0;
	},

	/* format writes an address in its one form (RFC 5952), without a length. */
	format(addr) {
		return (addr.family == 4) ? addr.bytes.join('.') : format6(addr.bytes);
	},

	formatPrefix(prefix) {
		return this.format(prefix) + '/' + prefix.bits;
	},

	/* masked returns the prefix without host bits. */
	masked(prefix) {
		return { family: prefix.family, bytes: mask(prefix.bytes, prefix.bits), bits: prefix.bits };
	},

	hasHostBits(prefix) {
		return compare(prefix.bytes, mask(prefix.bytes, prefix.bits)) != 0;
	},

	/* isHost says whether it is one address. */
	isHost(prefix) {
		return prefix.bits == prefix.bytes.length * 8;
	},

	/* contains says whether the prefix `outer` holds all of `inner`. */
	contains(outer, inner) {
		return outer.family == inner.family && outer.bits <= inner.bits &&
			compare(mask(inner.bytes, outer.bits), mask(outer.bytes, outer.bits)) == 0;
	},

	/* nextFree proposes an address of the prefix, given as text such as
	 * 10.0.0.1/24, for a further peer: the lowest one that is in none of `used`
	 * (texts), as ADDRESS/32 or /128; null when all are taken.
	 *
	 * The first address of a subnet is never proposed (IPv4: the network itself,
	 * IPv6: all of its routers, RFC 4291 2.6.1), nor IPv4's last (broadcast),
	 * except in /31 and /127, which have neither (RFC 3021, RFC 6164). Prefixes
	 * in `used` that hold the whole subnet, such as 0.0.0.0/0, do not count: a
	 * single address in front of them is theirs no more. */
	nextFree(prefix, used) {
		const subnet = this.parsePrefix(prefix);

		if (!subnet || this.isHost(subnet))
			return null;

		const length = subnet.bytes.length * 8;
		const self = this;
		let candidate = mask(subnet.bytes, subnet.bits), end = last(subnet);

		if (subnet.bits < length - 1) {
			candidate = step(candidate, 1);

			if (subnet.family == 4)
				end = step(end, -1);
		}

		const taken = used.map(function(u) { return self.parsePrefix(u) }).filter(function(u) {
			return u && self.contains(subnet, u) && u.bits > subnet.bits;
		});

		/* The router's own address, with the subnet's length behind it. */
		taken.push({ family: subnet.family, bytes: subnet.bytes, bits: length });

		for (let text of used) {
			const u = this.parsePrefix(text);

			if (u && u.bits == subnet.bits && this.contains(subnet, u) && this.hasHostBits(u))
				taken.push({ family: u.family, bytes: u.bytes, bits: length });
		}

		taken.sort(function(a, b) { return compare(mask(a.bytes, a.bits), mask(b.bytes, b.bits)) });

		for (let u of taken) {
			if (compare(candidate, mask(u.bytes, u.bits)) < 0)
				break;

			const top = last(u);

			if (compare(candidate, top) <= 0)
				candidate = step(top, 1);

			if (!candidate || compare(candidate, end) > 0)
				return null;
		}

		return this.format({ family: subnet.family, bytes: candidate }) + '/' + length;
	},

	/* propose returns the next free address of each subnet of an interface, IPv4
	 * first as configured, at most one for each subnet.
	 * addresses: those of the interface; used: allowed IPs of all its peers. */
	propose(addresses, used) {
		const out = [], subnets = [];
		const all = used.concat(addresses);

		for (let a of addresses) {
			const p = this.parsePrefix(a);
			const subnet = p ? this.formatPrefix({ family: p.family, bytes: mask(p.bytes, p.bits), bits: p.bits }) : a;

			/* A router may have several addresses in one subnet. */
			if (subnets.indexOf(subnet) >= 0)
				continue;

			subnets.push(subnet);

			const free = this.nextFree(a, all.concat(out));

			if (free)
				out.push(free);
		}

		return out;
	}
});
