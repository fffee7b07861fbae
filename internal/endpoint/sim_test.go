package endpoint

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// world is a kernel with one peer, name servers and a network, in steps of a
// second. The network may change at any time.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	m      *Machine
	conf   Config
	start  time.Time
	second int

	names map[string][]netip.Addr // what name servers say; missing: nothing
	works map[netip.AddrPort]bool // endpoints that answer handshakes
	wants func(second int) bool   // somebody sends

	dev       Reading
	initiated time.Time // the last initiation
	heard     time.Time // when the peer sent something last, or had sent all that was asked for
	pending   []lookup
	next      time.Time
	onWrite   func(from, to netip.AddrPort)
	asked     int
}

type lookup struct {
	source int
	at     time.Time // when the answer comes
}

func newWorld(t *testing.T, seed uint64, failback time.Duration, hosts ...string) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), start: time.Unix(1_800_000_000, 0),
		names: map[string][]netip.Addr{}, works: map[netip.AddrPort]bool{},
		wants: func(int) bool { return true },
	}
	w.conf.Failback = failback
	for _, h := range hosts {
		w.conf.Sources = append(w.conf.Sources, Source{Host: h, Port: 51820})
	}
	w.m = New(w.conf, w.rng.Float64)
	return w
}

func (w *world) now() time.Time { return w.start.Add(time.Duration(w.second) * time.Second) }

func (w *world) connected() bool {
	return !w.dev.Handshake.IsZero() && w.now().Sub(w.dev.Handshake) < rejectAfterTime
}

// run lets seconds pass.
func (w *world) run(seconds int) {
	for range seconds {
		w.second++
		w.kernel()
		due := !w.next.IsZero() && !w.now().Before(w.next)
		if w.answers() || due || w.second%5 == 0 {
			w.step()
		}
	}
}

// kernel sends, and makes handshakes as WireGuard does.
func (w *world) kernel() {
	if !w.wants(w.second) || !w.dev.Endpoint.IsValid() {
		return
	}
	renew := w.dev.Handshake.IsZero() || w.now().Sub(w.dev.Handshake) >= rekeyAfterTime
	switch {
	case w.connected():
		w.dev.Tx += 96
		if w.works[w.dev.Endpoint] {
			w.dev.Rx += 96
			w.heard = w.now()
		} else if w.now().Sub(w.heard) >= unanswered {
			renew = true
		}
	default:
		w.heard = w.now()
	}
	if !renew || w.now().Sub(w.initiated) < rekeyTimeout {
		return
	}
	w.initiated = w.now()
	w.dev.Tx += 148
	if w.works[w.dev.Endpoint] {
		w.dev.Rx += 92
		w.dev.Handshake, w.heard = w.now(), w.now()
	}
}

// unanswered is after how long without anything from the peer WireGuard makes another
// handshake with a peer that data was sent to: KEEPALIVE_TIMEOUT and REKEY_TIMEOUT.
const unanswered = 15 * time.Second

// answers delivers what name servers say.
func (w *world) answers() bool {
	left, some := w.pending[:0], false
	for _, l := range w.pending {
		if w.now().Before(l.at) {
			left = append(left, l)
			continue
		}
		some = true
		if addrs := w.names[w.conf.Sources[l.source].Host]; len(addrs) > 0 {
			w.m.Resolved(l.source, addrs)
		} else {
			w.m.Failed(l.source, errors.New("no answer"))
		}
	}
	w.pending = left
	return some
}

func (w *world) step() {
	s := w.m.Step(w.now(), w.dev)
	for _, source := range s.Resolve {
		w.asked++
		w.pending = append(w.pending, lookup{source, w.now().Add(time.Duration(w.rng.IntN(10)) * time.Second)})
	}
	if s.Write.IsValid() {
		if s.Write == w.dev.Endpoint {
			w.t.Fatalf("second %d: wrote %v again", w.second, s.Write)
		}
		if w.onWrite != nil {
			w.onWrite(w.dev.Endpoint, s.Write)
		}
		w.dev.Endpoint = s.Write
	}
	if !s.Next.IsZero() && !s.Next.After(w.now()) {
		w.t.Fatalf("second %d: the next step was to be at %v, now is %v", w.second, s.Next, w.now())
	}
	w.next = s.Next
}

// shuffle makes the network another one.
func (w *world) shuffle() (candidates, working int) {
	clear(w.works)
	clear(w.names)
	for n, s := range w.conf.Sources {
		if w.rng.IntN(4) == 0 {
			continue // no answer
		}
		for k := range 1 + w.rng.IntN(5) {
			a := netip.AddrFrom4([4]byte{192, 0, byte(n), byte(k + w.rng.IntN(3)*10)})
			w.names[s.Host] = append(w.names[s.Host], a)
			candidates++
			if w.rng.IntN(4) == 0 {
				w.works[netip.AddrPortFrom(a, s.Port)] = true
				working++
			}
		}
	}
	return candidates, working
}

