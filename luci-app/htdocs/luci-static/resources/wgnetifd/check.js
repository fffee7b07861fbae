'use strict';
'require baseclass';
'require wgnetifd.address as address';

/* The checks of fields: those of the backend (package uci/schema), with its
 * words, so that a field says while one types what the log would say later. The
 * two are held together by test/luci/testdata/checks.json, which tests of both
 * read.
 *
 * A check returns null, or { level, text }: `note` where the value is used all
 * the same, `left out` where it costs the peer, `fatal` where the interface
 * cannot come up. */

const KEY = _('a key is 44 characters of base64 that end in \'=\' (32 bytes), as `wg genkey` prints it');
const ZERO = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';

const MAX_U32 = 4294967295;

function note(text) { return { level: 'note', text: text } }
function leftOut(text) { return { level: 'left out', text: text } }
function fatal(text) { return { level: 'fatal', text: text } }

/* isKey: the last of 44 characters is padding, and the one before it carries
 * four bits only. */
function isKey(value) {
	return value.match(/^[A-Za-z0-9+\/]{42}[AEIMQUYcgkosw048]=$/) != null;
}

function checkKey(value, zero) {
	if (!isKey(value))
		return leftOut(KEY);

	return (zero && value == ZERO) ? leftOut(_('a key of zeros is no key')) : null;
}

function isNumber(value, min, max) {
	return value.match(/^\d+$/) != null && +value >= min && +value <= max;
}

function checkNumber(value, min, max) {
	return isNumber(value, min, max) ? null : leftOut(_('a whole number from %d to %d is right here').format(min, max));
}

function checkBool(value) {
	if (value.match(/^(1|0|on|off|true|false|yes|no|enabled|disabled)$/i))
		return null;

	return note(_('1 or 0 is right here (on/off, true/false, yes/no, enabled/disabled as well); ignored'));
}

function checkFwMark(value) {
	const hex = value.match(/^0x([0-9a-f]+)$/i);

	if (value.match(/^off$/i) || isNumber(value, 0, MAX_U32) || (hex && parseInt(hex[1], 16) <= MAX_U32))
		return null;

	return leftOut(_('a 32-bit number such as 0x100 or 256, or \'off\', is right here'));
}

function checkKeepalive(value) {
	if (value.match(/^off$/i) || isNumber(value, 0, 65535))
		return null;

	return leftOut(_('seconds from 0 (off) to 65535 are right here; 25 is usual behind NAT'));
}

function checkPrefix(value) {
	const cut = value.indexOf('/');
	const addr = address.parse(cut < 0 ? value : value.substring(0, cut));

	if (!addr)
		return leftOut(_('an IPv4 or IPv6 address with or without a prefix length is right here, such as 10.0.0.2/32 or fd00::2/128'));

	if (addr.zone)
		return leftOut(_('an address without a zone (no %) is right here'));

	if (address.is4In6(addr))
		return leftOut(_('an IPv4 address is written without ::ffff: here'));

	if (cut < 0)
		return null;

	const length = value.substring(cut + 1), most = addr.bytes.length * 8;

	if (!isNumber(length, 0, 65535))
		return leftOut(_('the prefix length behind the / is not a number'));

	return (+length > most) ? leftOut(_('prefix length is over %d').format(most)) : null;
}

function checkAllowedIP(value) {
	const problem = checkPrefix(value);

	if (problem)
		return problem;

	const prefix = address.parsePrefix(value);

	if (!address.hasHostBits(prefix))
		return null;

	return note(_('has bits behind its prefix length; used as %s').format(address.formatPrefix(address.masked(prefix))));
}

function checkIP6Prefix(value) {
	const head = value.split(',')[0];

	if (head.indexOf('/') < 0)
		return leftOut(_('an IPv6 prefix with its length is right here, such as 2001:db8:0:100::/56'));

	const problem = checkPrefix(head);

	if (problem)
		return problem;

	const prefix = address.parsePrefix(head);

	if (prefix.family != 6 || prefix.bits < 1 || prefix.bits > 64)
		return leftOut(_('an IPv6 prefix of length 1 to 64 is right here'));

	return null;
}

