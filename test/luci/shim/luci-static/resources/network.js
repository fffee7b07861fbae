'use strict';
'require baseclass';
'require rpc';
'require uci';

/* Networks as netifd has them, and the protocols that modules register. */

const dump = rpc.declare({ object: 'network.interface', method: 'dump', expect: { interface: [] } });

const protocols = {}, errors = {};
let state = null;

function load(fresh) {
	if (!state || fresh)
		state = Promise.all([ L.resolveDefault(dump(), []), L.resolveDefault(uci.load('network')) ]);

	return state.then(function(r) { return r[0] });
}

/* Protocol is a network, in the ways of its protocol. */
const Protocol = baseclass.extend({
	__init__(name, status) {
		this.sid = name;
		this.status = status || {};
	},

	_get(option) {
		return uci.get('network', this.sid, option);
	},

	_ubus(field) {
		return (field == null) ? this.status : this.status[field];
	},

	getName() { return this.sid },
	getProtocol() { return this._get('proto') || this.status.proto || 'none' },
	getI18n() { return this.getProtocol() },
	getIfname() { return this._ubus('l3_device') || this._get('device') },
	/* getErrors returns what netifd has against the network, in words. */
	getErrors() {
		return (this._ubus('errors') || []).map(function(e) {
			return errors[e.code] || _('Unknown error (%s)').format(e.code);
		});
	},

	isUp() { return this._ubus('up') === true },

	getIPAddrs() {
		return (this._ubus('ipv4-address') || []).map(function(a) { return '%s/%d'.format(a.address, a.mask) });
	},

	getIP6Addrs() {
		const assigned = (this._ubus('ipv6-prefix-assignment') || []).map(function(a) { return a['local-address'] }).filter(L.isObject);

		return (this._ubus('ipv6-address') || []).concat(assigned).map(function(a) { return '%s/%d'.format(a.address, a.mask) });
	}
});

function network(status) {
	return new (protocols[status.proto] || Protocol)(status.interface, status);
}

/* withDefault resolves to the networks that have the default route. */
function withDefault(target) {
	return load(true).then(function(all) {
		return all.filter(function(i) {
			return (i.route || []).some(function(r) { return r.target == target && r.mask == 0 });
		}).map(network);
	});
}

return baseclass.extend({
	registerProtocol(name, members) {
		protocols[name] = Protocol.extend(Object.assign({ getProtocol() { return name } }, members));

		return protocols[name];
	},

	registerErrorCode(code, text) {
		errors[code] = text;
	},

	/* getProtocol returns the network NETNAME as one of the protocol NAME. */
	getProtocol(name, netname) {
		return new (protocols[name] || Protocol)(netname || '__dummy__', {});
	},

	getProtocols() {
		return Object.keys(protocols).map(L.bind(function(name) { return this.getProtocol(name) }, this));
	},

	getNetworks() {
		return load(true).then(function(all) { return all.map(network) });
	},

	getNetwork(name) {
		return load(true).then(function(all) {
			const found = all.filter(function(i) { return i.interface == name })[0];

			return found ? network(found) : null;
		});
	},

	getWANNetworks() { return withDefault('0.0.0.0') },
	getWAN6Networks() { return withDefault('::') },
	flushCache() { return load(true) },

	getIfnameOf(device) {
		return (typeof(device) == 'string') ? device : (device && device.getIfname) ? device.getIfname() : null;
	}
});
