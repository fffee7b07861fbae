package integration

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// TestDaemonUplinkGoesAndComes: whatever becomes of the uplink, the tunnel is not
// taken down, the host route is there with the uplink alone, and the tunnel works
// again with it (openwrt/openwrt#11086, openwrt/openwrt#22905,
// openwrt/packages#12800).
func TestDaemonUplinkGoesAndComes(t *testing.T) {
	for name, tunnel := range map[string]struct {
		config, route, inside string
	}{
		"full, with a metric": {takesAll(server, "\toption metric '5'\n", ""), by1, "10.0.0.2"},
		"full, IPv4 endpoint": {takesAll(server, "", ""), by1, behind},
		"full, IPv6 endpoint": {takesAll(server6, "", ""), by1v6, behind6},
		"endpoint's subnet":   {takes(server, "", "", "198.51.100.0/24", "10.0.0.2/32"), by1, "10.0.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			l, gate := newTwoUplinks(t, tunnel.config)
			l.defaults("wan")
			l.startUp()
			was := l.life()
			for _, name := range []string{"link", "address", "default route", "cable"} {
				o := outages[name]
				l.awaitHostRoutes("before: "+name, "wan", tunnel.route)
				l.awaitPing("before: "+name, tunnel.inside)
				o.go_(l, gate)
				if o.keeps {
					l.awaitHostRoutes("without: "+name, "wan", tunnel.route)
				} else {
					l.awaitHostRoutes("without: "+name, "wan")
					l.awaitPeer(them, "without an uplink", func(p peerState) bool { return p.Reason == "no-uplink" })
				}
				equal(t, "the interface without: "+name, l.life(), was)
				o.return_(l, gate)
				l.awaitHostRoutes("again: "+name, "wan", tunnel.route)
				t.Logf("%s is there again: the tunnel works after %v", name, l.awaitPing("again: "+name, tunnel.inside))
				equal(t, "the interface again: "+name, l.life(), was)
			}
			l.Tell("wg0", "down")
			l.AwaitDown("wg0")
			l.awaitHostRoutes("after ifdown", "wan")
		})
	}
}

// fromFar returns the address from which far gets our encrypted packets.
func (l *lab) fromFar() string {
	l.t.Helper()
	return router.ReadDevice(l.t, l.far, farDevice).Peers[0].Endpoint.IP.String()
}

// awaitFromFar waits until far gets our packets from an address.
func (l *lab) awaitFromFar(want, inside string) {
	l.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		l.awaitPing("on the way from "+want, inside)
		if l.fromFar() == want {
			return
		}
	}
	equal(l.t, "where far sees us", l.fromFar(), want)
}

// TestDaemonChangesUplinks: from one uplink to another and back, as the routes say.
func TestDaemonChangesUplinks(t *testing.T) {
	for name, tt := range map[string]struct {
		endpoint, inside, by1, by2, from1, from2 string
	}{
		"IPv4": {server, behind, by1, by2, "192.0.2.1", "198.18.0.1"},
		"IPv6": {server6, behind6, by1v6, by2v6, "2001:db8::1", "2001:db8:2::1"},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newTwoUplinks(t, takesAll(tt.endpoint, "", ""))
			l.defaults("wan")
			// The second uplink is the worse one.
			for _, r := range []struct{ dst, gate string }{{any4, gate2}, {any6, gate2v6}} {
				err := l.Links().RouteAdd(&netlink.Route{
					Dst: &ipNets(r.dst)[0], Gw: net.ParseIP(r.gate), LinkIndex: l.Link("wan2").Attrs().Index, Priority: 2000,
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			l.startUp()
			was := l.life()
			on := func(when string, first bool) {
				t.Helper()
				if first {
					l.awaitHostRoutes(when, "wan", tt.by1)
					l.awaitHostRoutes(when, "wan2")
					l.awaitFromFar(tt.from1, tt.inside)
				} else {
					l.awaitHostRoutes(when, "wan2", tt.by2)
					l.awaitHostRoutes(when, "wan")
					l.awaitFromFar(tt.from2, tt.inside)
				}
				equal(t, "the interface "+when, l.life(), was)
			}
			on("at the beginning", true)
			for _, o := range []string{"link", "default route"} {
				outages[o].go_(l, nil)
				on("without: "+o, false)
				outages[o].return_(l, nil)
				on("again: "+o, true)
			}
		})
	}
}

// TestDaemonGatewayChanges: the same uplink with another gateway.
func TestDaemonGatewayChanges(t *testing.T) {
	l, gate := newTwoUplinks(t, takesAll(server, "", ""))
	l.defaults("wan")
	l.startUp()
	l.awaitHostRoutes("at the beginning", "wan", by1)
	l.awaitPing("at the beginning", behind)
	was := l.life()

	// Nobody has the old address any more, and whoever sends there is not heard.
	gate.AddAddress("eth0", "192.0.2.3/24")
	old, err := netlink.ParseAddr(gate1 + "/24")
	if err == nil {
		err = gate.Links().AddrDel(gate.Link("eth0"), old)
	}
	if err != nil {
		t.Fatal(err)
	}
	gate.AddAddress("eth0", "192.0.2.3/24") // It was a secondary one, and went with it.
	l.forgetNeighbours("wan")
	err = l.Links().RouteReplace(&netlink.Route{
		Dst: &ipNets(any4)[0], Gw: net.ParseIP("192.0.2.3"), LinkIndex: l.Link("wan").Attrs().Index, Protocol: unix.RTPROT_STATIC,
	})
	if err != nil {
		t.Fatal(err)
	}
	l.awaitHostRoutes("by the other gateway", "wan", server+"/32 via 192.0.2.3"+ownProto)
	l.awaitPing("by the other gateway", behind)
	equal(t, "the interface", l.life(), was)
}

// forgetNeighbours has the router ask again who has which address.
func (l *lab) forgetNeighbours(device string) {
	l.t.Helper()
	list, err := l.Links().NeighList(l.Link(device).Attrs().Index, netlink.FAMILY_V4)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, n := range list {
		// The kernel forgets some by itself.
		if err := l.Links().NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			l.t.Fatal(err)
		}
	}
}

