'use strict';
'require dom';
'require uci';
'require shim.widgets as widgets';
'require shim.tabs as tabs';

/* Dialogs, messages, what is pending, and the widgets of forms. */

const overlay = E('div', { 'id': 'modal_overlay', 'tabindex': '-1' }, [ E('div', { 'class': 'modal', 'role': 'dialog', 'aria-modal': 'true' }) ]);

document.body.appendChild(overlay);

/* indicator shows how many changes are staged, in the head of the page. */
function indicator(n) {
	const old = document.querySelector('[data-indicator="uci-changes"]');

	if (old)
		old.parentNode.removeChild(old);

	if (n)
		document.getElementById('indicators').appendChild(E('span', { 'data-indicator': 'uci-changes', 'data-style': 'active' }, [ _('Unsaved Changes') + ': ' + n ]));
}

const changes = {
	/* init asks rpcd what is staged. */
	init() {
		return uci.changes().then(function(all) {
			indicator(Object.keys(all).reduce(function(n, file) { return n + all[file].length }, 0));
		});
	},

	/* displayChanges shows what is staged. */
	displayChanges() {
		return uci.changes().then(function(all) {
			ui.showModal(_('Configuration') + ' / ' + _('Changes'), [
				E('pre', [ Object.keys(all).map(function(file) { return all[file].map(function(c) { return [ file ].concat(c).join(' ') }).join('\n') }).join('\n') ]),
				E('div', { 'class': 'button-row' }, [
					E('button', { 'class': 'btn cbi-button', 'click': ui.hideModal }, [ _('Close') ]), ' ',
					E('button', { 'class': 'btn cbi-button cbi-button-apply important', 'click': ui.createHandlerFn(changes, 'apply', true) }, [ _('Save & Apply') ])
				])
			]);
		});
	},

	/* begin shows that changes are being applied, until the function is called that
	 * it returns. */
	begin() {
		document.body.classList.add('apply-overlay-active');

		return function() { document.body.classList.remove('apply-overlay-active') };
	},

	/* apply has LuCI's server apply what is staged; checked: it is taken back if
	 * this page cannot confirm it. */
	apply(checked) {
		const ask = function(what) {
			return fetch(L.url('admin/uci', what) + '?sid=%s&token=%s'.format(L.env.sessionid, L.env.token), { method: 'POST' }).then(function(response) {
				if (!response.ok)
					throw new Error(_('Apply request failed with status %h').format(response.status));

				return response.text();
			});
		};

		const done = changes.begin();

		return ask(checked ? 'apply_rollback' : 'apply_unchecked').then(function() {
			return new Promise(function(resolve) { window.setTimeout(resolve, 1000 * L.env.apply_holdoff) });
		}).then(function() {
			return checked ? ask('confirm') : null;
		}).then(function() {
			return changes.init();
		}).finally(done);
	}
};

document.addEventListener('shim-uci-saved', function() { changes.init() });

const ui = Object.assign({
	changes: changes,
	tabs: tabs,

	showModal(title, children) {
		const dialog = overlay.firstElementChild;

		dialog.className = [ 'modal' ].concat(Array.prototype.slice.call(arguments, 2)).join(' ');
		dom.content(dialog, [ E('h4', {}, title) ]);
		dom.append(dialog, children);
		document.body.classList.add('modal-overlay-active');
		overlay.focus();

		return dialog;
	},

	hideModal() {
		document.body.classList.remove('modal-overlay-active');
		dom.content(overlay.firstElementChild, []);
	},

	/* addNotification shows a message above the page until it is dismissed. */
	addNotification(title, children) {
		const node = E('div', { 'class': [ 'alert-message' ].concat(Array.prototype.slice.call(arguments, 2)).join(' ') }, [
			title ? E('h4', {}, title) : null
		]);

		dom.append(node, children);
		node.appendChild(E('button', { 'class': 'btn', 'click': function() { node.parentNode.removeChild(node) } }, [ _('Dismiss') ]));
		document.getElementById('maincontent').prepend(node);

		return node;
	},

	/* createHandlerFn makes the handler of a button, which cannot be pressed again
	 * until what it started is done. The event is the last argument of fn. */
	createHandlerFn(self, fn) {
		const before = Array.prototype.slice.call(arguments, 2);

		return function(ev) {
			const button = ev.currentTarget;

			ev.preventDefault();
			button.classList.add('spinning');
			button.disabled = true;

			return Promise.resolve((typeof(fn) == 'function' ? fn : self[fn]).apply(self, before.concat(ev))).finally(function() {
				button.classList.remove('spinning');
				button.disabled = false;
			});
		};
	},

	instantiateView(path) {
		return L.require('view.' + path.replace(/\//g, '.')).then(function(view) {
			changes.init();

			return view.__show__();
		}).catch(L.bind(L.error, L));
	}
}, widgets);

return ui;
