'use strict';
'require baseclass';
'require ui';

/* The dialog of a row of a table: a map of its own with the one section. Where a
 * dialog is open already, the new one lies in front of it. */

/* copy makes an option of a table one of the dialog. */
function copy(o, section) {
	const c = o.tab
		? section.taboption(o.tab, o.constructor, o.option, o.title, o.description)
		: section.option(o.constructor, o.option, o.title, o.description);

	for (let name of Object.keys(o))
		if ([ 'map', 'section', 'config', 'values', 'elements', 'nodes' ].indexOf(name) < 0)
			c[name] = o[name];

	return c;
}

/* front puts nodes in front of the dialog that is open, and returns what takes
 * them away again. */
function front(nodes, title) {
	const box = document.querySelector('#modal_overlay .modal');
	const head = box.querySelector('h4');
	const behind = Array.from(box.children).filter(function(n) { return n !== head && !n.classList.contains('hidden') });
	const mark = E('span', [ ' » ', title ]);

	behind.forEach(function(n) { n.classList.add('hidden') });
	head.appendChild(mark);
	nodes.forEach(function(n) { box.appendChild(n) });

	return function() {
		head.removeChild(mark);
		nodes.forEach(function(n) { box.removeChild(n) });
		behind.forEach(function(n) { n.classList.remove('hidden') });
	};
}

return baseclass.extend({
	/* open shows the options of a section of the table `grid`. kind: the class of
	 * sections with a name. */
	async open(grid, sid, kind) {
		const parent = grid.map;
		const inner = Boolean(parent.root && parent.root.closest('#modal_overlay'));

		/* What was typed behind the new dialog must not get lost when that is saved. */
		if (inner) {
			await parent.save(null, true);
			sid = parent.data.resolveSID(grid.config, sid);

			if (parent.addedSection)
				parent.addedSection = parent.data.resolveSID(grid.config, parent.addedSection);
		}

		const map = new parent.constructor(grid.config);
		const section = map.section(kind, sid, grid.sectiontype);
		const title = (typeof(grid.modaltitle) == 'function') ? grid.modaltitle(sid) : grid.modaltitle || sid;

		map.parent = parent;
		map.data = parent.data;
		section.addremove = false;
		grid.tabs.forEach(function(t) { section.tab(t.name, t.title, t.description) });
		grid.children.forEach(function(o) {
			if (o.modalonly !== false)
				copy(o, section);
		});

		await map.load();
		await grid.addModalOptions(section, sid);

		const node = await map.render();
		let close = ui.hideModal;

		const done = function() {
			delete parent.addedSection;
			close();
		};
		const dismiss = function() {
			if (parent.addedSection)
				parent.data.remove(grid.config, parent.addedSection);

			done();

			return grid.again();
		};
		const save = function() {
			return map.save(null, true).then(done).then(function() { return grid.again() }, function() { /* The field says what is wrong. */ });
		};

		const buttons = E('div', { 'class': 'button-row' }, [
			E('button', { 'class': 'btn cbi-button', 'click': ui.createHandlerFn(null, dismiss) }, [ _('Dismiss') ]), ' ',
			E('button', { 'class': 'btn cbi-button cbi-button-positive important', 'disabled': map.readonly ? '' : null, 'click': ui.createHandlerFn(null, save) }, [ _('Save') ])
		]);

		if (inner)
			close = front([ node, buttons ], title);
		else
			ui.showModal(title, [ node, buttons ], 'cbi-modal');
	}
});
