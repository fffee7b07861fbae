import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { loader, root } from '../load.mjs';

test('each code that netifd is told has words', () => {
	const source = readFileSync(join(root, 'internal/apply/failure.go'), 'utf8');
	const codes = [...source.matchAll(/^\tCode\w+\s+= "(\w+)"/gm)].map((match) => match[1]);
	assert.ok(codes.length > 5);
	assert.deepEqual(Object.keys(loader()('wgnetifd.errors').TEXTS).sort(), codes.sort());
});
