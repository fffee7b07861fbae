package integration

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// twoOfNetifd is a configuration with two uplinks that netifd makes, the second the
// worse one, and a full tunnel.
func twoOfNetifd(tunnel string) string {
	return uplink("wan", "192.0.2.1", gate1, "1") + uplink("wan2", "198.18.0.1", gate2, "20") +
		takes(server, "\toption metric '30'\n"+tunnel, "", any4)
}

// startNetifds starts the router, its uplinks and the daemon.
func (l *lab) startNetifds() {
	l.t.Helper()
	l.Start()
	for _, name := range []string{"wan", "wan2", "wg0"} {
		l.AwaitUp(name)
	}
	l.awaitHandlers()
	l.StartDaemon()
}

// TestDaemonUplinksOfNetifd: as ifdown and ifup of the uplinks, in any order, have
// it.
func TestDaemonUplinksOfNetifd(t *testing.T) {
	l, _ := newTwoUplinks(t, twoOfNetifd(""))
	l.startNetifds()
	was := l.life()
	on := func(when, device string) {
		t.Helper()
		routes, from := map[string][]string{"wan": nil, "wan2": nil}, ""
		switch device {
		case "wan":
			routes["wan"], from = []string{by1}, "192.0.2.1"
		case "wan2":
			routes["wan2"], from = []string{by2}, "198.18.0.1"
		}
		for name, want := range routes {
			l.awaitHostRoutes(when, name, want...)
		}
		if from != "" {
			l.awaitFromFar(from, "10.0.0.2")
		}
		equal(t, "the interface "+when, l.life(), was)
	}
	on("at the beginning", "wan")
	for _, s := range []struct{ iface, action, on string }{
		{"wan", "down", "wan2"},
		{"wan2", "down", ""},
		{"wan2", "up", "wan2"},
		{"wan", "up", "wan"},
		{"wan2", "down", "wan"},
	} {
		l.Tell(s.iface, s.action)
		if s.action == "up" {
			l.AwaitUp(s.iface)
		} else {
			l.AwaitDown(s.iface)
		}
		on("after "+s.action+" of "+s.iface, s.on)
	}
}

// TestDaemonTunLink: the uplink that tunlink names, and no other, wherever the
// routes would lead and whether it is there or not.
func TestDaemonTunLink(t *testing.T) {
	l, _ := newTwoUplinks(t, twoOfNetifd("\toption tunlink 'wan2'\n"))
	l.startNetifds()
	was := l.life()
	l.awaitHostRoutes("at the beginning", "wan2", by2)
	l.awaitFromFar("198.18.0.1", "10.0.0.2")

	l.Tell("wan2", "down")
	l.AwaitDown("wan2")
	l.awaitHostRoutes("without it", "wan2")
	equal(t, "host routes by the other uplink", ownRoutes(t, l.Host, "wan"), nil)
	equal(t, "the interface without it", l.life(), was)
	l.Tell("wan2", "up")
	l.AwaitUp("wan2")
	l.awaitHostRoutes("again", "wan2", by2)
	l.awaitFromFar("198.18.0.1", "10.0.0.2")

	l.Configure(twoOfNetifd("\toption tunlink 'wan'\n"))
	l.reloadDaemon()
	l.awaitHostRoutes("with another tunlink", "wan2")
	l.awaitFromFar("192.0.2.1", "10.0.0.2")
	equal(t, "the interface with another tunlink", l.life(), was)
}

// TestDaemonUplinkInItsOwnTable: an uplink with a table and a rule of its own. What
// the router itself sends goes by the main table first, where the tunnel takes
// everything.
func TestDaemonUplinkInItsOwnTable(t *testing.T) {
	l, _ := newTwoUplinks(t, takes(server, "", "", any4))
	const table = 100
	add := func(gateway, device string) {
		t.Helper()
		err := l.Links().RouteReplace(&netlink.Route{
			Dst: &ipNets(any4)[0], Gw: net.ParseIP(gateway), LinkIndex: l.Link(device).Attrs().Index, Table: table, Protocol: unix.RTPROT_STATIC,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	rule := netlink.NewRule()
	rule.Priority, rule.Table, rule.Family = 40000, table, unix.AF_INET
	if err := l.Links().RuleAdd(rule); err != nil {
		t.Fatal(err)
	}
	add(gate1, "wan")
	l.startUp()
	was := l.life()
	l.awaitHostRoutes("at the beginning", "wan", by1)
	l.awaitFromFar("192.0.2.1", behind)
	l.awaitPeer(them, "connected", func(p peerState) bool { return p.State == "connected" && p.Reason == "" })
	add(gate2, "wan2")
	l.awaitHostRoutes("by another uplink in the table", "wan2", by2)
	l.awaitHostRoutes("by another uplink in the table", "wan")
	l.awaitFromFar("198.18.0.1", behind)
	equal(t, "the interface", l.life(), was)
	err := l.Links().RouteDel(&netlink.Route{Dst: &ipNets(any4)[0], Table: table})
	if err != nil {
		t.Fatal(err)
	}
	l.awaitHostRoutes("without an uplink", "wan2")
	l.awaitPeer(them, "without an uplink", func(p peerState) bool { return p.Reason == "no-uplink" })
}

// TestDaemonRouteStorm: thousands of routes of somebody else's cost the tunnel
// nothing, and what changes among them is seen.
func TestDaemonRouteStorm(t *testing.T) {
	l, _ := newTwoUplinks(t, takesAll(server, "", ""))
	l.defaults("wan")
	l.startUp()
	l.awaitHostRoutes("at the beginning", "wan", by1)
	l.awaitPing("at the beginning", behind)
	settle()
	was := l.life()
	const routes, bgp = 5000, 186
	var batch strings.Builder
	for n := range routes {
		batch.WriteString("route add 20." + strconv.Itoa(n>>8) + "." + strconv.Itoa(n&255) + ".0/24 via " + gate1 + " dev wan proto " + strconv.Itoa(bgp) + "\n")
		if n == routes/2 {
			batch.WriteString("route replace " + any4 + " via " + gate2 + " dev wan2 proto static\n")
		}
	}
	cmd := l.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("add %d routes: %v: %.500s", routes, err, out)
	}
	l.awaitHostRoutes("after the storm", "wan2", by2)
	l.awaitHostRoutes("after the storm", "wan")
	l.awaitFromFar("198.18.0.1", behind)
	equal(t, "the interface after the storm", l.life(), was)
	// Nothing follows from what we have done ourselves.
	settle()
	m := newMonitor(t, l.Host)
	time.Sleep(time.Second)
	equal(t, "changes when all is over", m.events(), nil)
	if got := routesOf(t, l.Host, "wan"); len(slices.DeleteFunc(got, func(r string) bool { return !strings.HasPrefix(r, "20.") })) != routes {
		t.Errorf("not all of %d routes are left", routes)
	}
}
