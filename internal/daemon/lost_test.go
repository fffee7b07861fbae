package daemon

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
)

const routed = "\tlist allowed_ips '10.7.0.0/16'\n\toption route_allowed_ips '1'\n"

// searched is a kernel that counts how often somebody looks for routes that it lost.
type searched struct {
	*rtnl.Fake
	times atomic.Int64
}

func (s *searched) DeviceRoutes(device string) ([]rtnl.Route, error) {
	s.times.Add(1)
	return s.Fake.DeviceRoutes(device)
}

// TestLinkFlap: a device that was down for less than a look takes has lost its
// routes of IPv4 all the same. Netifd makes them again when it is told of the bare
// device first.
func TestLinkFlap(t *testing.T) {
	r := newRig(t, wg(0, "")+wgPeer("wg0", "a", 1, routed))
	kernel := &searched{Fake: r.kernel}
	r.system.Kernel = kernel
	r.withNetifd("wg0")
	r.start()
	r.awaitUp("wg0")
	r.settled()
	index := r.devices.Device("wg0").Index
	r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLink, Device: "wg0", Index: index + 1, Down: true}) // one of this name before
	down := func() {
		t.Helper()
		before := kernel.times.Load()
		r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLink, Device: "wg0", Index: index, Down: true})
		r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLink, Device: "wg0", Index: index})
		r.await("a search for lost routes", func() bool { return kernel.times.Load() > before })
		r.reload() // comes after what is done about them
	}
	// A device is down when it is made, too: its routes are there.
	route := rtnl.Route{Dst: netip.MustParsePrefix("10.7.0.0/16"), Device: "wg0", Protocol: 4}
	r.kernel.PutRoute(route)
	down()
	if told := r.netifd.take(); len(told) > 0 {
		t.Errorf("nothing was lost, and netifd was told:\n%s", strings.Join(told, "\n"))
	}
	if err := r.kernel.DeleteRoute(route); err != nil {
		t.Fatal(err)
	}
	down()
	if told := r.netifd.take(); len(told) != 2 || strings.Contains(told[0], "10.7.0.0") || !strings.Contains(told[1], "10.7.0.0") {
		t.Errorf("netifd was told:\n%s", strings.Join(told, "\n"))
	}
	r.reload()
	if told := r.netifd.take(); len(told) > 0 {
		t.Errorf("netifd was told once more:\n%s", strings.Join(told, "\n"))
	}
}

// deafNetifd does not answer while it is to be deaf.
type deafNetifd struct {
	netifd.Bus
	deaf atomic.Bool
}

func (d *deafNetifd) Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error) {
	if method == "notify_proto" && d.deaf.Load() {
		return nil, context.DeadlineExceeded
	}
	return d.Bus.Call(ctx, path, method, args)
}

// TestDeafNetifd: a device is set up again, and netifd does not answer just then. The
// next run tells it.
func TestDeafNetifd(t *testing.T) {
	r := newRig(t, wg(0, "")+wgPeer("wg0", "a", 1, routed))
	r.withNetifd("wg0")
	r.awaitUp("wg0")
	conn, err := ubus.Dial(t.Context(), r.netifd.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	bus := &deafNetifd{Bus: conn}
	net := apply.Netifd{Client: netifd.Client{Bus: bus}}
	if err := reloadKilled(r.system, net); err != nil {
		t.Fatal(err)
	}
	r.netifd.take()
	if err := r.devices.SetUp("wg0", false); err != nil {
		t.Fatal(err)
	}
	bus.deaf.Store(true)
	if err := reloadKilled(r.system, net); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while netifd does not answer: %v", err)
	}
	bus.deaf.Store(false)
	if err := reloadKilled(r.system, net); err != nil {
		t.Error(err)
	}
	if told := r.netifd.take(); len(told) != 2 || strings.Contains(told[0], "10.7.0.0") || !strings.Contains(told[1], "10.7.0.0") {
		t.Errorf("netifd was told:\n%s", strings.Join(told, "\n"))
	}
}

// portTaken are devices that cannot listen on a port.
type portTaken struct {
	*wgdev.Fake
	port uint16
	free atomic.Bool
}

func (p *portTaken) Configure(name string, c plan.Changes) error {
	var refused error
	if c.ListenPort != nil && *c.ListenPort == p.port && !p.free.Load() {
		c.ListenPort = nil
		refused = &wgdev.FieldError{Option: "listen_port", Err: errors.New(name + ": cannot listen on the port: address already in use")}
	}
	return errors.Join(refused, p.Fake.Configure(name, c))
}

