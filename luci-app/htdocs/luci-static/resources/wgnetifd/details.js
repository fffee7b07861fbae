'use strict';
'require baseclass';
'require wgnetifd.backend as backend';
'require wgnetifd.format as format';
'require wgnetifd.rows as rows';
'require wgnetifd.traffic as traffic';

/* Everything about one peer, unfolded below its row. */

/* Lists of the configuration are shown up to here. */
const OPTIONS_MAX = 100;

/* The options of `config` in the order in which they are shown. */
const TITLES = {
	description: _('Name'), disabled: _('Disabled'), public_key: _('Public key'), has_preshared_key: _('Preshared key'),
	endpoint_host: _('Endpoint host'), endpoint_port: _('Endpoint port'), endpoint: _('Further endpoints'), endpoint_family: _('Address family of endpoints'),
	endpoint_failback: _('Back to the first endpoint after'), persistent_keepalive: _('Persistent keepalive'),
	allowed_ips: _('Allowed IPs'), route_allowed_ips: _('Route allowed IPs')
};

function empty(node) {
	while (node.firstChild)
		node.removeChild(node.firstChild);
}

function yes(value) {
	return value ? _('yes') : _('no');
}

function fact(title, value) {
	return E('div', [ E('dt', [ title ]), E('dd', [ value ]) ]);
}

function facts(title, lines) {
	return E('div', [ E('h4', [ title ]), E('dl', { 'class': 'wgn-facts' }, lines) ]);
}

/* moving is a text that goes on at each answer, in its place. fn(p) returns it, or
 * it and its tooltip; all: what is called with the next answers. */
function moving(all, fn) {
	const node = E('span');

	all.push(function(p) {
		const text = [].concat(fn(p));

		if (node.textContent !== text[0])
			node.textContent = text[0];

		node.title = text[1] || '';
	});

	return node;
}

/* still is an answer without what goes on in its place: what it takes to be drawn
 * anew. */
function still(p) {
	return JSON.stringify(Object.assign({}, p, {
		time: 0, detail: '', latest_handshake: 0, handshake_age: 0, transfer_rx: 0, transfer_tx: 0, rx_rate: 0, tx_rate: 0,
		candidates: (p.candidates || []).map(function(c) { return Object.assign({}, c, { asked: 0 }) })
	}));
}

/* amount writes bytes for people, and all digits for those who compare. */
function amount(bytes) {
	return [ format.bytes(bytes), '%s B'.format(String(bytes || 0)) ];
}

function handshake(p) {
	const when = (+p.latest_handshake > 0) ? new Date(1000 * p.latest_handshake).toLocaleString() : '';

	return rows.handshake(p) + (when ? ' (%s)'.format(when) : '');
}

/* list shows many short values; it scrolls where they are too many. */
function list(items, total) {
	return items.length ? E('div', { 'class': 'wgn-scroll' }, [
		items.join('\n'),
		items.length < total ? E('em', [ '\n', _('and %d more').format(total - items.length) ]) : E([])
	]) : _('none', 'No allowed IPs');
}

function keepalive(seconds) {
	return +seconds ? _('every %s').format(format.span(seconds)) : _('off');
}

/* now is what the device has and does. */
function now(p, parts) {
	return facts(_('Now'), [
		fact(_('Interface'), p.in_device ? p.interface : _('%s, which does not have this peer').format(p.interface)),
		fact(_('Public key'), p.public_key ? E('code', [ p.public_key ]) : _('none')),
		fact(_('Preshared key'), yes(p.has_preshared_key)),
		fact(_('Endpoint'), p.endpoint || _('none')),
		fact(_('Last handshake'), moving(parts, handshake)),
		fact(_('Received'), moving(parts, function(p) { return amount(p.transfer_rx) })),
		fact(_('Sent'), moving(parts, function(p) { return amount(p.transfer_tx) })),
		fact(_('Persistent keepalive'), keepalive(p.persistent_keepalive)),
		fact(_('Allowed IPs'), list(p.allowed_ips || [], +p.allowed_ips_total || 0))
	]);
}

function table(heads, lines) {
	return E('table', { 'class': 'wgn-plain' }, [
		E('thead', [ E('tr', heads.map(function(h) { return E('th', { 'scope': 'col' }, [ h ]) })) ]),
		E('tbody', lines.map(function(cells) { return E('tr', cells.map(function(c, n) { return E('td', { 'data-title': heads[n] }, [ c ]) })) }))
	]);
}

