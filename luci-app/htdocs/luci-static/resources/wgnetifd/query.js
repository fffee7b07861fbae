'use strict';
'require baseclass';
'require wgnetifd.state as state';

/* What of the peers is shown: filter, order and page. A query is a plain object
 * that is never changed; each function returns another one. */

const SIZES = [ 25, 50, 100 ];
const SORTS = [ 'section', 'name', 'state', 'endpoint', 'handshake', 'rx', 'tx' ];

const START = { interface: '', states: [], text: '', sort: 'section', reverse: false, offset: 0, limit: SIZES[0] };

/* The longest text that is searched for: no field is longer. */
const TEXT_MAX = 200;

function change(q, values) {
	return Object.assign({}, q, { offset: 0 }, values);
}

/* page returns the number of the page, from 0, that begins at or holds offset. */
function page(q) {
	return Math.floor(q.offset / q.limit);
}

return baseclass.extend({
	SIZES: SIZES,
	START: START,

	/* Another filter, order or size begins at the first page. */
	text(q, text) { return change(q, { text: String(text).trim().substring(0, TEXT_MAX) }) },
	iface(q, name) { return change(q, { interface: String(name || '') }) },
	size(q, limit) { return change(q, { limit: SIZES.indexOf(+limit) >= 0 ? +limit : q.limit }) },
	everything(q) { return change(q, { interface: '', states: [], text: '' }) },

	/* state adds a state to those that are shown, or takes it away. */
	state(q, state) {
		const others = q.states.filter(function(s) { return s != state });

		return change(q, { states: others.length < q.states.length ? others : q.states.concat(state) });
	},

	/* sort orders by a column; by the one that is in use already, the other way
	 * round. */
	sort(q, column) {
		if (SORTS.indexOf(column) < 0)
			return q;

		return change(q, { sort: column, reverse: column == q.sort ? !q.reverse : false });
	},

	/* turn goes some pages on or back. */
	turn(q, by) {
		return Object.assign({}, q, { offset: Math.max(0, (page(q) + by) * q.limit) });
	},

	/* filtered says whether something may be left out. */
	filtered(q) {
		return q.interface != '' || q.text != '' || q.states.length > 0;
	},

	/* args returns the arguments of the backend's method peers. */
	args(q) {
		const args = { offset: q.offset, limit: q.limit };

		if (q.interface)
			args.interface = q.interface;

		if (q.states.length)
			args.state = q.states.join(',');

		if (q.text)
			args.text = q.text;

		if (q.sort != 'section')
			args.sort = q.sort;

		if (q.reverse)
			args.reverse = true;

		return args;
	},

	/* answered returns the query to ask again with, because peers went and the
	 * page is behind the last one; null when the answer is what was wanted. */
	answered(q, answer) {
		const total = +answer.total || 0;

		if (q.offset == 0 || q.offset < total)
			return null;

		return Object.assign({}, q, { offset: Math.max(0, Math.ceil(total / q.limit) - 1) * q.limit });
	},

	/* place says where in all peers the page is: { from, to, total, page, pages,
	 * before, behind }; from and to count from 1. */
	place(q, answer) {
		const shown = (answer.peers || []).length, total = +answer.total || 0;

		return {
			from: shown ? q.offset + 1 : 0, to: q.offset + shown, total: total,
			page: page(q) + 1, pages: Math.max(1, Math.ceil(total / q.limit)),
			before: q.offset > 0, behind: q.offset + shown < total
		};
	},

	/* write returns the query as the part of an address behind the #, '' for the
	 * one that a page starts with; read takes it back. What read does not know it
	 * leaves out: an address is not ours alone. */
	write(q) {
		const parts = [];

		for (let name of [ 'interface', 'text', 'sort', 'offset', 'limit' ])
			if (q[name] != START[name])
				parts.push(name + '=' + encodeURIComponent(q[name]));

		if (q.states.length)
			parts.push('state=' + encodeURIComponent(q.states.join(',')));

		if (q.reverse)
			parts.push('reverse=1');

		return parts.join('&');
	},

	read(hash) {
		const values = {};

		for (let part of String(hash || '').replace(/^#/, '').split('&')) {
			const cut = part.indexOf('=');

			if (cut < 0)
				continue;

			try {
				values[part.substring(0, cut)] = decodeURIComponent(part.substring(cut + 1));
			}
			catch (e) {
				/* Half of an escape: somebody cut the address. */
			}
		}

		let q = this.size(START, values.limit);

		q = this.text(this.iface(q, values.interface), values.text || '');
		q = change(q, {
			sort: SORTS.indexOf(values.sort) >= 0 ? values.sort : START.sort,
			reverse: values.reverse == '1',
			states: String(values.state || '').split(',').filter(function(s, i, all) { return state.PEERS.indexOf(s) >= 0 && all.indexOf(s) == i })
		});

		return Object.assign({}, q, { offset: String(values.offset).match(/^\d{1,9}$/) ? Math.floor(+values.offset / q.limit) * q.limit : 0 });
	}
});
