'use strict';
'require baseclass';
'require wgnetifd.address as address';
'require wgnetifd.check as check';

/* Configuration files of wg-quick(8) and wg(8): reading, writing, and what one
 * means for this router. */

/* What a section may hold, by the key in lower case; true: may stand there
 * repeatedly, and every line counts. */
const KEYS = {
	interface: {
		privatekey: false, listenport: false, fwmark: false, address: true, dns: true, mtu: false, table: false,
		preup: true, postup: true, predown: true, postdown: true, saveconfig: false
	},
	peer: { publickey: false, presharedkey: false, allowedips: true, endpoint: false, persistentkeepalive: false }
};

const LISTS = [ 'address', 'dns', 'allowedips' ];
const HOOKS = { preup: 'PreUp', postup: 'PostUp', predown: 'PreDown', postdown: 'PostDown' };

/* comments in which programs keep a peer's name: `# Name = laptop`,
 * `# friendly_name = laptop`, `# Client: laptop (…)`, `### Client laptop`. */
function nameIn(comment) {
	const m = comment.match(/^#+\s*(?:(?:friendly_)?name\s*[=:]|client\s*:|client(?=\s))\s*(.+?)\s*$/i);

	return m ? m[1] : null;
}

function newSection(type, line) {
	return { type: type, line: line, values: {}, name: null, named: null };
}

/* sectionsOf cuts a text into sections; `ignored` takes the lines that no
 * section or key is known for. */
function sectionsOf(text, ignored) {
	const sections = [];
	let section = null, before = null;

	String(text).replace(/^\ufeff/, '').split(/\r\n|\r|\n/).forEach(function(raw, i) {
		const trimmed = raw.trim();
		const line = raw.replace(/#.*$/, '').trim();

		if (trimmed.charAt(0) == '#') {
			const name = nameIn(trimmed);

			/* Below the header it counts more than one above, which may be of the
			 * section before. */
			if (name && section && section.type == 'peer' && !section.named && !Object.keys(section.values).length)
				section.name = section.named = name;
			else if (name)
				before = name;

			return;
		}

		if (line == '')
			return;

		const head = line.match(/^\[\s*(\w+)\s*\]$/);
		const pair = line.match(/^([^=\s]+)\s*=\s*(.*)$/);

		if (head) {
			const type = head[1].toLowerCase();

			section = newSection(type, i + 1);

			if (!KEYS[type])
				ignored.push({ line: i + 1, text: line });
			else
				sections.push(section);

			if (type == 'peer')
				section.name = before;

			before = null;
			return;
		}

		/* A name above a setting is not the next section's. */
		before = null;

		const key = pair ? pair[1].toLowerCase() : null;
		const known = (section && KEYS[section.type]) ? KEYS[section.type][key] : undefined;

		if (!pair || known === undefined || !Object.prototype.hasOwnProperty.call(KEYS[section.type], key)) {
			/* The key alone: what stands behind it may be a secret. */
			ignored.push({ line: i + 1, text: pair ? pair[1] : _('a line that is no setting') });
			return;
		}

		const items = (LISTS.indexOf(key) >= 0) ? check.split(pair[2]) : [ pair[2].trim() ];

		/* wg-quick adds repeated lines of lists up; of others the last one counts. */
		section.values[key] = (known && section.values[key]) ? section.values[key].concat(items) : items;
		section.values[key].line = section.values[key].line || i + 1;
	});

	return sections;
}

function problem(section, key, text) {
	return { line: (section.values[key] || section).line, text: text };
}

/* single returns the one value of a key; '' when it is not there. */
function single(section, key) {
	const v = section.values[key];

	return v ? v[v.length - 1] : '';
}

/* checked returns a value that passes the backend's check of an option;
 * otherwise '' and a line in errors. Secret values are not repeated there. */
function checked(section, key, name, test, errors) {
	const value = single(section, key);
	const wrong = (value == '') ? null : test(value);

	if (!wrong || wrong.level == 'note')
		return value;

	errors.push(problem(section, key, '%s: %s'.format(name, wrong.text)));
	return '';
}

function readInterface(section, config) {
	const i = config.interface, errors = config.errors;
	const option = function(name) { return function(v) { return check.interfaceOption(name, v) } };

	i.privateKey = checked(section, 'privatekey', 'PrivateKey', function(v) { return check.peerOption('public_key', v) }, errors);
	i.listenPort = checked(section, 'listenport', 'ListenPort', option('listen_port'), errors);
	i.mtu = checked(section, 'mtu', 'MTU', option('mtu'), errors);
	i.fwMark = checked(section, 'fwmark', 'FwMark', option('fwmark'), errors);
	i.table = single(section, 'table').toLowerCase();

	if (i.fwMark.match(/^(off|0|0x0+)$/i)) {
		i.fwMark = '';
		i.unset.push('fwmark');
	}

	if (i.table == 'auto') {
		i.table = '';
		i.unset.push('ip4table', 'ip6table');
	}

	for (let a of section.values.address || []) {
		const wrong = check.interfaceOption('addresses', a);

		if (wrong)
			errors.push(problem(section, 'address', 'Address %s: %s'.format(a, wrong.text)));
		else
			i.addresses.push(a);
	}

	/* Of wg-quick's DNS entries those that are no address are search domains. */
	for (let d of section.values.dns || []) {
		if (address.parse(d))
			i.dns.push(d);
		else if (!check.peerOption('endpoint_host', d))
			i.search.push(d);
		else
			errors.push(problem(section, 'dns', _('DNS %s: an address or a search domain is right here').format(d)));
	}

	for (let key in HOOKS)
		if (section.values[key])
			i.hooks.push(HOOKS[key]);
}

function readPeer(section, config) {
	const errors = config.errors;
	const option = function(name) { return function(v) { return check.peerOption(name, v) } };
	const p = { name: section.name, publicKey: '', presharedKey: '', allowedIPs: [], endpointHost: '', endpointPort: '', keepalive: '' };

	p.publicKey = checked(section, 'publickey', 'PublicKey', option('public_key'), errors);
	p.presharedKey = checked(section, 'presharedkey', 'PresharedKey', option('preshared_key'), errors);
	p.keepalive = checked(section, 'persistentkeepalive', 'PersistentKeepalive', option('persistent_keepalive'), errors);

	if (p.keepalive.match(/^(off|0+)$/i))
		p.keepalive = '';

	if (single(section, 'publickey') == '')
		errors.push({ line: section.line, text: _('[Peer] has no PublicKey') });

	for (let a of section.values.allowedips || []) {
		const wrong = check.peerOption('allowed_ips', a);

		if (wrong && wrong.level != 'note')
			errors.push(problem(section, 'allowedips', 'AllowedIPs %s: %s'.format(a, wrong.text)));
		else if (p.allowedIPs.indexOf(a) < 0)
			p.allowedIPs.push(a);
	}

	const endpoint = single(section, 'endpoint');

	if (endpoint != '') {
		const at = check.splitEndpoint(endpoint);

		if (!at || at.port == '') {
			errors.push(problem(section, 'endpoint',
				_('Endpoint: HOST:PORT is right here, such as vpn.example.org:51820, 192.0.2.1:51820 or [2001:db8::1]:51820')));
		}
		else {
			p.endpointHost = at.host;
			p.endpointPort = at.port;
		}
	}

	config.peers.push(p);
}

/* line writes KEY = VALUE, nothing where there is no value. */
function line(key, value) {
	const text = Array.isArray(value) ? value.join(', ') : String(value == null ? '' : value);

	return (text == '') ? [] : [ key + ' = ' + text ];
}

function isDefault(prefix) {
	const p = address.parsePrefix(prefix);

	return p != null && p.bits == 0;
}

return baseclass.extend({
	/* parse reads a file:
	 *   { interface: { privateKey, addresses, listenPort, dns, search, mtu, fwMark, table, hooks,
	 *     unset: options of UCI that the file sets to their default },
	 *     hasInterface, peers: [ { name, publicKey, presharedKey, allowedIPs,
	 *     endpointHost, endpointPort, keepalive } ],
	 *     errors: [ { line, text } ], ignored: [ { line, text } ] }
	 * What is not in the file is '' or []. Values are as the file has them; `off`
	 * and other words for a default are ''. errors hold no secret. */
	parse(text) {
		const config = {
			interface: { privateKey: '', addresses: [], listenPort: '', dns: [], search: [], mtu: '', fwMark: '', table: '', hooks: [], unset: [] },
			hasInterface: false, peers: [], errors: [], ignored: []
		};

		const sections = sectionsOf(text, config.ignored);

		for (let section of sections) {
			if (section.type == 'peer') {
				readPeer(section, config);
			}
			else if (config.hasInterface) {
				config.errors.push({ line: section.line, text: _('there is a second [Interface]; one file describes one interface') });
			}
			else {
				config.hasInterface = true;
				readInterface(section, config);
			}
		}

		if (!sections.length)
			config.errors.push({ line: 1, text: _('this is no WireGuard configuration: it has neither [Interface] nor [Peer]') });

		return config;
	},

	/* write writes a file from what parse returns, or as much of it as is there. */
	write(config) {
		const i = config.interface;
		let out = [ '[Interface]' ].concat(
			line('PrivateKey', i.privateKey),
			line('Address', i.addresses),
			line('ListenPort', i.listenPort),
			line('DNS', (i.dns || []).concat(i.search || [])),
			line('MTU', i.mtu));

		for (let p of config.peers)
			out = out.concat('', '[Peer]',
				line('PublicKey', p.publicKey),
				line('PresharedKey', p.presharedKey),
				line('AllowedIPs', p.allowedIPs),
				line('Endpoint', this.joinEndpoint(p.endpointHost, p.endpointPort)),
				line('PersistentKeepalive', p.keepalive));

		return out.join('\n') + '\n';
	},

	/* joinEndpoint writes HOST:PORT, an IPv6 address in brackets; '' without a
	 * host. */
	joinEndpoint(host, port) {
		if (host == null || host == '')
			return '';

		host = String(host).replace(/^\[|\]$/g, '');

		return (host.indexOf(':') >= 0 ? '[' + host + ']' : host) + ':' + (port || '51820');
	},

	/* side says whom a file describes: 'router' (this router is to be what the
	 * file says), 'peer' (another device, which connects to this router), 'peers'
	 * (only peers, for this router), or null where only the person knows. `why` is
	 * a sentence for that person.
	 * own: { privateKey, publicKey, peers: how many it has }. */
	side(config, own) {
		const i = config.interface;

		if (!i.privateKey && !i.addresses.length)
			return { side: 'peers', why: _('The file has no private key and no address: it lists peers. They are added to this interface.') };

		if (own.privateKey && i.privateKey == own.privateKey)
			return { side: 'router', why: _('The private key in the file is this interface\'s own: the file describes this router.') };

		if (own.publicKey && config.peers.some(function(p) { return p.publicKey == own.publicKey }))
			return { side: 'peer', why: _('One of the peers in the file has this interface\'s public key: the file describes a device that connects to this router.') };

		if (!i.privateKey)
			return { side: null, why: _('The file has no private key.') };

		if (!own.privateKey && !own.peers)
			return { side: 'router', why: _('This interface has no key and no peers yet: it becomes what the file describes.') };

		return { side: null, why: _('Nothing in the file tells whether it describes this router or a device that connects to it.') };
	},

	/* asRouter returns what this router's configuration becomes with the file:
	 * { interface: options of UCI, peers: [ options of UCI ], notes: [ sentences ] }.
	 * Options that the file says nothing of are ''/[], as a form takes them; of an
	 * interface that has the file's key already (same) they are not there, and stay
	 * as they are. As wg-quick does, allowed IPs become routes, unless the file has Table = off.
	 * comment: a name for peers that have none, such as the file's. */
	asRouter(config, comment, same) {
		const i = config.interface, notes = [];
		const off = (i.table == 'off');

		if (i.hooks.length)
			notes.push(_('Not imported: %s. Commands do not belong into this configuration; what firewall rules they make, make under Network → Firewall.').format(i.hooks.join(', ')));

		if (off)
			notes.push(_('Table = off: no routes are made for the allowed IPs.'));
		else if (config.peers.some(function(p) { return p.allowedIPs.some(isDefault) }))
			notes.push(_('A peer takes everything (0.0.0.0/0 or ::/0): all traffic of this router and its network will go through the tunnel.'));

		if (config.ignored.length)
			notes.push(_('Not known here and not imported: %s.').format(config.ignored.map(function(n) {
				return _('%s (line %d)').format(n.text, n.line);
			}).join(', ')));

		const options = {
			private_key: i.privateKey,
			listen_port: i.listenPort,
			addresses: i.addresses,
			dns: i.dns,
			dns_search: i.search,
			mtu: i.mtu,
			fwmark: i.fwMark,
			ip4table: off ? '' : i.table,
			ip6table: off ? '' : i.table
		};

		if (same)
			for (let name of Object.keys(options))
				if (!options[name].length && i.unset.indexOf(name) < 0)
					delete options[name];

		return {
			interface: options,
			/* A peer that is there already may make routes. */
			peers: this.peerOptions(config.peers, off ? '0' : '1', comment),
			notes: notes
		};
	},

	/* peerOptions returns peers of a file as options of UCI. */
	peerOptions(peers, routes, comment) {
		return peers.map(function(p, n) {
			return {
				description: p.name || (comment && peers.length > 1 ? '%s %d'.format(comment, n + 1) : comment) || '',
				public_key: p.publicKey,
				preshared_key: p.presharedKey,
				allowed_ips: p.allowedIPs,
				route_allowed_ips: routes,
				endpoint_host: p.endpointHost,
				endpoint_port: p.endpointPort,
				persistent_keepalive: p.keepalive
			};
		});
	},

	/* asPeer returns the options of UCI of the peer that is the file's device.
	 * keys: { priv, pub } of the device; ownKey: this interface's public key. What
	 * the file says of the device itself stays with the peer, for its QR code. */
	asPeer(config, keys, ownKey, comment) {
		const i = config.interface;
		const us = config.peers.filter(function(p) { return p.publicKey == ownKey })[0] ||
			(config.peers.length == 1 ? config.peers[0] : null);

		return {
			description: comment || '',
			public_key: keys.pub,
			private_key: keys.priv,
			preshared_key: us ? us.presharedKey : '',
			/* What the device sends from: its own addresses, each alone. */
			allowed_ips: i.addresses.map(function(a) {
				const p = address.parsePrefix(a);

				return address.format(p) + '/' + p.bytes.length * 8;
			}),
			route_allowed_ips: '1',
			client_addresses: i.addresses,
			client_dns: i.dns.concat(i.search),
			client_allowed_ips: us ? us.allowedIPs : [],
			client_endpoint: us ? this.joinEndpoint(us.endpointHost, us.endpointPort) : '',
			client_keepalive: us ? us.keepalive : ''
		};
	}
});
