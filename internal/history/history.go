// Package history keeps how many bytes each interface and the busiest peers have
// received and sent: a minute a step for a day, and a second a step for two
// minutes for what somebody watches.
//
// It is arithmetic only: the caller reads the counters and says what time it is.
// Time is measured by the monotonic reading that time.Now puts into a time.Time,
// so that a clock that is set tears no hole and makes no spike; the wall clock
// labels are worked out when a series is asked for. (Round, Truncate, UTC and
// Local take the monotonic reading out of a time: pass times as they came.)
//
// Memory is bounded. Rings are made when the first bytes move, 12 KB each: at
// most 64 of interfaces and 256 of peers, together with what is watched less
// than 4 MB, whatever the number of peers. Beside them every peer costs about
// 50 bytes, its counters at the last reading.
package history

import (
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// What is kept.
const (
	// minutes is how many steps of a minute are kept: a day.
	minutes = 24 * 60
	// seconds is how many steps of a second are kept: two minutes.
	seconds = 120
	// maxPeers is how many peers have a ring of minutes: those that moved most
	// lately.
	maxPeers = 256
	// maxInterfaces is how many interfaces have a ring of minutes, the first that
	// were recorded. The others have rates, seconds and rings of their peers.
	maxInterfaces = 64
	// maxWatched is how many series have a ring of seconds at a time.
	maxWatched = 24
)

const (
	// WatchTime is for how long a series is watched after one Watch.
	WatchTime = 30 * time.Second
	// shortest is the least time between two readings that count: a rate over
	// less is noise. Nothing is lost, the next reading has those bytes too.
	shortest = 200 * time.Millisecond
)

// Sample is what one peer's counters show.
type Sample struct {
	Key schema.Key
	// Rx and Tx are the bytes received and sent since the peer was made.
	Rx, Tx uint64
}

// Series is bytes per step, the oldest step first. It begins with the first step
// that was measured and ends with the last that was over at the last reading.
type Series struct {
	// Start is when the first step began, by the wall clock of now: a clock that
	// was set since does not show.
	Start time.Time
	// Step is how long a step takes: a minute or a second.
	Step time.Duration
	// Rx and Tx are the bytes received and sent in each step, -1 where nobody
	// measured. They never are more than was counted, and at most a 30-millionth
	// less for each reading in the step; up to 64 MB they are exact.
	Rx, Tx []int64
}

// Store keeps the history of all interfaces. Make one with New. Its methods may
// be called from many goroutines.
type Store struct {
	mu sync.Mutex
	// epoch is when the steps begin to be counted: a full minute of the wall
	// clock, so that steps are what people call a minute as long as nobody sets
	// the clock.
	epoch  time.Time
	ifaces map[string]*iface
	// rings is how many interfaces have one.
	rings int
	// peers are the rings of the peers that have one; nil where none is.
	peers   [maxPeers]*peerRing
	busiest candidates
	watched []*watch
}

// iface is what is known of one interface.
type iface struct {
	name string
	// at is when it was read last.
	at    time.Duration
	peers table
	// minutes is nil for those beyond maxInterfaces.
	minutes *minuteRing
	// rated: there were two readings, so there are rates.
	rated bool
	rate  rate
}

// rate is bytes a second. A float32 has 24 significant bits.
type rate struct{ rx, tx float32 }

// New returns an empty store.
func New(now time.Time) *Store {
	past := time.Duration(now.Unix()%60)*time.Second + time.Duration(now.Nanosecond())
	return &Store{epoch: now.Add(-past), ifaces: map[string]*iface{}}
}

// elapsed is how long after the epoch a time is, 0 if before.
func (s *Store) elapsed(t time.Time) time.Duration { return max(0, t.Sub(s.epoch)) }

// Record takes in what the counters of an interface's peers show: all of them,
// in any order (the same order as last time is fastest). It is meant to be called
// at about each minute, and each second while the interface is Watched, but takes
// any interval:
//
//   - The bytes since the last reading are spread evenly over the time since, onto
//     the steps that it belongs to.
//   - When that is more than 5 steps, nobody knows when they moved: if nothing
//     moved the steps are zero, otherwise they count as not measured.
//   - What comes less than 200 ms after the last reading is left to the next.
//   - A peer that is seen for the first time, or again after it was not there,
//     starts at what its counters show.
//   - A counter that shows less than before was reset: what it shows now counts.
func (s *Store) Record(now time.Time, name string, peers []Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, to := s.ifaces[name], s.elapsed(now)
	if f == nil {
		f = &iface{name: name, at: to}
		s.ifaces[name] = f
		s.base(f, peers)
		return
	}
	over := span{f.at, to}
	if over.length() < shortest {
		return
	}
	s.unwatch(to)
	s.beforeReading(f)
	total := s.read(f, over, peers)
	f.at = to
	f.rated, f.rate = true, total.rate(over)
	if f.minutes == nil && s.rings < maxInterfaces {
		f.minutes = newMinuteRing()
		s.rings++
	}
	if f.minutes != nil {
		f.minutes.add(over, total)
	}
	s.afterReading(f, over, total)
}

// base takes the first reading of an interface, which nothing can be counted
// from.
func (s *Store) base(f *iface, peers []Sample) {
	f.peers.begin()
	for n := range peers {
		f.peers.see(n, len(peers)-n, &peers[n])
	}
	f.peers.end()
}

// read takes in the counters and returns what all peers moved.
func (s *Store) read(f *iface, over span, peers []Sample) (total moved) {
	keep := decay(over.length())
	s.busiest.reset()
	f.peers.begin()
	at := 0 // where the next peer is if they come in the order of last time
	for n := range peers {
		entry, what, known := f.peers.see(at, len(peers)-n, &peers[n])
		at = entry + 1
		if !known {
			s.adopt(f, entry, over.to)
			continue
		}
		p := &f.peers.entries[entry]
		total = total.plus(what)
		p.rate = what.rate(over)
		p.score *= keep
		if what != (moved{}) {
			p.score += float32(what.rx) + float32(what.tx)
		}
		switch {
		case p.ring != 0:
			ring := s.peers[p.ring-1]
			ring.add(over, what)
			ring.score, ring.at = p.score, over.to
		case what != (moved{}):
			s.busiest.offer(candidate{entry: entry, score: p.score, moved: what})
		}
	}
	s.promote(f, over)
	f.peers.end()
	return total
}

// Remove forgets an interface, its peers and who watches them.
func (s *Store) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwatchInterface(name)
	f := s.ifaces[name]
	if f == nil {
		return
	}
	delete(s.ifaces, name)
	if f.minutes != nil {
		s.rings--
	}
	for n, ring := range s.peers {
		if ring != nil && ring.iface == f {
			s.peers[n] = nil
		}
	}
}

