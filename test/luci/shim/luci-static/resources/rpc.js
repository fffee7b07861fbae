'use strict';
'require baseclass';

/* Calls of ubus through uhttpd's JSON-RPC. */

const STATUS = [
	_('Command OK'), _('Invalid command'), _('Invalid argument'), _('Method not found'), _('Resource not found'), _('No data received'),
	_('Permission denied'), _('Request timeout'), _('Not supported'), _('Unspecified error'), _('Connection lost')
];

let last = 0;

function send(object, method, args) {
	return fetch(L.env.ubuspath, {
		method: 'POST',
		credentials: 'same-origin',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ jsonrpc: '2.0', id: ++last, method: 'call', params: [ L.env.sessionid || '0'.repeat(32), object, method, args ] })
	}).then(function(response) {
		if (!response.ok)
			throw new Error(_('RPC call to %s/%s failed: HTTP %d').format(object, method, response.status));

		return response.json();
	});
}

/* expected picks what the caller wants of an answer: { '': preset } all of it,
 * { name: preset } a member. What is of another kind is the preset. */
function expected(expect, reply) {
	for (let name in expect || {}) {
		const value = (name == '') ? reply : (reply || {})[name];
		const preset = expect[name];

		return (value != null && typeof(value) == typeof(preset) && Array.isArray(value) == Array.isArray(preset)) ? value : preset;
	}

	return reply;
}

return baseclass.extend({
	/* declare makes a function of a method; its arguments are those that params
	 * names. reject: a status of ubus other than 0 is an error. */
	declare(options) {
		return function() {
			const given = arguments, args = {};

			(options.params || []).forEach(function(name, i) { args[name] = given[i] });

			return send(options.object, options.method, args).then(function(message) {
				if (message.error)
					throw new Error(_('RPC call to %s/%s failed with error %d: %s').format(options.object, options.method, message.error.code, message.error.message));

				const status = message.result[0];

				if (options.reject && status != 0)
					throw new Error(_('RPC call to %s/%s failed with ubus code %d: %s').format(options.object, options.method, status, STATUS[status] || status));

				return expected(options.expect, status ? status : message.result[1]);
			});
		};
	},

	getStatusText(status) {
		return STATUS[status] || String(status);
	}
});
