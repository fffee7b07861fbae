'use strict';
'require baseclass';
'require ui';
'require wgnetifd.backend as backend';
'require wgnetifd.change as change';
'require wgnetifd.client as client';
'require wgnetifd.deviceendpoint as deviceendpoint';
'require wgnetifd.devicefacts as devicefacts';
'require wgnetifd.peeredit as peeredit';
'require wgnetifd.qr as qr';
'require wgnetifd.rows as rows';

/* What one can do with a peer on the monitoring page, with the right to write. */

function cancelButton(title) {
	return E('button', { 'class': 'btn cbi-button', 'click': function(ev) { ev.preventDefault(); ui.hideModal() } }, [ title ]);
}

/* sectionOf resolves to the section of a peer in the configuration, by its key
 * where it has one: the numbers of sections without names change. */
function sectionOf(peer) {
	const type = 'wireguard_%s'.format(peer.interface);
	const byName = change.section('network', peer.section);

	return byName.then(function(s) {
		if (s && s['.type'] == type && (!peer.public_key || s.public_key == peer.public_key))
			return s;

		if (peer.public_key)
			return change.sections('network', type, { public_key: peer.public_key }).then(function(all) { return all[0] || null });

		/* rpcd does not know numbers of sections. Without a key there is nothing else. */
		const n = /\[(\d+)\]$/.exec(peer.section);

		return n ? change.sections('network', type).then(function(all) { return all[+n[1]] || null }) : null;
	}).then(function(s) {
		if (!s)
			throw new Error(_('The peer is not in the configuration any more.'));

		return s;
	});
}

/* also asks before changes to files that the person made elsewhere are applied with
 * ours; it resolves to whether to go on. */
function also(files) {
	return new Promise(function(resolve) {
		const text = E('p', [ _('Changes that you made before are not applied yet (%s). They are applied together with this one.').format(files.join(', ')) ]);
		const answer = function(yes) {
			return function(ev) {
				ev.preventDefault();
				ui.hideModal();
				resolve(yes);
			};
		};

		ui.showModal([ _('Unsaved changes') ], [
			text,
			E('div', { 'class': 'button-row right' }, [
				E('button', { 'class': 'btn cbi-button', 'click': answer(false) }, [ _('Cancel') ]), ' ',
				E('button', { 'class': 'btn cbi-button cbi-button-apply important', 'click': answer(true) }, [ _('Apply all of them') ])
			])
		]);

		/* Another dialog may take its place: that is no answer, and others wait for
		 * their turn. */
		const gone = window.setInterval(function() {
			if (document.body.contains(text))
				return;

			window.clearInterval(gone);
			resolve(false);
		}, 500);
	});
}

/* reloaded has the daemon apply the configuration of an interface now, and resolves
 * to what it refused, as sentences. section: only of this peer, as the page says of
 * others anyway. Without the daemon the change waits for the interface to be
 * restarted. */
function reloaded(name, section) {
	const own = section ? 'network.' + section + '.' : '';

	return backend.reload({ interface: name }).then(function(r) {
		const refused = (r.refused || []).filter(function(p) { return String(p.option).indexOf(own) == 0 });

		return (r.error ? [ r.error ] : []).concat(refused.map(rows.problem));
	}, function(e) {
		return [ _('Saved, but not in effect yet: %s').format(rows.failure(e)) ];
	});
}

return baseclass.extend({
	sectionOf: sectionOf,
	reloaded: reloaded,
	cancelButton: cancelButton,

	/* enable switches a peer on or off, now and in the configuration. It resolves
	 * to sentences on what is left to do; null when the person thought better of
	 * it. */
	enable(peer, on) {
		return change.apply(function() {
			return sectionOf(peer).then(function(s) {
				return [ on
					? { op: 'remove', config: 'network', section: s['.name'], options: [ 'disabled' ] }
					: { op: 'set', config: 'network', section: s['.name'], values: { disabled: '1' } } ];
			});
		}, also).then(function(made) { return made && reloaded(peer.interface, peer.section) });
	},

	/* resolve looks the name of a peer's endpoint up again. */
	resolve(peer) {
		return backend.resolve({ interface: peer.interface, public_key: peer.public_key });
	},

	/* showCode shows the configuration of a peer's own device. Where nobody said
	 * how the device reaches this router, it has the best of what could be.
	 * iface: the interface as the backend has it. */
	showCode(peer, iface) {
		return Promise.all([
			sectionOf(peer), change.section('network', peer.interface), devicefacts.read().catch(function() { return null })
		]).then(function(r) {
			const section = Object.assign({}, r[0]), facts = r[2] || { ddns: [], hostname: '', uplinks: [] };
			const own = { public_key: iface.public_key, listen_port: (r[1] || {}).listen_port, running_port: iface.listen_port, mtu: (r[1] || {}).mtu };
			const found = deviceendpoint.proposals(facts.ddns, facts.hostname, facts.uplinks);

			section.client_endpoint = section.client_endpoint || deviceendpoint.best(found);

			const at = deviceendpoint.hostOf(section.client_endpoint);
			const doubt = at ? deviceendpoint.warning(at.host) : deviceendpoint.situation(found, facts.uplinks, client.port(own));

			ui.showModal([ _('Configuration of %s').format(peer.name) ], [
				E('div', { 'class': 'wgn-dialog' }, [ qr.render(client.text(own, section), peer.name, client.build(own, section).missing.concat(doubt || [])) ]),
				E('div', { 'class': 'button-row right' }, [ cancelButton(_('Close')) ])
			], 'cbi-modal');
		});
	},

	/* edit opens the form of a peer. saved(sentences) is called when it was
	 * applied. */
	edit(peer, saved) {
		return sectionOf(peer).then(function(s) {
			peeredit.open(peer, s, function(ops) {
				return change.apply(function() { return ops }, also).then(function(made) {
					return made ? reloaded(peer.interface, peer.section).then(saved) : null;
				});
			});
		});
	}
});
