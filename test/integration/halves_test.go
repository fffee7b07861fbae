package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// The default route of the uplink that the routers here have, and the two halves
// of the tunnel's, without their protocol.
const wanDefault = "0.0.0.0/0 via 192.0.2.2"

func halvesBy(proto string) []string { return []string{"0.0.0.0/1" + proto, "128.0.0.0/1" + proto} }

// hostRoute is the host route to server.
var hostRoute = server + "/32 via 192.0.2.2" + ownProto

// wanRoutes fails unless the routes through wan, but for those to the subnet, are
// these.
func (l *lab) wanRoutes(when string, want ...string) {
	l.t.Helper()
	slices.Sort(want)
	got := slices.DeleteFunc(routesOf(l.t, l.Host, "wan"), func(r string) bool { return strings.HasPrefix(r, "192.0.2.0/24") })
	equal(l.t, "routes through wan "+when, got, want)
}

// TestUplinkKeepsItsDefaultRoute: a full tunnel and an uplink with the same metric.
// The uplink's default route is there while the tunnel is up and when it is down
// again, and an uplink that comes up later takes nothing away from the tunnel
// (openwrt/openwrt#20511, openwrt/packages#4597).
func TestUplinkKeepsItsDefaultRoute(t *testing.T) {
	wan := uplink("wan", "192.0.2.1", "192.0.2.2", "0")
	for _, first := range []string{"wan", "wg0"} {
		t.Run(first+" first", func(t *testing.T) {
			l := newLab(t, wan+"\toption auto '0'\n"+fullTunnel("\toption auto '0'\n"))
			l.farServer()
			l.Start()
			for _, name := range slices.Compact([]string{first, "wan", "wg0"}) {
				if l.Status(name).Up {
					continue
				}
				l.Tell(name, "up")
				l.AwaitUp(name)
				l.awaitHandlers()
			}
			l.handle("renew", "wg0") // as for an uplink that changed
			l.wanRoutes("beside the tunnel", wanDefault+netifdProto, hostRoute)
			equal(t, "routes through the tunnel", routesOf(t, l.Host, "wg0"), halvesBy(netifdProto))
			mustPing(t, l.Host, behind)
			index := l.Link("wg0").Attrs().Index

			l.Tell("wan", "down")
			l.AwaitDown("wan")
			equal(t, "routes through the tunnel without an uplink", routesOf(t, l.Host, "wg0"), halvesBy(netifdProto))
			l.Tell("wan", "up")
			l.AwaitUp("wan")
			equal(t, "routes through the tunnel when the uplink is back", routesOf(t, l.Host, "wg0"), halvesBy(netifdProto))
			l.handle("renew", "wg0")
			l.wanRoutes("when the uplink is back", wanDefault+netifdProto, hostRoute)
			mustPing(t, l.Host, behind)
			equal(t, "index of wg0", l.Link("wg0").Attrs().Index, index)

			l.Tell("wg0", "down")
			l.AwaitDown("wg0")
			l.wanRoutes("after ifdown of the tunnel", wanDefault+netifdProto)
		})
	}
}

// TestHalves6: the same over IPv6, where the default route of a tunnel without a
// metric had 1024 and lost against the 512 of a router advertisement
// (openwrt/packages#26454).
func TestHalves6(t *testing.T) {
	l := newLab(t, uplink("wan", "192.0.2.1", "192.0.2.2", "0")+"\toption ip6addr '2001:db8::1/64'\n\toption ip6gw '2001:db8::2'\n"+
		ifaceSection("\tlist addresses 'fd00:1::1/64'\n\toption auto '0'\n")+peerSection("far", them, `
	list allowed_ips '::/0'
	option route_allowed_ips '1'
	option endpoint_host '2001:db8::2'
	option endpoint_port '51821'
`))
	l.Start()
	l.AwaitUp("wan")
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	l.awaitHandlers()
	want := []string{"8000::/1 metric 1024" + netifdProto, "::/1 metric 1024" + netifdProto}
	equal(t, "routes through the tunnel", routesOf(t, l.Host, "wg0"), want)
	uplinks := func() []string {
		return slices.DeleteFunc(routesOf(t, l.Host, "wan"), func(r string) bool { return !strings.HasPrefix(r, "::/0") })
	}
	was := uplinks()
	equal(t, "number of IPv6 default routes through wan", len(was), 1)
	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	equal(t, "default routes through wan after ifdown", uplinks(), was)
}

// TestBackupTunnelKeepsItsDefaultRoute: a metric that is set on purpose means what
// it says.
func TestBackupTunnelKeepsItsDefaultRoute(t *testing.T) {
	l := newLab(t, uplink("wan", "192.0.2.1", "192.0.2.2", "0")+fullTunnel("\toption auto '0'\n\toption metric '5'\n"))
	l.farServer()
	l.Start()
	l.AwaitUp("wan")
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	l.wanRoutes("beside the tunnel", wanDefault+netifdProto, hostRoute)
	equal(t, "routes through the tunnel", routesOf(t, l.Host, "wg0"), []string{
		"0.0.0.0/0 metric 5" + netifdProto, "10.0.0.0/24 metric 5" + netifdProto,
	})
}

