'use strict';
'require baseclass';
'require dom';
'require ui';

/* A page: load, then render, then the buttons below it. */

function maps() {
	return Array.from(document.querySelectorAll('#maincontent .cbi-map'));
}

function all(method) {
	return Promise.all(maps().map(function(m) { return dom.callClassMethod(m, method) }));
}

const View = baseclass.extend({
	/* The name of the method is none that a page has too. */
	__show__() {
		const view = document.getElementById('view');

		return Promise.resolve(this.load()).then(L.bind(this.render, this)).then(L.bind(function(nodes) {
			dom.content(view, nodes);
			dom.append(view, this.addFooter());
		}, this)).catch(L.bind(L.error, L));
	},

	load() {},
	render() {},

	handleSave() { return all('save') },
	handleReset() { return all('reset') },

	handleSaveApply(ev) {
		const done = ui.changes.begin();

		return this.handleSave(ev).then(function() { return ui.changes.apply(true) }).finally(done);
	},

	addFooter() {
		const self = this;
		const button = function(method, style, title) {
			return !self[method] ? '' : E('button', {
				'class': 'btn cbi-button ' + style, 'disabled': L.hasViewPermission() === false ? '' : null, 'click': ui.createHandlerFn(self, method)
			}, [ title ]);
		};

		return !maps().length ? E([]) : E('div', { 'class': 'cbi-page-actions' }, [
			button('handleSaveApply', 'cbi-button-apply important', _('Save & Apply')), ' ',
			button('handleSave', 'cbi-button-save', _('Save')), ' ',
			button('handleReset', 'cbi-button-reset', _('Reset'))
		]);
	}
});

/* Pages extend the class; there is no instance of it. */
return { extend(members) { return View.extend(members) } };
