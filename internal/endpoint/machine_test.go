package endpoint

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bench drives one machine by hand. Times are seconds since the beginning.
type bench struct {
	t       *testing.T
	m       *Machine
	start   time.Time
	at      float64
	reading Reading
	step    Step
}

func middle() float64 { return 0 }

func newBench(t *testing.T, failback time.Duration, hosts ...string) *bench {
	c := Config{Failback: failback}
	for _, h := range hosts {
		c.Sources = append(c.Sources, Source{Host: h, Port: 51820})
	}
	return &bench{t: t, m: New(c, middle), start: time.Unix(1_800_000_000, 0)}
}

func (b *bench) now() time.Time { return b.time(b.at) }

func (b *bench) time(at float64) time.Time {
	return b.start.Add(time.Duration(at * float64(time.Second)))
}

func ep(s string) netip.AddrPort {
	if !strings.Contains(s, "]") && strings.Count(s, ":") > 1 {
		s = "[" + s + "]"
	}
	if !strings.HasSuffix(s, ":51820") && strings.Count(s, ":") != 1 {
		s += ":51820"
	}
	return netip.MustParseAddrPort(s)
}

func list(s ...string) (out []netip.Addr) {
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

// do takes a step after changes and compares what it says with
// "write=… resolve=… next=… STATE REASON source=…", of which what is nothing is
// left out.
func (b *bench) do(at float64, want string, changes ...func()) {
	b.t.Helper()
	b.at = at
	for _, change := range changes {
		change()
	}
	b.step = b.m.Step(b.now(), b.reading)
	if b.step.Write.IsValid() {
		b.reading.Endpoint = b.step.Write
	}
	if got := b.text(); got != want {
		b.t.Errorf("at %v s (-want +got):\n- %s\n+ %s", at, want, got)
	}
}

func (b *bench) text() string {
	var words []string
	if b.step.Write.IsValid() {
		words = append(words, "write="+strings.TrimSuffix(b.step.Write.String(), ":51820"))
	}
	if len(b.step.Resolve) > 0 {
		words = append(words, strings.ReplaceAll(fmt.Sprint("resolve=", b.step.Resolve), " ", ","))
	}
	if !b.step.Next.IsZero() {
		words = append(words, "next="+fmt.Sprintf("%.4g", b.step.Next.Sub(b.start).Seconds()))
	}
	words = append(words, string(b.step.State))
	if b.step.Reason != "" {
		words = append(words, string(b.step.Reason))
	}
	if b.step.Source >= 0 {
		words = append(words, fmt.Sprint("source=", b.step.Source))
	}
	if b.step.Good {
		words = append(words, "good")
	}
	return strings.Join(words, " ")
}

func (b *bench) resolved(source int, addrs ...string) func() {
	return func() { b.m.Resolved(source, list(addrs...)) }
}
func (b *bench) failed(source int) func() { return func() { b.m.Failed(source, errDead) } }
func (b *bench) sends()                   { b.reading.Tx += 148 }
func (b *bench) keepalive()               { b.reading.Keepalive = true }
func (b *bench) shakes()                  { b.reading.Handshake = b.now() }
func (b *bench) moves(to string) func()   { return func() { b.reading.Endpoint = ep(to) } }

var errDead = errors.New("no answer from a name server in time")

func TestNothingConfigured(t *testing.T) {
	b := newBench(t, 0)
	b.do(0, "waiting")
	b.do(10, "next=190 connected", b.moves("192.0.2.9"), b.shakes)
	b.do(200, "idle")
	b.do(201, "stale", b.sends)
	b.do(300, "stale", b.keepalive)
}

// TestCandidatesInTurn: each has three initiations, then the next one of the name
// has its turn, and from the beginning again.
func TestCandidatesInTurn(t *testing.T) {
	b := newBench(t, 0, "vpn.example")
	b.keepalive()
	b.do(0, "resolve=[0] next=60 unresolved resolving")
	b.do(1, "write=[2001:db8::1] next=6.333 connecting no-answer source=0", b.resolved(0, "2001:db8::1", "192.0.2.1", "192.0.2.2"))
	b.do(5, "next=6.333 connecting no-answer source=0", b.sends)
	b.do(6.5, "resolve=[0] next=17 connecting no-answer source=0", b.sends)
	b.do(7, "next=17 connecting no-answer source=0", b.resolved(0, "2001:db8::1", "192.0.2.1", "192.0.2.2"))
	b.do(17, "write=192.0.2.1 next=22.33 connecting no-answer source=0")
	b.do(33.1, "write=192.0.2.2 next=38.43 connecting no-answer source=0")
	b.do(49.2, "write=[2001:db8::1] next=54.53 connecting no-answer source=0", b.resolved(0, "2001:db8::1", "192.0.2.1", "192.0.2.2"))
	b.do(50, "next=230 connected source=0 good", b.shakes)
	b.do(60, "next=230 connected source=0 good")
	b.do(170, "next=350 connected source=0 good", b.shakes)
}

// TestNoDemandNoTry: without anything to send nothing is proved, and nothing is
// looked up.
func TestNoDemandNoTry(t *testing.T) {
	b := newBench(t, 0, "vpn.example")
	b.do(0, "resolve=[0] next=60 unresolved resolving")
	b.do(1, "write=192.0.2.1 connecting no-answer source=0", b.resolved(0, "192.0.2.1", "192.0.2.2"))
	b.do(1000, "connecting no-answer source=0")
	b.do(1001, "next=1006 connecting no-answer source=0", b.sends)
	b.do(1017, "connecting no-answer source=0") // it sent once and never again
	b.do(1018, "next=1023 connecting no-answer source=0", b.sends)
	b.do(1024, "resolve=[0] next=1034 connecting no-answer source=0", b.sends)
	b.do(1030, "next=1034 connecting no-answer source=0", b.sends, b.resolved(0, "192.0.2.1", "192.0.2.2"))
	b.do(1035, "write=192.0.2.2 next=1040 connecting no-answer source=0", b.sends)
}

// TestHealthyIsLeftAlone: no write and no look-up for a peer with handshakes, for
// days, whatever the endpoint is.
func TestHealthyIsLeftAlone(t *testing.T) {
	for _, use := range []string{"192.0.2.1", "198.51.100.7:4000"} {
		b := newBench(t, 600*time.Second, "vpn.example")
		b.keepalive()
		b.reading.Endpoint = ep(use)
		b.shakes()
		b.do(0, map[bool]string{
			true:  "resolve=[0] next=60 connected",
			false: "resolve=[0] next=60 connected",
		}[use == "192.0.2.1"])
		b.do(1, map[string]string{
			"192.0.2.1":         "next=180 connected source=0 good",
			"198.51.100.7:4000": "next=180 connected roamed",
		}[use], b.resolved(0, "192.0.2.1", "192.0.2.2"))
		for at := 120.0; at < 3*86400; at += 120 {
			b.at = at
			b.shakes()
			b.sends()
			if s := b.m.Step(b.now(), b.reading); s.Write.IsValid() || s.Resolve != nil {
				t.Fatalf("%s: at %v s: %+v", use, at, s)
			}
		}
	}
}

// TestStale: names are looked up when one initiation had no answer, and a name that
// says another address is believed at once.
func TestStale(t *testing.T) {
	b := newBench(t, 0, "vpn.example")
	b.keepalive()
	b.do(0, "resolve=[0] next=60 unresolved resolving")
	b.do(1, "write=192.0.2.1 next=6.333 connecting no-answer source=0", b.resolved(0, "192.0.2.1"))
	b.do(2, "next=182 connected source=0 good", b.shakes)
	b.do(182, "next=187.3 stale no-answer source=0")
	b.do(187.5, "resolve=[0] next=198 stale no-answer source=0")
	b.do(188, "write=192.0.2.7 next=193.3 stale no-answer source=0", b.resolved(0, "192.0.2.7"))
	b.do(189, "next=369 connected source=0 good", b.shakes)
}

// TestLookupsBackOff: a dead peer's name is asked for ever more rarely.
func TestLookupsBackOff(t *testing.T) {
	b := newBench(t, 0, "vpn.example")
	b.keepalive()
	var asked []float64
	b.do(0, "resolve=[0] next=60 unresolved resolving")
	for at := 1.0; at < 4000; at++ {
		b.at = at
		s := b.m.Step(b.now(), b.reading)
		if s.Write.IsValid() {
			t.Fatalf("wrote %v", s.Write)
		}
		if len(s.Resolve) > 0 {
			asked = append(asked, at)
			if s.Reason != Resolving && s.Reason != NoAddress {
				t.Errorf("reason %q", s.Reason)
			}
		}
		b.m.Failed(0, errDead)
	}
	for n := 1; n < len(asked); n++ {
		gap, before := asked[n]-asked[n-1], 0.0
		if n > 1 {
			before = asked[n-1] - asked[n-2]
		}
		if gap < before || gap > 1.25*lastDelay.Seconds()+1 {
			t.Errorf("look-up %d came %v s after the one before", n, gap)
		}
	}
	if len(asked) < 10 || len(asked) > 30 {
		t.Errorf("asked %d times in 4000 s: %v", len(asked), asked)
	}
	if s := b.m.Step(b.now(), b.reading); s.Reason != NoAddress || !errors.Is(s.Err, errDead) {
		t.Errorf("reason %q, %v", s.Reason, s.Err)
	}
	b.m.Uplink(b.now(), nil)
	if s := b.m.Step(b.now(), b.reading); len(s.Resolve) != 1 {
		t.Errorf("after a change of uplink: %+v", s)
	}
}

// TestOtherServers: what the old name servers did not know is asked of new ones at
// once; what they knew is not.
func TestOtherServers(t *testing.T) {
	b := newBench(t, 0, "a.example", "b.example")
	b.keepalive()
	b.do(0, "resolve=[0,1] next=5 unresolved resolving")
	b.do(1, "write=192.0.2.1 next=1.5 connecting no-answer source=0", b.resolved(0, "192.0.2.1"), b.failed(1))
	for at := 1.5; at < 300; at++ {
		b.at = at
		b.m.Step(b.now(), b.reading)
		b.m.Resolved(0, list("192.0.2.1"))
		b.m.Failed(1, errDead)
	}
	b.do(300, "next=305.5 connecting no-answer source=0")
	b.m.OtherServers(b.now())
	b.do(300, "resolve=[1] next=305.5 connecting no-answer source=0")
	b.m.OtherServers(b.now())
	b.do(301, "next=305.5 connecting no-answer source=0")
	b.do(302, "next=482 connected source=0 good", b.failed(1), b.shakes)
	b.m.OtherServers(b.now())
	b.do(303, "next=482 connected source=0 good")
}

// TestLookupIsForgotten: one that the caller never answers is made again.
func TestLookupIsForgotten(t *testing.T) {
	b := newBench(t, 0, "vpn.example")
	b.do(0, "resolve=[0] next=60 unresolved resolving")
	b.do(59, "next=60 unresolved resolving")
	b.do(60, "resolve=[0] next=120 unresolved resolving")
}

// TestFailover: the next source has its turn when the first has none left, and
// without Failback it stays until it fails too.
func TestFailover(t *testing.T) {
	b := newBench(t, 0, "a.example", "b.example")
	b.keepalive()
	b.do(0, "resolve=[0,1] next=5 unresolved resolving")
	b.do(1, "next=5 unresolved resolving", b.resolved(1, "198.51.100.1")) // the first comes first
	b.do(2, "write=192.0.2.1 next=7.333 connecting no-answer source=0", b.resolved(0, "192.0.2.1"))
	b.do(18, "write=198.51.100.1 next=23.33 connecting no-answer source=1")
	b.do(20, "next=200 connected failed-over source=1 good", b.shakes)
	for at := 140.0; at < 20000; at += 120 {
		b.do(at, fmt.Sprintf("next=%.4g connected failed-over source=1 good", at+180), b.shakes, b.sends)
	}
	b.do(20180, "next=2.019e+04 stale no-answer source=1")
	b.do(20196, "write=192.0.2.1 next=2.02e+04 stale no-answer source=0")
}

// TestFirstNameIsDead: a source whose name is not found does not hold up the next.
func TestFirstNameIsDead(t *testing.T) {
	b := newBench(t, 0, "a.example", "198.51.100.1")
	b.do(0, "resolve=[0,1] next=5 unresolved resolving")
	b.do(0.1, "next=5 unresolved resolving", b.resolved(1, "198.51.100.1"))
	b.do(3, "write=198.51.100.1 resolve=[0] next=63 connecting no-answer source=1", b.failed(0))
}

// TestFirstNameHangs: nor does one that no server answers for, for longer than it
// may take.
func TestFirstNameHangs(t *testing.T) {
	b := newBench(t, 0, "a.example", "198.51.100.1")
	b.keepalive()
	b.do(0, "resolve=[0,1] next=5 unresolved resolving")
	b.do(0.1, "next=5 unresolved resolving", b.resolved(1, "198.51.100.1"))
	b.do(5, "write=198.51.100.1 next=10.33 connecting no-answer source=1")
	b.do(6, "next=10.33 connecting no-answer source=1", b.resolved(0, "192.0.2.1"))
	b.do(21.1, "write=192.0.2.1 next=26.43 connecting no-answer source=0")
}

// TestDoubt: an answer that may not be the last word is asked for again, until the
// peer is connected.
func TestDoubt(t *testing.T) {
	b := newBench(t, 0, "a.example")
	doubted := func() { b.m.Resolved(0, list("192.0.2.1")); b.m.Doubt(0) }
	b.m.Uplink(b.now(), func(a netip.Addr) bool { return a.Is6() })
	b.do(0, "resolve=[0] next=60 unresolved resolving")
	b.do(1, "write=192.0.2.1 next=1.5 connecting no-uplink source=0", doubted)
	b.do(1.1, "next=1.5 connecting no-uplink source=0")
	b.do(2, "resolve=[0] next=62 connecting no-uplink source=0")
	b.do(3, "next=5 connecting no-uplink source=0", doubted)
	b.do(5, "resolve=[0] next=65 connecting no-uplink source=0")
	b.do(6, "write=[64:ff9b::c000:201] connecting no-answer source=0", b.resolved(0, "64:ff9b::c000:201", "192.0.2.1"))
	b.do(7, "next=187 connected source=0 good", b.shakes)
}

// TestRoaming: where the peer moved to is not overwritten while it works; when it
// does not, the search begins with the first candidate.
func TestRoaming(t *testing.T) {
	b := newBench(t, 600*time.Second, "a.example", "b.example")
	b.keepalive()
	b.do(0, "resolve=[0,1] next=5 unresolved resolving")
	b.do(1, "write=192.0.2.1 next=6.333 connecting no-answer source=0", b.resolved(0, "192.0.2.1", "192.0.2.2"), b.resolved(1, "198.51.100.1"))
	b.do(2, "next=182 connected source=0 good", b.shakes)
	b.do(50, "next=182 connected roamed", b.moves("203.0.113.9:1024"))
	b.do(122, "next=302 connected roamed", b.shakes)
	b.do(302, "next=307.3 stale no-answer")
	b.do(310, "resolve=[0] next=318 stale no-answer")
	b.do(318.1, "write=192.0.2.1 next=323.4 stale no-answer source=0")
}

// TestIdleRoamedIsLeft: nobody knows whether it still works.
func TestIdleRoamedIsLeft(t *testing.T) {
	b := newBench(t, 0, "a.example")
	b.reading.Endpoint, b.reading.Handshake = ep("203.0.113.9"), b.time(-3600)
	b.do(0, "resolve=[0] next=60 idle")
	b.do(1, "idle", b.resolved(0, "192.0.2.1"))
	b.do(2, "next=7.333 stale no-answer", b.sends)
}

// TestLastAddress: setup wrote what was known from before; the name says something
// else now, and the peer has not answered.
func TestLastAddress(t *testing.T) {
	b := newBench(t, 0, "a.example")
	b.reading.Endpoint = ep("192.0.2.1")
	b.do(0, "resolve=[0] next=60 connecting resolving")
	b.do(1, "write=192.0.2.2 connecting no-answer source=0", b.resolved(0, "192.0.2.2"))

	b = newBench(t, 0, "a.example")
	b.reading.Endpoint = ep("192.0.2.1")
	b.do(0, "resolve=[0] next=60 connecting resolving")
	b.do(1, "next=60 connected", b.shakes)
	b.do(2, "next=181 connected roamed", b.resolved(0, "192.0.2.2"))
}

func TestRewrite(t *testing.T) {
	b := newBench(t, 0, "a.example", "b.example")
	b.reading.Endpoint = ep("198.51.100.1")
	b.shakes()
	b.m.Rewrite()
	b.do(0, "resolve=[0,1] next=60 connected")
	b.do(1, "next=60 connected failed-over source=1 good", b.resolved(1, "198.51.100.1"))
	b.do(2, "write=192.0.2.1 next=180 connected source=0", b.resolved(0, "192.0.2.1"))
	b.do(3, "next=180 connected source=0")
}

// TestUplink: what the new uplink does not reach is left at once, all else stays
// while it works.
func TestUplink(t *testing.T) {
	only := func(four bool) func(netip.Addr) bool {
		return func(a netip.Addr) bool { return a.Is4() == four }
	}
	b := newBench(t, 0, "a.example")
	b.keepalive()
	b.do(0, "resolve=[0] next=60 unresolved resolving")
	b.do(1, "write=192.0.2.1 next=6.333 connecting no-answer source=0", b.resolved(0, "192.0.2.1", "2001:db8::1"))
	b.do(2, "next=182 connected source=0 good", b.shakes)
	// Another uplink with IPv4: the session goes on, the name is looked up.
	b.do(10, "resolve=[0] next=70 connected source=0 good", func() { b.m.Uplink(b.now(), only(true)) })
	b.do(11, "next=182 connected", b.resolved(0, "192.0.2.9"))
	// IPv6 alone, and no such address is known yet.
	b.do(20, "resolve=[0] next=80 connected no-uplink", func() { b.m.Uplink(b.now(), only(false)) })
	b.do(21, "write=[2001:db8::9] next=22 connected source=0", b.resolved(0, "192.0.2.9", "2001:db8::9"))
	b.do(22, "next=202 connected source=0 good", b.shakes)
	// Back to IPv4, whose address is known: no answer has to be waited for.
	b.do(30, "write=192.0.2.9 resolve=[0] next=31 connected source=0", func() { b.m.Uplink(b.now(), only(true)) })
	// No uplink at all: nothing better is known.
	b.do(40, "resolve=[0] next=45 connected no-uplink source=0", func() { b.m.Uplink(b.now(), func(netip.Addr) bool { return false }) })
}

// TestClockSteps: handshakes are dated by the router's clock, which may be anything.
func TestClockSteps(t *testing.T) {
	b := newBench(t, 0, "192.0.2.1")
	b.keepalive()
	b.reading.Endpoint = ep("192.0.2.1")
	b.reading.Handshake = b.time(9000) // the clock was set back since
	b.do(0, "resolve=[0] next=60 connected")
	b.do(1, "next=180 connected source=0 good", b.resolved(0, "192.0.2.1", "192.0.2.2"))
	b.do(100, "next=280 connected source=0 good", func() { b.reading.Handshake = b.time(-9000) })
	b.do(220, "next=400 connected source=0 good", func() { b.reading.Handshake = b.time(8000) })
	b.do(400, "next=405.3 stale no-answer source=0")
	b.do(416.1, "write=192.0.2.2 next=421.4 stale no-answer source=0")
}

// TestDeviceMadeAnew: counters and handshakes begin again.
func TestDeviceMadeAnew(t *testing.T) {
	b := newBench(t, 0, "a.example")
	b.reading.Tx = 1 << 40
	b.do(0, "resolve=[0] next=60 unresolved resolving")
	b.do(1, "write=192.0.2.1 connecting no-answer source=0", b.resolved(0, "192.0.2.1"))
	b.do(2, "next=182 connected source=0 good", b.shakes, b.sends)
	b.do(30, "write=192.0.2.1 connecting no-answer source=0", func() { b.reading = Reading{} })
	b.do(31, "next=211 connected source=0 good", b.shakes, b.sends)
}

// TestWriteIsRefused: a candidate that the kernel does not take is passed over.
func TestWriteIsRefused(t *testing.T) {
	b := newBench(t, 0, "a.example")
	b.keepalive()
	old := b.resolved(0, "192.0.2.1", "240.0.0.1", "192.0.2.3")
	b.do(0, "resolve=[0] next=60 unresolved resolving")
	b.do(1, "write=192.0.2.1 next=6.333 connecting no-answer source=0", old)
	b.do(17, "write=240.0.0.1 next=22.33 connecting no-answer source=0")
	b.do(18, "next=23.33 connecting no-answer source=0", b.moves("192.0.2.1"), old)
	b.do(34, "write=192.0.2.3 next=39.33 connecting no-answer source=0")
}

func TestManyAddresses(t *testing.T) {
	b := newBench(t, 0, "a.example")
	var many []netip.Addr
	for n := range 1000 {
		many = append(many, netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}))
	}
	b.m.Resolved(0, many)
	if n := b.m.count(); n != MaxCandidates {
		t.Errorf("%d candidates", n)
	}
	many[0] = netip.Addr{}
	if e := b.m.endpoint(place{0, 0}); !e.IsValid() {
		t.Error("the caller's slice was kept")
	}
	if diff := cmp.Diff(MaxCandidates, cap(b.m.sources[0].addrs)); diff != "" {
		t.Errorf("memory (-want +got):\n%s", diff)
	}
}