// TestPortTaken: a port that is taken costs nothing else of a reload, is named, and
// is tried again.
func TestPortTaken(t *testing.T) {
	r := newRig(t, wg(0, "\toption listen_port '51820'\n"))
	devices := &portTaken{Fake: r.devices, port: 51821}
	r.system.Devices = devices
	r.withNetifd("wg0")
	r.start()
	r.awaitUp("wg0")
	r.settled()
	r.configure(wg(0, "\toption listen_port '51821'\n\toption mtu '1300'\n\tlist addresses '10.88.0.1/24'\n") + wgPeer("wg0", "a", 1, routed))
	result := r.daemon.Reload(t.Context(), "")
	if c := result.Interfaces; len(c) != 1 || len(c[0].Added) != 1 || !slices.Equal(c[0].Device, []string{"mtu", "addresses", "routes"}) {
		t.Errorf("changed: %+v", c)
	}
	if f := result.Refused; len(f) != 1 || f[0].Option != "network.wg0.listen_port" || !strings.Contains(f[0].Text, "address already in use") {
		t.Errorf("refused: %+v", f)
	}
	dev := r.devices.Device("wg0")
	if dev.MTU != 1300 || len(dev.Peers) != 1 || !strings.Contains(r.netifd.lastState("wg0"), "10.88.0.1") {
		t.Errorf("the device: %+v\nnetifd: %s", dev, r.netifd.lastState("wg0"))
	}
	devices.free.Store(true)
	r.await("the port when it is free", func() bool { return r.devices.Device("wg0").ListenPort == 51821 })
}

// TestNestedTunnels: the endpoint of a full tunnel is behind another tunnel, which
// comes up later: the host route past that one goes then.
func TestNestedTunnels(t *testing.T) {
	r := newRig(t, wg(0, "")+wgPeer("wg0", "site", 1, "\tlist allowed_ips '10.50.0.0/16'\n\toption route_allowed_ips '1'\n")+
		wg(1, "")+wgPeer("wg1", "inner", 2, "\tlist allowed_ips '0.0.0.0/0'\n\toption route_allowed_ips '1'\n\toption endpoint_host '10.50.1.1'\n"))
	r.kernel.PutLink(rtnl.Link{Name: "wan"})
	r.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1"), Device: "wan", Protocol: 4})
	r.withNetifd("wg0", "wg1")
	r.start()
	r.awaitUp("wg1")
	past := func() bool {
		list, err := r.kernel.Routes(rtnl.TableMain)
		return err == nil && slices.ContainsFunc(list, func(k rtnl.Route) bool {
			return k.Protocol == rtnl.Protocol && k.Device == "wan" && k.Dst == netip.MustParsePrefix("10.50.1.1/32")
		})
	}
	r.await("a host route by the uplink", past)
	r.awaitUp("wg0")
	route := rtnl.Route{Dst: netip.MustParsePrefix("10.50.0.0/16"), Device: "wg0", Protocol: 4}
	r.kernel.PutRoute(route)
	r.kernel.Emit(rtnl.Event{Kind: rtnl.EventRoute, Device: "wg0", Dst: route.Dst, Table: rtnl.TableMain, Protocol: 4})
	r.await("no host route past the other tunnel", func() bool { return !past() })
}

// countedReads are devices that count their readings.
type countedReads struct {
	*wgdev.Fake
	reads atomic.Int64
}

func (c *countedReads) Read(name string) (plan.Actual, error) {
	c.reads.Add(1)
	return c.Fake.Read(name)
}

// TestNewerPlan: what `wgnetifd up` or a renew of netifd's made of a newer
// configuration stays when the daemon, which nobody told, follows a route. It takes
// over the configuration then.
func TestNewerPlan(t *testing.T) {
	before := wg(0, "") + wgPeer("wg0", "a", 1, routed)
	after := wg(0, "\tlist addresses '10.77.0.1/24'\n") + wgPeer("wg0", "a", 1, routed) +
		wgPeer("wg0", "b", 2, "\tlist allowed_ips '10.8.0.0/16'\n\toption route_allowed_ips '1'\n\toption endpoint_host '192.0.2.3'\n")
	event := rtnl.Event{Kind: rtnl.EventRoute, Device: "wan", Dst: netip.MustParsePrefix("0.0.0.0/0"), Table: rtnl.TableMain, Protocol: 4}
	knows := func(r *rig, peers int) {
		r.t.Helper()
		r.await("the daemon knows of all peers", func() bool {
			n := 0
			err := r.daemon.keeper("wg0").ask(r.t.Context(), anyAge, func(time.Time) { n = len(r.daemon.keeper("wg0").peers) })
			return err == nil && n == peers
		})
	}
	t.Run("up", func(t *testing.T) {
		r := newRig(t, before)
		r.alone("wg0")
		r.start()
		r.awaitKept("wg0")
		r.configure(after)
		r.alone("wg0")
		r.kernel.Emit(event)
		knows(r, 2)
		if list, err := r.kernel.DeviceRoutes("wg0"); err != nil || !slices.ContainsFunc(list, func(k rtnl.Route) bool { return k.Dst.String() == "10.8.0.0/16" }) {
			t.Errorf("the routes: %v, %v", list, err)
		}
	})
	// Meanwhile the file is broken: the daemon tries again, and not all the time.
	t.Run("broken file", func(t *testing.T) {
		r := newRig(t, before)
		devices := &countedReads{Fake: r.devices}
		r.system.Devices = devices
		r.alone("wg0")
		r.start()
		r.awaitKept("wg0")
		r.configure(after)
		r.alone("wg0")
		r.configure("config interface 'wg0\n")
		was := devices.reads.Load()
		r.kernel.Emit(event)
		r.await("a look at it", func() bool { return devices.reads.Load() > was })
		time.Sleep(firstAgain / 2)
		if n := devices.reads.Load() - was; n > 5 {
			t.Errorf("the device was read %d times", n)
		}
		r.configure(after)
		knows(r, 2)
	})
	t.Run("renew", func(t *testing.T) {
		r := newRig(t, before)
		r.withNetifd("wg0")
		r.start()
		r.awaitUp("wg0")
		r.settled()
		r.configure(after)
		r.netifd.mu.Lock()
		r.netifd.run("wg0", "renew", nil)
		r.netifd.mu.Unlock()
		r.netifd.handlers.Wait()
		r.netifd.take()
		r.kernel.Emit(event)
		knows(r, 2)
		for _, told := range append(r.netifd.take(), r.netifd.lastState("wg0")) {
			if !strings.Contains(told, "10.77.0.1") || !strings.Contains(told, "10.8.0.0") {
				t.Errorf("netifd was told: %s", told)
			}
		}
	})
}

