'use strict';
'require baseclass';
'require wgnetifd.backend as backend';
'require wgnetifd.format as format';
'require wgnetifd.rows as rows';
'require wgnetifd.traffic as traffic';

/* Everything about one peer, unfolded below its row. */

const TITLES = {
	public_key: _('Public key'), has_preshared_key: _('Preshared key'), description: _('Name'), allowed_ips: _('Allowed IPs'), route_allowed_ips: _('Route allowed IPs'),
	endpoint_host: _('Endpoint host'), endpoint_port: _('Endpoint port'), endpoint: _('Further endpoints'), endpoint_family: _('Address family of endpoints'),
	endpoint_failback: _('Back to the first endpoint after'), persistent_keepalive: _('Persistent keepalive'), disabled: _('Disabled')
};

function empty(node) {
	while (node.firstChild)
		node.removeChild(node.firstChild);
}

function yes(value) {
	return value ? _('yes') : _('no');
}

function fact(title, value) {
	return (value == null || value === '') ? null : E('div', [ E('dt', [ title ]), E('dd', [ value ]) ]);
}

/* facts are the fields that the row has no room for. */
function facts(p) {
	const when = (+p.latest_handshake > 0) ? new Date(1000 * p.latest_handshake).toLocaleString() : '';

	return E('dl', { 'class': 'wgn-facts' }, [
		fact(_('Public key'), p.public_key ? E('code', [ p.public_key ]) : _('none')),
		fact(_('Interface'), p.interface),
		fact(_('Section'), p.section ? 'network.' + p.section : _('not in the configuration')),
		fact(_('Preshared key'), yes(p.has_preshared_key)),
		fact(_('Endpoint in use'), p.endpoint || _('none')),
		fact(_('Last handshake'), rows.handshake(p) + (when ? ' (%s)'.format(when) : '')),
		fact(_('Received'), '%s (%s B)'.format(format.bytes(p.transfer_rx), String(p.transfer_rx || 0))),
		fact(_('Sent'), '%s (%s B)'.format(format.bytes(p.transfer_tx), String(p.transfer_tx || 0))),
		fact(_('Persistent keepalive'), p.persistent_keepalive ? _('every %s').format(format.span(p.persistent_keepalive)) : _('off')),
		fact(_('Routes for allowed IPs'), yes(p.route_allowed_ips)),
		fact(_('In the device'), yes(p.in_device))
	].filter(function(n) { return n != null }));
}

function list(title, items, total) {
	return E('div', [
		E('h4', [ '%s (%d)'.format(title, total) ]),
		E('div', { 'class': 'wgn-scroll wgn-mono' }, [ items.length ? items.join('  ') : _('none', 'No allowed IPs') ]),
		items.length < total ? E('div', { 'class': 'wgn-under' }, [ _('The first %d of them.').format(items.length) ]) : E([])
	]);
}

function table(heads, lines) {
	return E('table', { 'class': 'wgn-plain' }, [
		E('thead', [ E('tr', heads.map(function(h) { return E('th', { 'scope': 'col' }, [ h ]) })) ]),
		E('tbody', lines.map(function(cells) { return E('tr', cells.map(function(c) { return E('td', [ c ]) })) }))
	]);
}

/* candidates are the configured endpoints and what is known of them. */
function candidates(p) {
	const all = p.candidates || [];

	if (!all.length)
		return E([]);

	return E('div', [
		E('h4', [ _('Endpoints in the order of use') ]),
		table([ _('Endpoint'), _('Addresses'), _('In use'), _('Looked up') ], all.map(function(c) {
			const host = String(c.host);
			const asked = c.asked ? format.age(Math.max(0, p.time - c.asked)) : '–';

			return [
				(host.indexOf(':') >= 0 ? '[' + host + ']' : host) + (c.port ? ':' + c.port : ''),
				(c.addresses || []).join(', ') || '–',
				c.in_use ? E('strong', [ _('yes') ]) : _('no'),
				c.error ? '%s: %s'.format(asked, c.error) : asked
			];
		}))
	]);
}

function config(p) {
	if (!p.config)
		return E([]);

	const lines = [];

	for (let name of Object.keys(p.config)) {
		let value = p.config[name];

		if (value === '' || value == null || (Array.isArray(value) && !value.length))
			continue;

		if (Array.isArray(value))
			value = value.slice(0, 20).join(', ') + (value.length > 20 ? ' …' : '');
		else if (typeof(value) == 'boolean')
			value = yes(value);

		lines.push([ TITLES[name] || name, String(value) ]);
	}

	return E('div', [ E('h4', [ _('What the configuration says') ]), table([ _('Option'), _('Value') ], lines) ]);
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
		const sentence = E('p', { 'class': 'wgn-detail' }, [ peer.detail || '' ]);
		const actions = E('div', { 'class': 'wgn-buttons' }, buttons(peer));
		const body = E('div', [ E('em', { 'class': 'spinning' }, [ _('Loading…') ]) ]);
		const chart = peer.public_key ? traffic.panel({ interface: peer.interface, public_key: peer.public_key }, _('Traffic of %s').format(peer.name)) : null;
		let shown = '';

		[ sentence, actions, chart ? chart.node : E([]), body ].forEach(function(n) { node.appendChild(n) });

		return {
			id: rows.id(peer),
			node: node,
			refresh: function(daemon) {
				const text = backend.peer(where).then(function(p) {
					sentence.textContent = p.detail || '';

					/* What did not change stays: somebody may be selecting it. */
					const said = JSON.stringify(Object.assign({}, p, { time: 0, handshake_age: 0 })) + rows.handshake(p);

					if (said === shown)
						return;

					shown = said;
					empty(body);
					[ problems(p), facts(p), candidates(p), list(_('Allowed IPs'), p.allowed_ips || [], +p.allowed_ips_total || 0), config(p) ]
						.forEach(function(n) { body.appendChild(n) });
				}, function(e) {
					shown = '';
					empty(body);
					body.appendChild(E('em', [ e.message ]));
				});

				return Promise.all([ text, chart ? chart.refresh(daemon) : null ]);
			}
		};
	}
});
