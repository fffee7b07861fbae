package router

import (
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// Strays returns what daemons told netifd, as JSON, of interfaces whose teardown
// had ended by then: netifd takes it for good, and gives the addresses to the
// kernel although the interface is down.
func (r *Router) Strays() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.strays)
}

// noteStray looks at a message. The broker's lock is held: netifd's answer has not
// been passed on yet.
func (r *Router) noteStray(e ubusd.Event) {
	a := wire.Parse(e.Frame.Blob)
	method, _ := a.String(wire.AttrMethod)
	if e.Frame.Type != wire.Invoke || method != "register" && method != "notify_proto" {
		return
	}
	args, err := blobmsg.DecodeUnnamed(a.Bytes(wire.AttrData))
	if err != nil {
		return // It is refused.
	}
	if pattern, _ := args.String("pattern"); method == "register" && pattern == "network.interface" {
		// The first thing that a daemon does. Handlers do not: what a setup said that
		// was killed may be read late.
		r.mu.Lock()
		defer r.mu.Unlock()
		r.daemons[e.Client] = true
		return
	}
	iface, _ := args.String("interface")
	down := method == "notify_proto" && r.lastState(iface) == "down"
	r.mu.Lock()
	defer r.mu.Unlock()
	if down && r.daemons[e.Client] {
		r.strays = append(r.strays, string(blobmsg.AppendJSON(nil, args)))
	}
}
