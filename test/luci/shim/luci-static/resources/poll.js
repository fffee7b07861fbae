'use strict';
'require baseclass';

/* Functions that are called again and again, each one when its last call is done. */

const entries = [];
let timer = null, stopped = false;

function step() {
	for (let e of entries) {
		if (e.busy || ++e.waited < e.interval)
			continue;

		e.busy = true;
		e.waited = 0;
		Promise.resolve(e.fn()).finally(function() { e.busy = false });
	}
}

function run(event) {
	if (timer || !entries.length)
		return false;

	timer = window.setInterval(step, 1000);
	document.dispatchEvent(new CustomEvent(event));

	return true;
}

function halt() {
	if (!timer)
		return false;

	window.clearInterval(timer);
	timer = null;

	return true;
}

return baseclass.extend({
	/* add has fn called every `interval` seconds. */
	add(fn, interval) {
		if (entries.some(function(e) { return e.fn === fn }))
			return false;

		entries.push({ fn: fn, interval: interval || L.env.pollinterval || 5, waited: 0, busy: false });

		if (!stopped)
			run('poll-start');

		return true;
	},

	remove(fn) {
		const at = entries.findIndex(function(e) { return e.fn === fn });

		if (at < 0)
			return false;

		entries.splice(at, 1);

		if (!entries.length)
			halt();

		return true;
	},

	start() {
		stopped = false;

		return run('poll-start');
	},

	stop() {
		stopped = true;

		if (!halt())
			return false;

		document.dispatchEvent(new CustomEvent('poll-stop'));

		return true;
	},

	active() {
		return timer != null;
	}
});
