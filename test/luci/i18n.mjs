// Writes the template of the translations from the pages' strings, as LuCI's own
// scanner does, and brings the translations up to date: new strings come in
// empty, old ones go. `node test/luci/i18n.mjs`; a test sees to it that they are
// current, and that German is complete.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'espree';
import { root } from './load.mjs';

const app = join(root, 'luci-app');
const template = join(app, 'po/templates/wgnetifd.pot');

const key = (message) => (message.context === undefined ? '' : `${message.context}\u0001`) + message.id;

// scan returns the messages of all pages, each with the places that it stands at.
export function scan() {
	const found = new Map();
	const add = (id, context, place) => {
		const message = found.get(key({ id, context })) ?? { id, context, places: [] };
		message.places.push(place);
		found.set(key(message), message);
	};
	const files = readdirSync(join(app, 'htdocs'), { recursive: true }).map(String).filter((name) => name.endsWith('.js')).sort();
	for (const name of files) {
		const tree = parse(readFileSync(join(app, 'htdocs', name), 'utf8'), { ecmaVersion: 2020, ecmaFeatures: { globalReturn: true }, loc: true });
		walk(tree, (node) => {
			if (node.type !== 'CallExpression' || node.callee.name !== '_') return;
			const [text, context] = node.arguments;
			const place = `luci-app/htdocs/${name}:${node.loc.start.line}`;
			if (text?.type !== 'Literal' || (context && context.type !== 'Literal')) throw new Error(`${place}: _() takes literals`);
			add(text.value, context?.value, place);
		});
	}
	for (const [folder, field] of [['root/usr/share/luci/menu.d', 'title'], ['root/usr/share/rpcd/acl.d', 'description']])
		for (const name of readdirSync(join(app, folder)))
			for (const entry of Object.values(JSON.parse(readFileSync(join(app, folder, name), 'utf8')))) if (entry[field]) add(entry[field], undefined, `luci-app/${folder}/${name}`);
	return [...found.values()];
}

function walk(node, visit) {
	if (Array.isArray(node)) return node.forEach((item) => walk(item, visit));
	if (!node || typeof node.type !== 'string') return undefined;
	visit(node);
	return Object.values(node).forEach((child) => { if (child && typeof child === 'object') walk(child, visit); });
}

// read returns the translations of a file by message.
export function read(text) {
	const out = new Map();
	for (const block of text.split(/\n\s*\n/)) {
		const entry = {};
		let field = null;
		for (const line of block.split('\n')) {
			const m = /^(?:(msgctxt|msgid|msgstr)\s+)?"(.*)"$/.exec(line);
			if (!m) continue;
			if (m[1]) entry[field = m[1]] = '';
			entry[field] += JSON.parse(`"${m[2]}"`);
		}
		if (entry.msgid) out.set(key({ id: entry.msgid, context: entry.msgctxt }), entry.msgstr);
	}
	return out;
}

// write makes a file of messages and their translations.
export function write(messages, translations, language) {
	const head = ['msgid ""', 'msgstr ""'];
	if (language) head.push(`"Language: ${language}\\n"`);
	head.push('"Content-Type: text/plain; charset=UTF-8\\n"');
	if (language) head.push('"Plural-Forms: nplurals=2; plural=n != 1;\\n"');
	const blocks = messages.map((m) => [
		...m.places.map((place) => `#: ${place}`),
		...(m.context === undefined ? [] : [`msgctxt ${JSON.stringify(m.context)}`]),
		`msgid ${JSON.stringify(m.id)}`, `msgstr ${JSON.stringify(translations.get(key(m)) ?? '')}`,
	].join('\n'));
	return `${[head.join('\n'), ...blocks].join('\n\n')}\n`;
}

// files returns what the files should say, by path.
export function files() {
	const messages = scan();
	// Lines change with every edit: the template has them, translations do not.
	const bare = messages.map((m) => ({ ...m, places: [...new Set(m.places.map((place) => place.replace(/:\d+$/, '')))] }));
	const out = new Map([[template, write(bare, new Map(), null)]]);
	for (const language of readdirSync(join(app, 'po')).filter((name) => name !== 'templates')) {
		const path = join(app, 'po', language, 'wgnetifd.po');
		let old = '';
		try { old = readFileSync(path, 'utf8'); } catch { /* a new language */ }
		out.set(path, write(bare, read(old), language));
	}
	return out;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	for (const [path, text] of files()) {
		writeFileSync(path, text);
		console.log(relative(root, path), `${text.split('\nmsgid').length - 2} messages, ${text.split('\nmsgstr ""').length - 2} not translated`);
	}