// TestDaemonUserRoute: a host route of somebody else's to the endpoint is what
// counts, wherever it leads, and never ours to change or to delete.
func TestDaemonUserRoute(t *testing.T) {
	static := " proto " + strconv.Itoa(unix.RTPROT_STATIC)
	toServer := func(l *lab) []string {
		return slices.DeleteFunc(slices.Concat(routesOf(t, l.Host, "wan"), routesOf(t, l.Host, "wan2")),
			func(r string) bool { return !strings.HasPrefix(r, server+"/") && !strings.HasPrefix(r, server6+"/") })
	}
	for name, tt := range map[string]struct {
		endpoint, inside, gate1, gate2, by1, by2, from2 string
	}{
		"IPv4": {server + "/32", behind, gate1, gate2, by1, by2, "198.18.0.1"},
		"IPv6": {server6 + "/128", behind6, gate1v6, gate2v6, by1v6, by2v6, "2001:db8:2::1"},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newTwoUplinks(t, takesAll(strings.Split(tt.endpoint, "/")[0], "", ""))
			l.defaults("wan")
			l.AddRoute(tt.endpoint, tt.gate1, "wan")
			users := strings.Replace(tt.by1, ownProto, static, 1)
			l.startUp()
			l.awaitPing("with a user's route", tt.inside)
			equal(t, "routes to the server with a user's", toServer(l), []string{users})

			// The user takes it away: ours is needed. Another one takes its place.
			l.dropRoute(tt.endpoint, tt.gate1, "wan")
			l.awaitHostRoutes("without a user's route", "wan", tt.by1)
			l.awaitPing("without a user's route", tt.inside)
			err := l.Links().RouteReplace(&netlink.Route{
				Dst: &ipNets(tt.endpoint)[0], Gw: net.ParseIP(tt.gate2), LinkIndex: l.Link("wan2").Attrs().Index, Protocol: unix.RTPROT_STATIC,
			})
			if err != nil {
				t.Fatal(err)
			}
			l.awaitHostRoutes("with another user's route", "wan")
			l.awaitPing("with another user's route", tt.inside)
			if name == "IPv4" { // In IPv6 the kernel keeps the source address while it can.
				l.awaitFromFar(tt.from2, tt.inside)
			}
			users = strings.Replace(tt.by2, ownProto, static, 1)
			equal(t, "routes to the server with another", toServer(l), []string{users})

			l.handle("renew", "wg0")
			equal(t, "reload", l.reloadDaemon(), reloaded{})
			l.Tell("wg0", "down")
			l.AwaitDown("wg0")
			equal(t, "routes after ifdown", toServer(l), []string{users})
		})
	}
}

