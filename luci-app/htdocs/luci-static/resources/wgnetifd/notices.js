'use strict';
'require baseclass';
'require fs';
'require ui';
'require wgnetifd.rows as rows';

/* What stands in the way of everything else, said above the page with what can
 * be done about it: no interface, no daemon, a handler that netifd has not
 * loaded, a kernel without WireGuard, a configuration that cannot be read. */

const DAEMON = '/etc/init.d/wgnetifd';
const NETWORK = '/etc/init.d/network';

/* run runs an init script; rpcd lets it those that the ACL file names. */
function run(script, action) {
	return fs.exec(script, [ action ]).then(function(r) {
		if (r.code)
			throw new Error(_('%s %s failed: %s').format(script, action, (r.stderr || r.stdout || '').trim() || r.code));
	});
}

/* say shows a sentence above the page; level: warning or danger. What LuCI takes
 * behind the text is a class in some releases, and a time in others. */
function say(text, level) {
	const node = ui.addNotification(null, E('p', [ text ]));

	if (node && node.classList)
		node.classList.add(level);
}

function command(text) {
	return E('code', [ text ]);
}

function button(title, kind, fn) {
	return E('button', { 'class': 'btn cbi-button ' + kind, 'click': function(ev) {
		const self = ev.currentTarget;

		ev.preventDefault();
		self.disabled = true;
		self.classList.add('spinning');

		Promise.resolve(fn()).catch(function(e) {
			say(rows.failure(e), 'danger');
		}).then(function() {
			self.disabled = false;
			self.classList.remove('spinning');
		});
	} }, [ title ]);
}

/* restart asks before everything is dropped. */
function restart(again) {
	ui.showModal([ _('Restart the network?') ], [
		E('p', [ _('Every connection through this router drops for some seconds, this page\'s too. It comes back by itself.') ]),
		E('div', { 'class': 'button-row right' }, [
			E('button', { 'class': 'btn cbi-button', 'click': function(ev) { ev.preventDefault(); ui.hideModal() } }, [ _('Cancel') ]), ' ',
			E('button', { 'class': 'btn cbi-button cbi-button-negative important', 'click': function(ev) {
				ev.preventDefault();
				ui.hideModal();
				/* The answer may be lost with the connection. */
				run(NETWORK, 'restart').catch(function() {}).then(again);
			} }, [ _('Restart the network') ])
		])
	]);
}

/* box makes one notice: paragraphs and buttons. */
function box(kind, level, title, paragraphs, buttons) {
	return E('div', { 'class': 'alert-message ' + level, 'data-notice': kind }, [
		E('h4', [ title ])
	].concat(paragraphs.map(function(p) { return E('p', [].concat(p)) }),
		buttons.length ? [ E('div', { 'class': 'wgn-buttons' }, buttons.reduce(function(all, b) { return all.concat(b, ' ') }, [])) ] : []));
}

/* MAKE makes the notice of each kind of wgnetifd.rows.situation. can: { write,
 * again(), add() }. */
const MAKE = {
	config: function(s) {
		return box('config', 'warning', _('The configuration cannot be read'), [
			s.text, _('Shown is what the kernel has. What runs keeps running; no change takes effect until this is put right.')
		], []);
	},
	kernel: function(s) {
		return box('kernel', 'warning', _('The kernel has no WireGuard'), [
			_('%s cannot come up without the kernel module.').format(s.names.join(', ')),
			[ _('Install the package'), ' ', command('kmod-wireguard'), ' (', _('System → Software'), '), ', _('then bring the interface up again.') ]
		], []);
	},
	'no-handler': function(s, can) {
		return box('no-handler', 'warning', _('netifd does not know WireGuard yet'), [
			_('The network service loads handlers of protocols only when it starts, and it has not been restarted since this one was installed. Until then no WireGuard interface comes up.')
		], can.write ? [ button(_('Restart the network…'), 'cbi-button-negative', function() { restart(can.again) }) ] : []);
	},
	'other-handler': function(s, can) {
		return box('other-handler', 'warning', _('netifd still uses another handler'), [
			_('The network service loads handlers of protocols only when it starts. Until it is restarted, interfaces are brought up by the handler that was there before, and changes of peers need a restart of their interface.')
		], can.write ? [ button(_('Restart the network…'), 'cbi-button-negative', function() { restart(can.again) }) ] : []);
	},
	daemon: function(s, can) {
		return box('daemon', 'warning', _('The daemon is not running'), [
			_('The tunnels work without it, but nothing takes changes over, looks names up again, moves to further endpoints or measures traffic. What is shown comes from the kernel.')
		], can.write ? [ button(_('Start it'), 'cbi-button-action', function() {
			return run(DAEMON, 'enable').then(function() { return run(DAEMON, 'start') }).then(can.again);
		}) ] : []);
	},
	none: function(s, can) {
		return box('none', 'notice', _('There is no WireGuard interface yet'), [
			_('An interface is this router\'s end of the tunnels. Adding the first device makes one; an existing configuration, such as a provider\'s, is imported in the form of a new interface.')
		], can.write ? [
			button(_('Add a device…'), 'cbi-button-add', function() { can.add() }),
			E('a', { 'class': 'btn cbi-button', 'href': L.url('admin/network/network') }, [ _('Network → Interfaces') ])
		] : []);
	}
};

return baseclass.extend({
	say: say,

	/* list returns { node, update(situations) }. */
	list(can) {
		const node = E('div', { 'class': 'wgn-notices', 'aria-live': 'polite' });
		let shown = '';

		return {
			node: node,
			update: function(situations) {
				const said = JSON.stringify(situations);

				if (said === shown)
					return;

				shown = said;

				while (node.firstChild)
					node.removeChild(node.firstChild);

				for (let s of situations)
					node.appendChild(MAKE[s.kind](s, can));
			}
		};
	},

	/* backendMissing says that rpcd does not have our object. */
	backendMissing(error) {
		return box('backend', 'danger', _('The backend does not answer'), [
			rows.failure(error),
			[ _('rpcd loads its plugins when it starts. On the router:'), ' ', command('service rpcd restart') ]
		], []);
	}
});
