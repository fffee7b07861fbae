'use strict';
'require view';
'require poll';
'require rpc';
'require ui';
'require wgnetifd.actions as actions';
'require wgnetifd.adddevice as adddevice';
'require wgnetifd.backend as backend';
'require wgnetifd.cards as cards';
'require wgnetifd.details as details';
'require wgnetifd.notices as notices';
'require wgnetifd.peertable as peertable';
'require wgnetifd.query as query';
'require wgnetifd.rows as rows';
'require wgnetifd.statusstyle as statusstyle';
'require wgnetifd.traffic as traffic';

/* Status → WireGuard: interfaces, and one page of their peers. */

/* How long a pause in typing is before the text is searched for, in ms. */
const TYPING = 250;

/* Where a notice offers to restart the network, netifd is asked again after this
 * time, in ms, whether that helped. */
const HANDLERS_AGE = 10000;

const handlers = rpc.declare({ object: 'network', method: 'get_proto_handlers', expect: { '': {} }, reject: true });

const SORTS = [
	[ 'section', _('as configured') ], [ 'name', _('by name') ], [ 'state', _('by state') ], [ 'handshake', _('by last handshake') ],
	[ 'rx', _('by traffic received') ], [ 'tx', _('by traffic sent') ], [ 'endpoint', _('by endpoint') ]
];

function notify(sentences) {
	for (let s of sentences || [])
		notices.say(s, 'warning');
}

function failed(e) {
	if (e)
		notices.say(rows.failure(e), 'danger');
}

