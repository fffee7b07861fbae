'use strict';
'require baseclass';
'require rpc';
'require wgnetifd.address as address';
'require wgnetifd.backend as backend';
'require wgnetifd.change as change';
'require wgnetifd.check as check';
'require wgnetifd.devicefirewall as devicefirewall';

/* What "Add a device" has to know of the router: its interfaces and who uses which
 * addresses there, its networks and uplinks, its firewall, and its names. */

/* How many peers are asked for at a time, the most that the backend gives. */
const PAGE = 500;

const dump = rpc.declare({ object: 'network.interface', method: 'dump', expect: { interface: [] } });

function list(value) {
	return [].concat(value == null ? [] : value).reduce(function(all, v) { return all.concat(check.split(v)) }, []);
}

function prefixes(entries) {
	return (entries || []).map(function(e) { return '%s/%d'.format(e.address, e.mask) });
}

/* network makes one of netifd's interfaces comparable with others. */
function network(i) {
	const routes = (i.route || []).filter(function(r) { return !r.source || r.source.match(/\/0$|^(0\.0\.0\.0|::)/) });

	/* A route in a table of its own takes what a rule sends there alone. */
	const main = (i.route || []).filter(function(r) { return +r.mask == 0 && (i.proto != 'wireguard' || !r.table) });

	return {
		name: i.interface, proto: i.proto, up: !!i.up, device: i.l3_device || i.device || '',
		addresses: prefixes(i['ipv4-address']).concat(prefixes(i['ipv6-address'])),
		/* What netifd gave to this interface out of a prefix, with the router's address in it. */
		prefixes: (i['ipv6-prefix-assignment'] || []).map(function(p) { return '%s/%d'.format((p['local-address'] || {}).address || p.address, p.mask) }),
		routes: routes.map(function(r) { return '%s/%d'.format(r.target, r.mask) }),
		isDefault: !!i.up && main.length > 0,
		metric: main.reduce(function(least, r) { return Math.min(least, +r.metric || 0) }, Infinity)
	};
}

/* configuredOf returns the addresses that a section gives to an interface, for one
 * that is down at the moment: `netmask` stands beside IPv4 addresses without a length. */
function configuredOf(section) {
	const mask = address.parse(String(section.netmask || ''));
	const bits = mask ? mask.bytes.reduce(function(n, b) { return n + b.toString(2).replace(/0/g, '').length }, 0) : 32;

	return list(section.ipaddr).map(function(a) { return (a.indexOf('/') < 0) ? a + '/' + bits : a })
		.concat(list(section.ip6addr), (section.proto == 'wireguard') ? list(section.addresses) : []);
}

/* uplinks returns the interfaces that lead to the Internet: those with a default
 * route, tunnels of other kinds last; where there is none, what is up in the zone
 * of the WAN. */
function uplinks(networks, firewall) {
	const plain = networks.filter(function(n) { return n.isDefault && n.proto != 'wireguard' });

	if (plain.length)
		return plain;

	const names = devicefirewall.uplinkZones(firewall, []).reduce(function(all, z) { return all.concat(devicefirewall.networksOf(z)) }, [ 'wan', 'wan6' ]);

	return networks.filter(function(n) { return n.up && n.addresses.length && n.proto != 'wireguard' && names.indexOf(n.name) >= 0 });
}

/* peersOf reads all peers of an interface, a page at a time. */
function peersOf(name, offset, found) {
	return backend.peers({ interface: name, offset: offset, limit: PAGE }).then(function(answer) {
		found = found.concat(answer.peers || []);

		return answer.next ? peersOf(name, answer.next, found) : found;
	});
}

/* configured reads the peers of an interface that the backend does not know yet,
 * because it was made a moment ago. */
function configured(name) {
	return change.sections('network', 'wireguard_%s'.format(name)).then(function(all) {
		return all.map(function(s) { return { name: s.description || s['.name'], section: s['.name'], allowed_ips: list(s.allowed_ips) } });
	});
}

/* whole asks for what a page leaves out of a peer: all of its allowed IPs. */
function whole(peer) {
	if (!(peer.allowed_ips_total > (peer.allowed_ips || []).length) || !peer.section)
		return Promise.resolve(peer);

	return change.section('network', peer.section).then(function(s) {
		return s ? Object.assign({}, peer, { allowed_ips: list(s.allowed_ips) }) : peer;
	});
}

function Facts(read) {
	Object.assign(this, read);
	this.known = {};
}

