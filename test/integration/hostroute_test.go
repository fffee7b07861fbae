package integration

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// The far end as it is in these tests: a server somewhere in the Internet, and a
// host behind it that only the tunnel leads to.
const (
	server = "198.51.100.9"
	behind = "203.0.113.7"
)

// fullTunnel is a router that sends everything through the tunnel to server; the
// interface has some more options.
func fullTunnel(iface string) string {
	return ifaceSection(iface) + peerSection("far", them, `
	list allowed_ips '0.0.0.0/0'
	option route_allowed_ips '1'
	option endpoint_host '`+server+`'
	option endpoint_port '51821'
`)
}

// farServer makes far that server, behind the host at the other end of our cable,
// which forwards.
func (l *lab) farServer() {
	l.t.Helper()
	gate := l.far
	l.far = netns.New(l.t, "server")
	netns.Connect(gate, "inside", l.far, "eth0")
	gate.AddAddress("inside", "198.51.100.1/24")
	gate.Do(func() {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
			l.t.Fatal(err)
		}
	})
	l.far.AddAddress("eth0", server+"/24")
	l.far.AddAddress("lo", behind+"/32")
	l.far.AddRoute("0.0.0.0/0", "198.51.100.1", "eth0")
	l.farTunnel(wgtypes.PeerConfig{AllowedIPs: ipNets("10.0.0.1/32")}, "10.0.0.2/24")
}

// farServer6 makes far a server with an IPv6 address, behind the host at the other
// end of our cable, which has gate there and forwards.
func (l *lab) farServer6(address, gate string) {
	l.t.Helper()
	between := l.far
	l.far = netns.New(l.t, "server")
	addressesAtOnce(l.t, l.far)
	netns.Connect(between, "inside", l.far, "eth0")
	between.AddAddress("inside", gate)
	between.Do(func() {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0); err != nil {
			l.t.Fatal(err)
		}
	})
	l.far.AddAddress("eth0", address)
	l.far.AddRoute("::/0", strings.Split(gate, "/")[0], "eth0")
}

// ownRoutes returns the routes under our own protocol number, of a device.
func ownRoutes(t testing.TB, h *netns.Host, device string) []string {
	t.Helper()
	return slices.DeleteFunc(routesOf(t, h, device), func(r string) bool { return !strings.HasSuffix(r, ownProto) })
}

// TestFullTunnel: an endpoint that the tunnel's own default route would swallow
// is reached through the uplink, whichever metric the tunnel has.
func TestFullTunnel(t *testing.T) {
	for name, metric := range map[string]string{"own metric": "\toption metric '5'\n", "metric of the uplink": ""} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, fullTunnel(metric))
			l.farServer()
			l.AddRoute("0.0.0.0/0", "192.0.2.2", "wan")
			l.Start()
			l.AwaitUp("wg0")
			want := []string{server + "/32 via 192.0.2.2" + ownProto}
			equal(t, "host routes", ownRoutes(t, l.Host, "wan"), want)
			if metric == "" {
				mustPing(t, l.Host, behind)
			} else {
				mustPing(t, l.Host, "10.0.0.2") // The uplink's default route is the better one.
			}

			l.awaitHandlers()
			l.handle("renew", "wg0")
			equal(t, "host routes after a renew", ownRoutes(t, l.Host, "wan"), want)
			mustPing(t, l.Host, "10.0.0.2")

			l.Tell("wg0", "down")
			l.AwaitDown("wg0")
			l.wanRoutes("after ifdown", wanDefault+netifdProto)
		})
	}
}

