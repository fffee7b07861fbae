package integration

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// server and behind over IPv6.
const (
	server6 = "2001:db8:51::9"
	behind6 = "2001:db8:7::7"
)

// Default routes of the uplinks wan and wan2, and host routes to server.
const (
	gate1, gate1v6 = "192.0.2.2", "2001:db8::2"
	gate2, gate2v6 = "198.18.0.2", "2001:db8:2::2"

	any4, any6 = "0.0.0.0/0", "::/0"
)

var (
	by1   = server + "/32 via " + gate1 + ownProto
	by2   = server + "/32 via " + gate2 + ownProto
	by1v6 = server6 + "/128 via " + gate1v6 + " metric 1024" + ownProto
	by2v6 = server6 + "/128 via " + gate2v6 + " metric 1024" + ownProto
)

// takesAll is a router with a full tunnel of both families to endpoint; iface and
// peer are more options.
func takesAll(endpoint, iface, peer string) string {
	return takes(endpoint, iface, peer, any4, any6)
}

// takes is a router with a tunnel to endpoint that some destinations are behind.
func takes(endpoint, iface, peer string, allowed ...string) string {
	options := "\toption route_allowed_ips '1'\n\toption endpoint_host '" + endpoint + "'\n\toption endpoint_port '51821'\n" + peer
	for _, a := range allowed {
		options += "\tlist allowed_ips '" + a + "'\n"
	}
	return ifaceSection("\tlist addresses 'fd00:1::1/64'\n"+iface) + peerSection("far", them, options)
}

// newTwoUplinks is a lab with a second uplink: the device wan2 of the router is
// 198.18.0.1/24 and 2001:db8:2::1/64, the gateways of both are one host, gate, and
// behind that is far with the addresses server and server6. The default routes are
// to be made by the test.
func newTwoUplinks(t testing.TB, network string) (l *lab, gate *netns.Host) {
	t.Helper()
	l = newLab(t, network)
	gate = l.far
	netns.Connect(l.Host, "wan2", gate, "eth1")
	l.AddAddress("wan2", "198.18.0.1/24", "2001:db8:2::1/64")
	gate.AddAddress("eth1", gate2+"/24", gate2v6+"/64")

	l.far = netns.New(t, "server")
	addressesAtOnce(t, l.far)
	netns.Connect(gate, "inside", l.far, "eth0")
	gate.AddAddress("inside", "198.51.100.1/24", "2001:db8:51::1/64")
	gate.Do(func() {
		for _, file := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			if err := os.WriteFile("/proc/sys/net/"+file, []byte("1"), 0); err != nil {
				t.Fatal(err)
			}
		}
	})
	l.far.AddAddress("eth0", server+"/24", server6+"/64")
	l.far.AddAddress("lo", behind+"/32", behind6+"/128")
	l.far.AddRoute(any4, "198.51.100.1", "eth0")
	l.far.AddRoute(any6, "2001:db8:51::1", "eth0")
	l.farTunnel(wgtypes.PeerConfig{AllowedIPs: ipNets("10.0.0.1/32", "fd00:1::1/128")}, "10.0.0.2/24", "fd00:1::2/64")
	return l, gate
}

// startUp starts the router and the daemon, and waits for the tunnel.
func (l *lab) startUp() *router.Daemon {
	l.t.Helper()
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	return l.StartDaemon()
}

// awaitHostRoutes waits until the host routes through a device are these.
func (l *lab) awaitHostRoutes(when, device string, want ...string) {
	l.t.Helper()
	slices.Sort(want)
	var got []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = ownRoutes(l.t, l.Host, device); slices.Equal(got, want) {
			return
		}
	}
	equal(l.t, "host routes through "+device+" "+when, got, want)
	l.t.FailNow()
}

// awaitPing waits until packets come through the tunnel, and returns how long that
// took.
func (l *lab) awaitPing(when string, addresses ...string) time.Duration {
	l.t.Helper()
	begin := time.Now()
	for _, a := range addresses {
		for l.Command("ping", "-n", "-q", "-c", "1", "-W", "1", a).Run() != nil {
			if time.Since(begin) > patience {
				l.t.Fatalf("%s nothing comes through the tunnel to %s; the peer: %+v", when, a, l.daemonPeer(them))
			}
		}
	}
	return time.Since(begin)
}

