'use strict';
'require baseclass';

/* The states of peers and interfaces as the backend names them: their words, and
 * which of the colours stands for them. Colours are classes, wgn-ok, wgn-busy,
 * wgn-bad, wgn-idle and wgn-off: never is a colour all that tells. */

const STATES = {
	connected: { word: _('connected', 'State of a WireGuard peer'), colour: 'ok' },
	idle: { word: _('idle', 'State of a WireGuard peer'), colour: 'idle' },
	connecting: { word: _('connecting', 'State of a WireGuard peer'), colour: 'busy' },
	stale: { word: _('no answer', 'State of a WireGuard peer'), colour: 'bad' },
	waiting: { word: _('waiting', 'State of a WireGuard peer'), colour: 'idle' },
	unresolved: { word: _('name not resolved', 'State of a WireGuard peer'), colour: 'bad' },
	invalid: { word: _('left out', 'State of a WireGuard peer'), colour: 'bad' },
	disabled: { word: _('disabled', 'State of a WireGuard peer'), colour: 'off' },
	down: { word: _('interface down', 'State of a WireGuard peer'), colour: 'off' }
};

const INTERFACES = {
	up: { word: _('up', 'State of an interface'), colour: 'ok' },
	pending: { word: _('starting', 'State of an interface'), colour: 'busy' },
	down: { word: _('down', 'State of an interface'), colour: 'off' },
	disabled: { word: _('disabled', 'State of an interface'), colour: 'off' },
	failed: { word: _('failed', 'State of an interface'), colour: 'bad' }
};

/* What the reason codes mean, and what to do. The backend's own sentence
 * (`detail`) knows more, names and numbers, and is in English. */
const REASONS = {
	'resolving': _('The name of the endpoint is being looked up.'),
	'no-address': _('The name of the endpoint has no address. Check its spelling and the router\'s DNS.'),
	'waiting': _('The peer has not called yet; this side has no endpoint to call.'),
	'no-answer': _('The peer does not answer. Is it switched on, are address and port right, and does its firewall let UDP in?'),
	'no-uplink': _('The router has no route to the endpoint: is the WAN up?'),
	'clock': _('The router\'s clock is not set; the peer may refuse handshakes until it is.'),
	'roamed': _('The peer answers from another address than the configured one.'),
	'failed-over': _('A further endpoint is in use, because the first one does not answer.'),
	'returning': _('The first endpoint is being tried again.'),
	'idle': _('Nothing to send; the next packet starts a handshake.'),
	'down': _('The interface is not up.'),
	'not-applied': _('It is configured, and not in the device yet: press Save & Apply, or restart the interface.'),
	'disabled': _('Switched off in the configuration.'),
	'pending': _('The network service is bringing it up.'),
	'stopped': _('It is stopped. Start it under Network → Interfaces.'),
	'unknown': _('The network service does not know it yet. Restart it under Network → Interfaces.'),
	'device-down': _('Its device is down. Restart it under Network → Interfaces.'),
	'device-gone': _('Its device is gone. Restart it under Network → Interfaces.'),
	'no-wireguard': _('The kernel has no WireGuard.'),
	'no-handler': _('The network service does not know WireGuard yet.')
};

function lookup(table, state) {
	return Object.prototype.hasOwnProperty.call(table, state) ? table[state] : { word: String(state || '–'), colour: 'idle' };
}

return baseclass.extend({
	/* PEERS are the states of a peer in the order in which a filter shows them. */
	PEERS: Object.keys(STATES),

	/* peer and iface return { word, colour } of a state. */
	peer(state) { return lookup(STATES, state) },
	iface(state) { return lookup(INTERFACES, state) },

	/* reason returns the sentence of a reason code, '' for none. */
	reason(code) {
		return Object.prototype.hasOwnProperty.call(REASONS, code) ? REASONS[code] : '';
	}
});
