'use strict';
'require baseclass';
'require ui';
'require wgnetifd.actions as actions';
'require wgnetifd.backend as backend';
'require wgnetifd.change as change';
'require wgnetifd.client as client';
'require wgnetifd.devicefacts as devicefacts';
'require wgnetifd.deviceform as deviceform';
'require wgnetifd.devicemonitor as devicemonitor';
'require wgnetifd.deviceplan as deviceplan';
'require wgnetifd.devicestyle as devicestyle';
'require wgnetifd.qr as qr';

/* "Add a device": from a name to a device that is connected, in one dialog of
 * three pages: what somebody wishes, what will be changed for that, and the code
 * to scan. Nothing is written, not even staged, before the second page's button;
 * then it is one change, which the router takes back when it is cut off by it. */

const STEPS = [ _('The device'), _('What will be changed'), _('Connect it') ];

/* Files whose changes would be mixed with ours. */
const FILES = [ 'network', 'firewall' ];

function button(title, kind, fn) {
	return E('button', { 'type': 'button', 'class': 'btn cbi-button ' + kind, 'click': function(ev) { ev.preventDefault(); fn() } }, [ title ]);
}

function cancel() {
	return button(_('Cancel'), '', ui.hideModal.bind(ui));
}

/* show puts a page into the dialog. step: 0 to 2, or -1 for none. */
function show(step, content, buttons, submit) {
	const failed = E('div', { 'role': 'alert' });
	const spaced = buttons.reduce(function(all, b) { return all.concat(b, ' ') }, []);
	const node = E('form', { 'class': 'wgn-dialog wgn-add-device', 'submit': function(ev) { ev.preventDefault(); submit && submit() } }, [
		(step < 0) ? E([]) : E('ol', { 'class': 'wgn-steps' }, STEPS.map(function(s, n) { return E('li', { 'aria-current': n == step ? 'step' : null }, [ '%d. %s'.format(n + 1, s) ]) })),
		content, failed, E('div', { 'class': 'button-row right' }, spaced)
	]);

	ui.showModal(_('Add a device'), [ node ], 'cbi-modal');

	/* A press that does something that takes time: once, and with what went wrong. */
	return function(control, fn) {
		control.disabled = true;
		control.classList.add('spinning');
		failed.className = failed.textContent = '';

		return fn().catch(function(e) {
			failed.className = 'alert-message danger';
			failed.textContent = e.message;
		}).then(function() {
			control.disabled = false;
			control.classList.remove('spinning');
		});
	};
}

function wait(text) {
	ui.showModal(_('Add a device'), [ E('p', { 'class': 'spinning' }, [ text ]) ]);
}

/* unsaved says that changes have to be applied or thrown away before. */
function unsaved(files) {
	show(-1, E('p', [ _('You have changed %s before, and not applied that yet. Apply or discard it first: adding a device is a change of its own, which can be taken back as one.').format(files.join(', ')) ]), [
		cancel(), button(_('Show the changes…'), 'cbi-button-action important', function() { ui.hideModal(); ui.changes.displayChanges() })
	]);
}

/* keys has those made that are missing: of the device, and of the interface. They
 * are made by the router, and asked for in the body of a request. */
function keys(facts, wish) {
	const there = facts.interface(wish.interface) || {};
	const own = function() {
		if (wish.own && wish.own.of === wish.interface)
			return Promise.resolve(wish.own);

		if (!wish.fresh && there.public_key)
			return Promise.resolve({ of: wish.interface, priv: '', pub: there.public_key });

		if (!wish.fresh && there.private_key)
			return backend.publicKey(there.private_key).then(function(pub) { return { of: wish.interface, priv: '', pub: pub } });

		return backend.generateKeyPair().then(function(k) { return { of: wish.interface, priv: k.priv, pub: k.pub } });
	};

	return Promise.all([
		wish.keys || backend.generateKeyPair(), !wish.usePsk ? '' : wish.psk || backend.generatePsk(), own(),
		wish.fresh ? change.section('network', wish.interface) : null
	]).then(function(r) {
		if (r[3])
			throw new Error(_('%s is the name of something else already.').format(wish.interface));

		wish.keys = r[0];
		wish.psk = r[1];
		wish.own = r[2];
	});
}

/* Walk is one device on its way. options: see open. */
function Walk(options, facts) {
	this.options = options;
	this.facts = facts;
	this.form = deviceform.create(facts, deviceform.start(facts, options.interface));
}

Walk.prototype.begin = function() {
	const self = this;

	return this.form.render().then(function(node) { self.node = node; self.wishes() });
};

