'use strict';
'require baseclass';
'require rpc';

/* The methods of the backend, rpcd's object luci.wireguard. Keys travel in the
 * body of a POST request only. */

const OBJECT = 'luci.wireguard';

/* checked makes an error of an answer that is one. */
function checked(reply) {
	if (reply && reply.error)
		throw new Error(reply.error);

	return reply || {};
}

const generateKeyPair = rpc.declare({ object: OBJECT, method: 'generateKeyPair', expect: { '': {} } });
const generatePsk = rpc.declare({ object: OBJECT, method: 'generatePsk', expect: { '': {} } });
const fromPrivate = rpc.declare({ object: OBJECT, method: 'getPublicAndPrivateKeyFromPrivate', params: [ 'privkey' ], expect: { '': {} } });
const peers = rpc.declare({
	object: OBJECT, method: 'peers',
	params: [ 'interface', 'state', 'text', 'sort', 'reverse', 'offset', 'limit' ], expect: { '': {} }, reject: true
});
const peer = rpc.declare({ object: OBJECT, method: 'peer', params: [ 'interface', 'public_key', 'section' ], expect: { '': {} }, reject: true });
const history = rpc.declare({ object: OBJECT, method: 'history', params: [ 'interface', 'public_key', 'step' ], expect: { '': {} }, reject: true });
const reload = rpc.declare({ object: OBJECT, method: 'reload', params: [ 'interface' ], expect: { '': {} }, reject: true });
const resolve = rpc.declare({ object: OBJECT, method: 'resolve', params: [ 'interface', 'public_key' ], expect: { '': {} }, reject: true });

/* call passes the members of an object on that the method takes, and leaves out
 * those that are not there. */
function call(method, names) {
	return function(args) {
		return method.apply(null, names.map(function(n) { return (args || {})[n] })).then(checked);
	};
}

return baseclass.extend({
	/* generateKeyPair resolves to { priv, pub }, generatePsk to the key. */
	generateKeyPair() { return generateKeyPair().then(checked).then(function(r) { return r.keys }) },
	generatePsk() { return generatePsk().then(checked).then(function(r) { return r.psk }) },

	/* publicKey resolves to the public key of a private one, '' where there is
	 * none. */
	publicKey(priv) {
		if (!priv || priv == 'generate')
			return Promise.resolve('');

		return fromPrivate(priv).then(checked).then(function(r) { return r.keys ? r.keys.pub : '' });
	},

	/* The methods of the monitoring page; their arguments are members of one
	 * object, by the names of docs/ubus.md. */
	peers: call(peers, [ 'interface', 'state', 'text', 'sort', 'reverse', 'offset', 'limit' ]),
	peer: call(peer, [ 'interface', 'public_key', 'section' ]),
	history: call(history, [ 'interface', 'public_key', 'step' ]),
	reload: call(reload, [ 'interface' ]),
	resolve: call(resolve, [ 'interface', 'public_key' ])
});
