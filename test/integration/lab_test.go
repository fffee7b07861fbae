package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/router"
	"github.com/wgnetifd/wgnetifd/test/wggo"
)

func TestMain(m *testing.M) { router.Main(m) }

// patience is how long something may take that does not depend on anybody else.
const patience = 30 * time.Second

// The far end of the tunnel that most tests have.
const (
	farDevice = "wgfar"
	farPort   = 51821
)

// lab is a router, and a host far away that is the other side of its tunnel.
// A cable joins them: the device wan of the router is 192.0.2.1/24 and
// 2001:db8::1/64, that of far, eth0, .2 and ::2.
type lab struct {
	*router.Router
	t      testing.TB
	far    *netns.Host
	kernel bool // WireGuard is the kernel's
}

func newLab(t testing.TB, network string) *lab {
	t.Helper()
	netns.Require(t)
	l := &lab{t: t, kernel: wggo.Require(t), far: netns.New(t, "far")}
	host := netns.New(t, "router")
	for _, h := range []*netns.Host{host, l.far} {
		addressesAtOnce(t, h)
	}
	netns.Connect(host, "wan", l.far, "eth0")
	host.AddAddress("wan", "192.0.2.1/24", "2001:db8::1/64")
	l.far.AddAddress("eth0", "192.0.2.2/24", "2001:db8::2/64")
	l.Router = router.New(t, host, network)
	return l
}

// addressesAtOnce lets devices to come use IPv6 addresses without asking for a
// second whether somebody else has them: the kernel would tell of it later.
func addressesAtOnce(t testing.TB, h *netns.Host) {
	t.Helper()
	h.Do(func() {
		for _, name := range []string{"accept_dad", "dad_transmits"} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/"+name, []byte("0"), 0); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// private returns the n-th of private keys that are all different.
func private(n int) wgtypes.Key {
	return wgtypes.Key{0: byte(n) &^ 7, 1: byte(n >> 8), 2: byte(n >> 16), 3: byte(n & 7), 4: 0xa5, 31: 64}
}

// public returns the public key of private(n). Our router is the first, far the
// second.
func public(n int) wgtypes.Key { return private(n).PublicKey() }

const (
	us   = 1
	them = 2
)

// psk is the preshared key of the two.
var psk = wgtypes.Key{0: 0x33, 7: 0x44, 31: 0x55}

// farTunnel makes the far end: the addresses are its own in the tunnel, and
// allowed are ours.
func (l *lab) farTunnel(c wgtypes.PeerConfig, addresses ...string) {
	l.t.Helper()
	key, port := private(them), farPort
	c.PublicKey = public(us)
	router.AddDevice(l.t, l.far, farDevice, wgtypes.Config{
		PrivateKey: &key, ListenPort: &port, Peers: []wgtypes.PeerConfig{c},
	}, addresses...)
}

func ipNets(list ...string) []net.IPNet {
	out := make([]net.IPNet, len(list))
	for n, s := range list {
		_, p, err := net.ParseCIDR(s)
		if err != nil {
			panic(err)
		}
		out[n] = *p
	}
	return out
}

func udpAddr(s string) *net.UDPAddr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// simple is the configuration of a router with one interface and one peer, far;
// more is added to it.
func simple(more string) string {
	return ifaceSection("") + peerSection("far", them, `
	list allowed_ips '10.0.0.2/32'
	option route_allowed_ips '1'
	option endpoint_host '192.0.2.2'
	option endpoint_port '51821'
`) + more
}

// ifaceSection is the section of wg0 with 10.0.0.1/24.
func ifaceSection(more string) string {
	return fmt.Sprintf(`
config interface 'wg0'
	option proto 'wireguard'
	option private_key '%s'
	option listen_port '51820'
	list addresses '10.0.0.1/24'
%s`, private(us), more)
}

// peerSection is the section of a peer of wg0 with the public key of a number.
func peerSection(name string, n int, options string) string {
	return fmt.Sprintf("\nconfig wireguard_wg0 '%s'\n\toption public_key '%s'\n%s", name, public(n), options)
}

// farSimple is the far end of simple.
func (l *lab) farSimple() {
	l.t.Helper()
	l.farTunnel(wgtypes.PeerConfig{AllowedIPs: ipNets("10.0.0.0/24"), Endpoint: udpAddr("192.0.2.1:51820")}, "10.0.0.2/24")
}

// mustPing pings from a host.
func mustPing(t testing.TB, from *netns.Host, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		if err := from.Ping(a); err != nil {
			t.Error(err)
		}
	}
}

// addressesOf returns the addresses of a device, sorted, without those that the
// kernel makes itself.
func addressesOf(t testing.TB, h *netns.Host, device string) (list []string) {
	t.Helper()
	addrs, err := h.Links().AddrList(h.Link(device), netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if !a.IP.IsLinkLocalUnicast() {
			list = append(list, a.IPNet.String())
		}
	}
	slices.Sort(list)
	return list
}

// routesOf returns the routes through a device, sorted, of all tables and without
// those that the kernel makes itself: "10.1.0.0/24 via 192.0.2.2 metric 5 table
// 100 proto 4", of which what is 0 is left out, and table 254.
func routesOf(t testing.TB, h *netns.Host, device string) (list []string) {
	t.Helper()
	filter := &netlink.Route{LinkIndex: h.Link(device).Attrs().Index, Table: unix.RT_TABLE_UNSPEC}
	routes, err := h.Links().RouteListFiltered(netlink.FAMILY_ALL, filter, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if r.Type != unix.RTN_UNICAST || r.Protocol == unix.RTPROT_KERNEL {
			continue
		}
		var b strings.Builder
		b.WriteString(r.Dst.String())
		if r.Gw != nil {
			fmt.Fprintf(&b, " via %s", r.Gw)
		}
		if r.Priority != 0 {
			fmt.Fprintf(&b, " metric %d", r.Priority)
		}
		if r.Table != unix.RT_TABLE_MAIN {
			fmt.Fprintf(&b, " table %d", r.Table)
		}
		list = append(list, fmt.Sprintf("%s proto %d", &b, r.Protocol))
	}
	slices.Sort(list)
	return list
}

// equal compares what is with what should be.
func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Protocol numbers of routes, as routesOf prints them.
var (
	netifdProto = fmt.Sprintf(" proto %d", unix.RTPROT_STATIC)
	ownProto    = fmt.Sprintf(" proto %d", rtnl.Protocol)
)

// peerOf returns a peer of a device as the kernel has it.
func (l *lab) peerOf(device string, n int) wgtypes.Peer {
	l.t.Helper()
	key := public(n) // computed once: devices may have thousands of peers
	for _, p := range router.ReadDevice(l.t, l.Host, device).Peers {
		if p.PublicKey == key {
			return p
		}
	}
	l.t.Fatalf("%s has no peer %d", device, n)
	return wgtypes.Peer{}
}

// allowed returns the allowed IPs of a peer, sorted.
func allowed(p wgtypes.Peer) (list []string) {
	for _, n := range p.AllowedIPs {
		list = append(list, n.String())
	}
	slices.Sort(list)
	return list
}

// errorLines are the errors of an interface as "CODE: word: word".
func errorLines(s *router.Status) (list []string) {
	for _, e := range s.Errors {
		list = append(list, strings.Join(append([]string{e.Code}, e.Data...), ": "))
	}
	return list
}

// handshakeValid is how old the handshake of a connected peer is at most.
const handshakeValid = int(plan.HandshakeValid / time.Second)
