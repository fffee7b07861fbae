// Loads LuCI modules in node as LuCI's loader does in the browser: the file is
// the body of a function, 'require NAME as ALIAS' at its head are its arguments,
// and what it returns is a class, of which everybody gets the one instance.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const resources = join(root, 'luci-app/htdocs/luci-static/resources');

const REQUIRE = /^'require ([\w.]+)(?: as (\w+))?';$/gm;

const baseclass = {
	extend(members) {
		return class {
			constructor() {
				Object.assign(this, members);
			}
		};
	},
};

// format is as much of LuCI's String.prototype.format as pure modules use.
function format(template, ...args) {
	let n = 0;
	return template.replace(/%(%|s|d)/g, (all, kind) => {
		if (kind === '%') return '%';
		const value = args[n++];
		return kind === 'd' ? String(Math.floor(Number(value))) : String(value);
	});
}

// loader returns a function that loads modules by name. translate is LuCI's _().
export function loader({ translate = (text) => text, modules = {} } = {}) {
	const loaded = new Map(Object.entries({ baseclass, ...modules }));
	const context = vm.createContext({ _: translate, console });
	// The strings of the modules are of the context's own kind.
	vm.runInContext('(function (format) { String.prototype.format = function (...args) { return format(String(this), ...args); }; })', context)(format);

	return function load(name) {
		if (loaded.has(name)) return loaded.get(name);
		const path = join(resources, name.replaceAll('.', '/') + '.js');
		const source = readFileSync(path, 'utf8');
		const names = [], values = [];
		for (const [, dependency, alias] of source.matchAll(REQUIRE)) {
			names.push(alias ?? dependency.replaceAll(/\W/g, '_'));
			values.push(load(dependency));
		}
		const factory = vm.compileFunction(source, names, { filename: path, parsingContext: context });
		const instance = new (factory(...values))();
		loaded.set(name, instance);
		return instance;
	};
}

// plain makes what a module returned comparable with what a test writes.
export function plain(value) {
	return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
