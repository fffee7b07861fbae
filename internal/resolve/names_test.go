package resolve

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

var equateAddr = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// dual is a machine with global addresses of both families.
func dual(to netip.Addr) netip.Addr {
	if to.Is4() {
		return netip.MustParseAddr("203.0.113.1")
	}
	return netip.MustParseAddr("2001:db8:ffff::1")
}

// evil makes an answer say another address, and one thing about it wrong.
func evil(wrong func(m *dnsmessage.Message)) func([]byte) []byte {
	return func(right []byte) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(right); err != nil {
			panic(err)
		}
		for _, a := range m.Answers {
			switch body := a.Body.(type) {
			case *dnsmessage.AResource:
				body.A = [4]byte{6, 6, 6, 6}
			case *dnsmessage.AAAAResource:
				body.AAAA[15] = 0x66
			}
		}
		wrong(&m)
		out, err := m.Pack()
		if err != nil {
			panic(err)
		}
		return out
	}
}

// TestCandidates asks a name server that does everything that they do.
func TestCandidates(t *testing.T) {
	many4, many6 := make([]netip.Addr, 1000), make([]netip.Addr, 1000)
	for n := range many4 {
		many4[n] = netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})
		six := netip.MustParseAddr("2001:db8::").As16()
		binary.BigEndian.PutUint16(six[14:], uint16(n+1))
		many6[n] = netip.AddrFrom16(six)
	}
	four, six := addrs("192.0.2.1", "192.0.2.2", "192.0.2.3"), addrs("2001:db8::1", "2001:db8::2")
	mute := func(types ...dnsmessage.Type) map[dnsmessage.Type]bool {
		m := map[dnsmessage.Type]bool{}
		for _, typ := range types {
			m[typ] = true
		}
		return m
	}
	s := serve(t, "127.0.0.1:0", map[string]record{
		"dual.example.":    {four: four, six: six},
		"four.example.":    {four: four[:1]},
		"six.example.":     {six: six[:1]},
		"empty.example.":   {},
		"many.example.":    {four: many4, six: many6, truncated: true},
		"cut.example.":     {four: four[:1], truncated: true},
		"dead.example.":    {mute: mute(dnsmessage.TypeA, dnsmessage.TypeAAAA)},
		"half.example.":    {four: four[:1], mute: mute(dnsmessage.TypeAAAA)},
		"otherhalf.exam.":  {six: six[:1], mute: mute(dnsmessage.TypeA)},
		"quiet.example.":   {mute: mute(dnsmessage.TypeAAAA)},
		"broken.example.":  {code: dnsmessage.RCodeServerFailure},
		"refused.example.": {code: dnsmessage.RCodeRefused},
		"blocked.example.": {four: addrs("0.0.0.0"), six: addrs("::")},
		"bad.example.": {
			four: addrs("0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.9", "192.0.2.9"),
			six:  addrs("::1", "ff02::1", "fe80::1", "::ffff:192.0.2.7", "2001:db8::9"),
		},
		"localhost.":  {four: addrs("127.0.0.1")},
		"id.example.": {four: four[:1], six: six[:1], before: evil(func(m *dnsmessage.Message) { m.ID ^= 1 })},
		"question.example.": {four: four[:1], six: six[:1], before: evil(func(m *dnsmessage.Message) {
			m.Questions[0].Name = dnsmessage.MustNewName("evil.example.")
		})},
		"query.example.":   {four: four[:1], six: six[:1], before: evil(func(m *dnsmessage.Message) { m.Response = false })},
		"garbage.example.": {four: four[:1], six: six[:1], before: func([]byte) []byte { return []byte{0xff, 0, 1} }},
		"nothing.example.": {four: four[:1], six: six[:1], before: func([]byte) []byte { return nil }},
	})
	const noAnswer = "no answer from a name server in time"
	for _, tt := range []struct {
		host   string
		family Family
		want   []string
		err    string
		slow   bool // waits for a server that does not answer
		half   bool // has an answer for one family and never one for the other
	}{
		{host: "dual.example", want: []string{"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"}},
		{host: "dual.example", family: IPv4, want: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}},
		{host: "dual.example", family: IPv6, want: []string{"2001:db8::1", "2001:db8::2"}},
		{host: "four.example", want: []string{"192.0.2.1"}},
		{host: "four.example", family: IPv6, err: "there is no such name, or it has no IPv6 address"},
		{host: "six.example", want: []string{"2001:db8::1"}},
		{host: "six.example", family: IPv4, err: "there is no such name, or it has no IPv4 address"},
		{host: "empty.example", err: "there is no such name"},
		{host: "gone.example", err: "there is no such name"},
		{host: "cut.example", want: []string{"192.0.2.1"}},
		{host: "dead.example", err: noAnswer, slow: true},
		{host: "half.example", want: []string{"192.0.2.1"}, half: true},
		{host: "otherhalf.exam", want: []string{"2001:db8::1"}, half: true},
		{host: "quiet.example", err: noAnswer, slow: true},
		{host: "broken.example", err: "name servers did not answer: server misbehaving"},
		{host: "refused.example", err: "name servers did not answer: server misbehaving"},
		{host: "blocked.example", err: "the answer is 0.0.0.0, which no peer can have (a filter list?)"},
		{host: "bad.example", want: []string{"2001:db8::9", "192.0.2.9"}},
		{host: "id.example", want: []string{"2001:db8::1", "192.0.2.1"}},
		{host: "question.example", want: []string{"2001:db8::1", "192.0.2.1"}},
		{host: "query.example", want: []string{"2001:db8::1", "192.0.2.1"}},
		{host: "garbage.example", want: []string{"2001:db8::1", "192.0.2.1"}},
		{host: "nothing.example", want: []string{"2001:db8::1", "192.0.2.1"}},
		{host: "192.0.2.1", family: IPv6, want: []string{"192.0.2.1"}},
		{host: "2001:db8::1", want: []string{"2001:db8::1"}},
		{host: "fe80::1%eth0", want: []string{"fe80::1%eth0"}},
		{host: "::ffff:192.0.2.1", want: []string{"192.0.2.1"}},
		{host: "127.0.0.1", want: []string{"127.0.0.1"}},
		{host: "nas.local", err: ErrNoLocal.Error()},
	} {
		t.Run(tt.host+" "+tt.family.String(), func(t *testing.T) {
			t.Parallel()
			n := &Names{DNS: s.resolver(), Source: dual}
			if tt.family == Auto && !tt.slow && !tt.half {
				n.DNS = atOnce(n.DNS)
			}
			limit := patience
			if tt.slow {
				limit = time.Second
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			begin := time.Now()
			got, err := n.Candidates(ctx, tt.host, tt.family)
			// Go's resolver asks twice, and waits five seconds each time.
			if took := time.Since(begin); took > 8*time.Second {
				t.Errorf("took %v", took)
			}
			if err != nil || tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("error %v, want %q", err, tt.err)
				}
			}
			if diff := cmp.Diff(addrs(tt.want...), got, equateAddr); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a thousand addresses", func(t *testing.T) {
		n := &Names{DNS: atOnce(s.resolver()), Source: dual}
		got, err := n.Candidates(context.Background(), "many.example", Auto)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != MaxCandidates || cap(got) > MaxCandidates {
			t.Errorf("%d candidates, of %d in memory", len(got), cap(got))
		}
		for k, a := range got {
			if a.Is6() != (k%2 == 0) {
				t.Errorf("candidate %d is %v", k, a)
			}
		}
	})
	if s.questions("nas.local. TypeA")+s.questions("nas.local. TypeAAAA") > 0 {
		t.Error("a name server was asked for a name that ends in .local")
	}
}

