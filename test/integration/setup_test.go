package integration

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// everyOption has each option that ends in the kernel, in the forms that
// upstream's handlers lost values of.
const everyOption = `
	list addresses 'fd00:1::1/64'
	list addresses '10.9.0.1'
	list addresses '10.9.1.1/30,fd00:2::1/128'
	option mtu '1380'
	option fwmark '0xca6c'
	option metric '77'
	list ip6prefix 'fd00:50::/56'
`

const everyPeerOption = `
	option preshared_key '%s'
	list allowed_ips '10.0.0.2'
	list allowed_ips 'fd00:1::2/128'
	list allowed_ips '192.168.7.77/24'
	list allowed_ips '172.16.5.0/24, 172.16.6.0/24'
	list allowed_ips 'fd00:7::77/64'
	option route_allowed_ips '1'
	option endpoint_host '2001:db8::2'
	option endpoint_port '51821'
	option persistent_keepalive '25'
	option description 'far away'
`

// TestSetup brings an interface up and looks at all of it. It holds the handler
// to what others got wrong: routes without the interface's metric
// (openwrt/openwrt#23199), host bits in allowed IPs (openwrt/packages#19715),
// lists with commas (openwrt/openwrt#21411), the third allowed IP and the
// preshared key (openwrt/openwrt#21847), all of the addresses
// (openwrt/openwrt#22102), and an endpoint of IPv6 (openwrt/openwrt#22116).
func TestSetup(t *testing.T) {
	l := newLab(t, ifaceSection(everyOption)+
		peerSection("far", them, strings.Replace(everyPeerOption, "%s", psk.String(), 1))+
		peerSection("brackets", 3, "\toption endpoint_host '[2001:db8::99]'\n"))
	far := wgtypes.PeerConfig{PresharedKey: &psk, AllowedIPs: ipNets("10.0.0.1/32", "10.9.0.0/16", "fd00:1::1/128", "fd00:2::1/128")}
	l.farTunnel(far, "10.0.0.2/24", "fd00:1::2/64", "192.168.7.5/32", "172.16.6.1/32", "fd00:7::1/128")
	l.far.AddRoute("10.9.0.0/16", "", farDevice)
	l.far.AddRoute("fd00:2::/64", "", farDevice)
	l.Start()
	status := l.AwaitUp("wg0")

	d := router.ReadDevice(t, l.Host, "wg0")
	equal(t, "private key", d.PrivateKey, private(us))
	equal(t, "listen port", d.ListenPort, 51820)
	equal(t, "fwmark", d.FirewallMark, 0xca6c)
	equal(t, "mtu", l.Link("wg0").Attrs().MTU, 1380)
	equal(t, "number of peers", len(d.Peers), 2)
	peer := l.peerOf("wg0", them)
	equal(t, "preshared key", peer.PresharedKey, psk)
	equal(t, "keepalive", peer.PersistentKeepaliveInterval, 25*time.Second)
	equal(t, "endpoint", peer.Endpoint.String(), "[2001:db8::2]:51821")
	equal(t, "allowed IPs", allowed(peer), []string{
		"10.0.0.2/32", "172.16.5.0/24", "172.16.6.0/24", "192.168.7.0/24", "fd00:1::2/128", "fd00:7::/64",
	})
	equal(t, "endpoint in brackets, default port", l.peerOf("wg0", 3).Endpoint.String(), "[2001:db8::99]:51820")

	equal(t, "addresses", addressesOf(t, l.Host, "wg0"), []string{
		"10.0.0.1/24", "10.9.0.1/32", "10.9.1.1/30", "fd00:1::1/64", "fd00:2::1/128",
	})
	const rest = " metric 77"
	want := []string{
		"10.0.0.2/32", "172.16.5.0/24", "172.16.6.0/24", "192.168.7.0/24", "fd00:1::2/128", "fd00:7::/64",
	}
	for n := range want {
		want[n] += rest + netifdProto
	}
	equal(t, "routes", withoutSubnets(routesOf(t, l.Host, "wg0"), "10.0.0.0/24", "10.9.0.1/32", "10.9.1.0/30", "fd00:1::/64", "fd00:2::1/128"), want)

	equal(t, "netifd's addresses", len(status.IPv4)+len(status.IPv6), 5)
	equal(t, "netifd's prefixes", status.Prefixes, []router.Address{{Address: "fd00:50::", Mask: 56}})
	equal(t, "netifd's errors", errorLines(status), nil)

	// The router starts, since only it knows an endpoint; then both do.
	mustPing(t, l.Host, "10.0.0.2", "fd00:1::2", "192.168.7.5", "172.16.6.1", "fd00:7::1")
	mustPing(t, l.far, "10.0.0.1", "fd00:1::1", "10.9.0.1", "fd00:2::1")
	l.checkStatusJSON()
	l.checkWgShow()
}

