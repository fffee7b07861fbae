'use strict';
'require baseclass';
'require wgnetifd.address as address';
'require wgnetifd.check as check';

/* Where a device can reach this router from outside: what is proposed, and what
 * speaks against it. */

/* Names that only this network knows (RFC 6762, RFC 6761, RFC 8375, and what
 * routers use). */
const LOCAL_NAME = /(^[^.]+|\.(lan|local|localdomain|localhost|internal|home|home\.arpa|fritz\.box|invalid|test))\.?$/i;

/* Addresses that many customers of a provider share (RFC 6598, RFC 7335). */
const SHARED = [ '100.64.0.0/10', '192.0.0.0/24' ];

/* Addresses that mean something in one network only (RFC 1918, RFC 3927, RFC
 * 6890, RFC 4193, RFC 4291). */
const PRIVATE = [ '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '127.0.0.0/8', '0.0.0.0/8', '224.0.0.0/3' ];

function within(prefixes, host) {
	return prefixes.some(function(p) { return address.contains(address.parsePrefix(p), host) });
}

function kindOf(text) {
	const host = address.parsePrefix(String(text).split('%')[0]);

	if (!host)
		return LOCAL_NAME.test(text) ? 'local' : 'name';

	if (within(SHARED, host))
		return 'shared';

	if (host.family == 4)
		return within(PRIVATE, host) ? 'private' : 'public';

	return within([ '2000::/3' ], host) ? 'public' : 'private';
}

/* What comes first: a name stays when the address changes, and more networks
 * speak IPv4 than IPv6. */
function rank(p) {
	return { name: 0, public: (p.host.indexOf(':') < 0) ? 1 : 2, private: 3, shared: 4, local: 5 }[p.kind];
}

/* Protocols of uplinks whose addresses the provider chooses. */
function isDynamic(proto) {
	return [ 'static', 'none', 'wireguard', '' ].indexOf(proto || '') < 0;
}

return baseclass.extend({
	/* kindOf tells what a name or an address is: name, local (a name that only this
	 * network knows), public, private, or shared (CGNAT). */
	kindOf: kindOf,

	/* proposals returns what could be the endpoint, the best first:
	 * [ { host, kind, from } ], from: a sentence for people.
	 * ddns: names of dynamic DNS; hostname: the router's; uplinks: [ { name, proto,
	 * addresses } ]. */
	proposals(ddns, hostname, uplinks) {
		const out = [];
		const add = function(host, from) {
			host = String(host || '').split('/')[0];

			if (host == '' || !check.isHost(host) || host.match(/^fe80:/i) || out.some(function(p) { return p.host == host }))
				return;

			out.push({ host: host, kind: kindOf(host), from: from });
		};

		for (let name of ddns)
			add(name, _('the router\'s name by dynamic DNS'));

		if (kindOf(String(hostname || '')) == 'name')
			add(hostname, _('the router\'s own name'));

		for (let u of uplinks)
			for (let a of u.addresses)
				add(a, isDynamic(u.proto) ? _('the address of %s at the moment; the provider may change it').format(u.name) : _('the address of %s').format(u.name));

		const order = out.map(function(p, n) { return { p: p, n: n } });

		order.sort(function(a, b) { return rank(a.p) - rank(b.p) || a.n - b.n });

		return order.map(function(o) { return o.p });
	},

	/* best returns the proposal that can work from everywhere, '' when there is
	 * none. */
	best(proposals) {
		const good = proposals.filter(function(p) { return p.kind == 'name' || p.kind == 'public' })[0];

		return good ? good.host : '';
	},

	/* situation says what is known of the way in from outside, null when all is
	 * well: a sentence on a missing uplink, or on addresses that nobody can call.
	 * port: the UDP port. */
	situation(proposals, uplinks, port) {
		if (this.best(proposals))
			return null;

		if (!uplinks.length)
			return _('The router has no uplink at the moment, so its address outside is not known. Type the name or address that it has on the Internet.');

		const shared = proposals.filter(function(p) { return p.kind == 'shared' })[0];

		if (shared)
			return _('The address of the uplink (%s) is shared with other customers of the provider (CGNAT): nobody can call this router there. Ask the provider for an IPv4 address of your own or for IPv6, and type it here.').format(shared.host);

		const inner = proposals.filter(function(p) { return p.kind == 'private' })[0];

		if (inner)
			return _('The address of the uplink (%s) is private: this router is behind another router. There, forward UDP port %s to %s, and type the other router\'s public name or address here.').format(inner.host, port, inner.host);

		return _('The uplink has no address that others can call. Type the name or address that the router has on the Internet.');
	},

	/* warning says what speaks against an endpoint that somebody chose, null for
	 * nothing. host: without a port. */
	warning(host, port) {
		switch (kindOf(host)) {
		case 'private': return _('%s is a private address: it works inside of that network only, unless the device is always there.').format(host);
		case 'shared': return _('%s is shared with other customers of the provider (CGNAT): calls from outside do not arrive here.').format(host);
		case 'local': return _('%s is a name that only this network knows: from outside the device will not find it.').format(host);
		}

		return null;
	},

	/* hostOf reads HOST[:PORT] as { host, port }, an IPv6 address with or without
	 * brackets; null when it is neither. */
	hostOf(text) {
		text = String(text || '').trim();

		if (text == '')
			return null;

		return address.parse(text) ? { host: text, port: '' } : check.splitEndpoint(text);
	}
});
