package history

import (
	"math"
	"time"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Who has a ring: the peers that moved most lately. Each peer has a score, the
// bytes that it moved, of which a half is left after an hour. A peer that has no
// ring and moves takes one that is free, or that of the peer with the lowest
// score when its own is half as much again: two that move the same do not throw
// each other out. Only peers that moved in a reading are looked at, since the
// scores of all others have shrunk alike.
const (
	halfLife   = time.Hour
	hysteresis = 1.5
)

// decay is what is left of a score after a time.
func decay(after time.Duration) float32 {
	return float32(math.Exp2(-float64(after) / float64(halfLife)))
}

// peerRing is the ring of one peer. It stays when the peer goes, until somebody
// else takes it: a peer that is disabled and enabled has its history.
type peerRing struct {
	minuteRing
	iface *iface
	key   uint64
	// score is as of a time.
	score float32
	at    time.Duration
}

// candidate is a peer that moved and has no ring.
type candidate struct {
	entry int
	score float32
	moved moved
}

// candidates is the best of those that were offered, as many as there are rings:
// a heap with the lowest score first.
type candidates struct{ heap []candidate }

func (c *candidates) reset() { c.heap = c.heap[:0] }

func (c *candidates) offer(p candidate) {
	switch {
	case len(c.heap) < maxPeers:
		c.heap = append(c.heap, p)
		for n := len(c.heap) - 1; n > 0 && c.heap[n].score < c.heap[(n-1)/2].score; n = (n - 1) / 2 {
			c.heap[n], c.heap[(n-1)/2] = c.heap[(n-1)/2], c.heap[n]
		}
	case p.score > c.heap[0].score:
		c.heap[0] = p
		c.sink()
	}
}

// sink puts the first one where it belongs.
func (c *candidates) sink() {
	for n := 0; ; {
		low := n
		for _, child := range [2]int{2*n + 1, 2*n + 2} {
			if child < len(c.heap) && c.heap[child].score < c.heap[low].score {
				low = child
			}
		}
		if low == n {
			return
		}
		c.heap[n], c.heap[low] = c.heap[low], c.heap[n]
		n = low
	}
}

// promote gives rings to the candidates that have earned one.
func (s *Store) promote(f *iface, over span) {
	if len(s.busiest.heap) == 0 {
		return
	}
	var scores [maxPeers]float32
	for n, ring := range s.peers {
		scores[n] = -1 // free
		if ring != nil {
			scores[n] = ring.score * decay(over.to-ring.at)
		}
	}
	for range s.busiest.heap {
		best, place := 0, 0
		for n := range s.busiest.heap {
			if s.busiest.heap[n].score > s.busiest.heap[best].score {
				best = n
			}
		}
		for n, score := range scores {
			if score < scores[place] {
				place = n
			}
		}
		c := &s.busiest.heap[best]
		if c.score <= scores[place]*hysteresis {
			return
		}
		s.give(f, c, place, over)
		scores[place] = c.score
		c.score = -2 // done
	}
}

// give lets a peer have a ring.
func (s *Store) give(f *iface, c *candidate, place int, over span) {
	ring := s.peers[place]
	if ring == nil {
		ring = &peerRing{}
		s.peers[place] = ring
	} else if n := ring.iface.peers.find(0, ring.key); n >= 0 {
		ring.iface.peers.entries[n].ring = 0
	}
	p := &f.peers.entries[c.entry]
	p.ring = uint16(place + 1)
	ring.init(time.Minute, ring.memory[:])
	ring.iface, ring.key, ring.score, ring.at = f, p.key, p.score, over.to
	ring.add(over, c.moved)
}

// adopt gives a peer that is back its ring, if nobody has taken it.
func (s *Store) adopt(f *iface, entry int, now time.Duration) {
	p := &f.peers.entries[entry]
	if n := s.placeOf(f, p.key); n >= 0 {
		ring := s.peers[n]
		p.ring, p.score = uint16(n+1), ring.score*decay(now-ring.at)
		ring.score, ring.at = p.score, now
	}
}

// placeOf returns the place of a peer's ring, -1 for none.
func (s *Store) placeOf(f *iface, key uint64) int {
	for n, ring := range s.peers {
		if ring != nil && ring.key == key && ring.iface == f {
			return n
		}
	}
	return -1
}

// ringOf returns the ring of a peer that is or was there, nil for none.
func (s *Store) ringOf(f *iface, key schema.Key) *peerRing {
	if n := s.placeOf(f, fingerprint(key)); n >= 0 {
		return s.peers[n]
	}
	return nil
}
