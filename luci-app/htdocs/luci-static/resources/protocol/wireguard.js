'use strict';
'require form';
'require network';
'require uci';
'require wgnetifd.backend as backend';
'require wgnetifd.check as check';
'require wgnetifd.errors as errors';
'require wgnetifd.fields as fields';
'require wgnetifd.import as importer';
'require wgnetifd.options as options';
'require wgnetifd.peers as peers';
'require wgnetifd.style as style';

/* The protocol WireGuard in Network → Interfaces. */

/* setField shows another value in a field, and has it judged. */
function setField(section, section_id, name, value) {
	const element = section.getUIElement(section_id, name);

	if (element) {
		element.setValue(value);
		element.triggerValidation();
	}
}

/* keyFields makes the fields of the interface's keys. Without the right to write
 * there is the public one alone. */
function keyFields(s, own, writable) {
	let o;

	if (writable) {
		o = fields.add(s, 'general', options.INTERFACE, 'private_key');
		o.onchange = function(ev, section_id, value) {
			if (value && check.interfaceOption('private_key', value))
				return;

			return backend.publicKey(value).then(function(pub) {
				own.publicKey = pub;
				setField(s, section_id, 'public_key', pub);
			});
		};
	}

	o = s.taboption('general', form.Value, 'public_key', fields.title('public_key'), _('The other side needs it. It follows from the private key.'));
	o.readonly = true;
	o.optional = true;
	o.placeholder = _('none yet');
	o.load = function(section_id) {
		const known = writable
			? backend.publicKey(uci.get('network', section_id, 'private_key'))
			: backend.peers({ interface: section_id, limit: 1 }).then(function(r) { return ((r.interfaces || [])[0] || {}).public_key });

		return known.then(function(pub) { return (own.publicKey = pub || '') }, function() { return '' });
	};
	o.write = o.remove = function() {};

	if (!writable)
		return;

	o = s.taboption('general', form.Button, '_generate', ' ');
	o.inputtitle = _('Generate new key pair');
	o.onclick = function(ev, section_id) {
		return backend.generateKeyPair().then(function(keys) {
			own.publicKey = keys.pub;
			setField(s, section_id, 'private_key', keys.priv);
			setField(s, section_id, 'public_key', keys.pub);
		});
	};
}

for (let code in errors.TEXTS)
	network.registerErrorCode(code, errors.TEXTS[code]);

return network.registerProtocol('wireguard', {
	getI18n() {
		return _('WireGuard VPN');
	},

	getIfname() {
		return this._ubus('l3_device') || this.sid;
	},

	getPackageName() {
		return 'wgnetifd';
	},

	/* The name that LuCI 23.05 and 24.10 call it by. */
	getOpkgPackage() {
		return 'wgnetifd';
	},

	isFloating() {
		return true;
	},

	isVirtual() {
		return true;
	},

	getDevices() {
		return null;
	},

	containsDevice(ifname) {
		return (network.getIfnameOf(ifname) == this.getIfname());
	},

	renderFormOptions(s) {
		const writable = L.hasViewPermission() !== false && !s.map.readonly;
		const own = { publicKey: '' };
		let o;

		style.use();
		keyFields(s, own, writable);

		fields.add(s, 'general', options.INTERFACE, 'listen_port').placeholder = _('random');
		fields.add(s, 'general', options.INTERFACE, 'addresses');
		fields.add(s, 'general', options.INTERFACE, 'nohostroute');

		fields.add(s, 'advanced', options.INTERFACE, 'mtu').placeholder = '1420';
		fields.add(s, 'advanced', options.INTERFACE, 'fwmark');
		fields.add(s, 'advanced', options.INTERFACE, 'ip6prefix');

		o = s.taboption('advanced', form.ListValue, 'tunlink', fields.title('tunlink'), fields.help(options.INTERFACE, 'tunlink'));
		o.optional = true;
		o.value('', _('whichever the routes choose'));
		uci.sections('network', 'interface').forEach(function(i) {
			if (i['.name'] != s.section && i['.name'] != 'loopback')
				o.value(i['.name'], '%h'.format(i['.name']));
		});

		fields.rest(s, 'advanced', options.INTERFACE.filter(function(o) { return writable || !o.secret }));

		const state = function() {
			return {
				privateKey: s.formvalue(s.section, 'private_key') || '',
				publicKey: s.formvalue(s.section, 'public_key') || own.publicKey
			};
		};

		if (writable) {
			o = s.taboption('general', form.Button, '_import', _('Import a configuration'), _('From a WireGuard configuration file: of this router, or of a device that connects to it.'));
			o.inputtitle = _('Load configuration…');
			o.onclick = function(ev) {
				importer.open(ui_map(ev), s, state);
			};
		}

		peers.add(s, state, writable, function(map) { importer.open(map, s, state, 'peer') });
	},

	deleteConfiguration() {
		uci.sections('network', 'wireguard_%s'.format(this.sid), function(s) {
			uci.remove('network', s['.name']);
		});
	}
});

/* ui_map returns the node of the map that an event happened in. */
function ui_map(ev) {
	let node = ev.target;

	while (node && !(node.classList && node.classList.contains('cbi-map')))
		node = node.parentNode;

	return node;
}
