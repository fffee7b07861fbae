'use strict';
'require baseclass';
'require form';
'require uci';
'require ui';
'require wgnetifd.address as address';
'require wgnetifd.backend as backend';
'require wgnetifd.check as check';
'require wgnetifd.clientform as clientform';
'require wgnetifd.fields as fields';
'require wgnetifd.format as format';
'require wgnetifd.options as options';
'require wgnetifd.rows as rows';

/* The peers in the form of an interface: a table that can be sorted, with a switch
 * in each row, and a dialog for each. */

/* How many allowed IPs a row shows. */
const SHOWN = 6;

function badge(text, tip) {
	return E('span', { 'class': 'ifacebadge', 'data-tooltip': tip }, [ text ]);
}

/* sectionsOf returns the peers of an interface as wgnetifd.check takes them, with
 * names for people where they have some. */
function sectionsOf(iface) {
	return uci.sections('network', 'wireguard_%s'.format(iface)).map(function(p, n) {
		return Object.assign({}, p, { section: p['.anonymous'] ? '@%s[%d]'.format(p['.type'], n) : p['.name'] });
	});
}

function nameOf(peer) {
	return peer.description || peer.section;
}

/* nextAddresses proposes addresses for a peer of an interface: the next free one
 * of each of its subnets. */
function nextAddresses(s, without) {
	const own = s.formvalue(s.section, 'addresses') || uci.get('network', s.section, 'addresses') || [];
	const used = sectionsOf(s.section).filter(function(p) { return p['.name'] != without }).reduce(function(all, p) {
		return all.concat(check.prefixesOf(p));
	}, []);

	return address.propose([].concat(own).reduce(function(all, a) { return all.concat(check.split(a)) }, []), used);
}

/* keyNote finds the own key and one that another peer has. */
function keyNote(s, own) {
	return function(section_id, value) {
		if (!value)
			return { error: _('the peer has no public key; without it, it cannot be reached') };

		if (value == own().publicKey)
			return { error: _('this is the interface\'s own public key; the other side\'s is right here') };

		const twin = sectionsOf(s.section).filter(function(p) {
			return p['.name'] != section_id && p.public_key == value && !check.isTrue(p.disabled);
		})[0];

		return twin ? { error: _('the same key as that of the peer %s; each peer needs a key of its own').format(nameOf(twin)) } : null;
	};
}

/* pairOf is for the two keys of a device: the public one follows from the private
 * one, and a file with another one would never connect. */
function pairOf(peer) {
	const known = {};
	const o = peer('general', 'private_key', function(section_id, value, option) {
		const shown = option.section.formvalue(section_id, 'public_key');

		return (known[value] && shown && known[value] != shown)
			? { note: _('This is not the private key that belongs to the public key above: the device could not connect with it.') }
			: null;
	});

	o.onchange = function(ev, section_id, value) {
		if (!value || check.peerOption('public_key', value))
			return;

		return backend.publicKey(value).then(L.bind(function(pub) {
			known[value] = pub;

			if (!this.section.formvalue(section_id, 'public_key'))
				put(this.section, section_id, 'public_key', pub);

			this.getUIElement(section_id).triggerValidation();
		}, this));
	};
}

/* overlapNote says who has the same allowed IPs, and who gets them. */
function overlapNote(s) {
	return function(section_id, value, option) {
		const element = option.getUIElement(section_id);
		const items = [].concat(element ? element.getValue() : option.cfgvalue(section_id) || [], value || []);
		const mine = check.prefixesOf({ allowed_ips: items });
		const texts = [];
		let before = true;

		for (let p of sectionsOf(s.section)) {
			if (p['.name'] == section_id) {
				before = false;
				continue;
			}

			if (check.isTrue(p.disabled))
				continue;

			for (let prefix of check.prefixesOf(p))
				if (mine.indexOf(prefix) >= 0)
					texts.push(before
						? _('%s: the peer %s has the same; it goes to this peer alone, which comes later.').format(prefix, nameOf(p))
						: _('%s: the peer %s has the same and comes later; it goes to that peer alone.').format(prefix, nameOf(p)));
		}

		for (let item of items) {
			const problem = check.peerOption('allowed_ips', item);

			if (problem && problem.level == 'note')
				texts.push('%s: %s'.format(item, problem.text));
		}

		return texts.length ? { note: texts.join(' ') } : null;
	};
}

