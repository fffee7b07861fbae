package integration

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// nameServer is the router's name server. It answers for the names that it has,
// and is silent about others.
func (l *lab) nameServer(names map[string]string) {
	l.t.Helper()
	var conn net.PacketConn
	var err error
	l.Do(func() { conn, err = net.ListenPacket("udp4", "127.0.0.1:53") })
	if err == nil {
		// One attempt would be over before three seconds are.
		err = os.WriteFile(router.ResolvConf, []byte("nameserver 127.0.0.1\noptions timeout:30\n"), 0o644)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			if reply := answer(buf[:n], names); reply != nil {
				_, _ = conn.WriteTo(reply, from) // Who asks will ask again.
			}
		}
	}()
}

// Of RFC 1035 and RFC 3596, as far as a name server needs it that has an address
// for some names.
const (
	dnsHeader  = 12
	dnsReply   = 0x8180 // a response, recursion desired and available
	dnsA       = 1
	dnsAAAA    = 28
	dnsIN      = 1
	dnsTTL     = 60
	dnsPointer = 0xc000 | dnsHeader // the name of the question, once more
)

// answer answers a question for the address of a name: with none where the name
// has one of the other kind.
func answer(query []byte, names map[string]string) []byte {
	if len(query) < dnsHeader {
		return nil
	}
	at := dnsHeader
	var labels []string
	for at < len(query) && query[at] != 0 {
		end := at + 1 + int(query[at])
		if end > len(query) {
			return nil
		}
		labels = append(labels, string(query[at+1:end]))
		at = end
	}
	addr, err := netip.ParseAddr(names[strings.Join(labels, ".")])
	if err != nil || at+5 > len(query) {
		return nil
	}
	question := query[dnsHeader : at+5]
	kind := binary.BigEndian.Uint16(query[at+1:])
	count := uint16(0)
	if (kind == dnsA && addr.Is4()) || (kind == dnsAAAA && addr.Is6()) {
		count = 1
	}
	reply := append([]byte(nil), query[:2]...) // its number
	for _, n := range []uint16{dnsReply, 1, count, 0, 0} {
		reply = binary.BigEndian.AppendUint16(reply, n)
	}
	reply = append(reply, question...)
	if count == 0 {
		return reply
	}
	for _, n := range []uint16{dnsPointer, kind, dnsIN, 0, dnsTTL, uint16(addr.BitLen() / 8)} {
		reply = binary.BigEndian.AppendUint16(reply, n)
	}
	return append(reply, addr.AsSlice()...)
}

// named is a peer of wg0 with a name for its endpoint.
func named(section string, n int, host string) string {
	return peerSection(section, n, fmt.Sprintf("\toption endpoint_host '%s'\n\toption endpoint_port '51821'\n\tlist allowed_ips '10.%d.0.0/16'\n", host, n))
}

// TestSilentDNS: names of which no name server says anything hold nothing up but
// their own peers: the interface is up at once, the setup ends, and the error is
// told.
func TestSilentDNS(t *testing.T) {
	var lost strings.Builder
	for n := range 20 {
		lost.WriteString(named(fmt.Sprintf("lost%d", n), 20+n, fmt.Sprintf("host%d.example", n)))
	}
	l := newLab(t, simple(named("there", 3, "there.example")+lost.String()))
	l.farSimple()
	l.nameServer(map[string]string{"there.example": "192.0.2.77"})
	begin := time.Now()
	l.Start()
	l.AwaitUp("wg0")
	up := time.Now()
	mustPing(t, l.far, "10.0.0.1")
	l.awaitHandlers()
	// It ends three seconds after the interface is up. One attempt of the resolver takes
	// thirty.
	if time.Since(begin) < 2500*time.Millisecond || time.Since(up) > 25*time.Second {
		t.Errorf("the handler ran for %v, of that %v with the interface up", time.Since(begin), time.Since(up))
	}
	line := func(text string) int {
		return slices.IndexFunc(l.Log(), func(line string) bool { return strings.Contains(line, text) })
	}
	// Not the process, which may be over when a busy machine gets to look for it.
	if ready, lost := line("Interface 'wg0' is now up"), line("network.lost0.endpoint_host"); ready < 0 || lost < ready {
		t.Errorf("the interface was up only when names were given up: line %d and line %d", ready, lost)
	}
	told := errorLines(l.Status("wg0"))
	equal(t, "number of errors", len(told), 20)
	equal(t, "the first of them", told[0],
		"ENDPOINT_UNRESOLVED: network.lost0.endpoint_host: host0.example: no answer from a name server in time")
	equal(t, "endpoint of the name that was found", l.peerOf("wg0", 3).Endpoint.String(), "192.0.2.77:51821")
	if e := l.peerOf("wg0", 20).Endpoint; e != nil {
		t.Errorf("endpoint of a name that was not found: %v", e)
	}
}

// TestDNS: names become endpoints, of IPv4 and IPv6, and far is reached by its
// name.
func TestDNS(t *testing.T) {
	l := newLab(t, ifaceSection("")+named("six", 3, "six.example")+peerSection("far", them, `
	list allowed_ips '10.0.0.2/32'
	option endpoint_host 'far.example'
	option endpoint_port '51821'
`))
	l.farSimple()
	l.nameServer(map[string]string{"far.example": "192.0.2.2", "six.example": "2001:db8::77"})
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	equal(t, "endpoint of IPv6", l.peerOf("wg0", 3).Endpoint.String(), "[2001:db8::77]:51821")
	mustPing(t, l.Host, "10.0.0.2")
	equal(t, "netifd's errors", errorLines(l.Status("wg0")), nil)
}

// TestNAT64: an endpoint with an IPv4 address is reached from an uplink that has
// IPv6 alone, by the address that the network's NAT64 has for it (RFC 7050). The
// full tunnel's routes wait until it is known. What translates is left out: far has
// the address itself.
func TestNAT64(t *testing.T) {
	const translated = "64:ff9b::c633:6409" // 198.51.100.9
	l := newLab(t, ifaceSection("\tlist addresses 'fd00:1::1/64'\n")+peerSection("far", them, `
	list allowed_ips '0.0.0.0/0'
	list allowed_ips '::/0'
	option route_allowed_ips '1'
	option endpoint_host '198.51.100.9'
	option endpoint_port '51821'
`))
	l.farServer6(translated+"/96", "64:ff9b::1/96")
	l.far.AddAddress("lo", behind+"/32")
	l.farTunnel(wgtypes.PeerConfig{AllowedIPs: ipNets("10.0.0.1/32", "fd00:1::1/128")}, "10.0.0.2/24", "fd00:1::2/64")
	l.AddRoute("::/0", "2001:db8::2", "wan")
	l.nameServer(map[string]string{"ipv4only.arpa": "64:ff9b::c000:aa"}) // 192.0.0.170
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	// The kernel had the interface say something over IPv6 before there was an
	// endpoint; wireguard-go takes that for an attempt, and the next is 5 s later.
	_ = l.Ping("fd00:1::2")
	for range 2 {
		equal(t, "endpoint", l.peerOf("wg0", them).Endpoint.String(), "["+translated+"]:51821")
		equal(t, "host routes", ownRoutes(t, l.Host, "wan"), []string{translated + "/128 via 2001:db8::2 metric 1024" + ownProto})
		equal(t, "netifd's errors", errorLines(l.Status("wg0")), nil)
		mustPing(t, l.Host, behind, "fd00:1::2")
		l.handle("renew", "wg0")
	}
}
