package daemon

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

// TestUplinkChangeLooksUp: another way to the Internet has names looked up anew, at
// once also those whose look-up hangs; what works is left alone.
func TestUplinkChangeLooksUp(t *testing.T) {
	network := wg(0, "") + wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive) + wgPeer("wg0", "hang", 2, endpointHost("hang.example")+alive)
	inWorld(t, network, func(t *testing.T, w *world) {
		w.names.put("vpn.example", "192.0.2.1")
		w.sim.work("192.0.2.1:51820", true)
		w.run(func() {
			w.pass(time.Hour)
			w.names.questions()
			w.pass(5*time.Minute + 10*time.Second) // the look-up that hangs may be under way
			w.names.put("hang.example", "192.0.2.2")
			w.sim.work("192.0.2.2:51820", true)
			w.names.put("vpn.example", "192.0.2.9") // as seen from the other uplink
			w.names.questions()
			w.uplink("0.0.0.0/0")
			w.within(2*time.Second, 2, "192.0.2.2:51820")
			w.pass(10 * time.Second)
			w.is(2, "connected", "192.0.2.2:51820")
			w.is(1, "connected", "192.0.2.1:51820")
			asked := strings.Join(w.names.questions(), "\n")
			if strings.Count(asked, "vpn.example") != 1 || strings.Count(asked, "hang.example") != 1 {
				t.Errorf("asked: %s", asked)
			}
			w.pass(24 * time.Hour)
			same(t, "questions in a day", w.names.questions(), nil)
		})
	})
}

// TestNoUplinkNoQuestions: while no way leads anywhere nobody is asked, and what had
// worked is there when the uplink is back.
func TestNoUplinkNoQuestions(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive), func(t *testing.T, w *world) {
		const home = "192.0.2.1:51820"
		w.names.put("vpn.example", "192.0.2.1", "192.0.2.2", "192.0.2.3")
		w.sim.work(home, true)
		w.run(func() {
			w.pass(time.Hour)
			w.names.questions()
			w.sim.wrote()
			w.uplink()
			w.sim.work(home, false)
			w.pass(24 * time.Hour)
			w.is(1, "stale no-uplink", home)
			same(t, "questions", w.names.questions(), nil)
			same(t, "writes", w.sim.wrote(), nil)
			w.sim.work(home, true)
			w.uplink("0.0.0.0/0", "::/0")
			w.pass(6 * time.Second)
			w.is(1, "connected", home)
			if n := len(w.names.questions()); n != 1 {
				t.Errorf("%d questions", n)
			}
			w.pass(time.Hour)
			same(t, "writes", w.sim.wrote(), nil)
		})
		if n := w.logged("the way to the Internet has changed"); n != 2 {
			t.Errorf("the log has %d changes of uplink", n)
		}
	})
}

// TestUplinkInATableOfItsOwn: where policy rules look another table up, what that
// leads to is reached (mwan3 has a table for each uplink).
func TestUplinkInATableOfItsOwn(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive), func(t *testing.T, w *world) {
		w.uplink()
		w.names.put("vpn.example", "192.0.2.1", "192.0.2.2")
		w.sim.work("192.0.2.2:51820", true)
		w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Device: "wan", Table: 7})
		w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("::/0"), Device: "wg0", Table: 8}) // a tunnel's
		w.kernel.PutOtherTables(7, 8)
		w.run(func() {
			w.pass(time.Minute)
			w.is(1, "connected", "192.0.2.2:51820")
			if w.daemon.reaches(netip.MustParseAddr("2001:db8::1")) {
				t.Error("a tunnel counts as an uplink")
			}
			w.names.questions()
			w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Device: "lte", Table: 7, Metric: 5})
			w.kernel.Emit(rtnl.Event{Kind: rtnl.EventRoute, Device: "lte"})
			w.pass(time.Second)
			same(t, "number of questions after a change there", len(w.names.questions()), 1)
		})
	})
}

// simNAT64 has an answer, or none.
type simNAT64 struct {
	mu       sync.Mutex
	answer   []netip.Prefix
	err      error
	known    []netip.Prefix
	former   []netip.Prefix
	question int
}