/* describe shows a peer in its row: name and badges. */
function describe(section_id) {
	const p = uci.get('network', section_id) || {};

	return E('span', { 'class': 'wgn-peer' }, [
		E('span', { 'class': 'wgn-name' }, [ p.description || E('em', [ _('Untitled peer') ]) ]),
		p.public_key
			? badge(E('code', [ format.key(p.public_key) ]), _('Public key: %s').format(p.public_key))
			: badge(E('em', [ _('Key missing', 'Label indicating that WireGuard peer lacks public key') ]), _('Public key is missing')),
		p.preshared_key ? badge(_('PSK', 'Label indicating that WireGuard peer uses a PSK'), _('Preshared key in use')) : '',
		p.private_key ? badge(_('QR', 'Label indicating that a configuration of the peer can be shown'), _('The device\'s own configuration can be shown')) : ''
	]);
}

function listAllowed(section_id) {
	const all = [].concat(uci.get('network', section_id, 'allowed_ips') || []).reduce(function(l, v) { return l.concat(check.split(v)) }, []);
	/* IPv6 is broken where it has to be, IPv4 never is. */
	const nodes = all.slice(0, SHOWN).map(function(ip) { return E('span', { 'class': ip.indexOf(':') < 0 ? 'ifacebadge wgn-whole' : 'ifacebadge' }, [ ip ]) });

	if (all.length > SHOWN)
		nodes.push(E('span', { 'class': 'ifacebadge', 'data-tooltip': all.slice(SHOWN, 50).join('\n') }, [
			E('em', [ _('+ %d more', 'Label indicating further amount of allowed ips').format(all.length - SHOWN) ])
		]));

	return E('span', { 'class': 'wgn-list' }, nodes.length ? nodes : [ E('em', [ _('none', 'No allowed IPs') ]) ]);
}

function showEndpoint(section_id) {
	const p = uci.get('network', section_id) || {};
	const further = [].concat(p.endpoint || []).length;
	const host = String(p.endpoint_host || '');
	let text = host ? (host.indexOf(':') >= 0 && host.charAt(0) != '[' ? '[' + host + ']' : host) + ':' + (p.endpoint_port || '51820') : '';

	if (!text && !further)
		return E('em', [ _('calls us', 'A peer without endpoint') ]);

	if (further)
		text += (text ? ' ' : '') + _('+ %d more').format(further);

	return E('span', { 'style': 'overflow-wrap:anywhere' }, [ text ]);
}

/* keyButtons makes the generators of keys in a peer's dialog. */
function keyButtons(ss) {
	let o = ss.taboption('general', form.Button, '_generate_keys', ' ');

	o.modalonly = true;
	o.inputtitle = _('Generate new key pair');
	o.onclick = function(ev, section_id) {
		return backend.generateKeyPair().then(L.bind(function(keys) {
			put(this.section, section_id, 'public_key', keys.pub);
			put(this.section, section_id, 'private_key', keys.priv);
		}, this));
	};
}

function pskButton(ss) {
	const o = ss.taboption('general', form.Button, '_generate_psk', ' ');

	o.modalonly = true;
	o.inputtitle = _('Generate preshared key');
	o.onclick = function(ev, section_id) {
		return backend.generatePsk().then(L.bind(function(psk) { put(this.section, section_id, 'preshared_key', psk) }, this));
	};
}

function addressButton(ss, s) {
	const o = ss.taboption('general', form.Button, '_propose', ' ');

	o.modalonly = true;
	o.inputtitle = _('Propose free addresses');
	o.onclick = function(ev, section_id) {
		const element = this.section.getUIElement(section_id, 'allowed_ips');
		const there = element.getValue() || [];

		element.setValue(there.concat(nextAddresses(s, section_id).filter(function(a) { return there.indexOf(a) < 0 })));
		element.triggerValidation();
	};
}

function put(section, section_id, name, value) {
	const element = section.getUIElement(section_id, name);

	if (element) {
		element.setValue(value);
		element.triggerValidation();
	}
}

