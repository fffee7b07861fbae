'use strict';
'require baseclass';
'require wgnetifd.rows as rows';
'require wgnetifd.state as state';

/* The table of peers: at most a page of them. Rows are made once and changed in
 * place, only where something is different: what has the focus, is unfolded or
 * selected stays. */

const COLUMNS = [
	{ id: 'name', title: _('Name'), sort: 'name' },
	{ id: 'state', title: _('State'), sort: 'state' },
	{ id: 'endpoint', title: _('Endpoint'), sort: 'endpoint' },
	{ id: 'handshake', title: _('Last handshake'), sort: 'handshake' },
	{ id: 'traffic', title: _('Traffic'), sort: 'rx' },
	{ id: 'ips', title: _('Allowed IPs') }
];

function put(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

/* A word of this length has room in every column. */
const WORD = 21;

/* putSoft lets long words, such as addresses and names of hosts, break where they
 * have a mark; what is copied is the text as it is. */
function putSoft(node, text) {
	if (node.textContent === text)
		return;

	while (node.firstChild)
		node.removeChild(node.firstChild);

	for (let word of text.split(/(\s)/)) {
		for (let piece of (word.length > WORD) ? word.split(/([^.:/_]*[.:/_])/) : [ word ]) {
			if (piece == '')
				continue;

			node.appendChild(document.createTextNode(piece));

			if (word.length > WORD)
				node.appendChild(E('wbr'));
		}
	}
}

/* cell makes the cell of a column with its parts below each other. */
function cell(column, parts) {
	return E('td', { 'class': 'td left wgn-col-' + column.id, 'data-title': column.title }, [ E('div', parts) ]);
}

/* row makes the row of a peer. actions: see table. */
function row(actions, writable) {
	let peer = null;

	const part = {
		name: E('button', { 'class': 'wgn-unfold', 'aria-expanded': 'false', 'click': function(ev) { ev.preventDefault(); actions.unfold(peer) } }),
		iface: E('span', { 'class': 'ifacebadge' }), key: E('code', { 'class': 'ifacebadge' }),
		state: E('span', { 'class': 'wgn-state' }), sentence: E('div', { 'class': 'wgn-under wgn-sentence' }), remark: E('div', { 'class': 'wgn-under wgn-remark' }),
		endpoint: E('div'), host: E('div', { 'class': 'wgn-under' }),
		handshake: E('div'),
		down: E('span'), up: E('span'), spark: E('span', { 'class': 'wgn-slot' }), totals: E('div', { 'class': 'wgn-under' }),
		ips: E('div', { 'class': 'wgn-ips' }), more: E('div', { 'class': 'wgn-under' })
	};
	const enabled = E('input', { 'type': 'checkbox', 'change': function() { actions.enable(peer, enabled.checked) } });
	const what = E('span', [ _('Enabled') ]);
	const edit = E('button', { 'class': 'btn cbi-button cbi-button-edit', 'click': function(ev) { ev.preventDefault(); actions.edit(peer) } }, [ _('Edit') ]);
	const cells = [
		cell(COLUMNS[0], [ part.name, E('div', { 'class': 'wgn-badges' }, [ part.iface, part.key ]) ]),
		cell(COLUMNS[1], [ part.state, part.sentence, part.remark ]),
		cell(COLUMNS[2], [ part.endpoint, part.host ]),
		cell(COLUMNS[3], [ part.handshake ]),
		cell(COLUMNS[4], [ E('div', { 'class': 'wgn-flow' }, [ E('span', { 'class': 'wgn-rates' }, [ part.down, part.up ]), part.spark ]), part.totals ]),
		cell(COLUMNS[5], [ part.ips, part.more ])
	];
	let knob = E([]);

	if (writable) {
		knob = E('label', { 'class': 'wgn-switch' }, [ enabled, what ]);
		cells.push(E('td', { 'class': 'td cbi-section-actions' }, [ E('div', { 'class': 'wgn-actions' }, [ knob, edit ]) ]));
	}

	const node = E('tr', { 'class': 'tr cbi-section-table-row wgn-row' }, cells);

	return {
		node: node,
		fold: function(open) { part.name.setAttribute('aria-expanded', String(open)) },
		update: function(p, several) {
			const r = rows.peer(p);

			peer = p;
			node.dataset.key = p.public_key || '';
			node.dataset.state = p.state;
			put(part.name, r.name);
			put(part.iface, r.interface);
			part.iface.style.display = several ? '' : 'none';
			put(part.key, r.key);
			part.key.title = p.public_key || '';
			put(part.state, r.word);
			part.state.className = 'wgn-state wgn-' + r.colour;
			putSoft(part.sentence, r.sentence);
			part.sentence.title = r.detail;
			putSoft(part.remark, (r.problems.length && p.state != 'invalid') ? r.problems[0] : '');
			putSoft(part.endpoint, r.endpoint);
			putSoft(part.host, r.host);
			put(part.handshake, r.handshake);
			put(part.down, r.flows ? '↓\u00a0' + r.rx_rate : '');
			put(part.up, r.flows ? '↑\u00a0' + r.tx_rate : '');
			put(part.totals, r.moved ? [ _('%s in', 'Amount of traffic'), _('%s out', 'Amount of traffic') ].map(function(t, n) { return t.replace(' ', '\u00a0').format(n ? r.tx : r.rx) }).join(', ') : '–');
			part.totals.title = _('Received and sent since the interface came up');
			putSoft(part.ips, r.ips.join('\n') || _('none', 'No allowed IPs'));
			put(part.more, r.more ? _('+ %d more').format(r.more) : '');
			actions.spark(part.spark, (r.moved && p.public_key) ? { interface: p.interface, public_key: p.public_key } : null);

			if (!enabled.disabled)
				enabled.checked = r.enabled;

			if (writable)
				knob.style.display = r.configured ? '' : 'none';

			edit.style.display = r.configured ? '' : 'none';
		},
		/* busy keeps the switch as it is while the router is at it. */
		busy: function(on) {
			enabled.disabled = on;
			node.classList.toggle('wgn-busy-row', on);
			node.setAttribute('aria-busy', String(on));
			put(what, on ? _('Applying…') : _('Enabled'));
			what.classList.toggle('spinning', on);
		},
		gone: function() { actions.spark(part.spark, null) }
	};
}

return baseclass.extend({
	COLUMNS: COLUMNS,

	/* table returns { node, update(answer, query, several), open(peer, details),
	 * busy(peer, on) }.
	 * actions: { sort(column), unfold(peer), enable(peer, on), edit(peer),
	 * spark(slot, of), everything() }; several: whether the names of interfaces
	 * are shown. */
	table(actions, writable) {
		const heads = COLUMNS.map(function(c) {
			const th = E('th', { 'class': 'th left wgn-col-' + c.id, 'scope': 'col' }, c.sort ? [
				E('button', { 'title': _('Sort by this column'), 'click': function(ev) { ev.preventDefault(); actions.sort(c.sort) } }, [ c.title, ' ', E('span') ])
			] : [ c.title ]);

			return th;
		});
		const body = E('tbody');
		const node = E('table', { 'class': 'table cbi-section-table wgn-peers' }, [
			E('thead', [ E('tr', { 'class': 'tr cbi-section-table-titles' }, heads.concat(writable ? [ E('th', { 'class': 'th' }) ] : [])) ]),
			body
		]);
		const nothing = E('tr', { 'class': 'tr cbi-section-table-row placeholder' });
		const all = new Map();
		let open = null;

		const order = function(q) {
			COLUMNS.forEach(function(c, i) {
				if (!c.sort)
					return;

				const here = (c.sort == q.sort || (c.sort == 'rx' && q.sort == 'tx'));

				heads[i].setAttribute('aria-sort', here ? (q.reverse ? 'descending' : 'ascending') : 'none');
				put(heads[i].querySelector('span'), here ? (q.reverse ? '▴' : '▾') : '');
			});
		};

		/* below has the details stand behind their row. */
		const below = function() {
			if (!open)
				return;

			const r = all.get(open.id);

			if (!r) {
				if (open.node.parentNode)
					open.node.parentNode.removeChild(open.node);

				return;
			}

			r.fold(true);

			if (r.node.nextSibling !== open.node)
				body.insertBefore(open.node, r.node.nextSibling);
		};

		return {
			node: node,

			update: function(answer, q, several) {
				const there = new Set();
				let at = null;

				order(q);

				for (let p of answer.peers || []) {
					const id = rows.id(p);
					let r = all.get(id);

					if (there.has(id))
						continue;

					if (!r)
						all.set(id, r = row(actions, writable));

					there.add(id);
					r.update(p, several);

					let next = at ? at.nextSibling : body.firstChild;

					if (open && next === open.node && r.node !== next)
						next = next.nextSibling;

					if (r.node !== next)
						body.insertBefore(r.node, next);

					at = r.node;
				}

				for (let id of Array.from(all.keys())) {
					if (there.has(id))
						continue;

					all.get(id).gone();
					body.removeChild(all.get(id).node);
					all.delete(id);
				}

				below();

				if (there.size) {
					if (nothing.parentNode)
						body.removeChild(nothing);

					return;
				}

				while (nothing.firstChild)
					nothing.removeChild(nothing.firstChild);

				nothing.appendChild(E('td', { 'class': 'td', 'colspan': COLUMNS.length + (writable ? 1 : 0) }, actions.nothing()));
				body.appendChild(nothing);
			},

			/* open unfolds the details of a peer, null folds them. */
			open: function(id, content) {
				if (open) {
					if (open.node.parentNode)
						open.node.parentNode.removeChild(open.node);

					if (all.has(open.id))
						all.get(open.id).fold(false);
				}

				open = (id == null) ? null : {
					id: id,
					node: E('tr', { 'class': 'tr wgn-details-row' }, [
						E('td', { 'class': 'td', 'colspan': COLUMNS.length + (writable ? 1 : 0) }, [ content ])
					])
				};
				below();
			},

			busy: function(peer, on) {
				const r = all.get(rows.id(peer));

				if (r)
					r.busy(on);
			}
		};
	},

	/* chips returns { node, update(counts, chosen) }: a switch for each state that
	 * a peer is in. choose(state) is called when one is pressed. */
	chips(choose) {
		const node = E('div', { 'class': 'wgn-chips', 'role': 'group', 'aria-label': _('Only peers in these states') });
		const all = state.PEERS.map(function(name) {
			const s = state.peer(name), n = E('span');
			const button = E('button', { 'class': 'btn cbi-button wgn-chip', 'data-state': name, 'aria-pressed': 'false', 'click': function(ev) { ev.preventDefault(); choose(name) } }, [
				E('span', { 'class': 'wgn-state wgn-' + s.colour }, [ s.word ]), ' ', n
			]);

			node.appendChild(button);

			return { name: name, button: button, n: n };
		});

		return {
			node: node,
			update: function(counts, chosen) {
				for (let c of all) {
					const on = chosen.indexOf(c.name) >= 0, n = (counts || {})[c.name] || 0;

					c.button.setAttribute('aria-pressed', String(on));
					c.button.style.display = (on || n) ? '' : 'none';
					put(c.n, String(n));
				}
			}
		};
	}
});
