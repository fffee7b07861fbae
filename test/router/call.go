package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// Call calls a method of an object on the router's bus.
func (r *Router) Call(object, method string, args blobmsg.Table) (blobmsg.Table, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return r.conn.Call(ctx, object, method, args)
}

// Tell calls a method of netifd's object of an interface: up, down or renew. It
// returns when netifd has begun.
func (r *Router) Tell(iface, method string) {
	r.t.Helper()
	if _, err := r.Call("network.interface."+iface, method, nil); err != nil {
		r.t.Fatalf("%s %s: %v", method, iface, err)
	}
}

// Reload has netifd read the configuration again, as `/etc/init.d/network reload`.
func (r *Router) Reload() {
	r.t.Helper()
	if _, err := r.Call("network", "reload", nil); err != nil {
		r.t.Fatalf("reload: %v", err)
	}
}

// Status is what netifd says of an interface.
type Status struct {
	Up        bool
	Pending   bool
	Autostart bool
	Uptime    int
	L3Device  string `json:"l3_device"`
	Errors    []Error
	IPv4      []Address `json:"ipv4-address"`
	IPv6      []Address `json:"ipv6-address"`
	Prefixes  []Address `json:"ipv6-prefix"`
	Routes    []Target  `json:"route"`
}

// Error is one of the errors of an interface.
type Error struct {
	Subsystem string
	Code      string
	Data      []string
}

// Address is an address or a prefix of an interface.
type Address struct {
	Address string
	Mask    int
}

// Target is where a route of an interface leads to.
type Target struct {
	Target string
	Mask   int
}

// TryStatus asks netifd for an interface.
func (r *Router) TryStatus(iface string) (*Status, error) {
	reply, err := r.Call("network.interface."+iface, "status", nil)
	if err != nil {
		return nil, err
	}
	s := &Status{}
	if err := json.Unmarshal(blobmsg.AppendJSON(nil, reply), s); err != nil {
		return nil, fmt.Errorf("status of %s: %w", iface, err)
	}
	return s, nil
}

// Status asks netifd for an interface.
func (r *Router) Status(iface string) *Status {
	r.t.Helper()
	s, err := r.TryStatus(iface)
	if err != nil {
		r.t.Fatalf("status of %s: %v", iface, err)
	}
	return s
}

// Await waits until netifd's status of an interface is as asked for; what says
// what that is.
func (r *Router) Await(iface, what string, ok func(*Status) bool) *Status {
	r.t.Helper()
	var last *Status
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		s, err := r.TryStatus(iface)
		if errors.Is(err, ubus.StatusNotFound) {
			continue // a reload makes it, or makes it again
		}
		if err != nil {
			r.t.Fatalf("await that %s is %s: %v", iface, what, err)
		}
		if last = s; ok(s) {
			return s
		}
	}
	r.t.Fatalf("%s is not %s: %+v", iface, what, last)
	return nil
}

// AwaitUp waits until an interface is up.
func (r *Router) AwaitUp(iface string) *Status {
	r.t.Helper()
	return r.Await(iface, "up", func(s *Status) bool { return s.Up })
}

// AwaitDown waits until an interface is down and its teardown has ended, which
// the status does not tell.
func (r *Router) AwaitDown(iface string) *Status {
	r.t.Helper()
	return r.Await(iface, "down", func(s *Status) bool { return !s.Up && !s.Pending && r.lastState(iface) == "down" })
}

// lastState returns what netifd last logged of an interface's state: "up" (also
// when it begins), or "down".
func (r *Router) lastState(iface string) string {
	for _, line := range slices.Backward(r.Log()) {
		switch line {
		case "Interface '" + iface + "' is now down":
			return "down"
		case "Interface '" + iface + "' is now up", "Interface '" + iface + "' is setting up now":
			return "up"
		}
	}
	return "down"
}
