'use strict';
'require baseclass';
'require wgnetifd.format as format';
'require wgnetifd.state as state';

/* What the monitoring page says of peers and interfaces, in words: the backend's
 * answers in, texts out, nothing of a page. */

/* words writes a sentence of the backend as one that stands alone. Names of
 * options stay as they are. */
function words(text) {
	return String(text || '').trim().replace(/^[a-z]+(?=[ ,;])/, function(w) { return w.charAt(0).toUpperCase() + w.substring(1) });
}

/* sentence says what is the matter: in the language of the page where the reason
 * has a sentence there, otherwise in the backend's words. What is well needs
 * none. */
function sentence(of) {
	return state.reason(of.reason) || (of.reason ? '' : state.reason(of.state)) || words(of.detail);
}

/* rates are known of what is measured: not of a device that is down. */
function rate(of, direction) {
	const r = of[direction + '_rate'];

	return r == null ? '' : format.rate(r);
}

function endpointText(peer) {
	if (peer.endpoint)
		return peer.endpoint;

	if (!peer.endpoint_host)
		return '';

	const host = String(peer.endpoint_host);

	return (host.indexOf(':') >= 0 ? '[' + host + ']' : host) + (peer.endpoint_port ? ':' + peer.endpoint_port : '');
}

/* isName tells what is looked up from an address. */
function isName(host) {
	return !!host && !/^[0-9.]+$/.test(host) && String(host).indexOf(':') < 0;
}

return baseclass.extend({
	sentence: sentence,
	words: words,

	/* failure writes an error for people: LuCI's own have a trace behind the first
	 * line. */
	failure(e) {
		return String((e && e.message) || e).split('\n')[0].trim();
	},


	/* id tells a peer from all others, of all interfaces: not all have a key,
	 * not all have a section. */
	id(peer) {
		return [ peer.interface, peer.public_key, peer.section ].join('\u0000');
	},

	/* where names a peer for the backend's method peer: several sections may have
	 * one key. */
	where(peer) {
		const where = { interface: peer.interface };

		for (let name of [ 'public_key', 'section' ])
			if (peer[name])
				where[name] = peer[name];

		return where;
	},

	/* peer returns the texts of a row. */
	peer(peer) {
		const s = state.peer(peer.state);

		return {
			id: this.id(peer),
			interface: peer.interface,
			name: String(peer.name || ''),
			key: peer.public_key ? format.key(peer.public_key) : _('no key'),
			word: s.word, colour: s.colour,
			sentence: sentence(peer),
			detail: words(peer.detail),
			endpoint: endpointText(peer) || '–',
			/* The name, where the device shows its address only. */
			host: (peer.endpoint && peer.endpoint_host && peer.endpoint.indexOf(peer.endpoint_host) < 0) ? String(peer.endpoint_host)
				: (endpointText(peer) || !peer.public_key) ? '' : _('It calls this router.', 'A peer without endpoint'),
			named: isName(peer.endpoint_host),
			handshake: this.handshake(peer),
			/* Of those that are not connected only what is going on. */
			flows: peer.rx_rate != null && (peer.state == 'connected' || peer.rx_rate > 0 || peer.tx_rate > 0),
			rx_rate: rate(peer, 'rx'), tx_rate: rate(peer, 'tx'),
			rx: format.bytes(peer.transfer_rx), tx: format.bytes(peer.transfer_tx),
			moved: (+peer.transfer_rx || 0) + (+peer.transfer_tx || 0) > 0,
			ips: (peer.allowed_ips || []).slice(0, 3),
			more: Math.max(0, (+peer.allowed_ips_total || 0) - Math.min(3, (peer.allowed_ips || []).length)),
			enabled: !peer.disabled,
			configured: !!peer.section,
			problems: (peer.problems || []).map(function(p) { return p.text })
		};
	},

	/* handshake tells never from unknown: the clock may have been set back. */
	handshake(peer) {
		if (!(+peer.latest_handshake > 0))
			return _('never');

		return (peer.handshake_age < 0) ? _('not known: the clock was set back') : format.age(peer.handshake_age);
	},

	/* iface returns the texts of an interface. */
	iface(i) {
		const s = state.iface(i.state);

		return {
			name: String(i.name),
			word: s.word, colour: s.colour,
			sentence: sentence(i),
			detail: words(i.detail),
			addresses: (i.addresses || []).filter(function(a) { return !a.match(/^fe[89ab]/i) }),
			port: i.listen_port ? String(i.listen_port) : '',
			uptime: (i.up && i.uptime > 0) ? _('up for %s').format(format.span(i.uptime)) : '',
			peers: this.connected(i),
			rx_rate: rate(i, 'rx'), tx_rate: rate(i, 'tx'),
			rx: format.bytes(i.rx_bytes), tx: format.bytes(i.tx_bytes),
			moved: (+i.rx_bytes || 0) + (+i.tx_bytes || 0) > 0,
			problems: this.problems(i)
		};
	},

	connected(i) {
		const total = +i.peers_total || 0;

		if (!total)
			return _('no peers');

		return _('%d of %d connected').format(+i.peers_connected || 0, total);
	},

	problems(i) {
		const n = +i.problems_total || 0;

		return !n ? '' : (n == 1) ? _('1 problem') : _('%d problems').format(n);
	},

	/* problem writes a remark as one line. */
	problem(p) {
		return (p.option || '') + (p.value ? ' = ' + p.value : '') + ': ' + (p.text || '');
	},

	/* situation finds what stands in the way of everything else, the worst first:
	 * [ { kind, text, names } ]; kind is a word for what can be done about it.
	 * handlers: answer of netifd's get_proto_handlers, null when not known. */
	situation(answer, handlers) {
		const out = [];
		const interfaces = answer.interfaces || [];
		const ours = handlers && handlers.wireguard;
		const failing = function(reason) {
			return interfaces.filter(function(i) { return i.reason == reason }).map(function(i) { return i.name });
		};

		if (answer.config_error)
			out.push({ kind: 'config', text: answer.config_error, names: [] });

		if (failing('no-wireguard').length)
			out.push({ kind: 'kernel', names: failing('no-wireguard') });

		/* Ours announces that it makes its device itself; OpenWrt's do not. */
		if (handlers && interfaces.length && (!ours || ours.no_device !== true))
			out.push({ kind: ours ? 'other-handler' : 'no-handler', names: [] });

		if (answer.daemon === false && interfaces.length)
			out.push({ kind: 'daemon', names: [] });

		if (!interfaces.length && !answer.config_error)
			out.push({ kind: 'none', names: [] });

		return out;
	}
});
