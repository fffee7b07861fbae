'use strict';
'require baseclass';
'require wgnetifd.backend as backend';
'require wgnetifd.picture as picture';
'require wgnetifd.series as series';

/* The chart of a peer or of an interface, with the lengths of time that one can
 * choose, and the small pictures of many. Both ask for as little as they can: on
 * a small router each answer is a process. */

/* step: what the daemon keeps; every: seconds until the next question. */
const RANGES = [
	{ id: 'live', name: _('2 minutes'), span: 120, step: 'second', every: 0 },
	{ id: 'hour', name: _('1 hour'), span: 3600, step: 'minute', every: 30 },
	{ id: 'quarter', name: _('6 hours'), span: 21600, step: 'minute', every: 60 },
	{ id: 'day', name: _('24 hours'), span: 86400, step: 'minute', every: 60 }
];

/* Small pictures show the last hour, and are asked for again after this time. */
const SPARK_SPAN = 3600;
const SPARK_AGE = 60000;

/* The range that was chosen last holds for the next chart too. Until there is
 * one it is the last hour, or the last minutes where the daemon has not run for
 * so long that there is anything to see. */
let chosen = null;
const ENOUGH = 5;

return baseclass.extend({
	/* panel returns { node, refresh(daemon) } for { interface, public_key }.
	 * refresh is called at every poll; daemon: whether the daemon answers. */
	panel(of, title) {
		const chart = picture.chart(title);
		const note = E('p', { 'class': 'wgn-note', 'style': 'display:none' });
		const buttons = RANGES.map(function(r) {
			return E('button', { 'class': 'btn cbi-button', 'aria-pressed': 'false', 'data-range': r.id, 'click': function(ev) {
				ev.preventDefault();
				chosen = range = r;
				mark();
				asked = 0;
				refresh(true);
			} }, [ r.name ]);
		});
		const node = E('div', { 'class': 'wgn-traffic' }, [
			E('div', { 'class': 'wgn-head' }, [ E('strong', [ title ]), E('span', { 'class': 'wgn-ranges', 'role': 'group', 'aria-label': _('Length of time') }, buttons) ]),
			note, chart.node
		]);

		let range = chosen || RANGES[1], asked = 0, turn = 0;

		const mark = function() {
			buttons.forEach(function(b, i) {
				b.setAttribute('aria-pressed', String(RANGES[i] === range));
				b.classList.toggle('cbi-button-action', RANGES[i] === range);
			});
		};

		const say = function(text) {
			note.textContent = text;
			note.style.display = text ? '' : 'none';
			chart.node.style.display = text ? 'none' : '';
		};

		const refresh = function(daemon) {
			if (daemon === false) {
				say(_('Traffic over time is measured by the daemon, which is not running.'));
				return Promise.resolve();
			}

			if (Date.now() - asked < 1000 * range.every)
				return Promise.resolve();

			const mine = ++turn, r = range;

			asked = Date.now();

			return backend.history(Object.assign({ step: r.step }, of)).then(function(h) {
				const s = series.cut(h, r.span);

				if (mine != turn)
					return;

				if (!chosen && r === RANGES[1] && s.rx.filter(function(v) { return v != null }).length < ENOUGH) {
					range = RANGES[0];
					mark();
					asked = 0;

					return refresh(true);
				}

				say(series.empty(s) ? _('Nothing has been measured yet; it takes a moment.') : '');
				chart.update(s);
			}, function() {
				if (mine != turn)
					return;

				if (!chosen && r === RANGES[1]) {
					range = RANGES[0];
					mark();
				}

				say(_('Nothing has been measured yet.'));
			});
		};

		mark();

		return { node: node, refresh: refresh };
	},

	/* sparks returns { want(slot, of, visible), stop() }: what draws small
	 * pictures into slots, one question at a time, and only for those that can be
	 * seen. It is for one page: `active()` says whether to go on. */
	sparks(active) {
		const cache = new Map(), slots = new Map();
		const seen = new Set();
		let busy = false;

		const observer = window.IntersectionObserver ? new IntersectionObserver(function(entries) {
			for (let e of entries) {
				if (e.isIntersecting)
					seen.add(e.target);
				else
					seen.delete(e.target);
			}

			next();
		}) : null;

		const show = function(slot, s) {
			const old = slot.firstChild;

			if (!s || series.empty(s)) {
				if (old)
					slot.removeChild(old);
			}
			else if (old) {
				picture.spark(s, old);
			}
			else {
				slot.appendChild(picture.spark(s));
			}
		};

		const next = function() {
			if (busy || !active())
				return;

			for (let slot of seen) {
				const of = slots.get(slot);
				const key = of && JSON.stringify(of);
				const known = key && cache.get(key);

				if (!of || (known && Date.now() - known.time < SPARK_AGE))
					continue;

				busy = true;

				const done = function(s) {
					cache.set(key, { time: Date.now(), series: s });
					busy = false;

					for (let other of slots)
						if (JSON.stringify(other[1]) == key)
							show(other[0], s);

					next();
				};

				backend.history(Object.assign({ step: 'minute' }, of)).then(function(h) {
					done(series.cut(h, SPARK_SPAN));
				}, function() { done(null) });

				return;
			}
		};

		return {
			/* want has a slot show the traffic of a peer or an interface; null: none. */
			want: function(slot, of) {
				if (!of) {
					if (slots.delete(slot)) {
						seen.delete(slot);
						show(slot, null);

						if (observer)
							observer.unobserve(slot);
					}

					return;
				}

				const known = cache.get(JSON.stringify(of));

				if (known && JSON.stringify(slots.get(slot)) != JSON.stringify(of))
					show(slot, known.series);

				if (!slots.has(slot)) {
					if (observer)
						observer.observe(slot);
					else
						seen.add(slot);
				}

				slots.set(slot, of);
			},

			/* next goes on with what is out of date; it is called at every poll. */
			next: function() {
				for (let key of cache.keys())
					if (cache.size > 500)
						cache.delete(key);

				next();
			}
		};
	}
});
