package apply_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
)

// zone is a name server with names of both families. It says of the others at once
// that they are not there, and never answers for those of silent.
type zone struct {
	names  map[string][]string
	silent string
}

func (z zone) LookupNetIP(ctx context.Context, network, host string) (out []netip.Addr, err error) {
	if host == z.silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, a := range z.names[host] {
		if addr := netip.MustParseAddr(a); network == "ip" || addr.Is4() == (network == "ip4") {
			out = append(out, addr)
		}
	}
	if out == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return out, nil
}

// nat64 is an uplink's NAT64. Without prefixes nobody answers.
type nat64 struct {
	prefixes []netip.Prefix
	asked    atomic.Int32
}

func (n *nat64) Prefixes(ctx context.Context) ([]netip.Prefix, error) {
	n.asked.Add(1)
	if n.prefixes == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return n.prefixes, nil
}

var wellKnown = []netip.Prefix{resolve.WellKnownPrefix}

// ways of an uplink.
func way(kernel *rtnl.Fake, dst, dev string) {
	kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix(dst), Device: dev, Protocol: 4})
}

func far(options ...string) string {
	return wg0() + peer(append([]string{"option public_key '" + peerKey1 + "'"}, options...)...)
}

func (w *world) endpoint() string {
	w.t.Helper()
	peers := w.devices.Device("wg0").Peers
	if len(peers) == 0 || !peers[0].Endpoint.IsValid() {
		return ""
	}
	return peers[0].Endpoint.String()
}

// TestEndpointOfNames: which address of a peer's endpoints setup begins with.
func TestEndpointOfNames(t *testing.T) {
	z := zone{names: map[string][]string{
		"dual.example": {"203.0.113.1", "2001:db8::1"}, "four.example": {"203.0.113.4"},
		"six.example": {"2001:db8::6"}, "nas.local": {"192.168.1.9"},
	}, silent: "silent.example"}
	both, fourOnly, sixOnly := []string{"0.0.0.0/0", "::/0"}, []string{"0.0.0.0/0"}, []string{"::/0"}
	const (
		dual = "option endpoint_host 'dual.example'"
		gone = "option endpoint_host 'gone.example'"
	)
	for _, tt := range []struct {
		name    string
		ways    []string
		options []string
		want    string
		err     bool // netifd is told that a name was not found
	}{
		{"IPv6 first", both, []string{dual}, "[2001:db8::1]:51820", false},
		{"endpoint_family ipv4", both, []string{dual, "option endpoint_family 'ipv4'"}, "203.0.113.1:51820", false},
		{"endpoint_family ipv6", fourOnly, []string{dual, "option endpoint_family 'ipv6'"}, "[2001:db8::1]:51820", false},
		{"no address of the family", both, []string{"option endpoint_host 'four.example'", "option endpoint_family 'ipv6'"}, "", true},
		{"an uplink without IPv6", fourOnly, []string{dual}, "203.0.113.1:51820", false},
		{"an uplink without IPv4", sixOnly, []string{dual}, "[2001:db8::1]:51820", false},
		{"no uplink yet", nil, []string{dual}, "[2001:db8::1]:51820", false},
		{".local", both, []string{"option endpoint_host 'nas.local'"}, "192.168.1.9:51820", false},

		{"a further endpoint is not needed", both, []string{dual, "list endpoint '198.51.100.1:7'"}, "[2001:db8::1]:51820", false},
		{"a further endpoint", both, []string{gone, "list endpoint '198.51.100.1:7'"}, "198.51.100.1:7", false},
		{"a further endpoint with a name", both, []string{gone, "list endpoint 'nor.example:8'", "list endpoint 'four.example:7'"}, "203.0.113.4:7", false},
		{"a further endpoint, the first being silent", both, []string{"option endpoint_host 'silent.example'", "list endpoint 'four.example:7'"}, "203.0.113.4:7", false},
		{"none of them", both, []string{gone, "list endpoint 'nor.example:8'"}, "", true},

		{"NAT64 for a name", sixOnly, []string{"option endpoint_host 'four.example'"}, "[64:ff9b::cb00:7104]:51820", false},
		{"NAT64 for an address", sixOnly, []string{"option endpoint_host '203.0.113.9'"}, "[64:ff9b::cb00:7109]:51820", false},
		{"NAT64 for a further endpoint", sixOnly, []string{gone, "list endpoint '203.0.113.9:7'"}, "[64:ff9b::cb00:7109]:7", false},
		{"an address with IPv4", both, []string{"option endpoint_host '203.0.113.9'"}, "203.0.113.9:51820", false},
		{"an address without any uplink", nil, []string{"option endpoint_host '203.0.113.9'"}, "203.0.113.9:51820", false},
		{"an address on the LAN", []string{"::/0", "192.168.1.0/24"}, []string{"option endpoint_host '192.168.1.9'"}, "192.168.1.9:51820", false},
	} {
		t.Run(tt.name, timeless(func(t *testing.T) {
			w := newWorld(t, far(tt.options...))
			w.sys.Names, w.sys.ResolveTime = finder(z), time.Second
			n := &nat64{prefixes: wellKnown}
			w.sys.NAT64 = n
			for _, dst := range tt.ways {
				way(w.kernel, dst, "wan")
			}
			w.mustUp()
			if got := w.endpoint(); got != tt.want {
				t.Errorf("endpoint %q, want %q", got, tt.want)
			}
			told := strings.Join(w.bus.take(), "\n")
			if got := strings.Contains(told, "ENDPOINT_UNRESOLVED"); got != tt.err {
				t.Errorf("netifd was told:\n%s", told)
			}
			if want := len(tt.ways) > 0 && tt.ways[0] == "::/0"; !want && n.asked.Load() > 0 {
				t.Error("NAT64 was asked for although the uplink has IPv4 or is not there")
			}
			w.unchanged()
		}))
	}
}