// TestDaemonUserRouteAndTunLink: a host route of somebody else's counts more than
// tunlink, whose own would take its place.
func TestDaemonUserRouteAndTunLink(t *testing.T) {
	l, _ := newTwoUplinks(t, uplink("wan", "192.0.2.1", gate1, "1")+uplink("wan2", "198.18.0.1", gate2, "20")+
		takesAll(server, "\toption auto '0'\n\toption metric '30'\n\toption tunlink 'wan2'\n", ""))
	l.Start()
	for _, name := range []string{"wan", "wan2"} {
		l.AwaitUp(name)
	}
	l.AddRoute(server+"/32", gate1, "wan")
	users := strings.Replace(by1, ownProto, " proto "+strconv.Itoa(unix.RTPROT_STATIC), 1)
	toServer := func() []string {
		return slices.DeleteFunc(slices.Concat(routesOf(t, l.Host, "wan"), routesOf(t, l.Host, "wan2")),
			func(r string) bool { return !strings.HasPrefix(r, server) })
	}
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	l.awaitHandlers()
	equal(t, "routes to the server", toServer(), []string{users})
	l.StartDaemon()
	l.awaitPing("with a user's route", "10.0.0.2")
	equal(t, "routes to the server with the daemon", toServer(), []string{users})
	l.dropRoute(server+"/32", gate1, "wan")
	l.awaitHostRoutes("without the user's", "wan2", by2)
	l.awaitFromFar("198.18.0.1", "10.0.0.2")
	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	equal(t, "routes to the server after ifdown", toServer(), nil)
}

// TestDaemonOnLinkGateway: an uplink whose gateway no address of it knows, as
// providers of servers have it.
func TestDaemonOnLinkGateway(t *testing.T) {
	for name, tt := range map[string]struct{ endpoint, all, gate, inside, want string }{
		"IPv4": {server, any4, "100.64.0.1", behind, server + "/32 via 100.64.0.1" + ownProto},
		"IPv6": {server6, any6, "2001:db8:99::1", behind6, server6 + "/128 via 2001:db8:99::1 metric 1024" + ownProto},
	} {
		t.Run(name, func(t *testing.T) {
			l, gate := newTwoUplinks(t, takesAll(tt.endpoint, "", ""))
			gate.AddAddress("eth0", "100.64.0.1/24", "2001:db8:99::1/64")
			err := l.Links().RouteAdd(&netlink.Route{
				Dst: &ipNets(tt.all)[0], Gw: net.ParseIP(tt.gate), LinkIndex: l.Link("wan").Attrs().Index, Flags: unix.RTNH_F_ONLINK,
			})
			if err != nil {
				t.Fatal(err)
			}
			l.startUp()
			l.awaitHostRoutes("at the beginning", "wan", tt.want)
			l.awaitPing("at the beginning", tt.inside)
			m := newMonitor(t, l.Host)
			equal(t, "reload", l.reloadDaemon(), reloaded{})
			l.handle("renew", "wg0")
			equal(t, "changes of a reload and a renew", m.events(), nil)
			l.Tell("wg0", "down")
			l.AwaitDown("wg0")
			l.awaitHostRoutes("after ifdown", "wan")
		})
	}
}

// TestDaemonKeepsWhatTheTunnelOusted: where the tunnel has its default route in the
// place of the uplink's, as another handler made it, the host route is all that
// leads to the endpoint (openwrt/openwrt#20511).
func TestDaemonKeepsWhatTheTunnelOusted(t *testing.T) {
	conf := uplink("wan", "192.0.2.1", gate1, "0") + takes(server, "\toption auto '0'\n", "", any4)
	l, _ := newTwoUplinks(t, conf)
	l.Start()
	l.AwaitUp("wan")
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	l.awaitHandlers()
	l.StartDaemon()
	l.announceWhole()
	l.wanRoutes("that the whole replaced", by1)
	l.AddRoute("203.0.113.128/25", gate2, "wan2")
	l.reloadDaemon()
	l.wanRoutes("after a reload", by1)
	l.awaitPing("after a reload", behind)
	// The tunnel has halves afterwards, the uplink's own default is gone all the same.
	l.Configure(strings.Replace(conf, "option auto '0'", "option auto '0'\n\tlist addresses '10.0.77.1/32'", 1))
	l.reloadDaemon()
	l.AddRoute("203.0.113.64/26", gate2, "wan2")
	l.reloadDaemon()
	l.wanRoutes("after a change", by1)
	l.awaitPing("after a change", behind)
}
