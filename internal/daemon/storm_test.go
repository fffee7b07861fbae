package daemon

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
)

// fullOf is a full tunnel to an address.
func fullOf(host string) string {
	return wg(0, "") + wgPeer("wg0", "far", 1, endpointHost(host)+"\tlist allowed_ips '0.0.0.0/0'\n\toption route_allowed_ips '1'\n"+alive)
}

// hostRoutes returns the routes of ours past the tunnel.
func (w *world) hostRoutes() (list []string) {
	w.t.Helper()
	table, err := w.kernel.Routes(rtnl.TableMain)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range table {
		if r.Protocol == rtnl.Protocol && r.Device != "wg0" {
			list = append(list, r.String())
		}
	}
	slices.Sort(list)
	return list
}

// TestRouteStorm: however many routes change, the tables and the device are read a
// few times a second, nothing is written of what is right, and what is wrong in the
// end is put right.
func TestRouteStorm(t *testing.T) {
	inWorld(t, fullOf("203.0.113.1"), func(t *testing.T, w *world) {
		var tables, dumps atomic.Int64
		w.kernel.Fail = func(op rtnl.Write) error {
			if op.Op == rtnl.OpRoutes {
				tables.Add(1)
			}
			return nil
		}
		w.sim.Fake.Fail = func(op wgdev.Op, _ string) error {
			if op == wgdev.OpRead {
				dumps.Add(1)
			}
			return nil
		}
		w.sim.work("203.0.113.1:51820", true)
		w.run(func() {
			w.pass(time.Minute)
			same(t, "host routes before", w.hostRoutes(), []string{"203.0.113.1/32 dev wan"})
			w.kernel.Forget()
			tables.Store(0)
			dumps.Store(0)
			// As a full table of BGP: 5,000 routes within ten seconds, of another program.
			const routes, each = 5000, 2 * time.Millisecond
			for n := range routes {
				dst := netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(n >> 8), byte(n)}), 24)
				w.kernel.PutRoute(rtnl.Route{Dst: dst, Device: "wan", Table: rtnl.TableMain, Protocol: 186})
				w.kernel.Emit(rtnl.Event{Kind: rtnl.EventRoute, Device: "wan", Dst: dst, Protocol: 186})
				if n%10 == 9 {
					w.pass(10 * each)
				}
			}
			w.pass(time.Second)
			looks := int64(routes*each/settleTime) + 1
			// Three tables for each look: the uplinks', the host routes', and, without
			// netifd, the tunnel's. The device is also read for its own sake.
			if n := tables.Load(); n > 3*looks {
				t.Errorf("the tables were read %d times, %d at most", n, 3*looks)
			}
			if n := dumps.Load(); n > looks+10 {
				t.Errorf("the device was read %d times, %d at most", n, looks+10)
			}
			same(t, "writes", len(w.kernel.Writes()), 0)

			// The last of a storm counts.
			w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.9"), Device: "wan", Table: rtnl.TableMain})
			for range 1000 {
				w.kernel.Emit(rtnl.Event{Kind: rtnl.EventRoute, Device: "wan", Protocol: 186})
			}
			w.pass(time.Second)
			same(t, "host routes after", w.hostRoutes(), []string{"203.0.113.1/32 via 192.0.2.9 dev wan"})
		})
	})
}

// TestOwnRoutesAreNoNews: what the daemon itself writes has it look once more at
// most; a host route that somebody deletes is made again.
func TestOwnRoutesAreNoNews(t *testing.T) {
	inWorld(t, fullOf("203.0.113.1"), func(t *testing.T, w *world) {
		var tables atomic.Int64
		w.kernel.Fail = func(op rtnl.Write) error {
			switch op.Op {
			case rtnl.OpRoutes:
				tables.Add(1)
			case rtnl.OpReplaceRoute, rtnl.OpDeleteRoute: // as the kernel does, before the reply
				go w.kernel.Emit(rtnl.Event{
					Kind: rtnl.EventRoute, Removed: op.Op == rtnl.OpDeleteRoute,
					Device: op.Route.Device, Dst: op.Route.Dst, Protocol: rtnl.Protocol,
				})
			}
			return nil
		}
		w.sim.work("203.0.113.1:51820", true)
		w.run(func() {
			w.pass(time.Minute)
			few := func(what string) {
				t.Helper()
				// Three tables for a look, and another look at what was written.
				if n := tables.Load(); n > 2*3+1 {
					t.Errorf("%s had the tables read %d times", what, n)
				}
			}
			tables.Store(0)
			w.uplink() // The kernel drops the host route, and the daemon hears of it.
			w.pass(10 * time.Second)
			few("the uplink's end")
			for range 3 {
				w.kernel.Emit(rtnl.Event{Kind: rtnl.EventAddress, Device: "lan"})
				w.pass(time.Second)
			}
			same(t, "warnings of one outage", w.logged("no uplink does"), 1)
			tables.Store(0)
			w.uplink("0.0.0.0/0")
			w.pass(10 * time.Second)
			same(t, "host routes with the uplink", w.hostRoutes(), []string{"203.0.113.1/32 dev wan"})
			few("the uplink's return")
			gone := rtnl.Route{Dst: netip.MustParsePrefix("203.0.113.1/32"), Device: "wan", Protocol: rtnl.Protocol}
			if err := w.kernel.DeleteRoute(gone); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Second)
			same(t, "host routes after somebody deleted ours", w.hostRoutes(), []string{"203.0.113.1/32 dev wan"})
			tables.Store(0)
			w.pass(time.Hour)
			same(t, "times that the tables were read in an hour", tables.Load(), 0)
		})
	})
}