// Minutes returns the bytes of each minute of the last day that a peer moved, or
// with the zero key all peers of the interface. It is false when there is
// nothing: the interface or the peer was never read twice, or the peer is not
// among the 256 that moved most lately.
func (s *Store) Minutes(now time.Time, name string, key schema.Key) (Series, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.ifaces[name]
	if f == nil {
		return Series{}, false
	}
	if key.IsZero() {
		if f.minutes == nil {
			return Series{}, false
		}
		return s.series(now, f.at, &f.minutes.ring)
	}
	if ring := s.ringOf(f, key); ring != nil {
		return s.series(now, f.at, &ring.ring)
	}
	return Series{}, false
}

// Rate returns the bytes a second that a peer, or with the zero key all peers of
// an interface, received and sent between the last two readings. It is false
// when the peer was not in both.
func (s *Store) Rate(name string, key schema.Key) (rx, tx int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.ifaces[name]
	if f == nil || !f.rated {
		return 0, 0, false
	}
	if key.IsZero() {
		return f.rate.whole()
	}
	n := f.peers.find(0, fingerprint(key))
	if n < 0 || !f.peers.entries[n].rated {
		return 0, 0, false
	}
	return f.peers.entries[n].rate.whole()
}

func (r rate) whole() (rx, tx int64, ok bool) { return int64(r.rx), int64(r.tx), true }

// span is a time from one reading to the next.
type span struct{ from, to time.Duration }

func (s span) length() time.Duration { return s.to - s.from }

// moved is the bytes received and sent between two readings.
type moved struct{ rx, tx uint64 }

// counted returns how far a counter went. One that was reset counts from zero.
func counted(last, now uint64) uint64 {
	if now < last {
		return now
	}
	return now - last
}

func (m moved) plus(n moved) moved { return moved{saturated(m.rx, n.rx), saturated(m.tx, n.tx)} }

func saturated(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}

// rate is capped to what an int64 holds.
func (m moved) rate(over span) rate {
	if m == (moved{}) {
		return rate{} // most peers, most of the time; many routers have no FPU
	}
	per := func(n uint64) float32 { return float32(min(float64(n)/over.length().Seconds(), 1<<62)) }
	return rate{per(m.rx), per(m.tx)}
}