Walk.prototype.wishes = function() {
	const self = this;
	const on = E('button', { 'type': 'submit', 'class': 'btn cbi-button cbi-button-action important' }, [ _('Continue') ]);
	const busy = show(0, this.node, [ cancel(), on ], function() {
		if (on.disabled || !self.form.valid())
			return;

		busy(on, function() { return keys(self.facts, self.form.wish).then(function() { self.review() }) });
	});

	this.form.input.name.focus();
};

/* group shows what a file gets, what it has, and what to know about it. */
function group(title, plan) {
	return E('div', { 'data-group': title }, [
		E('h5', [ title ]),
		E('ul', { 'class': 'wgn-plan' }, plan.changes.map(function(c) { return E('li', [ c.text ]) })),
		plan.changes.length ? E([]) : E('p', [ _('Nothing is changed.') ]),
		plan.kept.length ? E('ul', { 'class': 'wgn-plan wgn-kept' }, plan.kept.map(function(k) { return E('li', [ k ]) })) : E([])
	].concat(plan.notes.map(function(n) { return E('div', { 'class': 'alert-message warning' }, [ n ]) })));
}

Walk.prototype.review = function() {
	const self = this;
	const plan = deviceplan.build(this.facts, this.form.wish);
	const lines = plan.ops.reduce(function(all, op) { return all.concat(deviceplan.command(op)) }, []);
	const on = E('button', { 'type': 'submit', 'class': 'btn cbi-button cbi-button-positive important' }, [ _('Save & Apply') ]);

	const busy = show(1, E('div', [
		E('p', [ _('These changes will be made. They are one change: if this page cannot reach the router afterwards, the router takes all of it back.') ]),
		group(_('Network'), plan.network),
		group(_('Firewall'), plan.firewall),
		E('details', [ E('summary', [ _('As lines of the configuration') ]), E('pre', [ lines.join('\n') ]) ])
	]), [ cancel(), button(_('Back'), '', function() { self.wishes() }), on ], function() {
		if (!on.disabled)
			busy(on, function() { return self.apply(plan) });
	});
};

Walk.prototype.apply = function(plan) {
	const self = this, name = this.form.wish.interface;

	return change.apply(function() { return plan.ops }, function(files) {
		files = files.filter(function(f) { return FILES.indexOf(f) >= 0 });

		if (files.length)
			throw new Error(_('%s was changed elsewhere meanwhile. Apply or discard that first.').format(files.join(', ')));

		return true;
	}).then(function() {
		return actions.reloaded(name);
	}).then(function(sentences) {
		/* A new interface is netifd's to bring up; the monitor says whether it does. */
		return self.form.wish.fresh ? [] : sentences;
	}).then(function(sentences) {
		self.connect(plan, sentences);

		return self.options.done ? self.options.done() : null;
	});
};

Walk.prototype.connect = function(plan, sentences) {
	const self = this, wish = this.form.wish, name = plan.peer.description;
	const what = { name: name, interface: wish.interface, port: plan.iface.listen_port, public_key: plan.peer.public_key };

	show(2, E('div', [
		devicemonitor.watch(what, sentences),
		E('ol', [
			E('li', [ _('Install the app “WireGuard” on %s: from its app store, or from wireguard.com.').format(name) ]),
			E('li', [ _('There, add a tunnel: scan this picture, or open the file.') ]),
			E('li', [ _('Switch the tunnel on.') ])
		]),
		qr.render(client.text(plan.iface, plan.peer), name, client.build(plan.iface, plan.peer).missing),
		wish.keepKey ? E([]) : E('div', { 'class': 'alert-message warning' }, [ _('The device\'s key is not kept on this router: this code cannot be shown again.') ])
	]), [
		button(_('Add another device…'), '', function() { open({ interface: wish.interface, done: self.options.done }) }),
		button(_('Close'), 'cbi-button-action important', ui.hideModal.bind(ui))
	]);
};

/* open: see below. */
function open(options) {
	devicestyle.use();
	wait(_('Looking at the router…'));

	return change.pending().then(function(files) {
		files = files.filter(function(f) { return FILES.indexOf(f) >= 0 });

		return files.length ? unsaved(files) : devicefacts.read().then(function(facts) { return new Walk(options, facts).begin() });
	}).catch(function(e) {
		ui.hideModal();
		throw e;
	});
}

return baseclass.extend({
	/* open opens the dialog. options: { interface: the name of the one that is
	 * chosen first, or '', done(): called when the device was added }. It resolves
	 * when the dialog can be used. */
	open: open
});
