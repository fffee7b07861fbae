package history

import (
	"slices"
	"time"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// watch is a series that somebody watches. It goes by name, so that an interface
// or a peer can be watched before it is read.
type watch struct {
	name  string
	whole bool   // all peers of the interface
	key   uint64 // the peer's fingerprint otherwise
	until time.Duration
	ring  ring
	// before is what the peer's counters showed at the last reading, if known.
	before moved
	known  bool
	memory [seconds]cells
}

func (w *watch) is(name string, key schema.Key) bool {
	return w.name == name && w.whole == key.IsZero() && (w.whole || w.key == fingerprint(key))
}

// Watch keeps a second a step of a peer, or with the zero key of all peers of an
// interface, for the next 30 s. It is false when 24 series are watched already:
// there are no seconds of this one then.
func (s *Store) Watch(now time.Time, name string, key schema.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.elapsed(now)
	s.unwatch(at)
	for _, w := range s.watched {
		if w.is(name, key) {
			w.until = at + WatchTime
			return true
		}
	}
	if len(s.watched) >= maxWatched {
		return false
	}
	w := &watch{name: name, whole: key.IsZero(), key: fingerprint(key), until: at + WatchTime}
	w.ring.init(time.Second, w.memory[:])
	s.watched = append(s.watched, w)
	return true
}

// Watched reports whether somebody watches an interface or one of its peers, so
// that its counters have to be read each second.
func (s *Store) Watched(now time.Time, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.elapsed(now)
	return slices.ContainsFunc(s.watched, func(w *watch) bool { return w.name == name && w.until > at })
}

// Seconds returns the bytes of each of the last 120 seconds that a peer moved,
// or with the zero key all peers of the interface. It is false when there is
// nothing: nobody watches it, or it was not read twice since.
func (s *Store) Seconds(now time.Time, name string, key schema.Key) (Series, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.ifaces[name]
	for _, w := range s.watched {
		if f != nil && w.is(name, key) {
			return s.series(now, f.at, &w.ring)
		}
	}
	return Series{}, false
}

// beforeReading keeps the counters of the peers that are watched.
func (s *Store) beforeReading(f *iface) {
	for _, w := range s.watched {
		if w.name != f.name || w.whole {
			continue
		}
		n := f.peers.find(0, w.key)
		if w.known = n >= 0; w.known {
			w.before = moved{f.peers.entries[n].rx, f.peers.entries[n].tx}
		}
	}
}

// afterReading counts what they have moved since.
func (s *Store) afterReading(f *iface, over span, total moved) {
	for _, w := range s.watched {
		if w.name != f.name {
			continue
		}
		if w.whole {
			w.ring.add(over, total)
			continue
		}
		if n := f.peers.find(0, w.key); n >= 0 && w.known {
			p := &f.peers.entries[n]
			w.ring.add(over, moved{counted(w.before.rx, p.rx), counted(w.before.tx, p.tx)})
		}
	}
}

// unwatch forgets what nobody watches any more.
func (s *Store) unwatch(at time.Duration) {
	s.watched = slices.DeleteFunc(s.watched, func(w *watch) bool { return w.until <= at })
}

func (s *Store) unwatchInterface(name string) {
	s.watched = slices.DeleteFunc(s.watched, func(w *watch) bool { return w.name == name })
}
