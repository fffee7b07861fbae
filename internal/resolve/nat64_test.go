package resolve

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rfc6052 is the table of RFC 6052, section 2.4: 192.0.2.33 behind each length of
// prefix.
var rfc6052 = []struct{ prefix, want string }{
	{"2001:db8::/32", "2001:db8:c000:221::"},
	{"2001:db8:100::/40", "2001:db8:1c0:2:21::"},
	{"2001:db8:122::/48", "2001:db8:122:c000:2:2100::"},
	{"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"},
	{"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"},
	{"2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"},
	{"64:ff9b::/96", "64:ff9b::192.0.2.33"},
}

func TestSynthesize(t *testing.T) {
	for _, tt := range rfc6052 {
		got, ok := Synthesize(netip.MustParsePrefix(tt.prefix), netip.MustParseAddr("192.0.2.33"))
		if !ok || got != netip.MustParseAddr(tt.want) {
			t.Errorf("%s: %v, %v, want %s", tt.prefix, got, ok, tt.want)
		}
	}
	for _, tt := range []struct{ prefix, four string }{
		{"2001:db8::/33", "192.0.2.33"},
		{"2001:db8::/128", "192.0.2.33"},
		{"2001:db8:0:0:ff00::/96", "192.0.2.33"}, // bits 64 to 71
		{"2001:db8::/32", "2001:db8::1"},
		{"192.0.0.0/32", "192.0.2.33"},
		{"64:ff9b::/96", "10.0.0.1"}, // RFC 6052, section 3.1
		{"64:ff9b::/96", "100.64.0.1"},
		{"64:ff9b::/96", "169.254.1.1"},
	} {
		if got, ok := Synthesize(netip.MustParsePrefix(tt.prefix), netip.MustParseAddr(tt.four)); ok {
			t.Errorf("%s behind %s: %v", tt.four, tt.prefix, got)
		}
	}
	if _, ok := Synthesize(netip.Prefix{}, netip.MustParseAddr("192.0.2.33")); ok {
		t.Error("made an address of no prefix")
	}
	if got, ok := Synthesize(netip.MustParsePrefix("2001:db8::/96"), netip.MustParseAddr("10.0.0.1")); !ok || got != netip.MustParseAddr("2001:db8::10.0.0.1") {
		t.Errorf("a private address behind a network's own prefix: %v", got)
	}
}