Facts.prototype.interface = function(name) {
	return this.interfaces.filter(function(i) { return i.name == name })[0] || null;
};

/* load reads the peers of an interface, for used and peers. */
Facts.prototype.load = function(name) {
	const self = this;

	if (!this.interface(name) || this.known[name])
		return Promise.resolve();

	return peersOf(name, 0, []).catch(function() { return configured(name) }).then(function(all) {
		return all.reduce(function(before, p) {
			return before.then(function(done) { return whole(p).then(function(w) { done.push(w); return done }) });
		}, Promise.resolve([]));
	}).then(function(all) { self.known[name] = all });
};

/* peers returns those of an interface, with name and allowed_ips. */
Facts.prototype.peers = function(name) {
	return this.known[name] || [];
};

/* used returns the allowed IPs of all peers of an interface. */
Facts.prototype.used = function(name) {
	return this.peers(name).reduce(function(all, p) { return all.concat(p.allowed_ips || []) }, []);
};

/* interfaceOf makes one of the WireGuard interfaces from its section and from
 * what the backend says of it. */
function interfaceOf(section, status) {
	const key = String(section.private_key || '');

	return {
		name: section['.name'], addresses: list(section.addresses), listen_port: section.listen_port, mtu: section.mtu, tunlink: section.tunlink,
		disabled: section.disabled, up: !!status.up, public_key: status.public_key || '', private_key: (key == 'generate') ? '' : key,
		peers_total: +status.peers_total || 0
	};
}

function read() {
	const sections = change.sections;

	return Promise.all([
		sections('network', 'interface'), sections('network', 'device'), dump(), backend.peers({ limit: 0 }),
		sections('firewall', 'zone'), sections('firewall', 'forwarding'), sections('firewall', 'rule'), sections('firewall', 'redirect'), sections('firewall', 'defaults'),
		sections('ddns', 'service'), sections('system', 'system'), sections('dhcp', 'dnsmasq')
	]);
}

return baseclass.extend({
	/* from makes the facts of what was read: see read. It is apart for tests. */
	from(r) {
		const status = {}, networks = r[2].map(network);
		const firewall = { zones: r[4], forwardings: r[5], rules: r[6], redirects: r[7], defaults: r[8][0] || {} };

		for (let i of r[3].interfaces || [])
			status[i.name] = i;

		const interfaces = r[0].filter(function(s) { return s.proto == 'wireguard' }).map(function(s) { return interfaceOf(s, status[s['.name']] || {}) });
		const fixed = r[0].reduce(function(all, s) { return all.concat(configuredOf(s)) }, []);

		for (let n of networks)
			if (!n.up && n.proto == 'static')
				n.addresses = r[0].filter(function(s) { return s['.name'] == n.name }).reduce(function(all, s) { return all.concat(configuredOf(s)) }, []);

		return new Facts({
			interfaces: interfaces,
			networks: networks,
			uplinks: uplinks(networks, firewall),
			/* Those that everything goes into: a default route of the best metric. */
			tunnels: networks.filter(function(n) { return n.isDefault && n.proto == 'wireguard' && networks.every(function(o) { return !o.isDefault || o.metric >= n.metric }) }).map(function(n) { return n.name }),
			daemon: !!r[3].daemon,
			firewall: firewall,
			names: r[0].concat(r[1]).map(function(s) { return s['.name'] }).concat(r[1].map(function(s) { return s.name }), networks.map(function(n) { return n.name }), networks.map(function(n) { return n.device })).filter(function(n) { return n }),
			ports: interfaces.map(function(i) { return +i.listen_port }).concat((r[3].interfaces || []).map(function(i) { return +i.listen_port }), devicefirewall.ports(firewall)).filter(function(p) { return p > 0 }),
			/* Default routes take nothing from anybody. */
			taken: networks.reduce(function(all, n) { return all.concat(n.addresses, n.prefixes, n.routes) }, fixed)
				.filter(function(p) { const q = address.parsePrefix(p); return q && q.bits > 0 && !p.match(/^(fe80:|127\.)/i) }),
			ddns: r[9].filter(function(s) { return check.isTrue(s.enabled) }).map(function(s) { return s.lookup_host || s.domain }),
			hostname: (r[10][0] || {}).hostname || '',
			dns: r[11].length > 0,
			domain: String((r[11][0] || {}).domain || '').replace(/^\/|\/$/g, '')
		});
	},

	/* read resolves to the facts. */
	read() {
		return read().then(L.bind(this.from, this));
	}
});