// TestFullTunnelSource: the uplink's route says which of the router's addresses and
// what size its packets have, and so does the host route.
func TestFullTunnelSource(t *testing.T) {
	l := newLab(t, fullTunnel("\toption metric '5'\n"))
	l.farServer()
	l.AddAddress("wan", "192.0.2.9/24")
	if err := l.Links().RouteAdd(&netlink.Route{
		Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, LinkIndex: l.Link("wan").Attrs().Index,
		Gw: net.ParseIP("192.0.2.2"), Src: net.ParseIP("192.0.2.9"), MTU: 1400, Protocol: unix.RTPROT_STATIC,
	}); err != nil {
		t.Fatal(err)
	}
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.Host, "10.0.0.2")
	equal(t, "router's address as the server sees it", l.fromFar(), "192.0.2.9")
	routes, err := l.Links().RouteGet(net.ParseIP(server))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "route to the server", fmt.Sprint(routes[0].Gw, " ", routes[0].Src, " ", routes[0].MTU), "192.0.2.2 192.0.2.9 1400")
}

// TestFullTunnelByName: the name of the endpoint is looked up after the interface
// is up. The host route leads through the uplink all the same.
func TestFullTunnelByName(t *testing.T) {
	for name, metric := range map[string]string{"own metric": "\toption metric '5'\n", "metric of the uplink": ""} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, strings.Replace(fullTunnel(metric), "'"+server+"'", "'server.example'", 1))
			l.farServer()
			l.nameServer(map[string]string{"server.example": server})
			l.AddRoute("0.0.0.0/0", "192.0.2.2", "wan")
			l.Start()
			l.AwaitUp("wg0")
			l.awaitHandlers()
			want := []string{server + "/32 via 192.0.2.2" + ownProto}
			equal(t, "host routes", ownRoutes(t, l.Host, "wan"), want)
			equal(t, "netifd's errors", errorLines(l.Status("wg0")), nil)
			mustPing(t, l.Host, "10.0.0.2")
			l.handle("renew", "wg0")
			equal(t, "host routes after a renew", ownRoutes(t, l.Host, "wan"), want)
			mustPing(t, l.Host, "10.0.0.2")
		})
	}
}

// TestFullTunnel6 is TestFullTunnel over IPv6, where the kernel gives both default
// routes the metric 1024.
func TestFullTunnel6(t *testing.T) {
	const (
		server = "2001:db8:51::9"
		behind = "2001:db8:7::7"
	)
	l := newLab(t, ifaceSection("\tlist addresses 'fd00:1::1/64'\n")+peerSection("far", them, `
	list allowed_ips '::/0'
	option route_allowed_ips '1'
	option endpoint_host '`+server+`'
	option endpoint_port '51821'
`))
	l.farServer6(server+"/64", "2001:db8:51::1/64")
	l.far.AddAddress("lo", behind+"/128")
	l.farTunnel(wgtypes.PeerConfig{AllowedIPs: ipNets("fd00:1::1/128")}, "fd00:1::2/64")
	l.AddRoute("::/0", "2001:db8::2", "wan")
	l.Start()
	l.AwaitUp("wg0")
	want := []string{server + "/128 via 2001:db8::2 metric 1024" + ownProto}
	equal(t, "host routes", ownRoutes(t, l.Host, "wan"), want)
	mustPing(t, l.Host, "fd00:1::2")
	l.awaitHandlers()
	for range 2 {
		l.handle("renew", "wg0")
		equal(t, "host routes after a renew", ownRoutes(t, l.Host, "wan"), want)
	}
	mustPing(t, l.Host, behind)
	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	equal(t, "host routes after ifdown", ownRoutes(t, l.Host, "wan"), nil)
	if routes := routesOf(t, l.Host, "wan"); !slices.Contains(routes, "::/0 via 2001:db8::2 metric 1024"+netifdProto) {
		t.Errorf("routes through wan after ifdown: %v", routes)
	}
}

// TestNoHostRoute: `nohostroute` means none.
func TestNoHostRoute(t *testing.T) {
	l := newLab(t, fullTunnel("\toption metric '5'\n\toption nohostroute '1'\n"))
	l.farServer()
	l.AddRoute("0.0.0.0/0", "192.0.2.2", "wan")
	l.Start()
	l.AwaitUp("wg0")
	equal(t, "host routes", ownRoutes(t, l.Host, "wan"), nil)
}

