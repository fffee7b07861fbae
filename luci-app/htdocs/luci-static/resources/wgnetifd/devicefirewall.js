'use strict';
'require baseclass';
'require wgnetifd.check as check';

/* What the firewall has to be told for a device, and what it knows already: the
 * interface's zone, the way from it to where the device may go, and the port that
 * the device calls at. firewall: { defaults, zones, forwardings, rules, redirects },
 * sections of /etc/config/firewall. Words of options are firewall4's. */

/* fw3 cut longer names of zones. */
const ZONE_NAME = 11;

function list(value) {
	return [].concat(value == null ? [] : value).reduce(function(all, v) { return all.concat(check.split(v)) }, []);
}

function isOn(section) {
	return section.enabled == null || check.isTrue(section.enabled);
}

function policy(firewall, zone, what) {
	return String(zone[what] || firewall.defaults[what] || 'DROP').toUpperCase();
}

function zones(firewall) {
	return firewall.zones.filter(function(z) { return z.name && isOn(z) });
}

function zoneOf(firewall, network) {
	return zones(firewall).filter(function(z) { return list(z.network).indexOf(network) >= 0 })[0] || null;
}

function named(firewall, name) {
	return zones(firewall).filter(function(z) { return z.name == name })[0] || null;
}

/* hasUDP says whether a section with an option proto is about UDP; firewall4
 * takes TCP and UDP where nothing is said. */
function hasUDP(section) {
	const protocols = list(section.proto);

	return !protocols.length || protocols.some(function(p) { return p.match(/^(udp|tcpudp|all|any|\*|17)$/i) });
}

function hasPort(value, port) {
	return list(value).some(function(v) {
		const m = v.match(/^(\d+)(?:[-:](\d+))?$/);

		return m && port >= +m[1] && port <= +(m[2] || m[1]);
	});
}

/* A rule that asks for more than zone, protocol and port lets in some only. */
const NARROWER = [ 'src_ip', 'src_mac', 'src_port', 'dest_ip', 'ipset', 'mark', 'limit', 'helper', 'start_time', 'stop_time', 'start_date', 'stop_date', 'weekdays', 'monthdays', 'device', 'dscp' ];

function lets(rule, zone, port) {
	return isOn(rule) && String(rule.target || '').toUpperCase() == 'ACCEPT' && (rule.src == zone.name || rule.src == '*') && !rule.dest &&
		hasUDP(rule) && (rule.dest_port == null || hasPort(rule.dest_port, port)) &&
		(!rule.family || rule.family == 'any') && NARROWER.every(function(o) { return rule[o] == null || rule[o] === '' });
}

function goes(firewall, from, to) {
	if (from.name == to.name)
		return policy(firewall, from, 'forward') == 'ACCEPT';

	return firewall.forwardings.some(function(f) {
		return isOn(f) && (!f.family || f.family == 'any') && (f.src == from.name || f.src == '*') && (f.dest == to.name || f.dest == '*');
	});
}

function freeName(firewall, network) {
	const taken = firewall.zones.map(function(z) { return z.name });
	let name = network.substring(0, ZONE_NAME), n = 2;

	while (taken.indexOf(name) >= 0)
		name = network.substring(0, ZONE_NAME - 2) + '_' + n++;

	return name;
}

/* uplinkZones returns the zones of the uplinks; where there are none at the
 * moment, the zone that is called wan, or that translates addresses. */
function uplinkZones(firewall, uplinks) {
	const found = [];

	for (let u of uplinks) {
		const z = zoneOf(firewall, u);

		if (z && found.indexOf(z) < 0)
			found.push(z);
	}

	if (found.length)
		return found;

	const wan = named(firewall, 'wan');

	return wan ? [ wan ] : zones(firewall).filter(function(z) { return check.isTrue(z.masq) });
}

function lanZone(firewall) {
	return zoneOf(firewall, 'lan') || named(firewall, 'lan');
}

/* Plan collects operations on the file, sentences on them, on what stays as it
 * is, and on what somebody has to know. */
function Plan() {
	this.ops = [];
	this.changes = [];
	this.kept = [];
	this.notes = [];
}

Plan.prototype.add = function(type, values, text) {
	const op = { op: 'add', config: 'firewall', type: type, name: undefined, values: values };

	this.ops.push(op);
	this.changes.push({ text: text, ops: [ op ] });
};

/* ways makes those from the interface's zone to where the device may go. */
function ways(plan, firewall, zone, want, targets) {
	for (let to of targets) {
		if (!zone.fresh && goes(firewall, zone, to)) {
			plan.kept.push(_('The devices of %s reach the zone %s already.').format(want.interface, to.name));
			continue;
		}

		if (zone.name == to.name) {
			plan.notes.push(_('%s is in the zone %s, whose own members may not reach each other (forward: %s). Change that in Network → Firewall, or the device will not reach it.').format(want.interface, zone.name, policy(firewall, zone, 'forward')));
			continue;
		}

		plan.add('forwarding', { src: zone.name, dest: to.name }, _('The devices of %s may connect to the zone %s.').format(want.interface, to.name));

		if (want.others)
			plan.notes.push(_('The firewall does not tell devices of one interface apart: all devices of %s may connect to the zone %s then (%d besides this one).').format(want.interface, to.name, want.others));
	}

	const wider = zone.fresh ? [] : zones(firewall).filter(function(z) {
		return z.name != zone.name && targets.indexOf(z) < 0 && goes(firewall, zone, z);
	}).map(function(z) { return z.name });

	if (wider.length)
		plan.notes.push(_('The firewall lets every device of %s connect to %s. This device is told not to send anything there, but whoever changes its configuration can. For a device that you do not trust, make an interface of its own.').format(want.interface, wider.join(', ')));
}

