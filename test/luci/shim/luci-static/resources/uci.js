'use strict';
'require baseclass';
'require rpc';

/* The configuration, as rpcd has it and as this page has changed it. What the page
 * changes is staged in rpcd by save: the difference between the two. */

const METHODS = {
	get: rpc.declare({ object: 'uci', method: 'get', params: [ 'config' ], expect: { values: {} }, reject: true }),
	add: rpc.declare({ object: 'uci', method: 'add', params: [ 'config', 'type', 'name', 'values' ], expect: { section: '' }, reject: true }),
	set: rpc.declare({ object: 'uci', method: 'set', params: [ 'config', 'section', 'values' ], reject: true }),
	remove: rpc.declare({ object: 'uci', method: 'delete', params: [ 'config', 'section', 'options' ], reject: true }),
	order: rpc.declare({ object: 'uci', method: 'order', params: [ 'config', 'sections' ], reject: true }),
	changes: rpc.declare({ object: 'uci', method: 'changes', expect: { changes: {} } }),
	apply: rpc.declare({ object: 'uci', method: 'apply', params: [ 'timeout', 'rollback' ], reject: true }),
	confirm: rpc.declare({ object: 'uci', method: 'confirm', reject: true })
};

function same(a, b) {
	return JSON.stringify(a) === JSON.stringify(b);
}

function copy(section) {
	return JSON.parse(JSON.stringify(section));
}

/* options of a section are its members but those of rpcd's own, which begin with
 * a dot. */
function optionsOf(section) {
	const out = {};

	for (let name in section)
		if (name.charAt(0) != '.')
			out[name] = section[name];

	return out;
}

/* File is one file of the configuration: before are its sections in rpcd, now
 * those of the page, in order. */
class File {
	constructor(name, values) {
		const list = Object.keys(values).map(function(k) { return values[k] }).sort(function(a, b) { return a['.index'] - b['.index'] });

		this.name = name;
		this.before = new Map(list.map(function(s) { return [ s['.name'], copy(s) ] }));
		this.now = list;
	}

	find(sid) {
		return this.now.filter(function(s) { return s['.name'] == sid })[0] || null;
	}

	/* stage brings rpcd what has changed. It resolves to the names that new
	 * sections got, by those that they had until now; null if nothing changed. */
	async stage() {
		const names = {};
		let touched = false;

		for (let sid of this.before.keys())
			if (!this.find(sid)) {
				await METHODS.remove(this.name, sid);
				touched = true;
			}

		for (let s of this.now) {
			const was = this.before.get(s['.name']);

			if (!was) {
				const sid = s['.name'];

				s['.name'] = names[sid] = await METHODS.add(this.name, s['.type'], s['.anonymous'] ? undefined : sid, optionsOf(s));
				touched = true;
			}
			else if (await this.update(was, s)) {
				touched = true;
			}
		}

		const order = this.now.map(function(s) { return s['.name'] });
		const left = Array.from(this.before.keys()).filter((sid) => this.find(sid));

		if (!same(left, order.slice(0, left.length))) {
			await METHODS.order(this.name, order);
			touched = true;
		}

		return touched ? names : null;
	}

	async update(was, is) {
		const values = {}, gone = [];

		for (let name in optionsOf(is))
			if (!same(is[name], was[name]))
				values[name] = is[name];

		for (let name in optionsOf(was))
			if (!(name in is))
				gone.push(name);

		if (Object.keys(values).length)
			await METHODS.set(this.name, is['.name'], values);

		if (gone.length)
			await METHODS.remove(this.name, is['.name'], gone);

		return gone.length > 0 || Object.keys(values).length > 0;
	}
}

return baseclass.extend({
	__init__() {
		this.files = {};
		this.renamed = {};
		this.fresh = 0;
	},

	load(names) {
		return Promise.all(L.toArray(names).map(L.bind(function(name) {
			if (!this.files[name])
				this.files[name] = METHODS.get(name).then(L.bind(function(values) {
					return (this.files[name] = new File(name, values));
				}, this), L.bind(function(e) {
					delete this.files[name];

					throw e;
				}, this));

			return this.files[name];
		}, this)));
	},

	unload(names) {
		L.toArray(names).forEach(L.bind(function(name) { delete this.files[name] }, this));
	},

	/* file returns a file that was loaded. */
	file(name) {
		return (this.files[name] instanceof File) ? this.files[name] : null;
	},

	/* resolveSID returns the name of a section that may be given as @TYPE[N], or
	 * by the name that it had before rpcd gave it one. */
	resolveSID(conf, sid) {
		const at = /^@([\w-]+)\[(-?\d+)\]$/.exec(sid);

		if (!at)
			return this.renamed[sid] || sid;

		const all = this.sections(conf, at[1]);
		const s = all[+at[2] < 0 ? all.length + +at[2] : +at[2]];

		return s ? s['.name'] : null;
	},

	section(conf, sid) {
		const file = this.file(conf);

		return file ? file.find(this.resolveSID(conf, sid)) : null;
	},

	sections(conf, type, fn) {
		const file = this.file(conf);
		const all = !file ? [] : file.now.filter(function(s) { return !type || s['.type'] == type });

		if (fn)
			all.forEach(function(s) { fn(s, s['.name']) });

		return all.slice();
	},

	get(conf, sid, option) {
		const s = this.section(conf, sid);

		return !s ? null : (option == null) ? s : (s[option] == null) ? null : s[option];
	},

	set(conf, sid, option, value) {
		const s = this.section(conf, sid);

		if (!s || option.charAt(0) == '.')
			return;

		if (value == null || value === '' || (Array.isArray(value) && !value.length))
			delete s[option];
		else
			s[option] = Array.isArray(value) ? value.map(String) : String(value);
	},

	unset(conf, sid, option) {
		this.set(conf, sid, option, null);
	},

	add(conf, type, name) {
		const sid = name || 'new%06x'.format(++this.fresh);

		this.file(conf).now.push({ '.name': sid, '.type': type, '.anonymous': !name, '.create': true });

		return sid;
	},

	remove(conf, sid) {
		const file = this.file(conf), s = this.section(conf, sid);

		if (s)
			file.now.splice(file.now.indexOf(s), 1);
	},

	/* move puts a section before, or behind, another one; without one, to the end. */
	move(conf, sid, other, behind) {
		const file = this.file(conf), s = this.section(conf, sid);

		if (!s)
			return false;

		const rest = file.now.filter(function(o) { return o !== s });
		const at = (other == null) ? -1 : rest.indexOf(this.section(conf, other));

		rest.splice(at < 0 ? rest.length : at + (behind ? 1 : 0), 0, s);
		file.now = rest;

		return true;
	},

	/* save stages what has changed, one time after the other. */
	save() {
		this.saving = (this.saving || Promise.resolve()).catch(function() {}).then(L.bind(this.stage, this));

		return this.saving;
	},

	stage() {
		return Promise.all(Object.keys(this.files).map(L.bind(function(name) {
			const file = this.file(name);

			return !file ? null : file.stage().then(L.bind(function(names) {
				if (!names)
					return null;

				Object.assign(this.renamed, names);
				this.unload(name);

				return this.load(name);
			}, this));
		}, this))).then(function() {
			document.dispatchEvent(new CustomEvent('shim-uci-saved'));
		});
	},

	changes: METHODS.changes,

	/* apply has rpcd apply what is staged, and take it back unless it is confirmed
	 * in so many seconds. */
	apply(timeout) {
		return METHODS.apply(timeout || 10, true).then(function() { return METHODS.confirm() });
	}
});