/* isHostName: labels of letters, digits, - and _, and a last one that is no
 * number (RFC 1035, with the underscore that real names have). */
function isHostName(name) {
	name = name.replace(/\.$/, '');

	if (name == '' || name.length > 253)
		return false;

	const labels = name.split('.');

	return labels.every(function(l) {
		return l.match(/^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/) && l.length <= 63;
	}) && !labels[labels.length - 1].match(/^\d+$/);
}

function isHost(value) {
	const host = value.match(/^\[.*\]$/) ? value.substring(1, value.length - 1) : value;

	return address.parse(host) != null || isHostName(host);
}

function checkHost(value) {
	if (isHost(value))
		return null;

	return leftOut(_('a host name (letters, digits, \'-\' and dots) or an IP address is right here; the port goes into endpoint_port'));
}

/* splitEndpoint cuts HOST:PORT, [IPV6]:PORT, or either without a port, at the
 * place where the port begins. */
function splitEndpoint(value) {
	const end = value.lastIndexOf(']');

	if (value.charAt(0) == '[' && end > 0)
		return [ value.substring(0, end + 1), value.substring(end + 1) ];

	const colon = value.indexOf(':');

	if (colon >= 0 && colon == value.lastIndexOf(':'))
		return [ value.substring(0, colon), value.substring(colon) ];

	return [ value, '' ];
}

function endpointProblem(value) {
	const parts = splitEndpoint(value);

	if (parts[0].replace(/^[\[\]]+|[\[\]]+$/g, '').indexOf(':') >= 0 && parts[0].charAt(0) != '[')
		return _('an IPv6 address stands in brackets here, such as [2001:db8::1]:51820');

	if (!isHost(parts[0]))
		return _('HOST:PORT is right here, such as vpn.example.org:51820, 192.0.2.1:51820 or [2001:db8::1]:51820');

	if (parts[1] != '' && (parts[1].charAt(0) != ':' || !isNumber(parts[1].substring(1), 1, 65535)))
		return _('the port behind the : is a number from 1 to 65535');

	return null;
}

function ignored(text) {
	return text ? note(_('%s; ignored').format(text)) : null;
}

const INTERFACE = {
	private_key: function(v) {
		const problem = (v == 'generate') ? null : checkKey(v, true);

		return problem ? fatal(problem.text) : null;
	},
	listen_port: function(v) { return checkNumber(v, 0, 65535) },
	addresses: checkPrefix,
	mtu: function(v) { return checkNumber(v, 68, 65535) },
	fwmark: checkFwMark,
	ip6prefix: checkIP6Prefix,
	nohostroute: checkBool,
	metric: function(v) { return checkNumber(v, 0, MAX_U32) },
	defaultroute: checkBool,
	disabled: checkBool
};

const PEER = {
	public_key: function(v) { return checkKey(v, true) },
	preshared_key: function(v) { return checkKey(v) },
	allowed_ips: checkAllowedIP,
	route_allowed_ips: checkBool,
	endpoint_host: checkHost,
	endpoint_port: function(v) { return checkNumber(v, 1, 65535) },
	endpoint_family: function(v) {
		return v.match(/^(auto|ipv4|ipv6)$/i) ? null : ignored(_('auto, ipv4 or ipv6 is right here'));
	},
	endpoint: function(v) { return ignored(endpointProblem(v)) },
	endpoint_failback: function(v) {
		const problem = checkNumber(v, 0, MAX_U32);

		return problem ? ignored(problem.text) : null;
	},
	persistent_keepalive: checkKeepalive,
	disabled: checkBool
};

/* What is kept for the device's own file. The backend passes it over, so a mistake
 * costs this peer nothing here, and would be found on the device. */
