'use strict';

/* The loader of modules, the class that all of them extend, and E() and dom. */

(function() {
	/* Class is LuCI's baseclass: extend makes a class of the members of an object,
	 * __init__ is its constructor. */
	class Class {
		constructor() {
			if (typeof(this.__init__) == 'function')
				this.__init__.apply(this, arguments);
		}

		static extend(members) {
			const sub = class extends this {};

			for (let name of Object.getOwnPropertyNames(members))
				Object.defineProperty(sub.prototype, name, Object.assign(Object.getOwnPropertyDescriptor(members, name), { enumerable: false }));

			return sub;
		}

		static singleton() {
			return new (this.extend.apply(this, arguments))();
		}

		static instantiate(args) {
			return new this(...args);
		}
	}

	const instances = new WeakMap();

	const dom = {
		elem(node) {
			return node instanceof Node;
		},

		/* append adds children: nodes, a list of nodes and texts, or one string,
		 * which is HTML. */
		append(node, children) {
			if (Array.isArray(children))
				for (let c of children) {
					if (c == null || c === false)
						continue;

					node.appendChild(dom.elem(c) ? c : document.createTextNode(String(c)));
				}
			else if (typeof(children) == 'function')
				return dom.append(node, children(node));
			else if (dom.elem(children))
				node.appendChild(children);
			else if (children != null)
				node.insertAdjacentHTML('beforeend', String(children));

			return node.lastChild;
		},

		content(node, children) {
			while (node.firstChild)
				node.removeChild(node.firstChild);

			return dom.append(node, children);
		},

		attr(node, values) {
			for (let name in values) {
				const v = values[name];

				if (typeof(v) == 'function')
					node.addEventListener(name, v);
				else if (v != null)
					node.setAttribute(name, typeof(v) == 'object' ? JSON.stringify(v) : v);
			}
		},

		/* create is E(): E(tag, attributes, children), E(tag, children), E(list). */
		create(tag, attributes, children) {
			if (Array.isArray(tag)) {
				const all = document.createDocumentFragment();

				dom.append(all, tag);

				return all;
			}

			const node = dom.elem(tag) ? tag : document.createElement(tag);
			const bare = Array.isArray(attributes) || typeof(attributes) != 'object' || dom.elem(attributes);

			if (!bare)
				dom.attr(node, attributes);

			dom.append(node, (bare && attributes !== undefined) ? attributes : children);

			return node;
		},

		matches(node, selector) {
			return dom.elem(node) && node.matches(selector);
		},

		parent(node, selector) {
			return dom.elem(node) ? node.closest(selector) : null;
		},

		/* An object may stand behind a node: who finds the node finds it. */
		bindClassInstance(node, instance) {
			instances.set(node, instance);

			return instance;
		},

		findClassInstance(node) {
			for (; node; node = node.parentNode)
				if (instances.has(node))
					return instances.get(node);

			return null;
		},

		callClassMethod(node, method) {
			const instance = dom.findClassInstance(node);

			return (instance && typeof(instance[method]) == 'function')
				? instance[method].apply(instance, Array.prototype.slice.call(arguments, 2)) : null;
		}
	};

	window.E = dom.create;

	/* The head of a module says what it needs. */
	const REQUIRE = /^'require ([\w.-]+)(?: as (\w+))?';$/gm;

	class LuCI {
		constructor(env) {
			this.env = env;
			this.Class = Class;
			this.dom = dom;
			this.modules = new Map([ [ 'baseclass', Promise.resolve(Class) ], [ 'dom', Promise.resolve(dom) ] ]);
		}

		/* require resolves to the one instance of a module, for all who ask. */
		require(name, from) {
			const path = (from || []).concat(name);

			if (path.indexOf(name) < path.length - 1)
				return Promise.reject(new Error('modules that need each other: ' + path.join(', ')));

			if (!this.modules.has(name))
				this.modules.set(name, this.load(name, path));

			return this.modules.get(name);
		}

		async load(name, path) {
			const url = this.resource(name.replace(/\./g, '/') + '.js');
			const response = await fetch(url);

			if (!response.ok)
				throw new Error('%s: %d %s'.format(url, response.status, response.statusText));

			const source = await response.text();
			const needs = Array.from(source.matchAll(REQUIRE));
			const modules = await Promise.all(needs.map((n) => this.require(n[1], path)));
			const names = needs.map((n) => n[2] || n[1].replace(/\W/g, '_'));
			const factory = new Function('window', 'document', 'L', ...names, source + '\n//# sourceURL=' + url);
			const made = factory(window, document, this, ...modules);

			return (typeof(made) == 'function') ? new made() : made;
		}

		bind(fn, self) {
			return Function.prototype.bind.apply(fn, [ self ].concat(Array.prototype.slice.call(arguments, 2)));
		}

		/* url makes the path of a page, resource that of a file. */
		url() {
			return [ this.env.scriptname ].concat(Array.from(arguments)).join('/');
		}

		resource() {
			return [ this.env.resource ].concat(Array.from(arguments)).join('/');
		}

		media() {
			return [ this.env.media ].concat(Array.from(arguments)).join('/');
		}

		/* hasViewPermission tells whether the person may write here; null: not even
		 * read. */
		hasViewPermission() {
			const spec = this.env.nodespec;

			return (spec && spec.satisfied) ? !spec.readonly : null;
		}

		resolveDefault(value, preset) {
			return Promise.resolve(value).catch(function() { return preset });
		}

		isObject(value) {
			return value != null && typeof(value) == 'object';
		}

		toArray(value) {
			return (value == null) ? [] : Array.isArray(value) ? value : (typeof(value) == 'object') ? [ value ] : String(value).trim().split(/\s+/).filter(String);
		}

		/* error shows what nobody else has dealt with, and throws it again. */
		error(e) {
			const view = document.getElementById('view');

			if (view)
				dom.content(view, [ E('div', { 'class': 'alert-message error' }, [ String((e && e.message) || e) ]) ]);

			throw e;
		}
	}

	window.LuCI = LuCI;
	window.L = null;
})();
