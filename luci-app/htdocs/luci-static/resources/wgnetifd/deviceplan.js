'use strict';
'require baseclass';
'require wgnetifd.address as address';
'require wgnetifd.check as check';
'require wgnetifd.client as client';
'require wgnetifd.deviceendpoint as deviceendpoint';
'require wgnetifd.devicefirewall as devicefirewall';
'require wgnetifd.devicenet as devicenet';

/* From what is known of the router and what somebody wishes for a device, to what
 * is written. Nothing of a page, nothing of a router here.
 *
 * facts: what wgnetifd.devicefacts reads. wish: { name, interface, fresh, port,
 * addresses (of a new interface), reach, endpoint, devices (the device's own
 * addresses), dns, keepKey, keys: { priv, pub }, psk, own: { priv, pub } }. */

const SECRETS = [ 'private_key', 'preshared_key' ];

/* A telephone is behind NAT; there 25 s keep the way back open (wg(8)). */
const KEEPALIVE = '25';

const NAME_LENGTH = 64;

function list(value) {
	return [].concat(value == null ? [] : value).reduce(function(all, v) { return all.concat(check.split(v)) }, []);
}

/* host writes an address of a subnet as itself alone. */
function host(prefix) {
	return address.format(address.parsePrefix(prefix));
}

function subnet(prefix) {
	return address.formatPrefix(address.masked(address.parsePrefix(prefix)));
}

function valid(prefixes) {
	return list(prefixes).filter(function(p) { return address.parsePrefix(p) != null });
}

function unique(items) {
	return items.filter(function(v, i) { return items.indexOf(v) == i });
}

/* command writes an operation as `uci` would take it, without secrets. */
function command(op) {
	const where = (op.op == 'add' && !op.name) ? '%s.@%s[-1]'.format(op.config, op.type) : '%s.%s'.format(op.config, op.name || op.section);
	const lines = (op.op == 'add') ? [ op.name ? '%s=%s'.format(where, op.type) : 'add %s %s'.format(op.config, op.type) ] : [];

	for (let option in op.values || {}) {
		const quote = function(v) { return '\'%s\''.format(SECRETS.indexOf(option) >= 0 ? '…' : String(v).replace(/'/g, '\'\\\'\'')) };

		lines.push('%s.%s=%s'.format(where, option, [].concat(op.values[option]).map(quote).join(' ')));
	}

	return lines;
}

/* lanPrefixes returns the networks behind the LAN's zone that stay the same:
 * global IPv6 prefixes of the provider's do not. */
function lanPrefixes(facts) {
	const zone = devicefirewall.lanZone(facts.firewall);
	const names = zone ? devicefirewall.networksOf(zone) : [ 'lan' ];

	return unique(facts.networks.filter(function(n) { return names.indexOf(n.name) >= 0 }).reduce(function(all, n) {
		return all.concat(n.addresses, n.prefixes.filter(function(p) { return deviceendpoint.kindOf(p.split('/')[0]) == 'private' }));
	}, []).filter(function(p) { return !p.match(/^fe80:/i) && address.parsePrefix(p) && !address.isHost(address.parsePrefix(p)) }).map(subnet));
}