// TestUsersHostRoute: a host route that somebody else made does the same, and is
// left alone.
func TestUsersHostRoute(t *testing.T) {
	l := newLab(t, fullTunnel(""))
	l.farServer()
	l.AddRoute(server+"/32", "192.0.2.2", "wan")
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.Host, behind)
	want := []string{server + "/32 via 192.0.2.2" + netifdProto}
	equal(t, "routes", routesOf(t, l.Host, "wan"), want)
	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	equal(t, "routes after ifdown", routesOf(t, l.Host, "wan"), want)
}

// uplink is the section of an uplink that netifd makes.
func uplink(name, address, gateway, metric string) string {
	return `
config interface '` + name + `'
	option proto 'static'
	option device '` + name + `'
	option ipaddr '` + address + `'
	option netmask '255.255.255.0'
	option gateway '` + gateway + `'
	option metric '` + metric + `'
`
}

// TestTunLink: of two uplinks the encrypted packets leave through the one that
// tunlink names, although the routes would choose the other.
func TestTunLink(t *testing.T) {
	l := newLab(t, uplink("wan", "192.0.2.1", "192.0.2.2", "1")+uplink("wan2", "198.18.0.1", "198.18.0.2", "20")+
		fullTunnel("\toption auto '0'\n\toption metric '30'\n\toption tunlink 'wan2'\n"))
	netns.Connect(l.Host, "wan2", l.far, "eth1")
	l.far.AddAddress("eth1", "198.18.0.2/24")
	l.farServer()
	l.Start()
	l.AwaitUp("wan")
	l.AwaitUp("wan2")
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	equal(t, "host routes through wan", ownRoutes(t, l.Host, "wan"), nil)
	equal(t, "host routes through wan2", ownRoutes(t, l.Host, "wan2"), []string{server + "/32 via 198.18.0.2" + ownProto})
	mustPing(t, l.Host, "10.0.0.2")
	equal(t, "where far sees us", router.ReadDevice(t, l.far, farDevice).Peers[0].Endpoint.IP.String(), "198.18.0.1")

	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	equal(t, "host routes after ifdown", ownRoutes(t, l.Host, "wan2"), nil)
}

// TestUplinkGoesDown: an uplink that goes down does not take the tunnel's
// interface with it (openwrt/openwrt#11086, openwrt/openwrt#22905,
// openwrt/packages#12800), and when it is back a renew makes the host route again.
func TestUplinkGoesDown(t *testing.T) {
	l := newLab(t, uplink("wan", "192.0.2.1", "192.0.2.2", "20")+fullTunnel("\toption auto '0'\n\toption metric '30'\n"))
	l.farServer()
	l.Start()
	l.AwaitUp("wan")
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	want := []string{server + "/32 via 192.0.2.2" + ownProto}
	equal(t, "host routes", ownRoutes(t, l.Host, "wan"), want)
	mustPing(t, l.Host, "10.0.0.2")
	index := l.Link("wg0").Attrs().Index

	l.Tell("wan", "down")
	l.AwaitDown("wan")
	// Nothing is to happen: whatever netifd would do it has queued by now.
	if _, err := l.Call("network.interface", "dump", blobmsg.Table{}); err != nil {
		t.Fatal(err)
	}
	l.awaitHandlers()
	if s := l.Status("wg0"); !s.Up {
		t.Errorf("wg0 went down with its uplink: %+v", s)
	}
	equal(t, "index of wg0", l.Link("wg0").Attrs().Index, index)

	l.Tell("wan", "up")
	l.AwaitUp("wan")
	l.handle("renew", "wg0")
	equal(t, "host routes when the uplink is back", ownRoutes(t, l.Host, "wan"), want)
	mustPing(t, l.Host, "10.0.0.2")
	if data, err := os.ReadFile(router.StateDir + "/wg0.state"); err != nil || !strings.Contains(string(data), server) {
		t.Errorf("the state does not have the host route: %v\n%s", err, data)
	}
}