/* port lets the device's calls in. */
function door(plan, firewall, zone, want, outside) {
	const port = +want.port;

	if (!outside.length)
		plan.notes.push(_('No firewall zone of an uplink was found, so no rule is made. Let UDP port %d in from there.').format(port));

	for (let z of outside) {
		const rule = firewall.rules.filter(function(r) { return lets(r, z, port) })[0];
		const redirect = firewall.redirects.filter(function(r) {
			return isOn(r) && r.src == z.name && hasUDP(r) && hasPort(r.src_dport, port) && String(r.target || 'DNAT').toUpperCase() == 'DNAT' && r.dest_ip;
		})[0];

		if (redirect)
			plan.notes.push(_('A port forward (%s) sends UDP port %d on to %s: calls of this device will not arrive here.').format(redirect.name || _('without a name'), port, redirect.dest_ip));

		if (z.name == zone.name || policy(firewall, z, 'input') == 'ACCEPT')
			plan.kept.push(_('The zone %s lets UDP port %d in already.').format(z.name, port));
		else if (rule)
			plan.kept.push(_('The rule “%s” lets UDP port %d in from the zone %s already.').format(rule.name || _('without a name'), port, z.name));
		else
			plan.add('rule', {
				name: 'Allow-WireGuard-%s'.format(want.interface), src: z.name, proto: 'udp', dest_port: String(port), target: 'ACCEPT'
			}, _('UDP port %d is open to calls from the zone %s. Without a right key nobody gets an answer there.').format(port, z.name));
	}
}

/* back says where answers do not find back to the device. */
function back(plan, want, targets, outside, lan) {
	for (let z of targets) {
		if (outside.indexOf(z) < 0 || check.isTrue(z.masq))
			continue;

		if (z === lan)
			plan.notes.push(_('This router is not the gateway of its network: what the device reaches there answers to another router. Make a route to the tunnel\'s network there, or switch masquerading on for the zone %s.').format(z.name));
		else
			plan.notes.push(_('The zone %s does not translate addresses (masquerading): answers from the Internet will not find back by IPv4.').format(z.name));
	}
}

return baseclass.extend({
	zoneOf: zoneOf,
	uplinkZones: uplinkZones,
	lanZone: lanZone,

	/* networksOf returns the names of the interfaces in a zone. */
	networksOf(zone) {
		return zone ? list(zone.network) : [];
	},

	/* ports returns the UDP ports that rules and port forwards name, as numbers. */
	ports(firewall) {
		return firewall.redirects.filter(isOn).map(function(r) { return r.src_dport })
			.concat(firewall.rules.filter(function(r) { return isOn(r) && !r.dest && list(r.proto).join() == 'udp' }).map(function(r) { return r.dest_port }))
			.reduce(function(all, v) { return all.concat(list(v)) }, [])
			.filter(function(v) { return v.match(/^\d+$/) }).map(Number);
	},

	/* plan returns { ops, changes: [ { text, ops } ], kept, notes }: what is
	 * written, what it means, what is there already, and what it does not do.
	 * want: { interface, port, reach: 'router', 'lan' or 'all', uplinks: names of
	 * interfaces, others: how many other peers the interface has }. */
	plan(firewall, want) {
		const plan = new Plan();

		if (!zones(firewall).length) {
			plan.notes.push(_('This router has no firewall zones, so there is nothing to open here.'));

			return plan;
		}

		const outside = uplinkZones(firewall, want.uplinks), lan = lanZone(firewall);
		const targets = (want.reach == 'router' ? [] : [ lan ]).concat(want.reach == 'all' ? outside : []).filter(function(z, i, all) { return z && all.indexOf(z) == i });
		let zone = zoneOf(firewall, want.interface);

		if (zone) {
			plan.kept.push(_('%s is in the firewall zone %s.').format(want.interface, zone.name));

			if (policy(firewall, zone, 'input') != 'ACCEPT')
				plan.notes.push(_('The zone %s does not let devices talk to the router itself (input: %s), not even for DNS, unless a rule says so.').format(zone.name, policy(firewall, zone, 'input')));
		}
		else {
			zone = { name: freeName(firewall, want.interface), input: 'ACCEPT', output: 'ACCEPT', forward: 'REJECT', network: [ want.interface ] };
			plan.add('zone', Object.assign({}, zone), _('A firewall zone %s is made for %s. Its devices may talk to this router.').format(zone.name, want.interface));
			zone.fresh = true;
		}

		ways(plan, firewall, zone, want, targets);
		door(plan, firewall, zone, want, outside);

		back(plan, want, targets, outside, lan);

		return plan;
	}
});