return baseclass.extend({
	NAME_LENGTH: NAME_LENGTH,
	command: command,

	/* reaches returns what can be chosen: [ { value, networks } ]. */
	reaches(facts) {
		const lan = lanPrefixes(facts);

		return (lan.length ? [ { value: 'lan', networks: lan } ] : []).concat({ value: 'all', networks: [] }, { value: 'router', networks: [] });
	},

	/* own returns the addresses of the router in the tunnel that is wished for. */
	own(facts, wish) {
		return valid(wish.fresh ? wish.addresses : (facts.interface(wish.interface) || {}).addresses);
	},

	/* devices proposes addresses for the device. */
	devices(facts, wish) {
		return address.propose(this.own(facts, wish), wish.fresh ? [] : facts.used(wish.interface));
	},

	/* dns proposes DNS servers: the router itself where names of its network or
	 * everything goes through the tunnel, if it serves names. */
	dns(facts, wish) {
		const own = this.own(facts, wish);

		if (wish.reach == 'router' || !facts.dns || !own.length)
			return [];

		return [ host(own[0]) ].concat(facts.domain && !check.peerOption('endpoint_host', facts.domain) ? facts.domain : []);
	},

	/* allowed returns what the device sends through the tunnel. */
	allowed(facts, wish) {
		const own = this.own(facts, wish);

		if (wish.reach == 'all')
			return client.EVERYTHING.slice();

		if (wish.reach == 'lan')
			return unique(own.map(subnet).concat(lanPrefixes(facts)));

		return unique(own.map(function(a) { return host(a) + '/' + address.parsePrefix(a).bytes.length * 8 }));
	},

	/* nameProblem says why the device cannot have a name. */
	nameProblem(facts, wish) {
		const name = String(wish.name || '').trim();

		if (name == '')
			return _('Give the device a name, such as “Anna\'s phone”.');

		if (name.length > NAME_LENGTH)
			return _('A name has %d characters at most.').format(NAME_LENGTH);

		if (name.match(/[\u0000-\u001f\u007f]/))
			return _('A name has no line breaks or other control characters.');

		const twin = !wish.fresh && facts.peers(wish.interface).some(function(p) { return String(p.name).toLowerCase() == name.toLowerCase() });

		return twin ? _('%s has a device of this name already.').format(wish.interface) : null;
	},

	/* devicesProblem says why the device cannot have its addresses. */
	devicesProblem(facts, wish) {
		const items = list(wish.devices), used = wish.fresh ? [] : facts.peers(wish.interface);
		const own = this.own(facts, wish);

		if (!items.length)
			return _('The device needs an address in the tunnel, such as 10.0.0.2.');

		for (let item of items) {
			const wrong = check.peerOption('allowed_ips', item), p = address.parsePrefix(item);

			if (wrong)
				return '%s: %s'.format(item, wrong.text);

			if (!address.isHost(p))
				return _('%s: one address is right here, without a prefix length.').format(item);

			if (own.some(function(a) { return host(a) == address.format(p) }))
				return _('%s is the router\'s own address.').format(item);

			const holder = used.filter(function(u) {
				return valid(u.allowed_ips).some(function(a) { const q = address.parsePrefix(a); return address.isHost(q) && address.contains(q, p) });
			})[0];

			if (holder)
				return _('%s is the address of %s.').format(item, holder.name);

			if (!own.some(function(a) { return address.contains(address.parsePrefix(a), p) }))
				return _('%s is not in the tunnel\'s network (%s).').format(item, own.map(subnet).join(', ') || _('none'));
		}

		return null;
	},

	/* addressesProblem says why a new interface cannot have its addresses. */
	addressesProblem(facts, wish) {
		const items = list(wish.addresses);

		if (!items.length)
			return _('The router needs an address in the tunnel, such as 10.77.0.1/24.');

		for (let item of items) {
			const wrong = check.interfaceOption('addresses', item);

			if (wrong)
				return '%s: %s'.format(item, wrong.text);

			const taken = devicenet.collision(item, facts.taken);

			if (taken)
				return _('%s has addresses in common with %s, which this router knows already.').format(item, taken);
		}

		return null;
	},

	/* problems returns what keeps the device from being added, by field. */
	problems(facts, wish) {
		const out = {};
		const put = function(field, text) { if (text) out[field] = text };
		const at = deviceendpoint.hostOf(wish.endpoint);

		put('name', this.nameProblem(facts, wish));
		put('devices', this.devicesProblem(facts, wish));

		if (wish.fresh) {
			put('interface', devicenet.nameProblem(String(wish.interface || ''), facts.names));
			put('addresses', this.addressesProblem(facts, wish));
			put('port', !String(wish.port).match(/^\d+$/) || +wish.port < 1 || +wish.port > 65535 ? _('A number from 1 to 65535 is right here.')
				: facts.ports.indexOf(+wish.port) >= 0 ? _('UDP port %d is in use already.').format(+wish.port) : null);
		}

		if (String(wish.endpoint || '').trim() == '')
			put('endpoint', _('The device has to know where to call: a name or an address of this router.'));
		else if (!at)
			put('endpoint', _('A name or an address is right here, with or without a port, such as home.example.org or [2001:db8::1]:51820.'));

		for (let d of list(wish.dns))
			if (!address.parse(d) && check.peerOption('endpoint_host', d))
				put('dns', _('%s: an address or a search domain is right here.').format(d));

		return out;
	},

	/* peer returns the device's section of /etc/config/network. */
	peer(facts, wish) {
		const devices = list(wish.devices).map(function(d) { return address.formatPrefix(address.parsePrefix(d)) });
		const peer = { description: String(wish.name).trim(), public_key: wish.keys.pub };

		if (wish.keepKey)
			peer.private_key = wish.keys.priv;

		if (wish.psk)
			peer.preshared_key = wish.psk;

		peer.allowed_ips = devices;
		peer.route_allowed_ips = '1';
		peer.client_addresses = devices;

		if (list(wish.dns).length)
			peer.client_dns = list(wish.dns);

		peer.client_allowed_ips = this.allowed(facts, wish);
		peer.client_endpoint = String(wish.endpoint).trim();
		peer.client_keepalive = KEEPALIVE;

		return peer;
	},

	/* build returns { ops, network, firewall, peer, iface }: operations of
	 * wgnetifd.change; what they do to each file, as { changes, kept, notes }; the
	 * peer with its private key and the interface, as wgnetifd.client takes them. */
	build(facts, wish) {
		const name = wish.interface, there = wish.fresh ? {} : facts.interface(name);
		const changes = [], notes = [];
		let port = wish.fresh ? String(+wish.port) : String(there.listen_port || '');
		const did = function(op, text) { changes.push({ text: text, ops: [ op ] }) };

		if (wish.fresh) {
			did({ op: 'add', config: 'network', type: 'interface', name: name, values: {
				proto: 'wireguard', private_key: wish.own.priv, listen_port: port, addresses: list(wish.addresses)
			} }, _('The WireGuard interface %s is made, with a key of its own, UDP port %s and the addresses %s.').format(name, port, list(wish.addresses).join(', ')));
		}
		else {
			const values = {};

			if (!port || port == '0') {
				values.listen_port = port = devicenet.port(facts.ports);
				notes.push(_('%s has no fixed port so far: it gets UDP port %s.').format(name, port));
			}

			if (wish.own.priv)
				values.private_key = wish.own.priv;

			if (Object.keys(values).length)
				did({ op: 'set', config: 'network', section: name, values: values }, wish.own.priv ? _('%s gets a key and UDP port %s.').format(name, port) : _('%s gets UDP port %s.').format(name, port));

			if (!facts.daemon)
				notes.push(_('The daemon is not running, so nothing takes the change over: the device can connect when you have started it on this page, or restarted %s.').format(name));

			if (check.isTrue(there.disabled))
				notes.push(_('%s is switched off. The device can connect when you have switched it on in Network → Interfaces.').format(name));
		}

		const peer = this.peer(facts, wish);

		did({ op: 'add', config: 'network', type: 'wireguard_%s'.format(name), name: undefined, values: peer },
			_('“%s” is added to %s as a peer, at %s.').format(peer.description, name, peer.allowed_ips.map(host).join(', ')));

		const at = deviceendpoint.hostOf(wish.endpoint), warned = deviceendpoint.warning(at.host, port);

		if (warned)
			notes.push(warned);

		for (let t of facts.tunnels)
			if (t != name && t != there.tunlink)
				notes.push(_('All traffic of this router leaves through the tunnel %s, and so would answers to the device: it connects only if you route those past that tunnel.').format(t));

		const firewall = devicefirewall.plan(facts.firewall, {
			interface: name, port: port, reach: wish.reach,
			uplinks: there.tunlink ? [ there.tunlink ] : facts.uplinks.map(function(u) { return u.name }),
			others: wish.fresh ? 0 : facts.peers(name).length
		});

		return {
			ops: changes.reduce(function(all, c) { return all.concat(c.ops) }, []).concat(firewall.ops),
			network: { changes: changes, kept: [], notes: notes },
			firewall: firewall,
			peer: Object.assign({}, peer, { private_key: wish.keys.priv }),
			iface: { public_key: wish.own.pub, listen_port: port, mtu: there.mtu }
		};
	}
});
