package rpcd

import (
	"context"
	"fmt"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// publishBuiltins puts rpcd's own objects on the bus, in its order.
func (r *Rpcd) publishBuiltins(l *life) error {
	objects := []struct {
		name    string
		methods []ubus.Method
	}{
		{"session", r.sessionMethods()},
		{"uci", signatures(uciMethods)},
		{"rc", signatures(rcMethods)},
	}
	for _, o := range objects {
		if slices.Contains(r.config.Without, o.name) {
			continue
		}
		for i := range o.methods {
			call := o.methods[i].Call
			o.methods[i].Call = func(ctx context.Context, req *ubus.Request) (blobmsg.Table, error) {
				if err := r.whenReady(ctx, l); err != nil {
					return nil, err
				}
				return call(ctx, req)
			}
		}
		p, err := l.conn.Publish(r.ctx, o.name, o.methods)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		l.objects = append(l.objects, p)
	}
	return nil
}

// signature is a method of a built-in object and its arguments.
type signature struct {
	name string
	args []ubus.Arg
}

// signatures makes methods that are there to be seen.
func signatures(list []signature) []ubus.Method {
	methods := make([]ubus.Method, 0, len(list))
	for _, s := range list {
		methods = append(methods, ubus.Method{
			Name: s.name,
			Args: s.args,
			Call: func(context.Context, *ubus.Request) (blobmsg.Table, error) {
				return nil, ubus.StatusNotSupported
			},
		})
	}
	return methods
}

// args makes a row of arguments: "name:s" is a string, b a boolean, i an
// integer, a an array, t a table.
func args(list ...string) []ubus.Arg {
	types := map[byte]blobmsg.Type{
		's': blobmsg.TypeString, 'b': blobmsg.TypeBool, 'i': blobmsg.TypeInt32,
		'a': blobmsg.TypeArray, 't': blobmsg.TypeTable,
	}
	row := make([]ubus.Arg, 0, len(list))
	for _, a := range list {
		name, letter := a[:len(a)-2], a[len(a)-1]
		row = append(row, ubus.Arg{Name: name, Type: types[letter]})
	}
	return row
}

// The signatures of rpcd's rc.c and uci.c.
var (
	rcMethods = []signature{
		{"list", args("name:s", "skip_running_check:b")},
		{"init", args("name:s", "action:s")},
	}
	uciGet     = args("config:s", "section:s", "option:s", "type:s", "match:t", "ubus_rpc_session:s")
	uciConfig  = args("config:s", "ubus_rpc_session:s")
	uciMethods = []signature{
		{"configs", nil},
		{"get", uciGet},
		{"state", uciGet},
		{"add", args("config:s", "type:s", "name:s", "values:t", "ubus_rpc_session:s")},
		{"set", args("config:s", "section:s", "type:s", "match:t", "values:t", "ubus_rpc_session:s")},
		{"delete", args("config:s", "section:s", "type:s", "match:t", "option:s", "options:a", "ubus_rpc_session:s")},
		{"rename", args("config:s", "section:s", "option:s", "name:s", "ubus_rpc_session:s")},
		{"order", args("config:s", "sections:a", "ubus_rpc_session:s")},
		{"changes", uciConfig},
		{"revert", uciConfig},
		{"commit", uciConfig},
		{"apply", args("rollback:b", "timeout:i", "ubus_rpc_session:s")},
		{"confirm", args("ubus_rpc_session:s")},
		{"rollback", args("ubus_rpc_session:s")},
		{"reload_config", nil},
	}
)
