package integration

import (
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
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
	var setups int
	await(l.t, "the event of the first setup", func() bool { // netifd tells of it by and by
		setups = 0
		for _, e := range l.Hotplug() {
			if e.Interface == "wg0" && e.Action == "ifup" {
				setups++
			}
		}
		return setups > 0
	})
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