// stubborn neither answers nor keeps to its context.
type stubborn struct{}

func (stubborn) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	select {}
}

func TestDeadlineHolds(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := (&Names{DNS: stubborn{}}).Candidates(ctx, "a.example", Auto)
	if err == nil || err.Error() != "no answer from a name server in time" {
		t.Errorf("error: %v", err)
	}
}

// spy records what it is asked for.
type spy struct {
	asked chan string
	addrs []netip.Addr
}

func newSpy(addrs ...netip.Addr) *spy { return &spy{asked: make(chan string, 8), addrs: addrs} }

func (s *spy) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	s.asked <- network + " " + host
	if len(s.addrs) == 0 {
		return nil, &net.DNSError{IsNotFound: true}
	}
	return s.addrs, nil
}

func (s *spy) all() (out []string) {
	for {
		select {
		case q := <-s.asked:
			out = append(out, q)
		default:
			slices.Sort(out)
			return out
		}
	}
}

// TestLocalNames: names that end in .local go to multicast DNS alone, and nothing
// else does.
func TestLocalNames(t *testing.T) {
	linkLocal := netip.MustParseAddr("fe80::1%eth0")
	for host, local := range map[string]bool{
		"nas.local": true, "NAS.LOCAL": true, "nas.local.": true, "a.b.Local": true,
		"local": false, ".local": false, "nas.local.example": false, "nas.localx": false, "nas.xlocal": false, "nas.local..": false, "nas": false,
	} {
		dns, mdns := newSpy(linkLocal), newSpy(linkLocal)
		got, err := (&Names{DNS: dns, Local: mdns, Source: dual}).Candidates(context.Background(), host, Auto)
		if err != nil || !slices.Equal(got, []netip.Addr{linkLocal}) {
			t.Errorf("%s: %v, %v", host, got, err)
		}
		asked, other := dns.all(), mdns.all()
		if local {
			asked, other = other, asked
		}
		if diff := cmp.Diff([]string{"ip4 " + host, "ip6 " + host}, asked); diff != "" || other != nil {
			t.Errorf("%s: asked (-want +got):\n%sand the other one for %q", host, diff, other)
		}
	}
	if _, err := (&Names{DNS: newSpy()}).Candidates(context.Background(), "nas.local", Auto); !errors.Is(err, ErrNoLocal) {
		t.Errorf("without multicast DNS: %v", err)
	}
}
