'use strict';
'require baseclass';

/* Numbers for people. */

const UNITS = [ 'B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB' ];

/* scaled writes three digits and a unit: 0 B, 999 B, 1.23 MiB, 12.3 GiB. */
function scaled(n, units) {
	let u = 0;

	while (n >= 1000 && u < units.length - 1) {
		n /= 1024;
		u++;
	}

	const digits = (u == 0 || n >= 100) ? 0 : (n >= 10) ? 1 : 2;

	return n.toFixed(digits) + '\u00a0' + units[u];
}

return baseclass.extend({
	/* bytes writes an amount of bytes. */
	bytes(n) {
		n = +n;

		return (n >= 0) ? scaled(n, UNITS) : '–';
	},

	/* rate writes bytes per second. '–' when it is not known (null or below 0). */
	rate(n) {
		return (n == null || !(+n >= 0)) ? '–' : scaled(+n, UNITS) + '/s';
	},

	/* tick writes the rate at a mark of an axis, without digits that are 0. */
	tick(n) {
		return this.rate(n).replace(/\.0+(?=\u00a0)/, '').replace(/(\.\d*[1-9])0+(?=\u00a0)/, '$1');
	},

	/* span writes a length of time in seconds with its two largest units. */
	span(seconds) {
		const s = Math.max(0, Math.floor(+seconds));

		if (s < 60)
			return _('%d s').format(s);

		if (s < 3600)
			return (s % 60) ? _('%d min %d s').format(s / 60, s % 60) : _('%d min').format(s / 60);

		if (s < 86400)
			return (Math.floor(s / 60) % 60) ? _('%d h %d min').format(s / 3600, s / 60 % 60) : _('%d h').format(s / 3600);

		return (Math.floor(s / 3600) % 24) ? _('%d d %d h').format(s / 86400, s / 3600 % 24) : _('%d d').format(s / 86400);
	},

	/* age writes how long ago something was, in seconds by the router's clock.
	 * null, NaN and what is below 0 are no age. */
	age(seconds) {
		return (seconds == null || !(+seconds >= 0)) ? _('never') : _('%s ago').format(this.span(seconds));
	},

	/* key writes a public key short enough for a badge. */
	key(key) {
		return String(key || '').replace(/^(.{5}).+(.{6})$/, '$1…$2');
	},

	/* fileName makes a name that WireGuard's programs take for a tunnel, from a
	 * description: at most 15 characters of letters, digits and _=+.- . */
	fileName(text) {
		const name = String(text || '').normalize('NFKD').replace(/[\u0300-\u036f]/g, '')
			.replace(/[^A-Za-z0-9_=+.-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '').substring(0, 15).replace(/[-.]+$/, '');

		return name || 'wireguard';
	}
});
