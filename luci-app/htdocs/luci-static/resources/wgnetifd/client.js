'use strict';
'require baseclass';
'require wgnetifd.address as address';
'require wgnetifd.check as check';
'require wgnetifd.config as config';

/* The configuration that a peer's own device takes, from what this router knows
 * of it. */

const EVERYTHING = [ '0.0.0.0/0', '::/0' ];
const DEFAULT_PORT = '51820';

function list(value) {
	return [].concat(value == null ? [] : value).reduce(function(all, v) { return all.concat(check.split(v)) }, []);
}

/* hosts returns the allowed IPs that are single addresses: what a device can
 * have for its own. */
function hosts(allowedIPs) {
	return list(allowedIPs).filter(function(a) {
		const p = address.parsePrefix(a);

		return p != null && address.isHost(p);
	}).map(function(a) { return address.formatPrefix(address.parsePrefix(a)) });
}

/* isFixed says whether the configuration names the port: 0 has the kernel choose. */
function isFixed(iface) {
	return +iface.listen_port > 0;
}

/* portOf returns where an interface listens, as far as that is known. */
function portOf(iface) {
	return String(isFixed(iface) ? iface.listen_port : iface.running_port || DEFAULT_PORT);
}

return baseclass.extend({
	EVERYTHING: EVERYTHING,
	hosts: hosts,
	port: portOf,

	/* build returns { config, missing }: the configuration as wgnetifd.config has
	 * it, and sentences on what it lacks to be of use.
	 * iface: { public_key, listen_port, mtu } of this router, and running_port, where
	 * its device listens now; peer: options of UCI; the value of any of them may be
	 * missing. */
	build(iface, peer) {
		const missing = [];
		const addresses = list(peer.client_addresses), endpoint = String(peer.client_endpoint || '').trim();
		const at = endpoint ? endpointOf(endpoint) : null;
		const dns = list(peer.client_dns);
		const client = {
			interface: {
				privateKey: peer.private_key || '',
				addresses: addresses.length ? addresses : hosts(peer.allowed_ips),
				dns: dns.filter(function(d) { return address.parse(d) != null }),
				search: dns.filter(function(d) { return address.parse(d) == null }),
				mtu: iface.mtu || ''
			},
			peers: [ {
				publicKey: iface.public_key || '',
				presharedKey: peer.preshared_key || '',
				allowedIPs: list(peer.client_allowed_ips).length ? list(peer.client_allowed_ips) : EVERYTHING,
				endpointHost: at ? at.host : '',
				endpointPort: (at && at.port) || portOf(iface),
				keepalive: keepaliveOf(peer)
			} ]
		};

		if (!peer.private_key)
			missing.push(_('The device\'s private key is not kept here: put it into the file on the device, or generate a key pair for it.'));

		if (!iface.public_key)
			missing.push(_('This interface has no key yet: generate one, or save the interface first.'));

		if (!client.interface.addresses.length)
			missing.push(_('The device has no address: give it one among its allowed IPs.'));

		if (!at)
			missing.push(_('Nothing says where the device reaches this router: fill in the endpoint.'));
		else if (!isFixed(iface) && !at.port)
			missing.push(_('The interface has no listen port, so the kernel chooses another one at each start: set one.'));

		return { config: client, missing: missing };
	},

	/* text returns the file. */
	text(iface, peer) {
		return config.write(this.build(iface, peer).config);
	}
});

/* endpointOf reads HOST[:PORT]; an IPv6 address may stand without brackets here
 * if there is no port. */
function endpointOf(text) {
	const plain = address.parse(text);

	return plain ? { host: text, port: '' } : check.splitEndpoint(text);
}

/* keepaliveOf: a device behind NAT is the rule, and the peer's own setting says
 * the same for this side. */
function keepaliveOf(peer) {
	const own = (peer.client_keepalive != null && peer.client_keepalive !== '') ? peer.client_keepalive : peer.persistent_keepalive;

	return (own == null || String(own).match(/^(off|0+|)$/i)) ? '' : String(own);
}
