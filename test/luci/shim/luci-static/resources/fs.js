'use strict';
'require baseclass';
'require rpc';

/* Files and programs of the router. */

const METHODS = {
	exec: rpc.declare({ object: 'file', method: 'exec', params: [ 'command', 'params', 'env' ], reject: true, expect: { '': {} } }),
	list: rpc.declare({ object: 'file', method: 'list', params: [ 'path' ], reject: true, expect: { entries: [] } }),
	read: rpc.declare({ object: 'file', method: 'read', params: [ 'path' ], reject: true, expect: { data: '' } }),
	stat: rpc.declare({ object: 'file', method: 'stat', params: [ 'path' ], reject: true, expect: { '': {} } })
};

return baseclass.extend({
	exec(command, params, env) { return METHODS.exec(command, params, env) },
	list(path) { return METHODS.list(path) },
	read(path) { return METHODS.read(path) },
	stat(path) { return METHODS.stat(path) }
});
