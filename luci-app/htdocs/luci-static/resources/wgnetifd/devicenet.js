'use strict';
'require baseclass';
'require wgnetifd.address as address';

/* What a new interface is proposed: a name, a port, and addresses that nobody
 * has. */

const FIRST_PORT = 51820;

/* ranges of RFC 1918 in the order in which a /24 of them is tried. 10.0 to 10.63
 * and the low ones of 192.168 are left to others: networks that devices are in
 * when they call are often there, and then the two collide. */
const RANGES = [
	function(random) { return [ 10, 64 + random(191), random(256), 1 ] },
	function(random) { return [ 172, 16 + random(16), random(256), 1 ] },
	function(random) { return [ 192, 168, 128 + random(128), 1 ] }
];

const TRIES = 40;

function overlap(a, b) {
	return address.contains(a, b) || address.contains(b, a);
}

return baseclass.extend({
	/* collision returns the first of the prefixes `taken` that has addresses in
	 * common with the prefix; null for none. Default routes do not count. */
	collision(prefix, taken) {
		const p = address.parsePrefix(prefix);

		if (!p)
			return null;

		return taken.filter(function(t) {
			const other = address.parsePrefix(t);

			return other && other.bits > 0 && overlap(p, other);
		})[0] || null;
	},

	/* name proposes wg0, or the next one that is not taken. */
	name(taken) {
		let n = 0;

		while (taken.indexOf('wg%d'.format(n)) >= 0)
			n++;

		return 'wg%d'.format(n);
	},

	/* nameProblem says why an interface cannot have a name, null when it can. The
	 * kernel's names have 15 characters at most, UCI's are of these. */
	nameProblem(name, taken) {
		if (!name.match(/^[A-Za-z][A-Za-z0-9_]{0,14}$/))
			return _('A letter, then letters, digits and _, at most 15 of them, are right here, such as wg0.');

		return (taken.indexOf(name) >= 0) ? _('%s is the name of something else already.').format(name) : null;
	},

	/* port proposes 51820, or the next one that is not taken. taken: numbers. */
	port(taken) {
		let port = FIRST_PORT;

		while (taken.indexOf(port) >= 0 && port < 65535)
			port++;

		return String(port);
	},

	/* addresses proposes those of the router in a new tunnel: the first one of an
	 * IPv4 /24 and of an IPv6 /64 that collide with nothing in `taken` (prefixes).
	 * random(n): a number from 0 to n-1. No IPv4 where everything is taken. */
	addresses(taken, random) {
		const out = [];
		const free = function(make, length) {
			for (let n = 0; n < TRIES; n++) {
				const found = address.format(make(random)) + '/' + length;

				if (!this.collision(found, taken))
					return out.push(found) > 0;
			}

			return false;
		}.bind(this);

		RANGES.some(function(range) { return free(function(r) { return { family: 4, bytes: range(r) } }, 24) });

		/* fd, 40 random bits, and a subnet of zero (RFC 4193). */
		free(function(r) {
			const id = [ r(256), r(256), r(256), r(256), r(256) ];

			return { family: 6, bytes: [ 0xfd ].concat(id, [ 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 ]) };
		}, 64);

		return out;
	}
});
