'use strict';
'require baseclass';
'require wgnetifd.deviceendpoint as deviceendpoint';
'require wgnetifd.devicenet as devicenet';
'require wgnetifd.deviceplan as deviceplan';

/* The first page of "Add a device": what somebody wishes. All that can be proposed
 * is proposed; a name is what there is to type. */

const NEW = '';

const REACHES = {
	lan: {
		title: _('This router and the network behind it'),
		help: _('%s. The device\'s other traffic goes its usual way.')
	},
	all: {
		title: _('Everything, the Internet too, through this router'),
		help: _('As if the device were at home: for WLANs that you do not trust, and for what is shown at home only.')
	},
	router: {
		title: _('This router only'),
		help: _('Its pages and services, not the network behind it.')
	}
};

function random(n) {
	return window.crypto.getRandomValues(new Uint32Array(1))[0] % n;
}

/* start returns what is proposed before anybody has typed. */
function start(facts, wanted) {
	const listening = facts.interfaces.filter(function(i) { return +i.listen_port > 0 });
	const chosen = facts.interface(wanted) || listening[0] || null;
	const wish = { name: '', fresh: !chosen, interface: chosen ? chosen.name : '', dns: [], devices: [], keepKey: true, usePsk: true };

	wish.reach = deviceplan.reaches(facts)[0].value;

	return wish;
}

/* Form holds the wish, the nodes of the page, and what the person changed: that
 * is proposed no more. */
function Form(facts, wish) {
	this.facts = facts;
	this.wish = wish;
	this.touched = {};
	this.wrong = {};
	this.fresh = {
		interface: devicenet.name(facts.names), port: devicenet.port(facts.ports),
		addresses: devicenet.addresses(facts.taken, random)
	};
}

Form.prototype.field = function(name, title, control, help) {
	const id = 'wgn-add-' + name;

	this.wrong[name] = E('div', { 'class': 'wgn-wrong', 'role': 'alert' });

	if (control.tagName == 'INPUT' || control.tagName == 'SELECT')
		control.id = id;
	else
		control.setAttribute('aria-label', title);

	return E('div', { 'class': 'cbi-value', 'data-name': name }, [
		E('label', { 'class': 'cbi-value-title', 'for': id }, [ title ]),
		E('div', { 'class': 'cbi-value-field' }, [ control, this.wrong[name], help ? E('div', { 'class': 'cbi-value-description' }, [].concat(help)) : E([]) ])
	]);
};

/* text makes a field of the wish; lists are written with commas. */
Form.prototype.text = function(name, props) {
	const self = this;

	return E('input', Object.assign({
		'type': 'text', 'class': 'cbi-input-text', 'autocomplete': 'off', 'spellcheck': 'false', 'data-field': name,
		'input': function(ev) {
			self.touched[name] = true;
			self.wish[name] = ev.target.value;
			self.changed(name);
		}
	}, props || {}));
};

Form.prototype.choice = function(name, items, chosen, fn) {
	return E('div', { 'class': 'wgn-choice', 'role': 'radiogroup' }, items.map(function(i) {
		return E('label', [
			E('input', { 'type': 'radio', 'name': 'wgn-' + name, 'value': i.value, 'checked': i.value === chosen ? '' : null, 'change': function() { fn(i.value) } }),
			E('span', { 'class': i.input ? 'wgn-typed' : '' }, [ E('b', [ i.title ]), i.help ? E('div', { 'class': 'wgn-note' }, [ i.help ]) : E([]), i.input || E([]) ])
		]);
	}));
};

Form.prototype.interfaces = function() {
	const self = this;
	const items = this.facts.interfaces.map(function(i) {
		return E('option', { 'value': i.name }, [ i.addresses.length ? '%s (%s)'.format(i.name, i.addresses.join(', ')) : i.name ]);
	}).concat(E('option', { 'value': NEW }, [ _('a new interface') ]));
	const select = E('select', { 'class': 'cbi-input-select', 'change': function(ev) { self.choose(ev.target.value) } }, items);

	select.value = this.wish.fresh ? NEW : this.wish.interface;

	return this.field('tunnel', _('Tunnel'), select, _('The WireGuard interface of this router that the device connects to.'));
};

/* freshFields are those of an interface that is yet to be made. */
Form.prototype.freshFields = function() {
	this.input = Object.assign(this.input || {}, { interface: this.text('interface'), port: this.text('port', { 'inputmode': 'numeric' }), addresses: this.text('addresses') });

	return E('div', { 'data-fresh': '' }, [
		this.field('interface', _('Name of the interface'), this.input.interface, _('This router\'s end of the tunnels, for all devices.')),
		this.field('port', _('UDP port'), this.input.port, _('Where the devices call.')),
		this.field('addresses', _('The router\'s addresses in the tunnel'), this.input.addresses, _('A network for the tunnels alone, which is nowhere else: these are free.'))
	]);
};

Form.prototype.reach = function() {
	const self = this;
	const items = deviceplan.reaches(this.facts).map(function(r) {
		return { value: r.value, title: REACHES[r.value].title, help: REACHES[r.value].help.format(r.networks.join(', ')) };
	});

	return this.field('reach', _('What may it reach?'), this.choice('reach', items, this.wish.reach, function(v) {
		self.wish.reach = v;
		self.changed('reach');
	}));
};

