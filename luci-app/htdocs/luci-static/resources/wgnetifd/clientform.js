'use strict';
'require baseclass';
'require form';
'require network';
'require uci';
'require wgnetifd.check as check';
'require wgnetifd.client as client';
'require wgnetifd.deviceendpoint as deviceendpoint';
'require wgnetifd.pane as pane';
'require wgnetifd.qr as qr';

/* The device's own configuration in the dialog of a peer: what it is told, kept
 * with the peer, and the page that shows it as QR code. */

/* proposals resolves to what the fields can propose: where a device could reach
 * this router, and the DNS servers and networks that it has. */
function proposals(s) {
	return Promise.all([
		L.resolveDefault(network.getWANNetworks(), []),
		L.resolveDefault(network.getWAN6Networks(), []),
		L.resolveDefault(network.getNetwork('lan'), null),
		L.resolveDefault(uci.load('ddns')),
		L.resolveDefault(uci.load('system'))
	]).then(function(r) {
		const names = [], uplinks = [];
		let hostname = '';

		uci.sections('ddns', 'service', function(d) {
			if (check.isTrue(d.enabled))
				names.push(d.lookup_host);
		});

		uci.sections('system', 'system', function(d) { hostname = d.hostname || hostname });

		r[0].forEach(function(n) { uplinks.push({ name: n.getName(), proto: n.getProtocol(), addresses: n.getIPAddrs() }) });
		r[1].forEach(function(n) { uplinks.push({ name: n.getName(), proto: n.getProtocol(), addresses: n.getIP6Addrs() }) });

		const own = [].concat(s.formvalue(s.section, 'addresses') || []).map(function(a) { return String(a).split('/')[0] });

		return {
			endpoints: deviceendpoint.proposals(names, hostname, uplinks),
			uplinks: uplinks,
			dns: own.concat(r[2] ? r[2].getIPAddrs() : []).map(function(a) { return a.split('/')[0] }),
			networks: r[2] ? r[2].getIPAddrs().concat(r[2].getIP6Addrs()) : []
		};
	});
}

/* proposing has a field propose values that are known only later. */
function proposing(o, s, pick) {
	o.load = function(section_id) {
		return proposals(s).then(L.bind(function(found) {
			pick(found).forEach(L.bind(function(v) { this.value(v, '%h'.format(v)) }, this));

			return form.Value.prototype.load.call(this, section_id);
		}, this));
	};
}

function show(section, section_id, s, own, map) {
	const value = function(name) { return section.formvalue(section_id, name) };
	const peer = {};

	for (let name of [ 'private_key', 'preshared_key', 'allowed_ips', 'persistent_keepalive',
		'client_addresses', 'client_dns', 'client_allowed_ips', 'client_endpoint', 'client_keepalive' ])
		peer[name] = value(name);

	const iface = { public_key: own().publicKey, listen_port: s.formvalue(s.section, 'listen_port'), mtu: s.formvalue(s.section, 'mtu') };

	return proposals(s).then(function(found) {
		const best = deviceendpoint.best(found.endpoints);

		/* What stands in the picture stands in the field, and is kept. */
		if (!peer.client_endpoint && best) {
			peer.client_endpoint = best;
			section.getUIElement(section_id, 'client_endpoint').setValue(best);
		}

		const at = deviceendpoint.hostOf(peer.client_endpoint);
		const doubt = at
			? deviceendpoint.warning(at.host)
			: deviceendpoint.situation(found.endpoints, found.uplinks, client.port(iface));

		pane.open(map, _('Configuration and QR code'),
			qr.render(client.text(iface, peer), value('description'), client.build(iface, peer).missing.concat(doubt || [])));
	});
}

return baseclass.extend({
	/* add makes the fields. peer(tab, name) makes the one of an option. */
	add(ss, s, own, peer) {
		let o = peer('client', 'client_endpoint');

		proposing(o, s, function(found) { return found.endpoints.map(function(p) { return p.host }) });

		o = peer('client', 'client_addresses');
		o.placeholder = '10.0.0.2/32';

		o = peer('client', 'client_allowed_ips');
		proposing(o, s, function(found) { return client.EVERYTHING.concat(found.networks) });
		o.placeholder = _('everything');

		o = peer('client', 'client_dns');
		proposing(o, s, function(found) { return found.dns });

		peer('client', 'client_keepalive');

		o = ss.taboption('client', form.Button, '_show', ' ');
		o.modalonly = true;
		o.inputtitle = _('Show configuration and QR code…');
		o.inputstyle = 'action';
		o.onclick = function(ev, section_id) {
			return show(this.section, section_id, s, own, ss.getActiveModalMap());
		};
	}
});