// TestConvergence: after anything that networks do, a peer that somebody sends to
// is connected within a bounded time if any of its candidates works, and then
// neither written nor looked up again.
func TestConvergence(t *testing.T) {
	hosts := []string{"a.example", "b.example", "c.example"}
	checked := 0
	for seed := range uint64(400) {
		w := newWorld(t, seed, 0, hosts[:1+seed%3]...)
		for range w.rng.IntN(6) { // bad times
			w.shuffle()
			switch w.rng.IntN(3) {
			case 0:
				w.m.Uplink(w.now(), nil)
			case 1: // one that reaches only some
				parity := byte(w.rng.IntN(2))
				w.m.Uplink(w.now(), func(a netip.Addr) bool { return a.As4()[3]%2 == parity })
			}
			if w.rng.IntN(3) == 0 {
				quiet := w.rng.IntN(2) == 0
				w.wants = func(int) bool { return !quiet }
			}
			w.run(w.rng.IntN(900))
			if w.connected() && w.rng.IntN(4) == 0 { // the peer roams
				w.dev.Endpoint = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(w.rng.IntN(250))}), 4000)
			}
		}
		candidates, working := w.shuffle()
		w.m.Uplink(w.now(), nil)
		w.wants = func(int) bool { return true }
		if working == 0 {
			continue
		}
		checked++
		// The session that was ends, a look-up that had backed off comes and is
		// answered, and each candidate, old and new ones, has its try.
		const reading = 5 * time.Second
		bound := rejectAfterTime + lastDelay*5/4 + 30*time.Second + time.Duration(candidates+16)*(TryTime+reading)
		w.run(int(bound.Seconds()))
		if !w.connected() || !w.works[w.dev.Endpoint] {
			t.Errorf("seed %d: at %v, not connected within %v; names %v, works %v", seed, w.dev.Endpoint, bound, w.names, w.works)
			continue
		}
		w.run(60)
		w.asked = 0
		w.onWrite = func(from, to netip.AddrPort) {
			t.Errorf("seed %d: %v works and was overwritten by %v", seed, from, to)
		}
		w.run(4000)
		if w.asked > 0 {
			t.Errorf("seed %d: %d look-ups for a healthy peer", seed, w.asked)
		}
	}
	if checked < 200 {
		t.Errorf("only %d networks had a candidate that works", checked)
	}
}

// TestReturn: the peer goes back to its first endpoint after that works again, and
// costs little while it does not.
func TestReturn(t *testing.T) {
	first, second := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	at := func(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, 51820) }
	for _, tt := range []struct {
		name  string
		wants func(int) bool
	}{
		{"always", func(int) bool { return true }},
		{"keepalive", func(n int) bool { return n%25 == 0 }},
		{"now and then", func(n int) bool { return n%3000 < 600 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 7, 600*time.Second, "a.example", "b.example")
			w.names["a.example"], w.names["b.example"] = []netip.Addr{first}, []netip.Addr{second}
			w.works[at(second)] = true
			w.wants = tt.wants
			w.dev.Keepalive = tt.name == "keepalive"
			w.run(500)
			if w.dev.Endpoint != at(second) {
				t.Fatalf("did not fail over: %v", w.dev.Endpoint)
			}
			// Hours in which the first is dead: few attempts, each of them short.
			attempts, lost, dead := 0, 0, 0
			w.onWrite = func(_, to netip.AddrPort) {
				if to == at(first) {
					attempts++
				}
			}
			w.run(500)
			for range 10 * 3600 {
				w.run(1)
				if w.wants(w.second) && w.dev.Endpoint == at(first) {
					lost++
				}
				if w.wants(w.second) && !w.connected() {
					dead++
				}
			}
			if tt.name != "now and then" && (attempts < 4 || attempts > 16 || lost > 60*attempts || dead > 0) {
				t.Errorf("%d attempts, %d s of traffic to the first, %d s without a session", attempts, lost, dead)
			}
			if tt.name == "now and then" && lost > 36000/10 {
				t.Errorf("%d attempts, %d s of traffic to the first", attempts, lost)
			}
			w.works[at(first)] = true
			w.run(int(maxFailback.Seconds()) + 4000)
			if w.dev.Endpoint != at(first) || !w.works[w.dev.Endpoint] {
				t.Errorf("did not go back: %v", w.dev.Endpoint)
			}
			w.onWrite = func(from, to netip.AddrPort) { t.Errorf("wrote %v over %v", to, from) }
			w.run(5000)
		})
	}
}

// TestReturnEndsWhenThePeerSpeaks: packets from the endpoint that worked move
// WireGuard back by themselves; the machine leaves it there.
func TestReturnEndsWhenThePeerSpeaks(t *testing.T) {
	b := newBench(t, 600*time.Second, "a.example", "b.example")
	b.keepalive()
	b.reading.Endpoint = ep("198.51.100.1")
	b.shakes()
	b.do(0, "resolve=[0,1] next=60 connected")
	b.do(1, "next=180 connected failed-over source=1 good", b.resolved(0, "192.0.2.1"), b.resolved(1, "198.51.100.1"))
	for at := 120.0; at <= 600; at += 120 {
		b.do(at, fmt.Sprintf("next=%.4g connected failed-over source=1 good", min(at+180, 601)), b.shakes)
	}
	b.do(602, "resolve=[0] next=662 connected failed-over source=1 good")
	b.do(603, "next=715 connected failed-over source=1 good", b.resolved(0, "192.0.2.1"))
	b.do(640, "next=715 connected failed-over source=1 good")
	b.do(715, "resolve=[0] next=775 connected failed-over source=1 good") // that answer is old
	b.do(716, "write=192.0.2.1 next=721 connected returning source=0", b.resolved(0, "192.0.2.1"))
	b.do(718, "next=780 connected failed-over source=1 good", b.moves("198.51.100.1"))
	b.do(719, "next=780 connected failed-over source=1 good")
}
