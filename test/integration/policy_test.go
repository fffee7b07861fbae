package integration

import (
	"net"
	"strconv"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// The mark and the routing table of a full tunnel.
const (
	tunnelMark  = 0xca6c
	tunnelTable = 51820
)

// addPolicy makes the rules of a full tunnel, as wg-quick does and a `config rule`
// on a router: the main table counts but for its default routes, and all that is
// not marked as encrypted goes by the tunnel's table.
func (l *lab) addPolicy() {
	l.t.Helper()
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		specific, rest := netlink.NewRule(), netlink.NewRule()
		specific.Family, specific.Priority, specific.Table, specific.SuppressPrefixlen = family, 100, unix.RT_TABLE_MAIN, 0
		rest.Family, rest.Priority, rest.Table, rest.Mark, rest.Invert = family, 101, tunnelTable, tunnelMark, true
		for _, r := range []*netlink.Rule{specific, rest} {
			if err := l.Links().RuleAdd(r); err != nil {
				l.t.Fatalf("add the rule %v: %v", r, err)
			}
		}
	}
}

// leavesBy returns the device through which the router sends what it has for an
// address, with a mark.
func (l *lab) leavesBy(address string, mark uint32) string {
	l.t.Helper()
	routes, err := l.Links().RouteGetWithOptions(net.ParseIP(address), &netlink.RouteGetOptions{Mark: mark})
	if err != nil || len(routes) != 1 {
		l.t.Fatalf("route to %s with mark %#x: %v, %v", address, mark, routes, err)
	}
	link, err := l.Links().LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		l.t.Fatal(err)
	}
	return link.Attrs().Name
}

// TestFullTunnelByMark is a full tunnel without a host route: rules tell encrypted
// packets from all others by the mark that the device gives them.
func TestFullTunnelByMark(t *testing.T) {
	l := newLab(t, ifaceSection(`
	list addresses 'fd00:1::1/64'
	option fwmark '`+strconv.Itoa(tunnelMark)+`'
	option ip4table '`+strconv.Itoa(tunnelTable)+`'
	option ip6table '`+strconv.Itoa(tunnelTable)+`'
	option nohostroute '1'
`)+peerSection("far", them, `
	list allowed_ips '0.0.0.0/0'
	list allowed_ips '::/0'
	option route_allowed_ips '1'
	option endpoint_host '`+server+`'
	option endpoint_port '51821'
`))
	l.farServer()
	l.AddRoute("0.0.0.0/0", "192.0.2.2", "wan")
	l.AddRoute("::/0", "2001:db8::2", "wan")
	l.addPolicy()
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()

	table := " table " + strconv.Itoa(tunnelTable)
	equal(t, "routes", withoutSubnets(routesOf(t, l.Host, "wg0"), "10.0.0.0/24", "fd00:1::/64"), []string{
		"0.0.0.0/0" + table + netifdProto,
		"::/0 metric 1024" + table + netifdProto,
	})
	equal(t, "host routes", ownRoutes(t, l.Host, "wan"), nil)
	for _, tt := range []struct {
		address string
		mark    uint32
		want    string
	}{
		{behind, 0, "wg0"},
		{server, 0, "wg0"}, // The default route of the main table is left out,
		{"192.0.2.2", 0, "wan"},
		{server, tunnelMark, "wan"}, // and counts for what is encrypted.
		{"2001:db8:99::9", 0, "wg0"},
		{"2001:db8::2", 0, "wan"},
		{"2001:db8:99::9", tunnelMark, "wan"},
	} {
		if got := l.leavesBy(tt.address, tt.mark); got != tt.want {
			t.Errorf("to %s with mark %#x packets leave by %s, want %s", tt.address, tt.mark, got, tt.want)
		}
	}
	mustPing(t, l.Host, behind, "10.0.0.2")

	// It is the mark that does it, as the table above says: without, encrypted packets
	// go into the tunnel again, and grow, and become two. (So none is sent here: of that
	// the far end recovers late.) A renew puts it back.
	none := 0
	router.Configure(t, l.Host, "wg0", wgtypes.Config{FirewallMark: &none})
	l.handle("renew", "wg0")
	equal(t, "fwmark after a renew", router.ReadDevice(t, l.Host, "wg0").FirewallMark, tunnelMark)
	mustPing(t, l.Host, behind)
}
