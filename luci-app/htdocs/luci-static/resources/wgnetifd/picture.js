'use strict';
'require baseclass';
'require wgnetifd.format as format';
'require wgnetifd.series as series';

/* Pictures of traffic: a small one without labels, and a chart with axes. They are
 * SVG, made node by node. */

const NS = 'http://www.w3.org/2000/svg';

/* The room of a chart, in pixels. */
const HEIGHT = 180, LEFT = 74, RIGHT = 8, TOP = 8, BOTTOM = 22;

/* More points than pixels cost time and show nothing. */
const POINT_WIDTH = 3;

function svg(tag, attributes, children) {
	const node = document.createElementNS(NS, tag);

	for (let name in attributes)
		node.setAttribute(name, attributes[name]);

	for (let child of children || [])
		node.appendChild(typeof(child) == 'string' ? document.createTextNode(child) : child);

	return node;
}

function empty(node) {
	while (node.firstChild)
		node.removeChild(node.firstChild);
}

/* say writes what a series shows as a sentence, for those who do not see it. */
function say(s) {
	const f = series.facts(s);

	if (!f.rx)
		return _('Nothing was measured.');

	return _('Received %s on average, at most %s; sent %s on average, at most %s.').format(
		format.rate(f.rx.mean), format.rate(f.rx.most), format.rate(f.tx ? f.tx.mean : null), format.rate(f.tx ? f.tx.most : null));
}

/* draw puts line and area of a series into a node. */
function draw(node, s, top, width, height) {
	const rx = series.lines(s.rx, top, width, height);

	node.appendChild(svg('path', { 'class': 'wgn-rx-area', 'd': series.path(rx, height) }));
	node.appendChild(svg('path', { 'class': 'wgn-rx-line', 'd': series.path(rx) }));
	node.appendChild(svg('path', { 'class': 'wgn-tx-line', 'd': series.path(series.lines(s.tx, top, width, height)) }));
}

/* label writes an age below the axis. */
function label(age) {
	return '\u2212' + format.span(age);
}

return baseclass.extend({
	/* spark returns a small picture, or shows another series in the one that is
	 * given. */
	spark(s, node) {
		const width = 90, height = 20;

		node = node || svg('svg', { 'class': 'wgn-spark', 'viewBox': '0 -1 %d %d'.format(width, height + 2), 'role': 'img', 'preserveAspectRatio': 'none' });
		empty(node);
		node.setAttribute('aria-label', say(s));
		node.appendChild(svg('title', {}, [ say(s) ]));
		node.appendChild(svg('path', { 'class': 'wgn-grid', 'd': 'M0 %dL%d %d'.format(height, width, height) }));
		draw(node, series.thin(s, 60), series.top(s) || 1, width, height);

		return node;
	},

	/* chart returns { node, update(series) }: a picture with axes that is as wide
	 * as the page lets it be, and says below what is at the pointer. */
	chart(title) {
		const picture = svg('svg', { 'class': 'wgn-chart', 'role': 'img', 'height': HEIGHT, 'tabindex': '0' });
		const at = E('span', { 'class': 'wgn-chart-at', 'role': 'status' });
		const node = E('div', { 'class': 'wgn-chart-box' }, [
			picture,
			E('div', { 'class': 'wgn-legend' }, [
				E('span', { 'class': 'wgn-key wgn-key-rx' }, [ '↓ ', _('received') ]),
				E('span', { 'class': 'wgn-key wgn-key-tx' }, [ '↑ ', _('sent') ]),
				at
			])
		]);

		let shown = null, drawn = null, mark = null, index = -1;

		const point = function() {
			if (!drawn || index < 0 || index >= drawn.rx.length) {
				at.textContent = '';

				if (mark)
					mark.setAttribute('visibility', 'hidden');

				return;
			}

			const age = (drawn.rx.length - 1 - index) * drawn.step;
			const x = LEFT + index * drawn.width / Math.max(1, drawn.rx.length - 1);

			mark.setAttribute('visibility', 'visible');
			mark.setAttribute('x1', x);
			mark.setAttribute('x2', x);
			at.textContent = '%s: ↓ %s ↑ %s'.format(age ? format.age(age) : _('now'), format.rate(drawn.rx[index]), format.rate(drawn.tx[index]));
		};

		const render = function() {
			const width = Math.max(240, picture.parentNode ? picture.parentNode.clientWidth : 0) - LEFT - RIGHT;
			const height = HEIGHT - TOP - BOTTOM;

			empty(picture);
			drawn = null;

			if (!shown)
				return;

			const span = shown.step * shown.rx.length;
			const s = series.thin(shown, Math.floor(width / POINT_WIDTH));
			const axis = series.axis(series.top(s));
			const inner = svg('g', { 'transform': 'translate(%d,%d)'.format(LEFT, TOP) });

			picture.setAttribute('viewBox', '0 0 %d %d'.format(width + LEFT + RIGHT, HEIGHT));
			picture.setAttribute('aria-label', '%s: %s'.format(title, say(shown)));

			for (let tick of axis.ticks) {
				const y = height - tick / axis.top * height;

				inner.appendChild(svg('line', { 'class': 'wgn-grid', 'x1': 0, 'x2': width, 'y1': y, 'y2': y }));
				inner.appendChild(svg('text', { 'x': -6, 'y': y + 4, 'text-anchor': 'end' }, [ format.tick(tick) ]));
			}

			for (let age of series.times(span, Math.max(2, Math.floor(width / 150)))) {
				const x = width - age / span * width;

				inner.appendChild(svg('line', { 'class': 'wgn-grid', 'x1': x, 'x2': x, 'y1': 0, 'y2': height }));
				inner.appendChild(svg('text', { 'x': x, 'y': height + 16, 'text-anchor': 'middle' }, [ label(age) ]));
			}

			inner.appendChild(svg('text', { 'x': width, 'y': height + 16, 'text-anchor': 'end' }, [ _('now') ]));
			draw(inner, s, axis.top, width, height);
			picture.appendChild(inner);
			picture.appendChild(mark = svg('line', { 'class': 'wgn-mark', 'y1': TOP, 'y2': TOP + height, 'visibility': 'hidden' }));

			drawn = { rx: s.rx, tx: s.tx, step: s.step, width: width };
			point();
		};

		const move = function(ev) {
			if (!drawn)
				return;

			const box = picture.getBoundingClientRect();
			const x = (ev.clientX - box.left) / box.width * (drawn.width + LEFT + RIGHT) - LEFT;

			index = Math.max(0, Math.min(drawn.rx.length - 1, Math.round(x / drawn.width * (drawn.rx.length - 1))));
			point();
		};

		const leave = function() {
			index = -1;
			point();
		};

		picture.addEventListener('pointermove', move);
		picture.addEventListener('pointerleave', leave);
		picture.addEventListener('blur', leave);
		picture.addEventListener('keydown', function(ev) {
			const by = { ArrowLeft: -1, ArrowRight: 1 }[ev.key];

			if (!by || !drawn)
				return;

			ev.preventDefault();
			index = Math.max(0, Math.min(drawn.rx.length - 1, (index < 0 ? drawn.rx.length : index) + by));
			point();
		});

		/* Only its width: its height is ours. */
		let width = 0;

		if (window.ResizeObserver)
			new ResizeObserver(function() {
				if (node.clientWidth == width)
					return;

				width = node.clientWidth;
				render();
			}).observe(node);

		return {
			node: node,
			update: function(s) {
				shown = s;
				render();
			}
		};
	}
});
