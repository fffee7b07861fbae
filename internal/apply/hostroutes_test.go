package apply_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
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