// TestMovedName: another name for an endpoint is a change although nobody knows its
// address yet, and one change only.
func TestMovedName(t *testing.T) {
	r := newRig(t, wg(0, "")+wgPeer("wg0", "a", 1, "\toption endpoint_host 'one.example'\n"))
	r.withNetifd("wg0")
	r.start()
	r.awaitUp("wg0")
	r.settled()
	r.configure(wg(0, "") + wgPeer("wg0", "a", 1, "\toption endpoint_host 'two.example'\n"))
	result := r.daemon.Reload(t.Context(), "")
	if c := result.Interfaces; len(c) != 1 || len(c[0].Changed) != 1 {
		t.Errorf("%+v", result)
	}
	if result := r.daemon.Reload(t.Context(), ""); len(result.Interfaces) > 0 {
		t.Errorf("again: %+v", result)
	}
}

// TestSharedHostRoute: of two interfaces that go at the same time one takes the host
// route away that both have.
func TestSharedHostRoute(t *testing.T) {
	for range 100 {
		r := newRig(t, wg(0, "")+wgPeer("wg0", "x", 1, "\tlist allowed_ips '0.0.0.0/0'\n\toption route_allowed_ips '1'\n\toption endpoint_host '198.51.100.1'\n")+
			wg(1, "")+wgPeer("wg1", "y", 2, "\tlist allowed_ips '198.51.100.0/24'\n\toption route_allowed_ips '1'\n\toption endpoint_host '198.51.100.1'\n"))
		r.kernel.PutLink(rtnl.Link{Name: "wan"})
		r.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1"), Device: "wan", Protocol: 4})
		r.alone("wg0")
		r.alone("wg1")
		var both sync.WaitGroup
		for _, name := range []string{"wg0", "wg1"} {
			both.Go(func() {
				if err := r.system.Down(name); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		list, err := r.kernel.Routes(rtnl.TableMain)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list {
			if k.Protocol == rtnl.Protocol && k.Device == "wan" {
				t.Fatalf("%v is left", k)
			}
		}
	}
}

// TestClockReason: the clock is the reason for a peer's state no more once it is set,
// and that is told.
func TestClockReason(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "dead", 1, endpointHost("192.0.2.1")+alive), func(t *testing.T, w *world) {
		machine := &clock.Fake{}
		w.options.Clock = machine
		w.run(func() {
			w.pass(2 * time.Minute)
			w.scripts.news()
			machine.Put(clock.State{Set: true, Synchronised: true})
			w.pass(time.Minute)
			if news := strings.Join(w.scripts.news(), "\n"); !strings.Contains(news, "no-answer") {
				t.Errorf("told: %q", news)
			}
		})
	})
}

// TestRefusedEndpoint: an endpoint that the kernel does not take is tried again and
// again, and logged once.
func TestRefusedEndpoint(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "usb", 1, endpointHost("fe80::1%usb0")+alive), func(t *testing.T, w *world) {
		key := w.sim.Device("wg0").Peers[0].PublicKey
		for _, p := range []plan.PeerChange{{PublicKey: key, Remove: true}, {PublicKey: key}} {
			if err := w.sim.Fake.Configure("wg0", plan.Changes{Peers: []plan.PeerChange{p}}); err != nil {
				t.Fatal(err)
			}
		}
		w.sim.Refuse = func(_ string, c *plan.PeerChange) error {
			if c.Endpoint.IsValid() {
				return errors.New(`its zone "usb0" is no interface`)
			}
			return nil
		}
		w.run(func() {
			w.pass(time.Hour)
			if n := strings.Count(w.journal.String(), "the kernel refused a peer"); n < 1 || n > 2 {
				t.Errorf("%d lines say so in an hour", n)
			}
		})
	})
}
