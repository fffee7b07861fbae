package apply_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// fullTunnel is wg0 with everything behind 203.0.113.1.
func fullTunnel(iface ...string) string {
	return wg0(iface...) + peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'",
		"option allowed_ips '0.0.0.0/0'", "option endpoint_host '203.0.113.1'")
}

func (w *world) wantHostRoutes(when string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, hostRoutes(w.t, w.kernel), cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("host routes %s (-want +got):\n%s", when, diff)
	}
}

// TestTwoFullTunnels: neither leads to the endpoint of the other while there is an
// uplink, whatever the metrics say: each would wait for the other. Without an uplink
// one may go through the other, but not both.
func TestTwoFullTunnels(t *testing.T) {
	for name, other := range map[string][]string{
		"halves":         {"0.0.0.0/1", "128.0.0.0/1"},
		"a better whole": {"0.0.0.0/0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fullTunnel())
			uplink(w.kernel, "eth0", "192.0.2.254", 30)
			w.kernel.PutLink(rtnl.Link{Name: "wg1", Kind: "wireguard"})
			for _, dst := range other {
				w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix(dst), Device: "wg1", Metric: 10, Protocol: 4})
			}
			w.mustUp()
			w.wantHostRoutes("beside another tunnel", "203.0.113.1/32 via 192.0.2.254 dev eth0")

			w.kernel.DropLink("eth0")
			w.mustUp()
			w.wantHostRoutes("without an uplink", "203.0.113.1/32 via invalid IP dev wg1")

			w.write(fullTunnel("option nohostroute '1'"))
			w.mustUp()
			w.wantHostRoutes("with nohostroute")
			circle := rtnl.Route{Dst: netip.MustParsePrefix("198.51.100.1/32"), Device: "wg0", Protocol: rtnl.Protocol}
			w.kernel.PutRoute(circle)
			w.write(fullTunnel())
			w.mustUp()
			w.wantHostRoutes("while the other goes through this", "198.51.100.1/32 via invalid IP dev wg0")
		})
	}
}

// TestSpecificRouteOfAnotherTunnel: what somebody sends through another tunnel on
// purpose goes there.
func TestSpecificRouteOfAnotherTunnel(t *testing.T) {
	w := newWorld(t, fullTunnel())
	uplink(w.kernel, "eth0", "192.0.2.254", 30)
	w.kernel.PutLink(rtnl.Link{Name: "wg1", Kind: "wireguard"})
	w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("203.0.113.0/24"), Device: "wg1", Protocol: 4})
	w.mustUp()
	w.wantHostRoutes("with a route to the endpoint's network")
}

// TestUplinkInAnotherTable: where the main table leads nowhere, the uplink is what
// policy rules look up (`option ip4table` of the uplink); a tunnel in a table of its
// own is none.
func TestUplinkInAnotherTable(t *testing.T) {
	w := newWorld(t, fullTunnel())
	w.kernel.PutLink(rtnl.Link{Name: "wg1", Kind: "wireguard"})
	w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Device: "wg1", Table: 100, Protocol: 4})
	w.kernel.PutRoute(rtnl.Route{
		Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.254"), Device: "eth0", Table: 101, Protocol: 4,
	})
	w.mustUp()
	w.wantHostRoutes("without rules")
	w.kernel.PutOtherTables(100, 101)
	w.mustUp()
	w.wantHostRoutes("with rules", "203.0.113.1/32 via 192.0.2.254 dev eth0")
	w.unchanged()
	uplink(w.kernel, "eth1", "198.51.100.254", 0)
	w.mustUp()
	w.wantHostRoutes("with an uplink in the main table", "203.0.113.1/32 via 198.51.100.254 dev eth1")
}

// deafFor is netifd that does not answer for an interface.
type deafFor struct {
	*bus
	path string
}

func (d deafFor) Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error) {
	if path == d.path {
		return nil, context.DeadlineExceeded
	}
	return d.bus.Call(ctx, path, method, args)
}

// TestUplinkUnknown: that netifd does not answer does not mean that the uplink is
// down: the host routes stay.
func TestUplinkUnknown(t *testing.T) {
	w := newWorld(t, fullTunnel("option tunlink 'wan'"))
	uplink(w.kernel, "eth0", "192.0.2.254", 0)
	w.bus.status["wan"] = blobmsg.Table{{Name: "up", Value: true}, {Name: "l3_device", Value: "eth0"}}
	w.mustUp()
	const route = "203.0.113.1/32 via 192.0.2.254 dev eth0"
	w.wantHostRoutes("by the uplink", route)
	r, err := w.sys.Up(context.Background(), "wg0", apply.Netifd{Client: netifd.Client{Bus: deafFor{w.bus, "network.interface.wan"}}})
	if err != nil || !r.Again {
		t.Errorf("%v, again: %v", err, r.Again)
	}
	w.wantHostRoutes("while netifd does not answer", route)
	w.bus.status["wan"] = blobmsg.Table{{Name: "up", Value: false}}
	w.mustUp()
	w.wantHostRoutes("while the uplink is down")
}

// TestHostRouteThroughThis: a host route of another tunnel through one whose routes
// we make ourselves, as it has more than netifd survives, stays.
func TestHostRouteThroughThis(t *testing.T) {
	var many strings.Builder
	for n := range 9000 {
		fmt.Fprintf(&many, "\tlist allowed_ips '10.%d.%d.%d/32'\n", 50+n/16384, n/64%256, n%64*4)
	}
	w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'")+many.String()+
		"config interface 'wg1'\n"+lines([]string{"option proto 'wireguard'", "option private_key '" + psk + "'", "option tunlink 'wg0'"})+
		"config wireguard_wg1\n"+lines([]string{
		"option public_key '" + peerKey2 + "'", "option route_allowed_ips '1'", "list allowed_ips '10.1.2.0/24'", "option endpoint_host '10.1.2.7'",
	}))
	w.mustUp()
	w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("10.1.2.0/24"), Device: "wg0", Protocol: 4})
	w.bus.status["wg0"] = blobmsg.Table{{Name: "up", Value: true}, {Name: "l3_device", Value: "wg0"}}
	if _, err := w.sys.Up(context.Background(), "wg1", apply.Netifd{Client: netifd.Client{Bus: w.bus}}); err != nil {
		t.Fatal(err)
	}
	through := func() bool {
		return slices.ContainsFunc(hostRoutes(t, w.kernel), func(r string) bool {
			return strings.HasPrefix(r, "10.1.2.7/32 ") && strings.HasSuffix(r, " dev wg0")
		})
	}
	if !through() {
		t.Fatalf("no host route through wg0:\n%s", w.log.String())
	}
	w.mustUp()
	if !through() {
		t.Error("a run of wg0 has deleted it")
	}
}
