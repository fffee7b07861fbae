'use strict';
'require baseclass';
'require dom';
'require uci';
'require shim.sections as sections';
'require shim.tabs as tabs';
'require shim.values as values';

/* Forms over the configuration: maps, which have sections, which have options. */

/* Map is a form over one file. */
const CBIMap = baseclass.extend({
	__init__(config, title, description) {
		this.config = config;
		this.title = title;
		this.description = description;
		this.data = uci;
		this.children = [];
		this.parent = null;
		this.readonly = (L.hasViewPermission() === false);
	},

	section(type) {
		const s = new type(this, ...Array.prototype.slice.call(arguments, 1));

		this.children.push(s);

		return s;
	},

	append(section) {
		this.children.push(section);
	},

	load() {
		return this.data.load(this.config).then(L.bind(function() {
			return Promise.all(this.children.map(function(s) { return s.load() }));
		}, this));
	},

	render() {
		return this.load().then(L.bind(this.renderContents, this));
	},

	/* renderContents makes the nodes of the form, in the same root every time. */
	renderContents() {
		if (!this.root) {
			this.root = E('div', { 'class': 'cbi-map', 'id': 'cbi-' + this.config });
			dom.bindClassInstance(this.root, this);
			this.root.addEventListener('widget-change', L.bind(this.checkDepends, this));
		}

		return Promise.all(this.children.map(function(s) { return s.render() })).then(L.bind(function(nodes) {
			dom.content(this.root, [ this.title ? E('h2', {}, this.title) : null, this.description ? E('div', { 'class': 'cbi-map-descr' }, this.description) : null ].concat(nodes));
			this.checkDepends();

			return this.root;
		}, this));
	},

	/* checkDepends shows the fields whose conditions are met, and hides the others,
	 * until that changes nothing any more. */
	checkDepends() {
		let again = 10;

		while (again-- > 0 && this.children.map(function(s) { return s.checkDepends() }).some(Boolean))
			continue;

		tabs.update(this.root);
	},

	parse() {
		return Promise.all(this.children.map(function(s) { return s.parse() }));
	},

	/* save takes the fields over, stages them, and shows what came of it. */
	save(fn, silent) {
		return Promise.resolve(this.parse()).then(fn || null)
			.then(L.bind(function() { return this.data.save() }, this))
			.then(L.bind(this.reset, this))
			.catch(function(e) {
				if (!silent)
					L.require('ui').then(function(ui) { ui.addNotification(_('Save error'), E('p', [ e.message ]), 'danger') });

				throw e;
			});
	},

	/* reset shows what is in the configuration. */
	reset() {
		return this.load().then(L.bind(this.renderContents, this));
	},

	lookupOption(name, sid) {
		for (let s of this.children) {
			const o = s.getOption(name);

			if (o && (sid == null || s.cfgsections().indexOf(sid) >= 0))
				return [ o, sid || s.cfgsections()[0] ];
		}

		return null;
	}
});

/* JSONData has what uci has, over an object: { NAME: { OPTION: VALUE } }. */
const JSONData = baseclass.extend({
	__init__(data) {
		this.list = Object.keys(data).map(function(name) {
			return Object.assign({}, data[name], { '.name': name, '.type': name, '.anonymous': false });
		});
	},

	load() { return Promise.resolve() },
	save() { return Promise.resolve() },

	sections(conf, type) {
		return this.list.filter(function(s) { return !type || s['.type'] == type });
	},

	get(conf, sid, option) {
		const s = this.list.filter(function(o) { return o['.name'] == sid })[0];

		return !s ? null : (option == null) ? s : (s[option] == null) ? null : s[option];
	},

	set(conf, sid, option, value) {
		const s = this.get(conf, sid);

		if (s)
			s[option] = value;
	},

	unset(conf, sid, option) {
		const s = this.get(conf, sid);

		if (s)
			delete s[option];
	}
});

const CBIJSONMap = CBIMap.extend({
	__init__(data, title, description) {
		CBIMap.prototype.__init__.call(this, 'json', title, description);
		this.data = new JSONData(data);
	}
});

return Object.assign({ Map: CBIMap, JSONMap: CBIJSONMap }, sections, values);
