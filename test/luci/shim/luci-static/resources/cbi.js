'use strict';

/* What every page of LuCI has before its modules: translated and formatted text.
 *
 * The files of this folder stand in for LuCI where no LuCI is at hand. They are
 * written after LuCI's documentation, hold what our pages use of it, and are not
 * LuCI's code. What LuCI is careless with they are careless with too: a string
 * where nodes could stand is taken for HTML, so that a page which inserts somebody
 * else's text that way is found out here. */

/* sfh is LuCI's hash of a text that is to be translated; here it is the text. */
window.sfh = function(text) {
	return text;
};

window._ = function(text, context) {
	return (window.TR || {})[(context == null ? '' : context + '\u0001') + text] || text;
};

window.N_ = function(n, one, many, context) {
	return window._(n == 1 ? one : many, context);
};

(function() {
	const ESCAPES = { '&': '&#38;', '<': '&#60;', '>': '&#62;', '"': '&#34;', "'": '&#39;' };

	function convert(kind, value, precision) {
		switch (kind) {
		case 'd':
			return String(Math.trunc(+value || 0));
		case 'f':
			return (+value || 0).toFixed(precision == null ? 6 : precision);
		case 'x':
			return Math.trunc(+value || 0).toString(16);
		case 'h':
			return String(value).replace(/[&<>"']/g, function(c) { return ESCAPES[c] });
		default:
			return String(value);
		}
	}

	/* format knows %%, %s, %d, %f, %x and %h, the last one for HTML, with a width
	 * and digits behind the point. */
	String.prototype.format = function() {
		const args = arguments;
		let n = 0;

		return this.replace(/%(?:%|(0?)(\d*)(?:\.(\d+))?([sdfxh]))/g, function(all, zero, width, precision, kind) {
			if (!kind)
				return '%';

			return convert(kind, args[n++], precision == null ? null : +precision).padStart(+width || 0, zero || ' ');
		});
	};
})();
