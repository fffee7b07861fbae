package daemon

import (
	"context"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/proto"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// standIn is a netifd on a bus of its own that runs the handler within this
// process. (The one of package test/netifd needs namespaces, and is met in
// test/integration.)
type standIn struct {
	r      *rig
	socket string
	broker *ubusd.Broker
	conn   *ubus.Conn

	mu       sync.Mutex
	ifaces   map[string]*standInIface
	told     []string          // notify_proto, as JSON
	last     map[string]string // of these the last state of each interface
	wrong    []string          // what it was told of interfaces that are down
	handlers crew
}

type standInIface struct {
	state     string // "down", "setup", "up", "teardown"
	autostart bool
	again     bool // up was called in teardown
	errors    blobmsg.Array
	handler   chan struct{}  // closed when the last handler has ended; nil: there was none
	addresses []netip.Prefix // that it made
}

// withNetifd gives the rig a bus and a netifd with interfaces that are down.
func (r *rig) withNetifd(ifaces ...string) {
	r.t.Helper()
	n := &standIn{r: r, ifaces: map[string]*standInIface{}, last: map[string]string{}, socket: filepath.Join(r.t.TempDir(), "ubus.sock")}
	for _, name := range ifaces {
		n.ifaces[name] = &standInIface{state: "down"}
	}
	r.netifd = n
	n.startBus()
	n.connect()
	r.t.Cleanup(n.stop)
}

// stop ends it, and says what it should not have been told.
func (n *standIn) stop() {
	n.handlers.Wait()
	n.disconnect()
	_ = n.broker.Close() // A test may have closed it.
	for _, w := range n.wrong {
		n.r.t.Errorf("netifd was told of an interface that is down: %s", w)
	}
	n.wrong = nil
}

func (n *standIn) startBus() {
	n.r.t.Helper()
	var err error
	if n.broker, err = ubusd.Start(n.socket); err != nil {
		n.r.t.Fatal(err)
	}
}

func (n *standIn) connect() {
	n.r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := ubus.Dial(ctx, n.socket)
	if err != nil {
		n.r.t.Fatal(err)
	}
	n.conn = conn
	n.publish("network.interface", map[string]func(blobmsg.Table) (blobmsg.Table, error){"notify_proto": n.notify})
	for name := range n.ifaces {
		n.publish("network.interface."+name, map[string]func(blobmsg.Table) (blobmsg.Table, error){
			"status": func(blobmsg.Table) (blobmsg.Table, error) { return n.status(name), nil },
			"up":     func(blobmsg.Table) (blobmsg.Table, error) { n.up(name); return nil, nil },
			"down":   func(blobmsg.Table) (blobmsg.Table, error) { n.down(name); return nil, nil },
		})
	}
}

func (n *standIn) disconnect() { _ = n.conn.Close() }

func (n *standIn) publish(path string, methods map[string]func(blobmsg.Table) (blobmsg.Table, error)) {
	n.r.t.Helper()
	var list []ubus.Method
	for name, call := range methods {
		list = append(list, ubus.Method{Name: name, Call: func(_ context.Context, r *ubus.Request) (blobmsg.Table, error) { return call(r.Args) }})
	}
	if _, err := n.conn.Publish(context.Background(), path, list); err != nil {
		n.r.t.Fatal(err)
	}
}

func (n *standIn) status(name string) blobmsg.Table {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.ifaces[name]
	return blobmsg.Table{
		{Name: "up", Value: i.state == "up"},
		{Name: "pending", Value: i.state == "setup"},
		{Name: "available", Value: true},
		{Name: "autostart", Value: i.autostart},
		{Name: "proto", Value: "wireguard"},
		{Name: "l3_device", Value: name},
		{Name: "uptime", Value: 1},
		{Name: "errors", Value: slices.Clone(i.errors)},
	}
}

func (n *standIn) notify(args blobmsg.Table) (blobmsg.Table, error) {
	name, _ := args.String("interface")
	action, _ := args.Int("action")
	n.mu.Lock()
	defer n.mu.Unlock()
	text := string(blobmsg.AppendJSON(nil, args))
	i := n.ifaces[name]
	switch {
	case i == nil:
		return nil, ubus.StatusNotFound
	case i.state == "teardown":
		return nil, ubus.StatusPermissionDenied
	case i.state == "down":
		n.wrong = append(n.wrong, text)
		return nil, nil
	}
	n.told = append(n.told, text)
	switch action {
	case 0:
		n.last[name] = text
		i.announce(n.r, name, args)
		if i.state == "setup" {
			i.state, i.errors = "up", nil
			n.tell("ifup", name)
		}
	case 3:
		list, _ := args.Array("error")
		i.errors = append(i.errors, blobmsg.Table{
			{Name: "subsystem", Value: "wireguard"}, {Name: "code", Value: list[0]}, {Name: "data", Value: list[1:]},
		})
	case 4:
		i.autostart = false
	case 7:
		i.state = "teardown"
		n.teardown(name)
	}
	return nil, nil
}

// announce makes the addresses of the kernel's device those of a message.
func (i *standInIface) announce(r *rig, name string, args blobmsg.Table) {
	if external, _ := args.Bool("address-external"); external {
		return
	}
	var next []netip.Prefix
	for _, list := range []string{"ipaddr", "ip6addr"} {
		items, _ := args.Array(list)
		for _, item := range items {
			t, _ := item.(blobmsg.Table)
			addr, _ := t.String("ipaddr")
			mask, _ := t.String("mask")
			bits, _ := strconv.Atoi(mask)
			next = append(next, netip.PrefixFrom(netip.MustParseAddr(addr), bits))
		}
	}
	for _, a := range next {
		if !slices.Contains(i.addresses, a) {
			_ = r.kernel.AddAddress(name, a)
		}
	}
	for _, a := range i.addresses {
		if !slices.Contains(next, a) {
			_ = r.kernel.DeleteAddress(name, a)
		}
	}
	i.addresses = next
}

// tell sends an event. The lock is held: it is not waited for.
func (n *standIn) tell(action, name string) {
	conn := n.conn
	n.handlers.Go(func() {
		_ = conn.SendEvent(context.Background(), "network.interface", blobmsg.Table{
			{Name: "action", Value: action}, {Name: "interface", Value: name},
		})
	})
}

// up is the method up.
func (n *standIn) up(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.ifaces[name]
	i.autostart = true
	switch i.state {
	case "down":
		i.errors, i.state = nil, "setup"
		n.run(name, "setup", nil)
	case "teardown":
		i.again = true
	}
}

// down is the method down.
func (n *standIn) down(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.ifaces[name]
	i.autostart, i.again = false, false
	if i.state == "up" || i.state == "setup" {
		i.state = "teardown"
		n.teardown(name)
	}
}

// teardown runs the handler, with the lock held.
func (n *standIn) teardown(name string) {
	n.run(name, "teardown", func() {
		n.mu.Lock()
		i := n.ifaces[name]
		i.state, i.addresses = "down", nil
		have, _ := n.r.kernel.Addresses(name)
		for _, a := range have {
			_ = n.r.kernel.DeleteAddress(name, a)
		}
		n.tell("ifdown", name)
		again := i.again
		i.again = false
		n.mu.Unlock()
		if again {
			n.up(name)
		}
	})
}

// run runs the handler in the background, with the lock held: after the one before,
// in the order in which they are called for. A setup that runs is killed by netifd
// before the teardown; here it is waited for.
func (n *standIn) run(name, action string, then func()) {
	i := n.ifaces[name]
	before, ended := i.handler, make(chan struct{})
	i.handler = ended
	n.handlers.Go(func() {
		defer close(ended)
		if before != nil {
			<-before
		}
		var conn *ubus.Conn
		h := &proto.Handler{
			System: func() *apply.System { s := *n.r.system; return &s },
			Dial: func(ctx context.Context) (bus netifd.Bus, err error) {
				conn, err = ubus.Dial(ctx, n.socket)
				return conn, err
			},
			Stdout: io.Discard,
			Log:    n.r.system.Log,
		}
		_ = h.Run(context.Background(), []string{"wireguard", action, name, "{}"}) // It has told why.
		if conn != nil {
			_ = conn.Close()
		}
		if then != nil {
			then()
		}
	})
}

// stateOf returns the state of an interface.
func (n *standIn) stateOf(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ifaces[name].state
}

// lastState returns the state of an interface that netifd was told of last, as JSON.
func (n *standIn) lastState(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last[name]
}

// take returns what netifd was told since the last call.
func (n *standIn) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	told := n.told
	n.told = nil
	return told
}

// awaitUp brings an interface up and waits until the daemon has taken it over.
func (r *rig) awaitUp(name string) {
	r.t.Helper()
	r.netifd.up(name)
	r.await(name+" up", func() bool { return r.netifd.stateOf(name) == "up" })
	r.netifd.handlers.Wait()
	if r.daemon != nil {
		r.awaitKept(name)
	}
}

// awaitKept waits until the daemon keeps an interface that is up.
func (r *rig) awaitKept(name string) {
	r.t.Helper()
	r.await(name+" in the daemon's hands", func() bool {
		kept := false
		k := r.daemon.keeper(name)
		return k != nil && k.ask(r.t.Context(), anyAge, func(time.Time) { kept = k.run != nil }) == nil && kept
	})
}
