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

/* How long the router may take after a rollback until it can be reached, in ms. */
const ROLLBACK = 30000;

/* The changes of this page, one behind the other. */
let queue = Promise.resolve();

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

/* code says whether an error is this status of ubus. */
function code(e, n) {
	return new RegExp('ubus code ' + n + '\\b').test(String(e && e.message));
}

/* allowed calls fn again and again while rpcd refuses it: it applies and reverts
 * nothing for anybody while a change waits to be confirmed. That is over by then,
 * one way or the other. */
function allowed(fn, until) {
	return fn().catch(function(e) {
		if (!code(e, 6) || Date.now() > until)
			throw e;

		return later(1000, function() { return allowed(fn, until) });
	});
}

/* idle waits until no change of another page or person waits to be confirmed. To
 * revert no file at all is refused in that time, and wrong afterwards. */
function idle(until) {
	return allowed(function() { return revert() }, until).catch(function(e) {
		if (code(e, 6))
			throw new Error(_('Another change is waiting to be confirmed. Try again in a minute.'));
	});
}

function timeout() {
	return Math.max(30, +L.env.apply_rollback || 0);
}

/* confirmed asks until the router takes the confirmation, or would have taken the
 * change back. */
function confirmed(deadline) {
	/* A connection that hangs says nothing. */
	const patience = later(ANSWER, function() { throw new Error(_('The router does not answer.')) });

	return Promise.race([ confirm(), patience ]).catch(function(e) {
		if (Date.now() > deadline)
			throw new Error(_('The router was not reachable after the change, so it takes the change back.'));

		/* Nothing waits to be confirmed, and it is too early for a rollback: the
		 * router has had the confirmation, and its answer was lost. */
		if (code(e, 5))
			return null;

		return later(500, function() { return confirmed(deadline) });
	});
}

/* counted has LuCI's counter of changes that are not applied look again. */
function counted() {
	if (ui.changes && ui.changes.init)
		ui.changes.init();
}

/* undo throws staged changes to files away, which only works when nothing waits to
 * be confirmed, and may be before the router is reached again. */
function undo(files, until) {
	const once = function(file) {
		return revert(file).catch(function(e) {
			if (Date.now() > until || (/ubus code/.test(e.message) && !code(e, 6)))
				return null;

			return later(1000, function() { return once(file) });
		});
	};

	return Promise.all(files.map(once)).then(counted);
}

/* pending: see below. */
function pending() {
	return changes().then(function(all) {
		return Object.keys(all || {}).filter(function(c) { return (all[c] || []).length > 0 });
	}, function() { return [] });
}

/* commit stages changes, applies and confirms them. before: files that have staged
 * changes already, which are the person's own. */
function commit(ops, before) {
	const seconds = timeout(), wait = 1000 * Math.max(1, +L.env.apply_holdoff || 0);
	const mine = ops.map(function(o) { return o.config }).filter(function(c, i, all) {
		return all.indexOf(c) == i && before.indexOf(c) < 0;
	});
	let deadline = 0;

	return stage(ops, 0, []).then(function(made) {
		return allowed(function() {
			deadline = Date.now() + 1000 * seconds;

			return apply(seconds, true);
		}, Date.now() + 1000 * seconds + ROLLBACK).then(function() {
			return later(wait, function() { return confirmed(deadline) });
		}).then(function() { return made });
	}).then(function(made) {
		/* What was waiting went along. */
		counted();

		return made;
	}, function(e) {
		/* A rollback leaves the changes staged, and the next change of anything
		 * would make them after all. */
		return undo(mine, Math.max(deadline, Date.now()) + ROLLBACK).then(function() { throw e });
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
	pending: pending,

	/* apply makes changes and applies them as one, which the router takes back by
	 * itself when this page cannot reach it any more. Only one change can wait for
	 * its confirmation: others take their turn, those of other pages too.
	 * make(): resolves to the changes when it is their turn: [ { op: 'set', config,
	 * section, values }, { op: 'add', config, type, name (optional), values },
	 * { op: 'remove', config, section, options (optional) } ]. What else the session
	 * has changed is applied too: ask(files) resolves to whether it may. It resolves
	 * to the names of the sections that were added; null when it may not. */
	apply(make, ask) {
		const turn = queue.then(function() {
			return idle(Date.now() + 1000 * timeout() + ROLLBACK);
		}).then(pending).then(function(before) {
			return Promise.resolve(before.length ? ask(before) : true).then(function(yes) {
				return yes ? Promise.resolve(make()).then(function(ops) { return commit(ops, before) }) : null;
			});
		});

		queue = turn.catch(function() {});

		return turn;
	}
});