// TestWholeBecomesHalves: a tunnel that runs with a whole default route, as another
// handler announced it, has halves after one renew, and at no time less than
// everything.
func TestWholeBecomesHalves(t *testing.T) {
	l := newLab(t, uplink("wan", "192.0.2.1", "192.0.2.2", "0")+fullTunnel("\toption auto '0'\n"))
	l.farServer()
	l.Start()
	l.AwaitUp("wan")
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	l.awaitHandlers()
	l.announceWhole()
	equal(t, "routes through the tunnel before", routesOf(t, l.Host, "wg0"), []string{"0.0.0.0/0" + netifdProto})
	l.wanRoutes("that the whole replaced", hostRoute)
	mustPing(t, l.Host, behind)
	index := l.Link("wg0").Attrs().Index

	m := newMonitor(t, l.Host)
	l.handle("renew", "wg0")
	equal(t, "changes that the kernel told of", m.kinds(), []uint16{unix.RTM_NEWROUTE, unix.RTM_NEWROUTE, unix.RTM_DELROUTE})
	equal(t, "routes through the tunnel", routesOf(t, l.Host, "wg0"), halvesBy(netifdProto))
	equal(t, "host routes", ownRoutes(t, l.Host, "wan"), []string{hostRoute})
	equal(t, "index of wg0", l.Link("wg0").Attrs().Index, index)
	mustPing(t, l.Host, behind)
}

// announceWhole tells netifd of wg0 what a handler does that knows no halves.
func (l *lab) announceWhole() {
	l.t.Helper()
	one := func(names ...string) blobmsg.Array {
		var t blobmsg.Table
		for k := 0; k < len(names); k += 2 {
			t = append(t, blobmsg.Field{Name: names[k], Value: names[k+1]})
		}
		return blobmsg.Array{t}
	}
	_, err := l.Call("network.interface", "notify_proto", blobmsg.Table{
		{Name: "interface", Value: "wg0"},
		{Name: "action", Value: 0},
		{Name: "link-up", Value: true},
		{Name: "ifname", Value: "wg0"},
		{Name: "ipaddr", Value: one("ipaddr", "10.0.0.1", "mask", "24")},
		{Name: "routes", Value: one("target", "0.0.0.0", "netmask", "0")},
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// addDefault gives wan a default route with a metric, as somebody else than netifd
// makes it, and returns it as routesOf prints it.
func (l *lab) addDefault(metric int) string {
	l.t.Helper()
	err := l.Links().RouteAdd(&netlink.Route{
		Dst: &ipNets("0.0.0.0/0")[0], Gw: net.ParseIP("192.0.2.2"), LinkIndex: l.Link("wan").Attrs().Index,
		Priority: metric, Protocol: unix.RTPROT_BOOT,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	text := wanDefault
	if metric != 0 {
		text += fmt.Sprintf(" metric %d", metric)
	}
	return text + fmt.Sprintf(" proto %d", unix.RTPROT_BOOT)
}

// TestHalvesAlone: without netifd too the uplink's default route is nobody's to
// replace, whether the configuration tells of the uplink or not.
func TestHalvesAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		config string // of the tunnel
		metric int    // of the uplink's default route
		want   []string
	}{
		"same metric":         {"", 0, halvesBy(ownProto)},
		"same metric, not 0":  {"\toption metric '7'\n", 7, []string{"0.0.0.0/1 metric 7" + ownProto, "128.0.0.0/1 metric 7" + ownProto}},
		"a metric of its own": {"\toption metric '7'\n", 0, []string{"0.0.0.0/0 metric 7" + ownProto}},
		"the uplink has one":  {"", 7, halvesBy(ownProto)},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "")
			l.farServer()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "network"), []byte(fullTunnel(tt.config)), 0o600); err != nil {
				t.Fatal(err)
			}
			uplink := l.addDefault(tt.metric)
			run := func(command string) {
				t.Helper()
				if out, err := l.Wgnetifd(command, "--config", dir, "wg0").CombinedOutput(); err != nil || len(out) > 0 {
					t.Fatalf("%s: %v\n%s", command, err, out)
				}
			}
			for range 2 {
				run("up")
				l.wanRoutes("beside the tunnel", uplink, hostRoute)
				equal(t, "routes through the tunnel", routesOf(t, l.Host, "wg0"), tt.want)
			}
			// Without the uplink's own, all goes into the tunnel at any metric.
			if tt.want[0] != "0.0.0.0/0 metric 7"+ownProto {
				mustPing(t, l.Host, behind)
			} else {
				mustPing(t, l.Host, "10.0.0.2")
			}
			run("down")
			l.wanRoutes("after down", uplink)
		})
	}
}

// TestWholeTakenOver: a device with a whole default route that netifd made in
// another life: the tunnel has halves, and nothing is left of the whole.
func TestWholeTakenOver(t *testing.T) {
	l := newLab(t, uplink("wan", "192.0.2.1", "192.0.2.2", "0")+fullTunnel(""))
	l.farServer()
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	l.announceWhole()
	if err := l.Netifd.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "routes through the tunnel before", routesOf(t, l.Host, "wg0"), []string{"0.0.0.0/0" + netifdProto})
	l.StartNetifd()
	l.AwaitUp("wg0")
	l.AwaitUp("wan")
	l.awaitHandlers()
	l.handle("renew", "wg0")
	l.wanRoutes("beside the tunnel", wanDefault+netifdProto, hostRoute)
	equal(t, "routes through the tunnel", routesOf(t, l.Host, "wg0"), halvesBy(netifdProto))
	mustPing(t, l.Host, behind)
}