// Prefixes implements NAT64.
func (s *simNAT64) Prefixes(context.Context) ([]netip.Prefix, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.question++
	if s.err == nil {
		s.known = s.answer
	}
	return s.answer, s.err
}

// Forget implements NAT64.
func (s *simNAT64) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.former, s.known = append(s.former, s.known...), nil
}

// Known implements NAT64.
func (s *simNAT64) Known() []netip.Prefix {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

// Former implements NAT64.
func (s *simNAT64) Former() []netip.Prefix {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.former
}

func (s *simNAT64) set(err error, prefixes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.answer = err, nil
	for _, p := range prefixes {
		s.answer = append(s.answer, netip.MustParsePrefix(p))
	}
}

// TestNAT64IsFoundLate: on an uplink with IPv6 alone, IPv4 endpoints are translated
// as soon as somebody says how, whether the first question failed or was answered
// by a name server that knew nothing; and back when IPv4 is.
func TestNAT64IsFoundLate(t *testing.T) {
	network := wg(0, "") + wgPeer("wg0", "name", 1, endpointHost("vpn.example")+alive) + wgPeer("wg0", "addr", 2, endpointHost("198.51.100.2")+alive)
	for name, err := range map[string]error{"no answer": errors.New("no answer from a name server in time"), "nothing known": nil} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, network, func(t *testing.T, w *world) {
				nat64 := &simNAT64{}
				nat64.set(err)
				w.options.NAT64 = nat64
				w.uplink("::/0")
				w.names.put("vpn.example", "192.0.2.1")
				for _, e := range []string{"[64:ff9b::c000:201]:51820", "[64:ff9b::c633:6402]:51820"} {
					w.sim.work(e, true)
				}
				w.run(func() {
					w.pass(10 * time.Minute)
					w.is(1, "connecting no-uplink", "192.0.2.1:51820")
					w.is(2, "connecting no-uplink", "198.51.100.2:51820")
					if nat64.question > 40 {
						t.Errorf("%d questions", nat64.question)
					}
					nat64.set(nil, "64:ff9b::/96")
					w.within(lastWait, 1, "[64:ff9b::c000:201]:51820")
					w.within(lastWait, 2, "[64:ff9b::c633:6402]:51820")
					w.pass(10 * time.Second)
					w.is(1, "connected", "[64:ff9b::c000:201]:51820")
					w.is(2, "connected", "[64:ff9b::c633:6402]:51820")
					n := nat64.question
					w.pass(24 * time.Hour)
					same(t, "questions in a day", nat64.question, n)

					w.sim.work("192.0.2.1:51820", true)
					w.sim.work("198.51.100.2:51820", true)
					w.uplink("0.0.0.0/0")
					w.within(2*time.Second, 1, "192.0.2.1:51820")
					w.within(2*time.Second, 2, "198.51.100.2:51820")
					// Another network with IPv6 alone, and another prefix.
					nat64.set(nil, "2001:db8:64::/96")
					w.sim.work("[2001:db8:64::c633:6402]:51820", true)
					w.uplink("::/0")
					w.within(3*time.Second, 1, "[2001:db8:64::c000:201]:51820")
					w.within(3*time.Second, 2, "[2001:db8:64::c633:6402]:51820")
				})
			})
		})
	}
}

// TestFamilyThatIsGone: a peer of two families goes to the one that the uplink has
// left, without waiting for its session to end.
func TestFamilyThatIsGone(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive), func(t *testing.T, w *world) {
		w.options.NAT64 = resolve.NewNAT64(nobody{}, time.Now)
		w.names.put("vpn.example", "2001:db8::1", "192.0.2.1")
		w.sim.work("[2001:db8::1]:51820", true)
		w.sim.work("192.0.2.1:51820", true)
		w.run(func() {
			w.pass(time.Minute)
			w.is(1, "connected", "[2001:db8::1]:51820")
			w.uplink("0.0.0.0/0")
			w.within(time.Second, 1, "192.0.2.1:51820")
			w.uplink("::/0")
			w.within(time.Second, 1, "[2001:db8::1]:51820")
		})
	})
}

