// Package rpcd is the exec plugin /usr/libexec/rpcd/luci.wireguard, the backend
// of LuCI's WireGuard pages: `list` names the methods, `call METHOD` reads its
// arguments as JSON from standard input and prints one JSON object.
//
// What the daemon knows it is asked for. While it does not run, the kernel and the
// configuration answer, in the same shapes; docs/ubus.md has them.
package rpcd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Object is the name of the plugin's file and of its object on ubus.
const Object = "luci.wireguard"

// maxInput is where rpcd cuts standard input off without a word.
const maxInput = 65536

// Plugin serves rpcd's calls.
type Plugin struct {
	// Collect takes a snapshot of one interface, or of all.
	Collect func(ctx context.Context, iface string) (*status.Snapshot, error)
	// Daemon is nil where there cannot be one.
	Daemon Daemon
	// Config reads an interface of the configuration.
	Config func(iface string) (*schema.Interface, error)
	Stdin  io.Reader
	Stdout io.Writer
	Log    *logline.Logger
}

// Daemon is asked first. Its error matches status.ErrNoDaemon when it cannot be.
type Daemon interface {
	Call(ctx context.Context, method string, args blobmsg.Table) (blobmsg.Table, error)
}

// method is one method of the object. args are the samples that `list` shows:
// their kinds are the argument's types.
type method struct {
	name string
	args blobmsg.Table
	call func(p *Plugin, ctx context.Context, args blobmsg.Table) (blobmsg.Table, error)
}

// The first five are those of LuCI's stock backend, in its shapes.
var methods = []method{
	{"generateKeyPair", nil, func(*Plugin, context.Context, blobmsg.Table) (blobmsg.Table, error) {
		return keyPair(apply.NewPrivateKey()), nil
	}},
	{"generatePsk", nil, func(*Plugin, context.Context, blobmsg.Table) (blobmsg.Table, error) {
		return blobmsg.Table{{Name: "psk", Value: apply.NewPresharedKey().String()}}, nil
	}},
	{"getPublicAndPrivateKeyFromPrivate", blobmsg.Table{{Name: "privkey", Value: ""}}, fromPrivate},
	{"getNextPeerAddress", blobmsg.Table{{Name: "interface", Value: ""}, {Name: "reserved", Value: blobmsg.Array{}}}, (*Plugin).nextAddress},
	{"getWgInstances", nil, (*Plugin).instances},

	{"status", status.QueryArgs, (*Plugin).peers},
	{"peers", status.QueryArgs, (*Plugin).peers},
	{"peer", status.PeerRefArgs, (*Plugin).peer},
	{"history", blobmsg.Table{{Name: "interface", Value: ""}, {Name: "public_key", Value: ""}, {Name: "step", Value: ""}}, (*Plugin).history},
	{"reload", blobmsg.Table{{Name: "interface", Value: ""}}, (*Plugin).reload},
	{"resolve", blobmsg.Table{{Name: "interface", Value: ""}, {Name: "public_key", Value: ""}}, (*Plugin).resolve},
}

var (
	errUsage = errors.New("rpcd calls this with `list` or `call METHOD`")
	// ErrMethod: there is no such method.
	ErrMethod = errors.New("no such method")
)

// Run serves one call; args are those behind argv[0]. What goes wrong in a method
// is answered as {"error": TEXT}, since rpcd looks at nothing else, and returned.
func (p *Plugin) Run(ctx context.Context, args []string) error {
	switch {
	case len(args) >= 1 && args[0] == "list":
		return p.list()
	case len(args) >= 2 && args[0] == "call":
		reply, err := p.call(ctx, args[1])
		if err != nil {
			reply = blobmsg.Table{{Name: "error", Value: err.Error()}}
		}
		return errors.Join(err, p.print(reply))
	}
	return errUsage
}

func (p *Plugin) print(t blobmsg.Table) error {
	_, err := p.Stdout.Write(append(blobmsg.AppendJSON(nil, t), '\n'))
	return err
}

func (p *Plugin) list() error {
	t := make(blobmsg.Table, 0, len(methods))
	for _, m := range methods {
		args := m.args
		if args == nil {
			args = blobmsg.Table{}
		}
		t = append(t, blobmsg.Field{Name: m.name, Value: args})
	}
	return p.print(t)
}

func (p *Plugin) call(ctx context.Context, name string) (blobmsg.Table, error) {
	for _, m := range methods {
		if m.name != name {
			continue
		}
		args, err := p.arguments()
		if err != nil {
			return nil, err
		}
		return m.call(p, ctx, args)
	}
	return nil, fmt.Errorf("%s: %w", name, ErrMethod)
}

// arguments reads standard input. Arguments that no method asks for, such as the
// session that uhttpd adds, do not matter; the text must be JSON all the same.
func (p *Plugin) arguments() (blobmsg.Table, error) {
	data, err := io.ReadAll(io.LimitReader(p.Stdin, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	if len(data) == 0 {
		return nil, nil
	}
	if len(data) >= maxInput {
		return nil, errors.New("arguments: 64 KiB or more; rpcd cuts them off there, send less at once")
	}
	args, err := blobmsg.ParseJSON(data)
	if err != nil {
		return nil, errors.New("arguments: this is not a JSON object")
	}
	return args, nil
}

func keyPair(priv schema.Key) blobmsg.Table {
	return blobmsg.Table{{Name: "keys", Value: blobmsg.Table{
		{Name: "priv", Value: priv.String()},
		{Name: "pub", Value: priv.PublicKey().String()},
	}}}
}

func fromPrivate(_ *Plugin, _ context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	text, _ := args.String("privkey")
	key, err := schema.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("privkey: %w", err)
	}
	return keyPair(key), nil
}
