'use strict';
'require baseclass';
'require dom';
'require ui';
'require shim.tabs as tabs';
'require shim.dialog as dialog';
'require shim.drag as drag';

/* The sections of forms: one by its name, all of a type below each other, and all
 * of a type as a table with a dialog for each. */

const AbstractSection = baseclass.extend({
	__init__(map, title, description) {
		this.map = map;
		this.config = map.config;
		this.title = title;
		this.description = description;
		this.children = [];
		this.tabs = [];
		this.tabstate = {};
	},

	tab(name, title, description) {
		if (this.tabs.some(function(t) { return t.name == name }))
			throw new Error('Tab already declared');

		this.tabs.push({ name: name, title: title, description: description });
	},

	option(type, option) {
		const o = new type(this.map, this, option, ...Array.prototype.slice.call(arguments, 2));

		this.children.push(o);

		return o;
	},

	taboption(tab) {
		if (!this.tabs.some(function(t) { return t.name == tab }))
			throw new Error('Tab not declared: ' + tab);

		const o = this.option.apply(this, Array.prototype.slice.call(arguments, 1));

		o.tab = tab;

		return o;
	},

	getOption(name) {
		return this.children.filter(function(o) { return o.option == name })[0] || null;
	},

	getUIElement(sid, name) {
		const o = this.getOption(name);

		return o ? o.getUIElement(sid) : null;
	},

	formvalue(sid, name) {
		const o = this.getOption(name);

		return o ? o.formvalue(sid) : null;
	},

	/* valueFor is the value of an option that a condition is about. */
	valueFor(sid, name) {
		const o = this.getOption(name);

		return !o ? this.map.data.get(this.config, sid, name) : o.isActive(sid) ? o.formvalue(sid) : null;
	},

	filter() { return true },

	each(fn) {
		return Promise.all(this.cfgsections().reduce(L.bind(function(all, sid) {
			return all.concat(this.children.map(function(o) { return fn(o, sid) }));
		}, this), []));
	},

	load() {
		return this.each(function(o, sid) {
			return Promise.resolve(o.load(sid)).then(function(value) { return o.cfgvalue(sid, value) });
		});
	},

	parse() {
		try {
			return this.each(function(o, sid) { return o.parse(sid) });
		}
		catch (e) {
			return Promise.reject(e);
		}
	},

	checkDepends() {
		return this.cfgsections().map(L.bind(function(sid) {
			return this.children.map(function(o) { return o.checkDepends(sid) }).some(Boolean);
		}, this)).some(Boolean);
	},

	/* renderOptions makes the fields of a section, in tabs where there are some. */
	renderOptions(sid) {
		return Promise.all(this.children.map(function(o) { return o.render(sid) })).then(L.bind(function(nodes) {
			if (!this.tabs.length)
				return E('div', { 'class': 'cbi-section-node' }, nodes);

			return tabs.render(this.tabs.map(L.bind(function(t) {
				const mine = nodes.filter(L.bind(function(n, i) { return this.children[i].tab == t.name }, this));

				return { name: t.name, title: t.title, node: E('div', [ t.description ? E('div', { 'class': 'cbi-tab-descr' }, t.description) : null ].concat(mine)) };
			}, this)), this.tabstate);
		}, this));
	},

	head() {
		return [ this.title ? E('h3', {}, this.title) : null, this.description ? E('div', { 'class': 'cbi-section-descr' }, this.description) : null ];
	}
});

const NamedSection = AbstractSection.extend({
	__init__(map, section, type, title, description) {
		AbstractSection.prototype.__init__.call(this, map, title, description);
		this.section = section;
		this.sectiontype = type;
	},

	cfgsections() { return [ this.section ] },

	render() {
		return this.renderOptions(this.section).then(L.bind(function(node) {
			return E('div', { 'class': 'cbi-section', 'data-section-id': this.section }, this.head().concat(node));
		}, this));
	}
});

const TypedSection = AbstractSection.extend({
	__init__(map, type, title, description) {
		AbstractSection.prototype.__init__.call(this, map, title, description);
		this.sectiontype = type;
	},

	cfgsections() {
		return this.map.data.sections(this.config, this.sectiontype).map(function(s) { return s['.name'] }).filter(L.bind(this.filter, this));
	},

	render() {
		return Promise.all(this.cfgsections().map(L.bind(this.renderOptions, this))).then(L.bind(function(nodes) {
			return E('div', { 'class': 'cbi-section' }, this.head().concat(nodes));
		}, this));
	}
});