// TestSessionGoesAlong: a session that was taken to the family that the uplink has
// left is no reason to look for another address while it works there; when it does
// not, the next address has its turn before the session is over.
func TestSessionGoesAlong(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive), func(t *testing.T, w *world) {
		w.names.put("vpn.example", "2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2")
		w.sim.work("[2001:db8::1]:51820", true)
		w.sim.work("192.0.2.1:51820", true)
		w.run(func() {
			w.pass(time.Minute)
			w.is(1, "connected", "[2001:db8::1]:51820")
			w.sim.wrote()
			w.uplink("0.0.0.0/0")
			w.within(time.Second, 1, "192.0.2.1:51820")
			for range 12 {
				w.pass(5 * time.Second)
				w.is(1, "connected", "192.0.2.1:51820")
			}
			same(t, "number of writes", len(w.sim.wrote()), 1)

			w.uplink("::/0")
			w.within(time.Second, 1, "[2001:db8::1]:51820")
			w.pass(5 * time.Minute)
			w.is(1, "connected", "[2001:db8::1]:51820")
			w.sim.work("192.0.2.1:51820", false)
			w.sim.work("192.0.2.2:51820", true)
			w.uplink("0.0.0.0/0")
			w.within(time.Second, 1, "192.0.2.1:51820")
			w.within(time.Minute, 1, "192.0.2.2:51820")
			w.pass(10 * time.Second)
			w.is(1, "connected", "192.0.2.2:51820")
		})
	})
}

// nobody is a name server that never answers.
type nobody struct{}

func (nobody) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestPeerInsideTheTunnel: a peer that seems to have moved to where only the tunnel
// leads to, as wireguard-go makes it look when its packets went into itself, is
// brought back at once; one that is configured there stays.
func TestPeerInsideTheTunnel(t *testing.T) {
	const home = "192.0.2.1:51820"
	network := wg(0, "") + wgPeer("wg0", "far", 1, endpointHost("192.0.2.1")+alive) + wgPeer("wg0", "near", 2, endpointHost("10.0.0.7")+alive)
	inWorld(t, network, func(t *testing.T, w *world) {
		for _, e := range []string{home, "10.0.0.2:51820", "10.0.0.7:51820", "198.51.100.7:51820"} {
			w.sim.work(e, true)
		}
		w.run(func() {
			w.pass(time.Minute)
			w.is(1, "connected", home)
			w.is(2, "connected", "10.0.0.7:51820")
			if err := w.sim.roam(keyOf(1), "10.0.0.2:51820"); err != nil {
				t.Fatal(err)
			}
			w.within(minuteStep+time.Second, 1, home)
			w.pass(5 * time.Second)
			w.is(2, "connected", "10.0.0.7:51820")
			// Elsewhere it may be.
			if err := w.sim.roam(keyOf(1), "198.51.100.7:51820"); err != nil {
				t.Fatal(err)
			}
			w.pass(2 * minuteStep)
			w.is(1, "connected roamed", "198.51.100.7:51820")
		})
	})
}

// TestSourceAddressIsForgotten: by another uplink an endpoint of IPv6 is written once
// more, for the kernel keeps the source address of the one before; nothing else is.
func TestSourceAddressIsForgotten(t *testing.T) {
	const six = "[2001:db8::1]:51820"
	network := wg(0, "") + wgPeer("wg0", "six", 1, endpointHost("2001:db8::1")+alive) + wgPeer("wg0", "four", 2, endpointHost("192.0.2.1")+alive)
	inWorld(t, network, func(t *testing.T, w *world) {
		w.sim.work(six, true)
		w.sim.work("192.0.2.1:51820", true)
		w.run(func() {
			w.pass(time.Minute)
			w.sim.wrote()
			begin := w.seconds()
			w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("::/0"), Device: "wan2", Metric: 1})
			w.kernel.Emit(rtnl.Event{Kind: rtnl.EventRoute, Device: "wan2"})
			w.pass(time.Minute)
			same(t, "endpoints that were written", w.sim.wrote(), []string{strconv.Itoa(begin) + " " + six})
			w.pass(24 * time.Hour)
			same(t, "endpoints that were written in a day", w.sim.wrote(), nil)
		})
	})
}
