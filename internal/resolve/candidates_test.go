package resolve

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSixFirst: the rules of RFC 6724, section 6, as far as they tell the families
// apart; several are the examples of its section 10.2.
func TestSixFirst(t *testing.T) {
	for _, tt := range []struct {
		name      string
		six, four string
		from6     string // source addresses; empty: no route
		from4     string
		want      bool
	}{
		{"global both", "2001:db8:1::1", "198.51.100.121", "2001:db8:1::2", "198.51.100.117", true},
		{"no route for IPv4", "2001:db8::1", "192.0.2.1", "2001:db8::2", "", true},
		{"no route for IPv6", "2001:db8::1", "192.0.2.1", "", "192.0.2.2", false},
		{"no route at all", "2001:db8::1", "192.0.2.1", "", "", true},
		{"IPv6 from link-local (10.2)", "2001:db8:1::1", "198.51.100.121", "fe80::1", "198.51.100.117", false},
		{"IPv4 from link-local (10.2)", "2001:db8:1::1", "198.51.100.121", "2001:db8:1::2", "169.254.13.78", true},
		{"IPv6 from ULA", "2001:db8:1::1", "198.51.100.121", "fd00::2", "198.51.100.117", false},
		{"ULA both ends", "fd00::1", "198.51.100.121", "fd00::2", "198.51.100.117", false}, // precedence 3 < 35
		{"6to4 both ends", "2002:c633:6401::1", "198.51.100.121", "2002:c633:6401::2", "198.51.100.117", false},
		{"from 6to4", "2001:db8:1::1", "198.51.100.121", "2002:c633:6401::2", "198.51.100.117", false},
		{"Teredo", "2001::1", "198.51.100.121", "2001::2", "198.51.100.117", false},
		{"from a private IPv4", "2001:db8:1::1", "198.51.100.121", "2001:db8:1::2", "10.0.0.2", true},
		{"site-local", "fec0::1", "198.51.100.121", "fec0::2", "198.51.100.117", false},
		{"link-local both", "fe80::1%eth0", "169.254.1.1", "fe80::2", "169.254.1.2", true},
		{"IPv4-compatible", "::1.2.3.4", "198.51.100.121", "::1.2.3.5", "198.51.100.117", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			six, four := netip.MustParseAddr(tt.six), netip.MustParseAddr(tt.four)
			source := func(to netip.Addr) netip.Addr {
				from := tt.from4
				if to.Is6() {
					from = tt.from6
				}
				a, _ := netip.ParseAddr(from)
				return a
			}
			if got := sixFirst(six, four, source); got != tt.want {
				t.Errorf("IPv6 first: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAlternate(t *testing.T) {
	for _, tt := range []struct{ first, second, want []string }{
		{nil, nil, nil},
		{[]string{"192.0.2.1"}, nil, []string{"192.0.2.1"}},
		{nil, []string{"192.0.2.1"}, []string{"192.0.2.1"}},
		{[]string{"::1", "::2", "::3"}, []string{"192.0.2.1"}, []string{"::1", "192.0.2.1", "::2", "::3"}},
		{[]string{"192.0.2.1"}, []string{"::1", "::2"}, []string{"192.0.2.1", "::1", "::2"}},
	} {
		got := alternate(addrs(tt.first...), addrs(tt.second...))
		if diff := cmp.Diff(append([]netip.Addr{}, addrs(tt.want...)...), got, equateAddr); diff != "" {
			t.Errorf("%v and %v (-want +got):\n%s", tt.first, tt.second, diff)
		}
	}
}

func TestKernelSource(t *testing.T) {
	if got := KernelSource(netip.MustParseAddr("127.0.0.1")); !got.IsLoopback() {
		t.Errorf("to loopback from %v", got)
	}
	if got := KernelSource(netip.Addr{}); got.IsValid() {
		t.Errorf("to nowhere from %v", got)
	}
}

// FuzzPossible: whatever is answered, what is left of it is what an endpoint can
// have, each once and not too much.
func FuzzPossible(f *testing.F) {
	f.Add("a.example", []byte("\x00\x00\x00\x00\x7f\x00\x00\x01\xc0\x00\x02\x01\xff\xff\xff\xff"))
	f.Add("localhost", []byte("\x7f\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, host string, data []byte) {
		var in []netip.Addr
		for ; len(data) >= 4; data = data[4:] {
			in = append(in, netip.AddrFrom4([4]byte(data)))
			if len(data) >= 16 {
				in = append(in, netip.AddrFrom16([16]byte(data)), netip.AddrFrom16([16]byte(data)).WithZone("eth0"))
			}
		}
		seen := map[netip.Addr]bool{}
		out := possible(host, in)
		for _, a := range out {
			if seen[a] || !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Is4In6() ||
				a.IsLoopback() && !isLocalhost(host) || a.Is6() && a.IsLinkLocalUnicast() != (a.Zone() != "") {
				t.Errorf("%v is left", a)
			}
			seen[a] = true
		}
		if len(out) > MaxCandidates {
			t.Errorf("%d are left", len(out))
		}
	})
}
