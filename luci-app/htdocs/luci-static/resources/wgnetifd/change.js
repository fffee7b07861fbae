'use strict';
'require baseclass';
'require rpc';
'require ui';

/* Reading and changing single sections of the router's configuration. LuCI's own
 * module uci takes whole files into the browser: with thousands of peers that is
 * more than rpcd can answer (1 MiB). Here only what is asked for moves. */

const get = rpc.declare({ object: 'uci', method: 'get', params: [ 'config', 'section', 'type', 'match' ], reject: true });
const changes = rpc.declare({ object: 'uci', method: 'changes', expect: { changes: {} } });
const apply = rpc.declare({ object: 'uci', method: 'apply', params: [ 'timeout', 'rollback' ], reject: true });
const confirm = rpc.declare({ object: 'uci', method: 'confirm', reject: true });
const revert = rpc.declare({ object: 'uci', method: 'revert', params: [ 'config' ], reject: true });

const METHODS = {
	set: rpc.declare({ object: 'uci', method: 'set', params: [ 'config', 'section', 'values' ], reject: true }),
	add: rpc.declare({ object: 'uci', method: 'add', params: [ 'config', 'type', 'name', 'values' ], reject: true }),
	remove: rpc.declare({ object: 'uci', method: 'delete', params: [ 'config', 'section', 'options' ], reject: true })
};

/* How long the router may take to answer a confirmation, in ms. */
const ANSWER = 8000;

/* One after the other: a section has to be there before it gets options. */
function stage(ops, n, made) {
	if (n >= ops.length)
		return Promise.resolve(made);

	const o = ops[n];
	const args = { set: [ o.config, o.section, o.values ], add: [ o.config, o.type, o.name, o.values ], remove: [ o.config, o.section, o.options ] }[o.op];

	return METHODS[o.op].apply(null, args).then(function(reply) {
		if (o.op == 'add')
			made.push((reply && reply.section) || o.name);

		return stage(ops, n + 1, made);
	});
}

function later(ms, fn) {
	return new Promise(function(resolve) { window.setTimeout(resolve, ms) }).then(fn);
}

/* confirmed asks until the router takes the confirmation, or would have taken the
 * change back. */
function confirmed(deadline) {
	/* A connection that hangs says nothing. */
	const patience = later(ANSWER, function() { throw new Error(_('The router does not answer.')) });

	return Promise.race([ confirm(), patience ]).catch(function(e) {
		if (Date.now() > deadline)
			throw new Error(_('The router was not reachable after the change, so it takes the change back.'));

		return later(500, function() { return confirmed(deadline) });
	});
}

return baseclass.extend({
	/* section resolves to the options of a section, by its name as `uci show`
	 * prints it (@TYPE[N] for one without a name); null when there is none. */
	section(config, section) {
		return get(config, section).then(function(r) { return (r && r.values) || null }, function() { return null });
	},

	/* sections resolves to all sections of a type in the order of the file;
	 * match: options that must have these values. */
	sections(config, type, match) {
		return get(config, undefined, type, match).then(function(r) {
			const all = (r && r.values) || {};

			return Object.keys(all).map(function(k) { return all[k] }).sort(function(a, b) { return (a['.index'] || 0) - (b['.index'] || 0) });
		}, function() { return [] });
	},

	/* pending resolves to the names of the files that have changes of this
	 * session that nobody applied yet. */
	pending() {
		return changes().then(function(all) {
			return Object.keys(all || {}).filter(function(c) { return (all[c] || []).length > 0 });
		}, function() { return [] });
	},

	/* apply makes changes and applies them as one, which the router takes back by
	 * itself when this page cannot reach it any more. What else the session has
	 * changed is applied too: see pending.
	 * ops: [ { op: 'set', config, section, values }, { op: 'add', config, type,
	 * name (optional), values }, { op: 'remove', config, section, options
	 * (optional) } ]. It resolves to the names of the sections that were added. */
	apply(ops) {
		const seconds = Math.max(30, +L.env.apply_rollback || 0);
		const wait = 1000 * Math.max(1, +L.env.apply_holdoff || 0);

		return this.pending().then(function(before) {
			return stage(ops, 0, []).then(function(made) {
				return apply(seconds, true).then(function() { return made });
			}).catch(function(e) {
				/* What was there before is the person's own. */
				const mine = ops.map(function(o) { return o.config }).filter(function(c, i, all) {
					return all.indexOf(c) == i && before.indexOf(c) < 0;
				});

				return Promise.all(mine.map(function(c) { return revert(c).catch(function() {}) })).then(function() { throw e });
			});
		}).then(function(made) {
			return later(wait, function() { return confirmed(Date.now() + 1000 * seconds - wait) }).then(function() {
				/* What was waiting went along: LuCI's counter of changes shows it. */
				if (ui.changes && ui.changes.init)
					ui.changes.init();

				return made;
			});
		});
	}
});