function button(title, kind, fn) {
	return E('button', { 'class': 'btn cbi-button ' + kind, 'click': function(ev) {
		const self = ev.currentTarget;

		ev.preventDefault();
		self.disabled = true;
		Promise.resolve(fn()).catch(failed).then(function() { self.disabled = false });
	} }, [ title ]);
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		statusstyle.use();
		this.query = query.read(window.location.hash);

		return Promise.all([
			this.fetch().catch(function(e) { return e }),
			this.askHandlers()
		]);
	},

	/* askHandlers asks netifd which protocols it knows. Who may not ask, or gets
	 * no answer, is told nothing about it. */
	askHandlers() {
		this.handlersTime = Date.now();

		return handlers().catch(function() { return null }).then(L.bind(function(all) { this.handlers = all }, this));
	},

	/* fetch asks for the page that is wanted; null when somebody wanted another
	 * one meanwhile. */
	fetch() {
		const turn = this.turn = (this.turn || 0) + 1;
		const q = this.query;

		return backend.peers(query.args(q)).then(L.bind(function(answer) {
			if (turn != this.turn)
				return null;

			const other = query.answered(q, answer);

			if (!other)
				return answer;

			this.query = other;

			return this.fetch();
		}, this), L.bind(function(e) {
			/* The interface in the address is gone. */
			if (turn == this.turn && q.interface && rows.failure(e).match(/interface/)) {
				this.query = query.iface(q, '');

				return this.fetch();
			}

			throw e;
		}, this));
	},

	render(loaded) {
		const first = loaded[0];

		this.writable = L.hasViewPermission() !== false;

		const act = this.actions();

		this.part = {
			notices: notices.list({ write: this.writable, again: L.bind(this.again, this), add: function() { act.add() } }),
			cards: cards.list(act),
			chips: peertable.chips(L.bind(function(state) { this.show(query.state(this.query, state)) }, this)),
			table: peertable.table(act, this.writable),
			chart: E('div', { 'class': 'wgn-summary-chart' }),
			late: E('div', { 'class': 'alert-message warning', 'style': 'display:none', 'role': 'status' }),
			place: E('span', { 'role': 'status' }),
			peers: E('div', { 'class': 'cbi-section' })
		};
		this.part.summary = E('div', { 'class': 'wgn-summary' }, [ this.part.cards.node, this.part.chart ]);
		this.sparks = traffic.sparks(function() { return !document.hidden });

		const page = E('div', { 'class': 'wgn-page' }, [
			E('div', { 'class': 'wgn-head' }, [
				E('h2', [ _('WireGuard') ]),
				this.writable ? button(_('Add a device…'), 'cbi-button-add wgn-add', function() { return act.add() }) : E([])
			]),
			this.part.late, this.part.notices.node, this.part.summary, this.peersNode()
		]);

		if (first instanceof Error)
			page.insertBefore(notices.backendMissing(first), this.part.notices.node);
		else if (first)
			this.update(first);

		this.watch();

		return page;
	},

	peersNode() {
		const self = this;
		const select = function(title, values, fn) {
			return E('select', { 'class': 'cbi-input-select', 'aria-label': title, 'change': function(ev) { fn(ev.target.value) } },
				values.map(function(v) { return E('option', { 'value': v[0] }, [ v[1] ]) }));
		};
		let typing = null;

		this.field = {
			text: E('input', {
				'type': 'search', 'class': 'cbi-input-text', 'placeholder': _('Name, key, address…'), 'aria-label': _('Search for peers'),
				'value': this.query.text,
				'input': function(ev) {
					window.clearTimeout(typing);
					typing = window.setTimeout(function() { self.show(query.text(self.query, ev.target.value)) }, TYPING);
				}
			}),
			sort: select(_('Order'), SORTS, function(v) { self.show(query.sort(self.query, v)) }),
			size: select(_('Peers a page'), query.SIZES.map(function(n) { return [ n, _('%d a page').format(n) ] }), function(v) { self.show(query.size(self.query, v)) }),
			all: button(_('All peers'), '', function() { self.field.text.value = ''; self.show(query.everything(self.query)) }),
			back: button('‹ ' + _('Back'), '', function() { self.show(query.turn(self.query, -1)) }),
			on: button(_('Next') + ' ›', '', function() { self.show(query.turn(self.query, 1)) })
		};

		[ E('h3', [ _('Peers') ]),
			E('div', { 'class': 'wgn-tools' }, [ this.field.text, this.field.sort, this.field.size, this.field.all ]),
			this.part.chips.node, this.part.table.node,
			E('div', { 'class': 'wgn-pages' }, [ this.part.place, this.field.back, this.field.on ])
		].forEach(function(n) { self.part.peers.appendChild(n) });

		return this.part.peers;
	},

	/* actions are what cards and table call. */
	actions() {
		const self = this;

		return {
			choose: function(name) { self.show(query.iface(self.query, self.query.interface == name ? '' : name)) },
			sort: function(column) { self.show(query.sort(self.query, column)) },
			spark: function(slot, of) { self.sparks.want(slot, (self.answer && self.answer.daemon) ? of : null) },
			problems: function(i) { self.problems(i) },
			unfold: function(peer) { self.unfold(peer) },
			enable: function(peer, on) { self.enable(peer, on) },
			edit: function(peer) { actions.edit(peer, function(s) { notify(s); return self.again() }).catch(failed) },
			add: self.writable ? function(name) {
				return adddevice.open({ interface: name || '', done: function() { return self.again() } }).catch(failed);
			} : null,
			nothing: function() {
				return query.filtered(self.query)
					? [ E('em', [ _('No peer is like that.') ]), ' ', button(_('All peers'), '', function() { self.field.text.value = ''; self.show(query.everything(self.query)) }) ]
					: [ E('em', [ _('No peers yet. A device is added in one go, with keys, addresses and a QR code.') ]) ];
			}
		};
	},

	/* buttons are what one can do with the peer that is unfolded. */
	buttons(peer) {
		const self = this, out = [];

		if (!this.writable || !peer.section)
			return out;

		out.push(button(_('Edit'), 'cbi-button-edit', function() { return actions.edit(peer, function(s) { notify(s); return self.again() }) }), ' ');
		out.push(button(_('QR code and file'), '', function() { return actions.showCode(peer, self.iface(peer.interface)) }), ' ');

		if (rows.peer(peer).named && peer.public_key)
			out.push(button(_('Look the name up again'), '', function() {
				return actions.resolve(peer).then(function(r) {
					notify(r.resolving ? [] : [ _('There is no name to look up: the endpoint is an address, or the peer is not in use.') ]);

					return self.again();
				});
			}));

		return out;
	},

	iface(name) {
		return ((this.answer || {}).interfaces || []).filter(function(i) { return i.name == name })[0] || {};
	},

	enable(peer, on) {
		const self = this;

		this.part.table.busy(peer, true);

		return actions.enable(peer, on).then(notify, failed).then(function() {
			self.part.table.busy(peer, false);

			return self.again();
		});
	},

	problems(i) {
		ui.showModal([ _('Configuration of %s').format(i.name) ], [
			E('ul', { 'class': 'wgn-plan' }, (i.problems || []).map(function(p) { return E('li', [ rows.problem(p) ]) })),
			(i.problems || []).length < i.problems_total ? E('p', [ _('%d more are shown by the command `wgnetifd check`.').format(i.problems_total - i.problems.length) ]) : E([]),
			E('div', { 'class': 'button-row right' }, [ actions.cancelButton(_('Close')) ])
		]);
	},

	unfold(peer) {
		const same = this.pane && this.pane.id == rows.id(peer);

		this.pane = same ? null : details.pane(peer, L.bind(this.buttons, this));
		this.part.table.open(this.pane ? this.pane.id : null, this.pane ? this.pane.node : null);

		if (this.pane)
			this.pane.refresh(this.answer.daemon);
	},

	/* show changes what is wanted, and asks for it at once. */
	show(q) {
		const hash = query.write(q);

		this.query = q;
		window.history.replaceState(null, '', hash ? '#' + hash : window.location.pathname + window.location.search);

		return this.again();
	},

	again() {
		return this.fetch().then(L.bind(function(answer) { return answer ? this.update(answer) : null }, this), L.bind(this.late, this));
	},

	/* late keeps what is shown, and says that it is old. */
	late(e) {
		this.part.late.style.display = '';
		this.part.late.textContent = _('The router does not answer: %s What is shown is from %s.').format(rows.failure(e).replace(/\.?$/, '.'), this.time || _('before'));
	},

	update(answer) {
		const q = this.query, part = this.part;
		const several = (answer.interfaces || []).length > 1;
		const place = query.place(q, answer);

		this.answer = answer;
		this.time = new Date().toLocaleTimeString();
		part.late.style.display = 'none';

		const missing = document.querySelector('[data-notice="backend"]');

		if (missing)
			missing.parentNode.removeChild(missing);

		this.notices(answer);
		part.summary.classList.toggle('wgn-single', !several);
		part.cards.update(answer, q.interface);
		part.chips.update(answer.counts, q.states);
		part.table.update(answer, q, several);
		part.peers.style.display = (answer.interfaces || []).length ? '' : 'none';
		part.place.textContent = place.total ? _('%d to %d of %d').format(place.from, place.to, place.total) : '';
		this.field.back.style.display = this.field.on.style.display = (place.before || place.behind) ? '' : 'none';
		this.field.back.disabled = !place.before;
		this.field.on.disabled = !place.behind;
		this.field.sort.value = q.sort;
		this.field.size.value = String(q.limit);
		this.field.all.style.display = query.filtered(q) ? '' : 'none';
		this.chart(answer);
		this.sparks.next();

		return this.pane ? this.pane.refresh(answer.daemon) : null;
	},

	/* notices says what stands in the way, and sees whether it still does. */
	notices(answer) {
		const found = rows.situation(answer, this.handlers);

		this.part.notices.update(found);

		/* netifd's own word for it, NO_DEVICE, leads nowhere. */
		if (found.some(function(s) { return s.kind == 'no-handler' }))
			for (let i of answer.interfaces)
				if (i.state == 'failed' && i.reason == 'error')
					i.reason = 'no-handler';

		if (Date.now() - this.handlersTime > HANDLERS_AGE && found.some(function(s) { return /-handler$/.test(s.kind) }))
			this.askHandlers();
	},

	/* chart shows the interface whose peers are shown, or the one there is. */
	chart(answer) {
		const up = (answer.interfaces || []).filter(function(i) { return i.up });
		const name = this.query.interface || (up.length ? up[0].name : '');
		const running = this.iface(name).up;

		/* One that is down has none until it comes up. */
		if (name != this.charted || (running && !this.panel)) {
			this.charted = name;
			this.panel = running ? traffic.panel({ interface: name }, _('Traffic of %s').format(name)) : null;

			while (this.part.chart.firstChild)
				this.part.chart.removeChild(this.part.chart.firstChild);

			if (this.panel)
				this.part.chart.appendChild(this.panel.node);
		}

		if (this.panel)
			this.panel.refresh(answer.daemon);
	},

	/* watch asks again and again, but not while nobody can see the page. */
	watch() {
		const tick = L.bind(this.again, this);

		if (!document.hidden)
			poll.add(tick);

		document.addEventListener('visibilitychange', L.bind(function() {
			if (document.hidden) {
				poll.remove(tick);
				return;
			}

			poll.add(tick);

			if (poll.active())
				this.again();
		}, this));
	}
});