// dropRoute deletes a route that AddRoute made.
func (l *lab) dropRoute(destination, gateway, device string) {
	l.t.Helper()
	err := l.Links().RouteDel(&netlink.Route{
		Dst: &ipNets(destination)[0], Gw: net.ParseIP(gateway), LinkIndex: l.Link(device).Attrs().Index,
	})
	if err != nil {
		l.t.Fatalf("delete the route to %s via %s: %v", destination, gateway, err)
	}
}

// dropAddress deletes addresses of a device.
func (l *lab) dropAddress(device string, addresses ...string) {
	l.t.Helper()
	for _, a := range addresses {
		addr, err := netlink.ParseAddr(a)
		if err == nil {
			err = l.Links().AddrDel(l.Link(device), addr)
		}
		if err != nil {
			l.t.Fatalf("delete the address %s: %v", a, err)
		}
	}
}

// setDown sets a device down.
func setDown(t testing.TB, h *netns.Host, device string) {
	t.Helper()
	if err := h.Links().LinkSetDown(h.Link(device)); err != nil {
		t.Fatal(err)
	}
}

// defaults makes the default routes of wan, or of wan2.
func (l *lab) defaults(device string) {
	l.t.Helper()
	four, six := gate1, gate1v6
	if device == "wan2" {
		four, six = gate2, gate2v6
	}
	l.AddRoute(any4, four, device)
	l.AddRoute(any6, six, device)
}

// life is what shows that an interface was never down.
type life struct {
	Index, Setups int
	Up            bool
}

func (l *lab) life() life {
	l.t.Helper()
	setups := 0
	for _, e := range l.Hotplug() {
		if e.Interface == "wg0" && e.Action == "ifup" {
			setups++
		}
	}
	return life{l.Link("wg0").Attrs().Index, setups, l.Status("wg0").Up}
}

// outage is a way in which an uplink goes, and comes again.
type outage struct {
	// keeps: the kernel's routes stay as they are.
	keeps   bool
	go_     func(l *lab, gate *netns.Host)
	return_ func(l *lab, gate *netns.Host)
}

var outages = map[string]outage{
	"link": {
		go_: func(l *lab, _ *netns.Host) { setDown(l.t, l.Host, "wan") },
		return_: func(l *lab, _ *netns.Host) {
			l.SetUp("wan")
			l.AddAddress("wan", "2001:db8::1/64") // IPv6 addresses go with the link.
			l.defaults("wan")
		},
	},
	"address": {
		go_: func(l *lab, _ *netns.Host) {
			l.dropRoute(any4, gate1, "wan")
			l.dropRoute(any6, gate1v6, "wan")
			l.dropAddress("wan", "192.0.2.1/24", "2001:db8::1/64")
		},
		return_: func(l *lab, _ *netns.Host) {
			l.AddAddress("wan", "192.0.2.1/24", "2001:db8::1/64")
			l.defaults("wan")
		},
	},
	"default route": {
		go_: func(l *lab, _ *netns.Host) {
			l.dropRoute(any4, gate1, "wan")
			l.dropRoute(any6, gate1v6, "wan")
		},
		return_: func(l *lab, _ *netns.Host) { l.defaults("wan") },
	},
	"cable": {
		keeps: true,
		go_:   func(l *lab, gate *netns.Host) { setDown(l.t, gate, "eth0") },
		return_: func(l *lab, gate *netns.Host) {
			gate.SetUp("eth0")
			gate.AddAddress("eth0", gate1v6+"/64")
		},
	},
}

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
		if err := l.Links().NeighDel(&n); err != nil {
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
	l, _ := newTwoUplinks(t, uplink("wan", "192.0.2.1", gate1, "0")+takes(server, "\toption auto '0'\n", "", any4))
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
}
