package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// Another address that the server can have, and the host route to it.
const elsewhere = "198.51.100.10"

var byElsewhere = elsewhere + "/32 via " + gate1 + ownProto

// TestDaemonEndpointMoves: the host route goes where the endpoint goes, whoever
// moved it, and none is left of where it was.
func TestDaemonEndpointMoves(t *testing.T) {
	for name, tell := range map[string]func(l *lab){
		"configured": func(l *lab) {
			l.Configure(takesAll(elsewhere, "", ""))
			equal(t, "reload", l.reloadDaemon(), reloaded{Changed: map[string]change{"wg0": {Changed: []string{"far"}}}})
		},
		// What far says is heard; the answer needs a host route. Until it is there
		// wireguard-go puts what it has to send into itself over and over, where the
		// kernel sees that.
		"roams": func(l *lab) { _ = l.far.Command("ping", "-n", "-q", "-c", "1", "-W", "1", "10.0.0.1").Run() },
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newTwoUplinks(t, takesAll(server, "", ""))
			need.Kernel(t, "WireGuard", l.kernel || name == "configured")
			l.defaults("wan")
			l.startUp()
			l.awaitHostRoutes("at the beginning", "wan", by1)
			l.awaitPing("at the beginning", behind)
			settle()
			was := l.life()

			old, err := netlink.ParseAddr(server + "/24")
			if err == nil {
				err = l.far.Links().AddrDel(l.far.Link("eth0"), old)
			}
			if err != nil {
				t.Fatal(err)
			}
			l.far.AddAddress("eth0", elsewhere+"/24")
			l.far.AddRoute(any4, "198.51.100.1", "eth0") // It went with the address.
			tell(l)
			l.awaitHostRoutes("where the endpoint is now", "wan", byElsewhere)
			l.awaitPing("where the endpoint is now", behind)
			equal(t, "endpoint", l.peerOf("wg0", them).Endpoint.String(), elsewhere+":51821")
			equal(t, "the interface", l.life(), was)
		})
	}
}

// settle lets the daemon take its first look at the uplinks, which nobody can see. On
// a machine where that takes longer it also finds what a test changes next.
func settle() { time.Sleep(500 * time.Millisecond) }

// TestDaemonWaitingPeerOfAFullTunnel: an endpoint that nobody configured is where
// the other side says it is. Our answer goes there past the tunnel.
func TestDaemonWaitingPeerOfAFullTunnel(t *testing.T) {
	l, _ := newTwoUplinks(t, ifaceSection("\tlist addresses 'fd00:1::1/64'\n")+
		peerSection("far", them, "\toption route_allowed_ips '1'\n\tlist allowed_ips '0.0.0.0/0'\n"))
	need.Kernel(t, "WireGuard", l.kernel) // for the reason of TestDaemonEndpointMoves
	l.defaults("wan")
	l.startUp()
	l.awaitHostRoutes("at the beginning", "wan")
	settle()
	router.Configure(t, l.far, farDevice, wgtypes.Config{Peers: []wgtypes.PeerConfig{{
		PublicKey: public(us), UpdateOnly: true, Endpoint: udpAddr("192.0.2.1:51820"),
	}}})
	_ = l.far.Command("ping", "-n", "-q", "-c", "1", "-W", "1", "10.0.0.1").Run()
	l.awaitHostRoutes("when far has called", "wan", by1)
	l.awaitPing("when far has called", behind)
}

// TestDaemonNextEndpoint: the host route leads to the endpoint of a list that is in
// use, and is there before the first packet.
func TestDaemonNextEndpoint(t *testing.T) {
	const nobody = "198.51.100.99"
	l, _ := newTwoUplinks(t, takesAll(nobody, "", "\tlist endpoint '"+server+":51821'\n\toption persistent_keepalive '5'\n"))
	l.defaults("wan")
	l.startUp()
	p := l.awaitPeer(them, "connected", func(p peerState) bool { return p.State == "connected" })
	equal(t, "endpoint", p.Endpoint, server+":51821")
	l.awaitHostRoutes("to the second endpoint", "wan", by1)
	l.awaitPing("to the second endpoint", behind)
}