return baseclass.extend({
	nextAddresses: nextAddresses,

	/* add makes the tab with the peers of an interface's form.
	 * own(): { publicKey } of the interface; writable: whether the person may
	 * write; importPeer(map): opens the page that imports one. */
	add(s, own, writable, importPeer) {
		try {
			s.tab('peers', _('Peers'), _('The devices and networks at the other end of the tunnel.'));
		}
		catch (e) {
			/* The tab is there from another time. */
		}

		const o = s.taboption('peers', form.SectionValue, '_peers', form.GridSection, 'wireguard_%s'.format(s.section));

		o.depends('proto', 'wireguard');
		this.grid(o.subsection, s, writable, importPeer);
		this.fields(o.subsection, s, own, writable);

		return o.subsection;
	},

	grid(ss, s, writable, importPeer) {
		let fresh = false;

		ss.anonymous = true;
		ss.addremove = true;
		ss.addbtntitle = _('Add peer');
		ss.nodescriptions = true;
		ss.modaltitle = _('Edit peer');
		ss.sortable = true;

		ss.tab('general', _('General Settings'));
		ss.tab('advanced', _('Advanced Settings'));

		if (writable)
			ss.tab('client', _('For the device'), _('What the device itself is told. It is kept with the peer, so that its QR code can be shown again.'));

		ss.renderSectionPlaceholder = function() {
			return E('em', [ _('No peers defined yet.') ]);
		};

		ss.renderSectionAdd = function() {
			const nodes = Object.getPrototypeOf(this).renderSectionAdd.apply(this, arguments);

			if (writable)
				nodes.appendChild(E('button', {
					'class': 'btn cbi-button', 'click': ui.createHandlerFn(this, function() { importPeer(this.getActiveModalMap()) })
				}, [ _('Import configuration as peer…') ]));

			return nodes;
		};

		/* A new peer has addresses from the beginning. The form behind is saved before
		 * the peer is there: a wrong field there would keep the dialog shut, and leave
		 * a peer that nobody sees. */
		ss.handleAdd = function() {
			const args = arguments;

			return this.map.save(null, true).then(L.bind(function() {
				fresh = true;

				return Object.getPrototypeOf(this).handleAdd.apply(this, args);
			}, this), function(e) {
				ui.addNotification(null, E('p', [ rows.failure(e) ]), 'danger');
			});
		};

		ss.renderMoreOptionsModal = function(section_id) {
			let added = null;

			if (fresh) {
				const proposed = nextAddresses(s, section_id);

				fresh = false;
				added = uci.get('network', section_id);

				if (proposed.length)
					uci.set('network', section_id, 'allowed_ips', proposed);

				uci.set('network', section_id, 'route_allowed_ips', '1');
			}

			/* Opening the dialog saves what lies behind it, and with that the peer gets
			 * its name; LuCI would take one that is dismissed away by the one before. */
			return Object.getPrototypeOf(this).renderMoreOptionsModal.apply(this, arguments).then(L.bind(function() {
				if (added && this.map.addedSection)
					this.map.addedSection = added['.name'];
			}, this));
		};
	},

	fields(ss, s, own, writable) {
		const peer = function(tab, name, notes) {
			const f = fields.add(ss, tab, options.PEER, name, notes);

			f.modalonly = true;

			return f;
		};

		/* Shown as what it does: the option is there to switch off. */
		let o = fields.add(ss, 'general', options.PEER, 'disabled');

		o.title = _('Enabled');
		o.description = _('A peer that is switched off keeps its configuration.');
		o.enabled = '0';
		o.disabled = '1';
		o.default = '0';
		o.editable = true;
		o.width = '5%';

		o = fields.add(ss, 'general', options.PEER, 'description');
		o.placeholder = _('Laptop');
		o.textvalue = describe;

		o = peer('general', 'public_key', keyNote(s, own));
		o.rmempty = false;
		o.optional = false;

		if (writable) {
			pairOf(peer);
			keyButtons(ss);
			peer('general', 'preshared_key');
			pskButton(ss);
		}

		o = fields.add(ss, 'general', options.PEER, 'allowed_ips', overlapNote(s));
		o.textvalue = listAllowed;
		o.onchange = function(ev, section_id) { this.validate(section_id, '') };
		addressButton(ss, s);

		peer('general', 'route_allowed_ips');

		o = fields.add(ss, 'general', options.PEER, 'endpoint_host');
		o.title = _('Endpoint host');
		o.textvalue = showEndpoint;
		o.placeholder = 'vpn.example.com';
		peer('general', 'endpoint_port');
		peer('general', 'persistent_keepalive');

		peer('advanced', 'endpoint').placeholder = 'vpn2.example.com:51820';
		peer('advanced', 'endpoint_family');
		peer('advanced', 'endpoint_failback');

		if (writable)
			clientform.add(ss, s, own, peer);

		fields.rest(ss, 'advanced', options.PEER.filter(function(spec) {
			return writable || (!spec.secret && spec.name.indexOf('client_') != 0);
		}));
	}
});