func TestPrefixesOf(t *testing.T) {
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	// What a server makes of ipv4only.arpa with each prefix.
	for _, tt := range rfc6052 {
		for _, four := range wellKnownIPv4 {
			six, ok := Synthesize(netip.MustParsePrefix(tt.prefix), four)
			if !ok && tt.prefix != "64:ff9b::/96" {
				t.Fatalf("%s: no address", tt.prefix)
			}
			if !ok { // 192.0.0.0/24 is not global, which the name server does not mind
				six = netip.MustParseAddr("64:ff9b::" + four.String())
			}
			if diff := cmp.Diff(prefixes(tt.prefix), PrefixesOf([]netip.Addr{six}), equateAddr); diff != "" {
				t.Errorf("%v (-want +got):\n%s", six, diff)
			}
		}
	}
	for _, tt := range []struct {
		name    string
		answers []string
		want    []string
	}{
		{"none", nil, nil},
		{"both addresses, two prefixes", []string{"64:ff9b::192.0.0.170", "2001:db8::192.0.0.171", "2001:db8::192.0.0.170", "64:ff9b::192.0.0.171"}, []string{"64:ff9b::/96", "2001:db8::/96"}},
		{"not well-known", []string{"64:ff9b::192.0.0.172", "2001:db8::1"}, nil},
		{"bits 64 to 71 are set", []string{"2001:db8::100:0:192.0.0.170"}, nil},
		{"IPv4", []string{"192.0.0.170", "::ffff:192.0.0.170"}, nil},
		// RFC 7050, section 3: the prefix holds the address too.
		{"twice in one", []string{"2001:db8:c000:aa::192.0.0.170"}, nil},
		{"twice in one, the other tells", []string{"2001:db8:c000:aa::192.0.0.170", "2001:db8:c000:ab::192.0.0.171", "2001:db8::192.0.0.171"}, []string{"2001:db8::/96"}},
		{"too many", []string{"2001:db8:1::192.0.0.170", "2001:db8:2::192.0.0.170", "2001:db8:3::192.0.0.170", "2001:db8:4::192.0.0.170", "2001:db8:5::192.0.0.170"}, []string{"2001:db8:1::/96", "2001:db8:2::/96", "2001:db8:3::/96", "2001:db8:4::/96"}},
	} {
		if diff := cmp.Diff(prefixes(tt.want...), PrefixesOf(addrs(tt.answers...)), equateAddr); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// FuzzPrefixOf: a prefix that an answer shows makes that answer again.
func FuzzPrefixOf(f *testing.F) {
	for _, tt := range rfc6052 {
		if six, ok := Synthesize(netip.MustParsePrefix(tt.prefix), wellKnownIPv4[0]); ok {
			b := six.As16()
			f.Add(b[:])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 16 {
			return
		}
		six := netip.AddrFrom16([16]byte(data[:16]))
		p, ok := prefixOf(six)
		if !ok {
			return
		}
		length := p.Bits()/8 + 4
		if p.Bits() < 96 && length >= 8 {
			length++ // octet 8
		}
		for _, four := range wellKnownIPv4 {
			again, _ := Synthesize(p, four)
			if b := again.As16(); again.IsValid() && string(b[:length]) == string(data[:length]) {
				return
			}
		}
		if p != WellKnownPrefix {
			t.Errorf("%v shows %v, which does not make it", six, p)
		}
	})
}

func TestUplinkCandidates(t *testing.T) {
	own, well := netip.MustParsePrefix("2001:db8:64::/96"), WellKnownPrefix
	both := []string{"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"}
	for _, tt := range []struct {
		name   string
		uplink Uplink
		in     []string
		want   []string
	}{
		{"dual", Uplink{IPv4: true, IPv6: true}, both, both},
		{"dual with NAT64", Uplink{IPv4: true, IPv6: true, NAT64: []netip.Prefix{own}}, both, both},
		{"IPv4 only", Uplink{IPv4: true}, both, []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"}},
		{"IPv6 only", Uplink{IPv6: true}, both, []string{"2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"}},
		{"none", Uplink{}, both, both},
		{"none with NAT64", Uplink{NAT64: []netip.Prefix{own}}, []string{"192.0.2.1"}, []string{"192.0.2.1"}},
		{"NAT64", Uplink{IPv6: true, NAT64: []netip.Prefix{own}}, both, []string{"2001:db8::1", "2001:db8:64::192.0.2.1", "2001:db8::2", "2001:db8:64::192.0.2.2"}},
		{"two prefixes", Uplink{IPv6: true, NAT64: []netip.Prefix{own, well}}, []string{"192.0.2.1", "10.0.0.1"}, []string{"2001:db8:64::192.0.2.1", "64:ff9b::192.0.2.1", "2001:db8:64::10.0.0.1"}},
		{"private address, well-known prefix", Uplink{IPv6: true, NAT64: []netip.Prefix{well}}, []string{"10.0.0.1"}, []string{"10.0.0.1"}},
		{"DNS64 has made it already", Uplink{IPv6: true, NAT64: []netip.Prefix{own}}, []string{"2001:db8:64::192.0.2.1", "192.0.2.1"}, []string{"2001:db8:64::192.0.2.1"}},
		{"a former NAT64", Uplink{IPv6: true, Former: []netip.Prefix{own}}, []string{"2001:db8:64::192.0.2.1", "2001:db8::1"}, []string{"2001:db8::1", "2001:db8:64::192.0.2.1"}},
		{"a former NAT64 that is back", Uplink{IPv6: true, NAT64: []netip.Prefix{own}, Former: []netip.Prefix{own}}, []string{"2001:db8:64::192.0.2.1", "2001:db8::1"}, []string{"2001:db8:64::192.0.2.1", "2001:db8::1"}},
		{"on the link", Uplink{IPv4: true}, []string{"fe80::1%eth0", "192.0.2.1"}, []string{"fe80::1%eth0", "192.0.2.1"}},
	} {
		if diff := cmp.Diff(addrs(tt.want...), tt.uplink.Candidates(addrs(tt.in...)), equateAddr); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	var many []netip.Addr
	for n := range 200 {
		many = append(many, netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}))
	}
	if got := (Uplink{IPv6: true, NAT64: []netip.Prefix{own, well}}).Candidates(many); len(got) != MaxCandidates {
		t.Errorf("%d candidates", len(got))
	}
}

// nat64Server answers as a test tells it.
type nat64Server struct {
	addrs []netip.Addr
	err   error
	asked int
	hook  func()
}

func (s *nat64Server) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	s.asked++
	if network != "ip6" || host != "ipv4only.arpa." {
		return nil, net.UnknownNetworkError(network + " " + host)
	}
	if s.hook != nil {
		s.hook()
	}
	return s.addrs, s.err
}

// TestNAT64IsAskedOnce for an uplink, an hour and a good answer; what is found
// while the uplink changes is not believed.
func TestNAT64IsAskedOnce(t *testing.T) {
	found := addrs("2001:db8:64::192.0.0.170", "2001:db8:64::192.0.0.171")
	want := []netip.Prefix{netip.MustParsePrefix("2001:db8:64::/96")}
	clock := time.Unix(1_800_000_000, 0)
	s := &nat64Server{}
	n := NewNAT64(s, func() time.Time { return clock })
	for _, step := range []struct {
		name  string
		do    func()
		want  []netip.Prefix
		err   string
		asked int
	}{
		{"no answer", func() { s.err = &net.DNSError{IsTimeout: true} }, nil, "no answer from a name server in time", 1},
		{"still none", func() {}, nil, "no answer from a name server in time", 1},
		{"there is none", func() { s.err = &net.DNSError{IsNotFound: true} }, nil, "", 1},
		{"known", func() { s.addrs, s.err = found, nil }, nil, "", 0},
		{"five minutes later", func() { clock = clock.Add(5 * time.Minute) }, want, "", 1},
		{"half an hour later", func() { clock = clock.Add(30 * time.Minute) }, want, "", 0},
		{"an hour later", func() { clock = clock.Add(30 * time.Minute) }, want, "", 1},
		{"another uplink", func() { n.Forget(); s.addrs = nil }, nil, "", 1},
		{"the uplink changes meanwhile", func() { n.Forget(); s.addrs, s.hook = found, n.Forget }, nil, "the uplink changed while it was asked for its NAT64", 1},
		{"and is there", func() { s.hook = nil }, want, "", 1},
	} {
		step.do()
		s.asked = 0
		got, err := n.Prefixes(context.Background())
		if text := ""; err != nil {
			if text = err.Error(); text != step.err {
				t.Errorf("%s: error %q, want %q", step.name, text, step.err)
			}
		} else if step.err != "" {
			t.Errorf("%s: no error", step.name)
		}
		if diff := cmp.Diff(step.want, got, equateAddr); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if s.asked != step.asked {
			t.Errorf("%s: asked %d times, want %d", step.name, s.asked, step.asked)
		}
	}
	if diff := cmp.Diff(want, n.Former(), equateAddr); diff != "" {
		t.Errorf("former prefixes (-want +got):\n%s", diff)
	}
}

// TestNAT64OverDNS: the real resolver and a name server that is a DNS64.
func TestNAT64OverDNS(t *testing.T) {
	s := serve(t, "127.0.0.1:0", map[string]record{nat64Name: {six: addrs("2001:db8:64::192.0.0.170", "2001:db8:64::192.0.0.171")}})
	got, err := NewNAT64(s.resolver(), time.Now).Prefixes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]netip.Prefix{netip.MustParsePrefix("2001:db8:64::/96")}, got, equateAddr); diff != "" {
		t.Errorf("prefixes (-want +got):\n%s", diff)
	}
	none := serve(t, "127.0.0.1:0", map[string]record{nat64Name: {four: wellKnownIPv4[:]}})
	if got, err := NewNAT64(none.resolver(), time.Now).Prefixes(context.Background()); err != nil || got != nil {
		t.Errorf("without NAT64: %v, %v", got, err)
	}
}