// TestDaemonFamilyOfTheUplinkChanges: a name with addresses of both families, and
// uplinks that have one of them each.
func TestDaemonFamilyOfTheUplinkChanges(t *testing.T) {
	l, _ := newTwoUplinks(t, takesAll("server.example", "", ""))
	l.startNameServer("127.0.0.1").put("server.example", server, server6)
	l.replaceResolvConf("127.0.0.1")
	l.AddRoute(any4, gate1, "wan")
	l.startUp()
	l.awaitHostRoutes("with IPv4 alone", "wan", by1)
	l.awaitFromFar("192.0.2.1", behind)
	was := l.life()

	l.AddRoute(any6, gate2v6, "wan2")
	l.dropRoute(any4, gate1, "wan")
	l.awaitHostRoutes("with IPv6 alone", "wan2", by2v6)
	l.awaitHostRoutes("with IPv6 alone", "wan")
	l.awaitFromFar("2001:db8:2::1", behind6)
	equal(t, "the interface with IPv6 alone", l.life(), was)

	l.AddRoute(any4, gate1, "wan")
	l.dropRoute(any6, gate2v6, "wan2")
	l.awaitHostRoutes("with IPv4 again", "wan", by1)
	l.awaitHostRoutes("with IPv4 again", "wan2")
	l.awaitFromFar("192.0.2.1", behind)
	equal(t, "the interface with IPv4 again", l.life(), was)
}

// TestDaemonHostRouteGoes with what it was for: the tunnel's route, the peer, the
// interface; or because the user wants none.
func TestDaemonHostRouteGoes(t *testing.T) {
	const full = "\toption route_allowed_ips '1'\n\toption endpoint_host '" + server + "'\n\toption endpoint_port '51821'\n\tlist allowed_ips '0.0.0.0/0'\n"
	with := func(iface, peer string) string {
		return ifaceSection("\toption metric '5'\n"+iface) + peerSection("far", them, peer)
	}
	before := with("", full)
	for name, after := range map[string]string{
		"nohostroute":      with("\toption nohostroute '1'\n", full),
		"no routes":        with("", strings.Replace(full, "route_allowed_ips '1'", "route_allowed_ips '0'", 1)),
		"other routes":     with("", strings.Replace(full, any4, "10.0.0.2/32", 1)),
		"own table":        with("\toption ip4table '100'\n", full),
		"no default route": with("\toption defaultroute '0'\n", full),
		"peer disabled":    with("", full+"\toption disabled '1'\n"),
		"peer gone":        ifaceSection("\toption metric '5'\n"),
		"interface gone":   "",
	} {
		t.Run(name, func(t *testing.T) {
			other := "config interface 'other'\n\toption proto 'none'\n"
			l, _ := newTwoUplinks(t, other+before)
			l.defaults("wan")
			l.startUp()
			l.awaitHostRoutes("before", "wan", by1)
			l.Configure(other + after)
			l.reloadDaemon()
			if name == "interface gone" {
				l.Reload() // It is netifd's to take it down.
			}
			l.awaitHostRoutes("after", "wan")
			if name == "interface gone" {
				return
			}
			l.Configure(other + before)
			l.reloadDaemon()
			l.awaitHostRoutes("again", "wan", by1)
			l.awaitPing("again", "10.0.0.2")
		})
	}
}

// TestDaemonKilledInBetween: what changes while no daemon is there is put right by
// the next one, and what the one that was killed had made goes with its reason.
func TestDaemonKilledInBetween(t *testing.T) {
	config := func(endpoint string) string { return takesAll(endpoint, "", "") }
	for name, tt := range map[string]struct {
		meanwhile  func(l *lab)
		wan, wan2  []string
		inside     string
		unwatched  []string // on wan, while there is no daemon
		configured string
	}{
		"another uplink": {
			meanwhile: func(l *lab) {
				l.dropRoute(any4, gate1, "wan")
				l.AddRoute(any4, gate2, "wan2")
			},
			unwatched: []string{by1}, wan2: []string{by2}, inside: behind,
		},
		"no uplink": {
			meanwhile: func(l *lab) { l.dropRoute(any4, gate1, "wan") },
			unwatched: []string{by1},
		},
		"another endpoint": {
			meanwhile: func(l *lab) {
				l.far.AddAddress("eth0", elsewhere+"/24")
				l.Configure(config(elsewhere))
			},
			unwatched: []string{by1}, wan: []string{byElsewhere}, inside: behind,
		},
		"no hostroute": {
			meanwhile: func(l *lab) { l.Configure(takesAll(server, "\toption nohostroute '1'\n", "")) },
			unwatched: []string{by1},
		},
		"ifdown": {
			meanwhile: func(l *lab) {
				l.Tell("wg0", "down")
				l.AwaitDown("wg0")
				l.awaitHandlers()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newTwoUplinks(t, config(server))
			l.defaults("wan")
			d := l.startUp()
			l.awaitHostRoutes("at the beginning", "wan", by1)
			d.Kill()
			tt.meanwhile(l)
			l.awaitHostRoutes("without a daemon", "wan", tt.unwatched...)
			l.StartDaemon()
			l.awaitHostRoutes("with another daemon", "wan", tt.wan...)
			l.awaitHostRoutes("with another daemon", "wan2", tt.wan2...)
			if tt.inside != "" {
				l.awaitPing("with another daemon", tt.inside)
			}
		})
	}
}