/* GridSection is a table with a row for each section. Options with modalonly are
 * in the dialog alone, those with editable can be changed in the row. */
const GridSection = TypedSection.extend({
	columns() {
		return this.children.filter(function(o) { return o.modalonly !== true });
	},

	load() {
		return this.each(function(o, sid) {
			return (o.modalonly === true) ? null : Promise.resolve(o.load(sid)).then(function(value) { return o.cfgvalue(sid, value) });
		});
	},

	renderSectionPlaceholder() {
		return E('em', [ _('This section contains no values yet') ]);
	},

	renderTextValue(o, sid) {
		const text = o.textvalue(sid);

		return E('td', { 'class': 'td cbi-value-field', 'data-title': o.title, 'data-name': o.option }, (text == null) ? [ E('em', [ _('none') ]) ] : dom.elem(text) ? [ text ] : text);
	},

	renderRow(sid) {
		const cells = this.columns().map(L.bind(function(o) {
			return o.editable ? o.render(sid, true) : this.renderTextValue(o, sid);
		}, this));

		const row = E('tr', { 'class': 'tr cbi-section-table-row', 'data-sid': sid, 'id': 'cbi-%s-%s'.format(this.config, sid) }, cells.concat(this.renderRowActions(sid)));

		return this.sortable ? drag.target(this, sid, row) : row;
	},

	renderRowActions(sid) {
		const button = L.bind(function(method, style, title) {
			return E('button', { 'class': 'btn cbi-button cbi-button-' + style, 'disabled': (this.map.readonly && method != 'renderMoreOptionsModal') ? '' : null, 'click': ui.createHandlerFn(this, method, sid) }, [ title ]);
		}, this);

		return E('td', { 'class': 'td cbi-section-table-cell cbi-section-actions' }, [ E('div', [
			this.sortable ? drag.handle(this, sid) : null, ' ',
			button('renderMoreOptionsModal', 'edit', _('Edit')), ' ',
			this.addremove ? button('handleRemove', 'remove', _('Delete')) : null
		]) ]);
	},

	renderSectionAdd() {
		return E('div', { 'class': 'cbi-section-create' }, !this.addremove ? [] : [
			E('button', { 'class': 'btn cbi-button cbi-button-add', 'disabled': this.map.readonly ? '' : null, 'click': ui.createHandlerFn(this, 'handleAdd') }, [ this.addbtntitle || _('Add') ])
		]);
	},

	render() {
		const rows = this.cfgsections().map(L.bind(this.renderRow, this));
		const heads = this.columns().map(function(o) { return E('th', { 'class': 'th', 'data-name': o.option }, o.title) });

		if (!rows.length)
			rows.push(E('tr', { 'class': 'tr cbi-section-table-row placeholder' }, [ E('td', { 'class': 'td' }, [ this.renderSectionPlaceholder() ]) ]));

		return Promise.resolve(E('div', { 'class': 'cbi-section' }, this.head().concat([
			E('table', { 'class': 'table cbi-section-table' }, [
				E('tr', { 'class': 'tr cbi-section-table-titles' }, heads.concat(E('th', { 'class': 'th cbi-section-actions' })))
			].concat(rows)),
			this.renderSectionAdd()
		])));
	},

	/* again shows the table as it is now. */
	again() {
		return this.map.load().then(L.bind(this.map.renderContents, this.map));
	},

	handleAdd(ev) {
		const sid = this.map.data.add(this.config, this.sectiontype);

		this.map.addedSection = sid;

		return this.renderMoreOptionsModal(sid, ev);
	},

	handleRemove(sid) {
		this.map.data.remove(this.config, sid);

		return this.map.save(null, true);
	},

	addModalOptions() {},

	/* renderMoreOptionsModal opens the dialog of a section. */
	renderMoreOptionsModal(sid) {
		return dialog.open(this, sid, NamedSection);
	},

	getActiveModalMap() {
		return document.querySelector('#modal_overlay .modal > .cbi-map:not(.hidden)');
	}
});

return {
	AbstractSection: AbstractSection, NamedSection: NamedSection, TypedSection: TypedSection, TableSection: GridSection, GridSection: GridSection
};
