'use strict';
'require baseclass';
'require form';
'require wgnetifd.check as check';
'require wgnetifd.options as options';

/* Fields of LuCI's forms for the options that the schema knows: their help is the
 * schema's, their checks are the backend's, and notes that cost nothing stand
 * below the field while one types. */

const TITLES = {
	private_key: _('Private key'), clock_bypass: _('Past the tunnel until the clock is right'), public_key: _('Public key'), preshared_key: _('Preshared key'), listen_port: _('Listen port'),
	addresses: _('IP addresses'), mtu: _('MTU'), fwmark: _('Firewall mark'), ip6prefix: _('Routed IPv6 prefixes'), nohostroute: _('No host routes'),
	tunlink: _('Uplink interface'), allowed_ips: _('Allowed IPs'), route_allowed_ips: _('Route allowed IPs'), endpoint_host: _('Endpoint host'),
	endpoint_port: _('Endpoint port'), endpoint: _('Further endpoints'), endpoint_family: _('Address family of endpoints'),
	endpoint_failback: _('Back to the first endpoint after'), persistent_keepalive: _('Persistent keepalive'), description: _('Name'),
	disabled: _('Disabled'), client_addresses: _('Its addresses'), client_dns: _('Its DNS'), client_allowed_ips: _('It sends through the tunnel'),
	client_endpoint: _('It reaches this router at'), client_keepalive: _('Its keepalive')
};

function specOf(list, name) {
	return list.filter(function(s) { return s.name == name })[0] || { name: name, help: '', type: '', preset: '' };
}

/* checkerOf is the backend's check of an option. */
function checkerOf(list, name) {
	return (list === options.PEER) ? function(v) { return check.peerOption(name, v) } : function(v) { return check.interfaceOption(name, v) };
}

/* watch has a field judged: an error keeps it from being saved, a note stands
 * below it. notes(section_id, value, option) adds to what the check says and
 * returns an error as { error }, a note as { note }, or null. */
function watch(o, checker, notes) {
	const hints = {};

	const judge = function(section_id, value, option) {
		const problem = (value == null || value === '') ? null : checker(value);

		if (problem && problem.level != 'note')
			return { error: problem.text };

		const more = notes ? notes(section_id, value, option) : null;

		return more || (problem ? { note: problem.text } : null);
	};

	o.renderWidget = function(section_id) {
		hints[section_id] = E('div', { 'class': 'wgn-hint', 'role': 'status' });

		return E('div', [ Object.getPrototypeOf(this).renderWidget.apply(this, arguments), hints[section_id] ]);
	};

	o.validate = function(section_id, value) {
		const found = judge(section_id, value, this);

		if (hints[section_id])
			hints[section_id].textContent = (found && found.note) || '';

		return (found && found.error) ? found.error : true;
	};

	return o;
}

return baseclass.extend({
	watch: watch,

	/* title returns the title of an option's field. */
	title(name) {
		return TITLES[name] || (name.charAt(0).toUpperCase() + name.substring(1).replace(/_/g, ' '));
	},

	/* help returns the schema's help text of an option. */
	help: options.help,

	/* add makes the field of an option in a tab of a section, by the type that
	 * the schema gives it. list: options.INTERFACE or options.PEER; notes: see
	 * above. */
	add(section, tab, list, name, notes) {
		const spec = specOf(list, name);
		const kind = (spec.type == 'boolean') ? form.Flag : spec.list ? form.DynamicList : (name == 'endpoint_family') ? form.ListValue : form.Value;
		const o = section.taboption(tab, kind, name, this.title(name), spec.help);

		o.optional = true;

		if (kind === form.Flag)
			return this.flag(o, spec);

		if (kind === form.ListValue) {
			o.value('', _('auto (IPv4 and IPv6)'));
			o.value('ipv4', _('IPv4 only'));
			o.value('ipv6', _('IPv6 only'));

			return o;
		}

		if (spec.preset)
			o.placeholder = spec.preset;

		if (spec.secret)
			o.password = true;

		return watch(o, checkerOf(list, name), notes);
	},

	/* flag makes a switch take all words that the backend takes, and leave the
	 * option out where it is as it would be without. */
	flag(o, spec) {
		o.default = (spec.preset == '1') ? '1' : '0';
		o.rmempty = true;
		o.optional = false;
		o.cfgvalue = function() {
			const v = form.Value.prototype.cfgvalue.apply(this, arguments);

			return (v == null || check.interfaceOption('nohostroute', v)) ? null : check.isTrue(v) ? '1' : '0';
		};

		return o;
	},

	/* rest makes the fields of all options of a list that a section has none for
	 * yet, so that what the schema has can be set here. */
	rest(section, tab, list) {
		const self = this;

		list.forEach(function(spec) {
			const there = section.children.some(function(o) { return o.option == spec.name });

			if (!there)
				self.add(section, tab, list, spec.name).modalonly = true;
		});
	}
});