/* candidates are the configured endpoints and what is known of them. */
function candidates(p, parts) {
	const all = p.candidates || [];

	if (!all.length)
		return E([]);

	return E('div', [
		E('h4', [ _('Endpoints in the order of use') ]),
		table([ _('Endpoint'), _('Addresses'), _('In use'), _('Looked up') ], all.map(function(c, n) {
			const host = String(c.host);
			const asked = function(p) {
				const c = p.candidates[n], age = c.asked ? format.age(Math.max(0, p.time - c.asked)) : '–';

				return c.error ? '%s: %s'.format(age, c.error) : age;
			};

			return [
				(host.indexOf(':') >= 0 ? '[' + host + ']' : host) + (c.port ? ':' + c.port : ''),
				(c.addresses || []).join(', ') || '–',
				c.in_use ? E('strong', [ _('yes') ]) : _('no'),
				moving(parts, asked)
			];
		}))
	]);
}

/* said writes the value of an option for people; null: there is nothing to say. */
function said(name, value) {
	if (Array.isArray(value))
		return value.length ? list(value.slice(0, OPTIONS_MAX), value.length) : null;

	if (name == 'public_key' && value)
		return E('code', [ value ]);

	if (name == 'persistent_keepalive')
		return keepalive(value);

	if (name == 'endpoint_failback')
		return +value ? format.span(value) : _('never');

	if (typeof(value) == 'boolean')
		return yes(value);

	return (value == null || value === '') ? null : String(value);
}

/* config is what the configuration says, options that are not set with what they
 * are then. What is of endpoints says nothing where there is none. */
function config(p) {
	if (!p.config)
		return facts(_('Configuration'), [ fact(_('Section'), _('This peer is not in the configuration.')) ]);

	const lines = [ fact(_('Section'), E('code', [ 'network.' + p.section ])) ];

	for (let name of Object.keys(TITLES)) {
		if (name.match(/^endpoint_[pf]/) && !p.config.endpoint_host && !(p.config.endpoint || []).length)
			continue;

		const value = said(name, p.config[name]);

		if (value != null)
			lines.push(fact(TITLES[name], value));
	}

	return facts(_('Configuration'), lines);
}

function problems(p) {
	const all = p.problems || [];

	return !all.length ? E([]) : E('div', { 'class': 'alert-message warning' }, [
		E('ul', all.map(function(o) { return E('li', [ rows.problem(o) ]) }))
	]);
}

return baseclass.extend({
	/* pane returns { id, node, refresh(daemon) } of a peer. buttons(peer): what
	 * can be done with it, nodes. */
	pane(peer, buttons) {
		const where = rows.where(peer);
		const node = E('div', { 'class': 'wgn-details' });
		const sentence = E('p', { 'class': 'wgn-detail' }, [ rows.words(peer.detail) ]);
		const actions = E('div', { 'class': 'wgn-buttons' }, buttons(peer));
		const body = E('div', [ E('em', { 'class': 'spinning' }, [ _('Loading…') ]) ]);
		const chart = peer.public_key ? traffic.panel({ interface: peer.interface, public_key: peer.public_key }, _('Traffic of %s').format(peer.name)) : null;
		let shown = '', parts = [];

		[ sentence, actions, chart ? chart.node : E([]), body ].forEach(function(n) { node.appendChild(n) });

		return {
			id: rows.id(peer),
			node: node,
			refresh: function(daemon) {
				const told = backend.peer(where).then(function(p) {
					const said = rows.words(p.detail);

					if (sentence.textContent !== said)
						sentence.textContent = said;

					/* What did not change stays: somebody may be selecting it. */
					const text = still(p);

					if (text !== shown) {
						shown = text;
						parts = [];
						empty(body);
						[ problems(p), E('div', { 'class': 'wgn-columns' }, [ now(p, parts), config(p) ]), candidates(p, parts) ]
							.forEach(function(n) { body.appendChild(n) });
					}

					for (let renew of parts)
						renew(p);
				}, function(e) {
					shown = '';
					empty(body);
					body.appendChild(E('em', [ rows.failure(e) ]));
				});

				return Promise.all([ told, chart ? chart.refresh(daemon) : null ]);
			}
		};
	}
});