const CLIENT = {
	client_addresses: checkPrefix,
	client_allowed_ips: checkAllowedIP,
	client_dns: function(v) {
		return (address.parse(v) || isHostName(v)) ? null : leftOut(_('an address or a search domain is right here'));
	},
	client_endpoint: function(v) {
		const problem = address.parse(v) ? null : endpointProblem(v);

		return problem ? leftOut(problem) : null;
	},
	client_keepalive: checkKeepalive
};

const LISTS = [ 'addresses', 'allowed_ips', 'endpoint', 'client_addresses', 'client_allowed_ips', 'client_dns' ];

/* split cuts a value of a list at blanks and commas, as the backend does. */
function split(value) {
	return String(value).split(/[\s,]+/).filter(function(v) { return v != '' });
}

function checkWith(checks, option, value) {
	const check = checks[option];

	if (!check || value == null)
		return null;

	const values = (LISTS.indexOf(option) >= 0) ? split(value) : [ String(value).trim() ];
	let found = null;

	for (let v of values) {
		const problem = (v == '') ? null : check(v);

		if (problem && (!found || found.level == 'note'))
			found = problem;
	}

	return found;
}

/* prefixesOf returns the allowed IPs that count, masked, as texts. */
function prefixesOf(peer) {
	const out = [];

	for (let item of [].concat(peer.allowed_ips || []))
		for (let v of split(item))
			if (!checkPrefix(v))
				out.push(address.formatPrefix(address.masked(address.parsePrefix(v))));

	return out.filter(function(v, i) { return out.indexOf(v) == i });
}

function isTrue(value) {
	return value != null && String(value).match(/^\s*(1|on|true|yes|enabled)\s*$/i) != null;
}

function isActive(peer) {
	if (isTrue(peer.disabled) || !peer.public_key)
		return false;

	return Object.keys(PEER).every(function(option) {
		return [].concat(peer[option] == null ? [] : peer[option]).every(function(value) {
			const problem = checkWith(PEER, option, value);

			return !problem || problem.level == 'note';
		});
	});
}

return baseclass.extend({
	/* interfaceOption and peerOption check one value of an option. */
	interfaceOption(option, value) { return checkWith(INTERFACE, option, value) },
	peerOption(option, value) { return checkWith(CLIENT[option] ? CLIENT : PEER, option, value) },

	isKey: isKey,
	isHost: isHost,
	isTrue: isTrue,
	split: split,
	prefixesOf: prefixesOf,

	/* splitEndpoint reads HOST:PORT as { host, port }, without brackets; port is
	 * '' where there is none. null when it is not right. */
	splitEndpoint(value) {
		if (endpointProblem(value))
			return null;

		const parts = splitEndpoint(value);

		return { host: parts[0].replace(/^\[|\]$/g, ''), port: parts[1].substring(1) };
	},

	/* peers finds what is wrong between the peers of one interface, as the
	 * backend does: [ { section, option, value, level, text } ].
	 * own: the interface's public key; peers: the sections of UCI in the order of
	 * the file, with `.name`, or for anonymous ones @TYPE[N], in `section`. */
	peers(own, peers) {
		const problems = [], byKey = {}, active = [];

		for (let p of peers) {
			if (!isActive(p))
				continue;

			if (own && p.public_key == own) {
				problems.push({ section: p.section, option: 'public_key', value: p.public_key, level: 'left out',
					text: _('this is the interface\'s own public key; the other side\'s is right here') });
				continue;
			}

			if (byKey[p.public_key]) {
				problems.push({ section: p.section, option: 'public_key', value: p.public_key, level: 'left out',
					text: _('the same key as network.%s.public_key; each peer needs a key of its own').format(byKey[p.public_key].section) });
				continue;
			}

			byKey[p.public_key] = p;
			active.push(p);
		}

		const owner = {};

		for (let p of active.reverse()) {
			for (let prefix of prefixesOf(p)) {
				if (owner[prefix])
					problems.push({ section: p.section, option: 'allowed_ips', value: prefix, level: 'note', winner: owner[prefix],
						text: _('network.%s has the same allowed IP and comes later: it goes to that peer alone').format(owner[prefix].section) });
				else
					owner[prefix] = p;
			}
		}

		return problems;
	}
});
