'use strict';
'require baseclass';

/* Traffic over time as the backend's method history has it, made ready for
 * pictures. A series is { step: s, rx, tx: bytes/s, oldest first }; null where
 * nobody measured. */

/* Tops of axes, times a power of 1024: what divides into two to five parts that
 * one can read. */
const STEPS = [ 1, 2, 5, 10, 20, 50, 100, 200, 500 ];

/* Lengths of time between labels, in seconds. */
const SPANS = [ 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600 ];

function rates(bytes, step) {
	return bytes.map(function(b) { return b < 0 ? null : b / step });
}

function mean(values) {
	const known = values.filter(function(v) { return v != null });

	return known.length ? known.reduce(function(a, b) { return a + b }, 0) / known.length : null;
}

function most(values) {
	return values.reduce(function(a, v) { return v == null ? a : Math.max(a, v) }, 0);
}

return baseclass.extend({
	/* cut returns the last `span` seconds of a history, filled up with null at
	 * the old end where it is shorter. */
	cut(history, span) {
		const step = +history.step || 1;
		const n = Math.max(1, Math.round(span / step));
		const take = function(bytes) {
			const tail = rates((bytes || []).slice(-n), step);

			return new Array(n - tail.length).fill(null).concat(tail);
		};

		return { step: step, rx: take(history.rx), tx: take(history.tx) };
	},

	/* thin returns a series of at most n points, each the mean of what it stands
	 * for. The newest point is whole, the oldest one may stand for less. */
	thin(series, n) {
		const by = Math.ceil(series.rx.length / n);
		const join = function(values) {
			const out = [];

			for (let end = values.length; end > 0; end -= by)
				out.unshift(mean(values.slice(Math.max(0, end - by), end)));

			return out;
		};

		return (by <= 1) ? series : { step: series.step * by, rx: join(series.rx), tx: join(series.tx) };
	},

	/* facts returns what one says about a series in words: { rx, tx }, each
	 * { last, mean, most }, null where nothing is known. */
	facts(series) {
		const of = function(values) {
			const known = values.filter(function(v) { return v != null });

			return known.length ? { last: known[known.length - 1], mean: mean(known), most: most(known) } : null;
		};

		return { rx: of(series.rx), tx: of(series.tx) };
	},

	/* empty says whether nothing was measured. */
	empty(series) {
		return series.rx.concat(series.tx).every(function(v) { return v == null });
	},

	/* axis returns { top, ticks } for values up to max: round numbers of one
	 * unit, two to five of them above 0. */
	axis(max) {
		let unit = 1;

		while (max / unit >= 1000)
			unit *= 1024;

		for (let s of STEPS) {
			const n = Math.max(2, Math.ceil(max / (s * unit)));

			if (n > 5)
				continue;

			const ticks = [];

			for (let i = 0; i <= n; i++)
				ticks.push(i * s * unit);

			return { top: n * s * unit, ticks: ticks };
		}

		return { top: max, ticks: [ 0, max ] };
	},

	top(series) {
		return Math.max(most(series.rx), most(series.tx));
	},

	/* times returns the ages, in seconds, that get a label below a picture of
	 * `span` seconds: at most `n` of them, 0 not among them. */
	times(span, n) {
		const step = SPANS.filter(function(s) { return span / s <= n })[0] || span;
		const out = [];

		for (let t = step; t < span; t += step)
			out.push(t);

		return out;
	},

	/* lines returns the pieces of a line through values, each a list of [ x, y ]:
	 * x from 0 to width, y from height (0) up to 0 (top). Where nothing was
	 * measured there is a gap; a point alone is a short line. */
	lines(values, top, width, height) {
		const pieces = [];
		const dx = values.length > 1 ? width / (values.length - 1) : width;
		const round = function(v) { return Math.round(v * 10) / 10 };
		let piece = null;

		values.forEach(function(v, i) {
			if (v == null) {
				piece = null;
				return;
			}

			const y = round(height - (top > 0 ? Math.min(1, v / top) : 0) * height);

			if (!piece)
				pieces.push(piece = []);

			piece.push([ round(i * dx), y ]);
		});

		for (let p of pieces)
			if (p.length == 1)
				p.push([ round(Math.min(width, p[0][0] + dx / 2)), p[0][1] ]);

		return pieces;
	},

	/* path writes pieces as the attribute d of SVG's path; with a base, the areas
	 * between them and it. */
	path(pieces, base) {
		return pieces.map(function(p) {
			const line = 'M' + p.map(function(at) { return at[0] + ' ' + at[1] }).join('L');

			return (base == null) ? line : line + 'L' + p[p.length - 1][0] + ' ' + base + 'L' + p[0][0] + ' ' + base + 'Z';
		}).join('');
	}
});
