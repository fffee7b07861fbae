package integration

import (
	"os"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/netns"
)

// natServer makes far the server, behind a host that forwards IPv6 as well, with gates
// there. What translates is left out: the server has what stands for its address.
func (l *lab) natServer(gates ...string) {
	l.t.Helper()
	gate := l.far
	l.farServer()
	addressesAtOnce(l.t, l.far)
	gate.AddAddress("inside", gates...)
	gate.Do(func() {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0); err != nil {
			l.t.Fatal(err)
		}
	})
}

// TestUplinkTurnsToNAT64: the uplink loses IPv4, gets another prefix, and has IPv4
// again: the daemon finds the address that stands for the endpoint each time, be it
// a name's or an address, and packets go on through the tunnel.
func TestUplinkTurnsToNAT64(t *testing.T) {
	const (
		one, two = "64:ff9b::c633:6409", "2001:db8:64::c633:6409" // 198.51.100.9
		n        = 5
	)
	l := newLab(t, ifaceSection("")+peerSection("far", them, `
	list allowed_ips '10.0.0.2/32'
	option route_allowed_ips '1'
	option persistent_keepalive '5'
	option endpoint_host '`+server+`'
	option endpoint_port '51821'
`)+endpointPeer("named", n, "server.example", ""))
	l.far.AddAddress("eth0", "2001:db8::3/64") // another gateway
	l.natServer("64:ff9b::1/96", "2001:db8:64::1/96")
	l.far.AddAddress("eth0", one+"/96")
	l.far.AddRoute("::/0", "64:ff9b::1", "eth0")
	addFarPeer(l, n)
	names := l.startNameServer("127.0.0.1")
	names.put("server.example", server)
	names.put("ipv4only.arpa", "192.0.0.170")
	l.replaceResolvConf("127.0.0.1")
	l.AddRoute("0.0.0.0/0", "192.0.2.2", "wan")
	l.Start()
	l.AwaitUp("wg0")
	l.StartDaemon()
	check := func(address string) {
		t.Helper()
		l.awaitEndpoint(0, at(address, 0))
		l.awaitEndpoint(n, at(address, n))
		mustPing(t, l.Host, "10.0.0.2")
		l.awaitConnected(0, at(address, 0))
		l.awaitConnected(n, at(address, n))
	}
	check(server)

	names.put("ipv4only.arpa", "192.0.0.170", "64:ff9b::c000:aa")
	ip(t, l.Host, "-4", "route", "del", "default")
	l.AddRoute("::/0", "2001:db8::2", "wan")
	check(one)

	names.put("ipv4only.arpa", "192.0.0.170", "2001:db8:64::c000:aa")
	ip(t, l.far, "-6", "address", "del", one+"/96", "dev", "eth0")
	l.far.AddAddress("eth0", two+"/96")
	ip(t, l.far, "-6", "route", "replace", "default", "via", "2001:db8:64::1")
	ip(t, l.Host, "-6", "route", "del", "default")
	l.AddRoute("::/0", "2001:db8::3", "wan")
	check(two)

	names.put("ipv4only.arpa", "192.0.0.170")
	l.AddRoute("0.0.0.0/0", "192.0.2.2", "wan")
	check(server)
}

// ip runs ip(8) on a host.
func ip(t testing.TB, h *netns.Host, args ...string) {
	t.Helper()
	if out, err := h.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("host %s: ip %v: %v\n%s", h.Name(), args, err, out)
	}
}