// withoutSubnets leaves out the routes to the subnets of addresses, which netifd
// makes where an interface has a metric of its own.
func withoutSubnets(routes []string, subnets ...string) []string {
	return slices.DeleteFunc(routes, func(r string) bool {
		dst, _, _ := strings.Cut(r, " ")
		return slices.Contains(subnets, dst)
	})
}

// statusJSON is what the tests look at of `wgnetifd status --json`.
type statusJSON struct {
	Total      int
	Next       int
	Interfaces map[string]struct {
		Up         bool
		Reason     string
		ListenPort int `json:"listen_port"`
		Peers      []peerJSON
	}
}

// peerJSON is what they look at of a peer, there and in the methods of rpcd.
type peerJSON struct {
	Name         string
	Section      string
	State        string
	Reason       string
	Endpoint     string
	HandshakeAge int   `json:"handshake_age"`
	RxBytes      int64 `json:"transfer_rx"`
}

// pageJSON is what they look at of the method `peers`.
type pageJSON struct {
	Daemon bool
	Total  int
	Next   int
	Peers  []peerJSON
}

// status runs `wgnetifd status --json`.
func (l *lab) status(args ...string) (s statusJSON) {
	l.t.Helper()
	out, err := l.Wgnetifd(append([]string{"status", "--json"}, args...)...).Output()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		l.t.Fatalf("%v:\n%s", err, out)
	}
	return s
}

func (l *lab) checkStatusJSON() {
	l.t.Helper()
	s := l.status()
	equal(l.t, "peers in all", s.Total, 2)
	i := s.Interfaces["wg0"]
	if !i.Up || len(i.Peers) != 2 {
		l.t.Fatalf("status: %+v", s)
	}
	p := i.Peers[0]
	equal(l.t, "name, state", p.Name+", "+p.State, "far away, connected")
	if p.HandshakeAge < 0 || p.HandshakeAge >= handshakeValid || p.RxBytes == 0 {
		l.t.Errorf("age of the handshake %d s, received %d bytes", p.HandshakeAge, p.RxBytes)
	}
	equal(l.t, "state of the peer that nobody is", i.Peers[1].State, "connecting")
}

// checkWgShow compares with what wg(8) says of the device.
func (l *lab) checkWgShow() {
	l.t.Helper()
	need.Command(l.t, "wg")
	out, err := l.Command("wg", "show", "wg0", "dump").Output()
	if err != nil {
		l.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 3 {
		l.t.Fatalf("wg show: %d lines:\n%s", len(lines), out)
	}
	equal(l.t, "wg show, interface", strings.Fields(lines[0]),
		[]string{private(us).String(), public(us).String(), "51820", "0xca6c"})
	for _, line := range lines[1:] {
		if f := strings.Fields(line); f[0] == public(them).String() {
			equal(l.t, "wg show, psk and endpoint", f[1:3], []string{psk.String(), "[2001:db8::2]:51821"})
			equal(l.t, "wg show, keepalive", f[7], "25")
		}
	}
}

// TestTables: routes go into the tables that the interface names
// (openwrt/openwrt#23199 is about what they inherit).
func TestTables(t *testing.T) {
	l := newLab(t, ifaceSection(`
	list addresses 'fd00:1::1/64'
	option ip4table '100'
	option ip6table '200'
`)+peerSection("far", them, `
	option route_allowed_ips '1'
	option allowed_ips '10.1.0.0/16,fd00:7::/64'
`))
	l.Start()
	l.AwaitUp("wg0")
	equal(t, "routes", withoutSubnets(routesOf(t, l.Host, "wg0"), "10.0.0.0/24", "fd00:1::/64"), []string{
		"10.1.0.0/16 table 100" + netifdProto,
		"fd00:7::/64 metric 1024 table 200" + netifdProto,
	})
}

// TestTeardown: nothing stays, and the interface comes back.
func TestTeardown(t *testing.T) {
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	for n := range 2 {
		if n > 0 {
			l.Tell("wg0", "up")
		}
		l.AwaitUp("wg0")
		// Far would use the session that it has, which the device of the second time
		// does not know.
		mustPing(t, l.Host, "10.0.0.2")
		l.Tell("wg0", "down")
		l.AwaitDown("wg0")
		if _, err := l.Links().LinkByName("wg0"); err == nil {
			t.Error("the link is there after teardown")
		}
		if entries, err := os.ReadDir("/var/run/wireguard"); !l.kernel && (err != nil || len(entries) != 1) {
			t.Errorf("control sockets after teardown: %v, %v; want that of the far end", entries, err)
		}
	}
}
