'use strict';
'require baseclass';
'require wgnetifd.backend as backend';
'require wgnetifd.format as format';
'require wgnetifd.state as state';

/* The line that waits for a new device, and turns green when it calls. */

/* How often the router is asked, and after what time somebody wants to know
 * what to look at, in ms. */
const EVERY = 2000;
const PATIENCE = 60000;

/* How long a device that is up takes at most to get a peer from the daemon. */
const RELOAD = 10000;

function seen(peer) {
	const parts = [];

	if (peer.endpoint)
		parts.push(_('It calls from %s.').format(peer.endpoint));

	if (peer.handshake_age != null && peer.handshake_age >= 0)
		parts.push(_('Last handshake %s, %s received, %s sent.').format(format.age(peer.handshake_age), format.bytes(peer.transfer_rx), format.bytes(peer.transfer_tx)));

	return parts.join(' ');
}

return baseclass.extend({
	/* words says what is the matter with a new peer: { colour, text, more, help },
	 * help: sentences on what to look at.
	 * peer: the backend's answer, null while there is none; what: { name,
	 * interface, port }; waited: ms since the change. */
	words(peer, what, waited) {
		const late = waited > PATIENCE;

		if (peer && peer.state == 'connected')
			return { colour: 'ok', text: _('%s is connected.').format(what.name), more: seen(peer), help: [] };

		if (peer && [ 'disabled', 'invalid' ].indexOf(peer.state) >= 0)
			return { colour: 'bad', text: _('%s: %s').format(what.name, state.peer(peer.state).word), more: peer.detail || '', help: [] };

		if (peer && peer.reason == 'not-applied' && waited > RELOAD)
			return { colour: 'bad', text: _('%s does not know %s yet.').format(what.interface, what.name), more: peer.detail || '', help: [] };

		if (!peer || peer.state == 'down')
			return {
				colour: late ? 'bad' : 'busy',
				text: late ? _('%s is not up.').format(what.interface) : _('The router sets %s up…').format(what.interface),
				more: (late && peer && peer.detail) || '', help: []
			};

		if (+peer.latest_handshake > 0)
			return { colour: 'idle', text: _('%s was connected, and is quiet now.').format(what.name), more: seen(peer), help: [] };

		return {
			colour: 'busy', text: _('Waiting for %s to call…').format(what.name),
			more: late ? _('Nothing has arrived so far. What is often the reason:') : _('Scan the picture with the WireGuard app and switch the tunnel on: this line turns green.'),
			help: late ? [
				_('The tunnel is not switched on in the app, or nothing was sent yet: open a page on the device.'),
				_('The name or address of this router is not right from outside, or another router in front of it does not forward UDP port %s.').format(what.port),
				_('The network that the device is in does not let UDP out: try it with mobile data.')
			] : []
		};
	},

	/* watch returns the line. It asks the router until it is taken off the page,
	 * and not while nobody sees it.
	 * what: { name, interface, port, public_key }; first: sentences to say from the
	 * beginning. */
	watch(what, first) {
		const self = this, began = Date.now();
		const part = { text: E('span', { 'class': 'wgn-state' }), more: E('div'), help: E('ul') };
		const node = E('div', { 'class': 'wgn-monitor', 'role': 'status', 'data-colour': 'busy' }, [ part.text, part.more, part.help ].concat(first.map(function(s) { return E('div', { 'class': 'wgn-hint' }, [ s ]) })));
		let shown = '';

		const show = function(w) {
			const now = JSON.stringify(w);

			if (now === shown)
				return;

			shown = now;
			node.dataset.colour = w.colour;
			part.text.className = 'wgn-state wgn-' + w.colour;
			part.text.textContent = w.text;
			part.more.textContent = w.more;
			part.help.style.display = w.help.length ? '' : 'none';

			while (part.help.firstChild)
				part.help.removeChild(part.help.firstChild);

			w.help.forEach(function(h) { part.help.appendChild(E('li', [ h ])) });
		};

		const again = function() { window.setTimeout(tick, EVERY) };
		const tick = function() {
			if (!node.isConnected)
				return;

			if (document.hidden) {
				again();
				return;
			}

			backend.peer({ interface: what.interface, public_key: what.public_key }).catch(function() { return null }).then(function(peer) {
				show(self.words(peer, what, Date.now() - began));
				again();
			});
		};

		show(this.words(null, what, 0));
		window.setTimeout(tick, 0);

		return node;
	}
});