// TestTunnelIsNoWay: what reaches IPv6 through the tunnel itself, or through another
// one, is no reason to send encrypted packets there.
func TestTunnelIsNoWay(t *testing.T) { synctest.Test(t, testTunnelIsNoWay) }

func testTunnelIsNoWay(t *testing.T) {
	w := newWorld(t, far("option endpoint_host 'dual.example'"))
	w.sys.Names = finder(zone{names: map[string][]string{"dual.example": {"203.0.113.1", "2001:db8::1"}}})
	way(w.kernel, "0.0.0.0/0", "wan")
	way(w.kernel, "::/0", "wg0")
	way(w.kernel, "::/1", "wg1")
	w.kernel.PutLink(rtnl.Link{Name: "wg1", Kind: "wireguard"})
	w.mustUp()
	if got := w.endpoint(); got != "203.0.113.1:51820" {
		t.Errorf("endpoint %q", got)
	}
}

// TestLastGoodAddressComesFirst: of several addresses that a name has, the one that
// was good last is used, as long as the uplink reaches it and it is wanted.
func TestLastGoodAddressComesFirst(t *testing.T) {
	z := zone{names: map[string][]string{"dual.example": {"203.0.113.1", "203.0.113.2", "2001:db8::1"}}}
	for _, tt := range []struct {
		name, known, way, option, want string
	}{
		{"good", "203.0.113.2", "0.0.0.0/0", "", "203.0.113.2:51820"},
		{"gone", "203.0.113.7", "0.0.0.0/0", "", "203.0.113.1:51820"},
		{"not reached", "203.0.113.2", "::/0", "", "[2001:db8::1]:51820"},
		{"not wanted", "203.0.113.2", "0.0.0.0/0", "option endpoint_family 'ipv6'", "[2001:db8::1]:51820"},
	} {
		t.Run(tt.name, timeless(func(t *testing.T) {
			w := newWorld(t, far("option endpoint_host 'dual.example'", tt.option))
			w.sys.Names = finder(z)
			way(w.kernel, tt.way, "wan")
			if err := w.sys.State.SaveNames("wg0", state.Names{"dual.example": netip.MustParseAddr(tt.known)}); err != nil {
				t.Fatal(err)
			}
			w.mustUp()
			if got := w.endpoint(); got != tt.want {
				t.Errorf("endpoint %q, want %q", got, tt.want)
			}
		}))
	}
}

// TestNAT64 is a full tunnel to an IPv4 address from an uplink without IPv4: its
// routes wait for the address, which is used at once the next time, whether a name
// server answers or not.
func TestNAT64(t *testing.T) { synctest.Test(t, testNAT64) }

func testNAT64(t *testing.T) {
	w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'",
		"option allowed_ips '::/0'", "option endpoint_host '203.0.113.9'"))
	w.sys.NAT64 = &nat64{prefixes: wellKnown}
	w.sys.Names = finder(zone{})
	w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("::/0"), Gateway: netip.MustParseAddr("fe80::1"), Device: "wan", Protocol: 4})
	const want = "[64:ff9b::cb00:7109]:51820"
	w.mustUp()
	told := w.bus.take()
	if len(told) != 2 || strings.Contains(told[0], "routes6") || !strings.Contains(told[1], `"routes6":[{"target":"::","netmask":"1"}`) {
		t.Errorf("netifd was told:\n%s", strings.Join(told, "\n"))
	}
	if got := w.endpoint(); got != want {
		t.Errorf("endpoint %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"64:ff9b::cb00:7109/128 via fe80::1 dev wan"}, hostRoutes(t, w.kernel)); diff != "" {
		t.Errorf("host routes (-want +got):\n%s", diff)
	}
	w.unchanged()

	if err := w.sys.Down("wg0"); err != nil {
		t.Fatal(err)
	}
	w.sys.NAT64, w.sys.ResolveTime = &nat64{}, 10*time.Millisecond
	w.bus.take()
	w.mustUp()
	if told := w.bus.take(); len(told) != 1 || !strings.Contains(told[0], "routes6") {
		t.Errorf("the second time netifd was told:\n%s", strings.Join(told, "\n"))
	}
	if got := w.endpoint(); got != want {
		t.Errorf("the second time, endpoint %q, want %q", got, want)
	}
	w.unchanged()

	// An uplink with IPv4 needs none of it, and nothing is kept.
	way(w.kernel, "0.0.0.0/0", "wan")
	w.mustUp()
	if got := w.endpoint(); got != "203.0.113.9:51820" {
		t.Errorf("with IPv4, endpoint %q", got)
	}
	if kept, err := w.sys.State.LoadNames("wg0"); err != nil || len(kept) > 0 {
		t.Errorf("kept %v, %v", kept, err)
	}
}

// TestTableUnreadable: without the routing table names are looked up all the same.
func TestTableUnreadable(t *testing.T) { synctest.Test(t, testTableUnreadable) }

func testTableUnreadable(t *testing.T) {
	w := newWorld(t, far("option endpoint_host 'four.example'"))
	w.sys.Names, w.sys.NAT64 = finder(zone{names: map[string][]string{"four.example": {"203.0.113.4"}}}), &nat64{prefixes: wellKnown}
	w.kernel.Fail = func(wr rtnl.Write) error {
		if wr.Op == rtnl.OpRoutes {
			return errors.New("no")
		}
		return nil
	}
	w.mustUp()
	if got := w.endpoint(); got != "203.0.113.4:51820" {
		t.Errorf("endpoint %q", got)
	}
}