Form.prototype.endpoint = function() {
	const self = this;
	const proposals = deviceendpoint.proposals(this.facts.ddns, this.facts.hostname, this.facts.uplinks);
	const best = deviceendpoint.best(proposals);
	const typed = this.text('endpoint', { 'placeholder': 'home.example.org', 'aria-label': _('Name or address of this router'), 'focus': function() { pick() } });
	const items = proposals.map(function(p) { return { value: p.host, title: p.host, help: p.from } });
	const box = E('div');
	/* Who writes there means it; what is said to be wrong stays meanwhile. */
	const pick = function() {
		const radio = box.querySelector('input[value="typed"]');

		if (radio.checked)
			return;

		radio.checked = true;
		self.wish.endpoint = typed.value;
		self.changed('endpoint');
	};

	items.push({ value: 'typed', title: proposals.length ? _('another name or address') : _('a name or an address'), input: typed });
	box.appendChild(this.choice('endpoint', items, best || 'typed', function(v) {
		self.wish.endpoint = (v == 'typed') ? typed.value : v;
		self.changed('endpoint');

		if (v == 'typed')
			typed.focus();
	}));
	this.wish.endpoint = best;
	this.situation = E('div');
	this.proposals = proposals;

	return this.field('endpoint', _('Where does it find this router?'), E('div', [ this.situation, box ]),
		_('Seen from the Internet. If another router forwards a different port to this one, write that port behind the name, as in home.example.org:40000.'));
};

Form.prototype.more = function() {
	const self = this;
	const flag = function(name, text) {
		return E('label', [ E('input', { 'type': 'checkbox', 'data-field': name, 'checked': self.wish[name] ? '' : null, 'change': function(ev) { self.wish[name] = ev.target.checked } }), E('span', [ text ]) ]);
	};

	this.input = Object.assign(this.input || {}, { devices: this.text('devices'), dns: this.text('dns') });

	return this.details = E('details', [
		E('summary', [ _('Addresses, DNS and keys') ]),
		this.freshNode = this.freshFields(),
		this.field('devices', _('The device\'s addresses'), this.input.devices, _('Its own in the tunnel, used by nobody else. These are free.')),
		this.field('dns', _('DNS servers of the device'), this.input.dns, _('While the tunnel is on. Empty: the device keeps its own.')),
		this.field('keys', _('Keys'), E('div', { 'class': 'wgn-choice' }, [
			flag('usePsk', _('Make a preshared key as well: a second secret of this device and the router')),
			flag('keepKey', _('Keep the device\'s key on this router, so that the QR code can be shown again'))
		]))
	]);
};

Form.prototype.render = function() {
	const name = this.text('name', { 'placeholder': _('Anna\'s phone'), 'maxlength': deviceplan.NAME_LENGTH });

	this.input = { name: name };
	this.node = E('div', [
		this.field('name', _('Name of the device'), name),
		this.facts.interfaces.length ? this.interfaces() : E('p', [ _('There is no WireGuard interface on this router yet: one is made for this device and those that follow.') ]),
		this.reach(),
		this.endpoint(),
		this.more()
	]);

	return this.choose(this.wish.fresh ? NEW : this.wish.interface).then(L.bind(function() { return this.node }, this));
};

/* choose takes another interface, after its peers are known. */
Form.prototype.choose = function(name) {
	const wish = this.wish;

	return this.facts.load(name).then(L.bind(function() {
		wish.fresh = (name === NEW);
		wish.interface = wish.fresh ? (this.touched.interface ? this.input.interface.value : this.fresh.interface) : name;

		if (!this.touched.port)
			wish.port = this.fresh.port;

		if (!this.touched.addresses)
			wish.addresses = this.fresh.addresses;

		this.touched.devices = false;
		this.freshNode.style.display = wish.fresh ? '' : 'none';
		this.changed('tunnel');
	}, this));
};

/* changed proposes anew what follows from a field, and takes back what was said
 * to be wrong with it. */
Form.prototype.changed = function(name) {
	const wish = this.wish;

	if (!this.touched.devices)
		wish.devices = deviceplan.devices(this.facts, wish);

	if (!this.touched.dns)
		wish.dns = deviceplan.dns(this.facts, wish);

	for (let field of [ 'interface', 'port', 'addresses', 'devices', 'dns' ])
		if (field != name && !(this.touched[field] && field != 'interface'))
			this.input[field].value = [].concat(wish[field] == null ? '' : wish[field]).join(', ');

	if (this.wrong[name])
		this.wrong[name].textContent = '';

	if (name == 'tunnel' || name == 'port')
		this.say();
};

/* say warns of addresses that nobody can call. */
Form.prototype.say = function() {
	const wish = this.wish;
	const port = wish.fresh ? wish.port : (this.facts.interface(wish.interface) || {}).listen_port;
	const text = deviceendpoint.situation(this.proposals, this.facts.uplinks, +port > 0 ? port : devicenet.port(this.facts.ports));

	this.situation.className = text ? 'alert-message warning' : '';
	this.situation.textContent = text || '';
};

/* valid shows what is wrong, and says whether nothing is. */
Form.prototype.valid = function() {
	const problems = deviceplan.problems(this.facts, this.wish);
	const fields = Object.keys(problems);

	for (let name in this.wrong)
		this.wrong[name].textContent = problems[name] || '';

	if (fields.some(L.bind(function(f) { return this.details.contains(this.wrong[f]) }, this)))
		this.details.open = true;

	if (fields.length) {
		const field = this.wrong[fields[0]].parentNode.querySelector('input:not([type=radio])');

		if (field)
			field.focus();
	}

	return !fields.length;
};

return baseclass.extend({
	start: start,

	/* create returns a form: render() resolves to its node, wish is what it says,
	 * valid() shows what is wrong and says whether nothing is. */
	create(facts, wish) {
		return new Form(facts, wish);
	}
});
