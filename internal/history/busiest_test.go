package history

import (
	"math/rand/v2"
	"testing"
	"time"
)

// traffic moves bytes of many peers.
type traffic struct {
	s     *Store
	now   time.Time
	peers map[string][]Sample
}

func newTraffic() *traffic {
	return &traffic{s: New(start), now: start, peers: map[string][]Sample{}}
}

func (x *traffic) add(name string, from, n int) {
	for k := from; k < from+n; k++ {
		x.peers[name] = append(x.peers[name], Sample{Key: key(k)})
	}
	x.s.Record(x.now, name, x.peers[name])
}

// minute lets a minute go by in which the peers move what by says.
func (x *traffic) minute(name string, by func(n int) uint64) {
	x.now = x.now.Add(time.Minute)
	for n := range x.peers[name] {
		x.peers[name][n].Rx += by(n)
	}
	x.s.Record(x.now, name, x.peers[name])
}

func (x *traffic) has(name string, n int) bool {
	_, ok := x.s.Minutes(x.now, name, x.peers[name][n].Key)
	return ok
}

// held is how many peers of an interface have a ring.
func (x *traffic) held(name string) (n int) {
	for p := range x.peers[name] {
		if x.has(name, p) {
			n++
		}
	}
	return n
}

func TestBusiest(t *testing.T) {
	x := newTraffic()
	x.add("wg0", 0, 1000)
	x.minute("wg0", func(n int) uint64 { return uint64(n) * 1000 })
	for n := range 1000 {
		if got, want := x.has("wg0", n), n >= 1000-256; got != want {
			t.Fatalf("peer %d has a ring: %v, want %v", n, got, want)
		}
	}
	// Somebody who never moved moves more than the last of them.
	x.minute("wg0", func(n int) uint64 {
		if n == 0 {
			return 1_200_000
		}
		return 0
	})
	if !x.has("wg0", 0) || x.has("wg0", 744) || !x.has("wg0", 745) {
		t.Error("the ring of peer 744 did not go to peer 0")
	}
	got, _ := x.s.Minutes(x.now, "wg0", key(0))
	if len(got.Rx) != 1 || got.Rx[0] != 1_200_000 {
		t.Errorf("the bytes of another peer are in its ring: %v", got.Rx)
	}
	// A little more than the lowest score is not enough.
	x.minute("wg0", func(n int) uint64 {
		if n == 1 {
			return 760_000
		}
		return 0
	})
	if x.has("wg0", 1) || !x.has("wg0", 745) {
		t.Error("peer 1 threw peer 745 out")
	}
	// Rings are for the peers of all interfaces.
	x.add("wg1", 0, 300)
	x.minute("wg1", func(int) uint64 { return 1e9 })
	if wg0, wg1 := x.held("wg0"), x.held("wg1"); wg0 != 0 || wg1 != 256 {
		t.Errorf("wg0 has %d rings, wg1 %d", wg0, wg1)
	}
	x.minute("wg0", func(int) uint64 { return 1 })
	if n := x.held("wg0"); n != 0 {
		t.Errorf("wg0 has %d rings", n)
	}
	x.s.Remove("wg1")
	x.minute("wg0", func(int) uint64 { return 1 })
	if n := x.held("wg0"); n != 256 {
		t.Errorf("wg0 has %d rings after wg1 went", n)
	}
	checkRings(t, x.s)
}

// Lately counts: what moved much long ago gives way to what moves a little now.
func TestBusiestLately(t *testing.T) {
	x := newTraffic()
	x.add("wg0", 0, 512)
	x.minute("wg0", func(n int) uint64 {
		if n < 256 {
			return 1e9
		}
		return 0
	})
	for range 24 * 60 {
		x.minute("wg0", func(n int) uint64 {
			if n < 256 {
				return 0
			}
			return 1000
		})
	}
	for n := range 512 {
		if got, want := x.has("wg0", n), n >= 256; got != want {
			t.Fatalf("peer %d has a ring: %v, want %v", n, got, want)
		}
	}
	checkRings(t, x.s)
}

// Peers that move about the same keep their rings.
func TestBusiestSteady(t *testing.T) {
	x := newTraffic()
	x.add("wg0", 0, 1000)
	random := rand.New(rand.NewPCG(1, 2))
	by := func(int) uint64 { return 500 + random.Uint64N(1000) }
	for range 60 { // until the scores are even
		x.minute("wg0", by)
	}
	before := map[uint64]bool{}
	for _, ring := range x.s.peers {
		before[ring.key] = true
	}
	for range 240 {
		x.minute("wg0", by)
	}
	for _, ring := range x.s.peers {
		if !before[ring.key] {
			t.Errorf("a ring changed hands")
		}
	}
	checkRings(t, x.s)
}

// A peer that is taken out and put back has its history, and one that shares its
// place with a duplicate is counted once.
func TestBackAgain(t *testing.T) {
	x := newTraffic()
	x.add("wg0", 0, 3)
	x.minute("wg0", func(int) uint64 { return 60 })
	all := x.peers["wg0"]
	x.peers["wg0"] = all[:2]
	x.minute("wg0", func(int) uint64 { return 60 })
	if _, ok := x.s.Minutes(x.now, "wg0", key(2)); !ok {
		t.Error("the history went with the peer")
	}
	x.peers["wg0"] = append(all[:2:2], Sample{Key: key(2)}, Sample{Key: key(2), Rx: 1e9})
	x.minute("wg0", func(int) uint64 { return 0 })
	x.minute("wg0", func(n int) uint64 { return 7 })
	got, ok := x.s.Minutes(x.now, "wg0", key(2))
	if want := []int64{60, -1, -1, 7}; !ok || len(got.Rx) != 4 || got.Rx[0] != want[0] || got.Rx[1] != -1 || got.Rx[3] != 7 {
		t.Errorf("%v, want %v", got.Rx, want)
	}
	checkRings(t, x.s)
}

// checkRings holds the tables and the rings to each other.
func checkRings(t testing.TB, s *Store) {
	t.Helper()
	for name, f := range s.ifaces {
		for n, p := range f.peers.entries {
			if got := f.peers.find(len(f.peers.entries), p.key); got != n {
				t.Fatalf("%s: peer %d is found at %d", name, n, got)
			}
			if p.ring == 0 {
				continue
			}
			ring := s.peers[p.ring-1]
			if ring == nil || ring.key != p.key || ring.iface != f {
				t.Fatalf("%s: peer %d has the ring of another", name, n)
			}
		}
	}
	for n, ring := range s.peers {
		if ring == nil {
			continue
		}
		if s.ifaces[ring.iface.name] != ring.iface {
			t.Fatalf("ring %d is of an interface that is gone", n)
		}
		if at := ring.iface.peers.find(0, ring.key); at >= 0 && int(ring.iface.peers.entries[at].ring) != n+1 {
			t.Fatalf("the peer of ring %d does not know", n)
		}
	}
}
