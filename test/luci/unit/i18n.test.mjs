import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import test from 'node:test';
import { files, read } from '../i18n.mjs';
import { root } from '../load.mjs';

test('the translations have all strings: run node test/luci/i18n.mjs', () => {
	for (const [path, text] of files()) {
		const there = readFileSync(path, 'utf8').split('\n'), wanted = text.split('\n');
		const line = wanted.findIndex((want, n) => want !== there[n]);
		assert.ok(line < 0 && there.length === wanted.length, `${relative(root, path)}:${line + 1}: ${there[line]}, not ${wanted[line]}`);
	}
});

test('German is complete, and its places for values are the same', () => {
	for (const [key, translation] of read(readFileSync(join(root, 'luci-app/po/de/wgnetifd.po'), 'utf8'))) {
		assert.notEqual(translation, '', key);
		const values = (text) => (text.match(/%[sd]/g) ?? []).sort().join();
		assert.equal(values(translation), values(key), key);
	}
});
