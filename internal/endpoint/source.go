package endpoint

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// firstDelay and lastDelay bound the time between two look-ups of a name that
	// brought no handshake: it doubles from one to the other.
	firstDelay = 2 * time.Second
	lastDelay  = 5 * time.Minute

	// spread is how far look-ups are spread that many peers want at the same moment,
	// as after a change of uplink.
	spread = 500 * time.Millisecond

	// firstTime is how long the answer for a source is waited for while one behind it
	// has an address: as long as Go's resolver waits for a name server.
	firstTime = 5 * time.Second

	// answerTime is after how long a look-up without Resolved or Failed is forgotten.
	answerTime = time.Minute
)

// source is a source and what is known of it.
type source struct {
	Source
	addrs []netip.Addr // candidates; of the last answer that had any
	err   error        // of the last look-up

	asking time.Time // since when it is being looked up; zero: it is not
	asked  time.Time // when it was last; zero: never
	due    time.Time // when it will be; zero: it need not be
	doubt  bool      // see Doubt
	must   bool      // it will be even if the peer is connected by then
	tries  int       // look-ups since the last handshake or change of uplink
}

// want makes the source be looked up as soon as the time since the last look-up
// allows.
func (s *source) want(now time.Time, random func() float64) {
	if !s.due.IsZero() || !s.asking.IsZero() {
		return
	}
	s.due = now.Add(time.Duration(random() * float64(spread)))
	if s.asked.IsZero() {
		s.due = now
		return
	}
	delay := firstDelay
	for n := 1; n < s.tries && delay < lastDelay; n++ {
		delay *= 2
	}
	delay = min(delay, lastDelay)
	// A quarter more or less keeps those apart that failed together.
	delay = time.Duration(float64(delay) * (0.75 + random()/2))
	if earliest := s.asked.Add(delay); earliest.After(s.due) {
		s.due = earliest
	}
}

// ask reports whether the source is to be looked up now, and notes that it is.
func (s *source) ask(now time.Time) bool {
	if s.due.IsZero() || now.Before(s.due) {
		return false
	}
	s.due, s.asking, s.asked, s.must = time.Time{}, now, now, false
	s.tries++
	return true
}

// answered reports whether the outcome of a look-up is known.
func (s *source) answered() bool { return len(s.addrs) > 0 || s.err != nil }

// place is a candidate: a source and one of its addresses, by index. The index is
// -1 for an address that the source had before its last answer.
type place struct{ source, index int }

// nowhere is before the first candidate.
var nowhere = place{0, -1}

func (m *Machine) endpoint(p place) netip.AddrPort {
	if p.source < 0 || p.source >= len(m.sources) || p.index < 0 || p.index >= len(m.sources[p.source].addrs) {
		return netip.AddrPort{}
	}
	s := &m.sources[p.source]
	return netip.AddrPortFrom(s.addrs[p.index], s.Port)
}

// find returns the candidate that an endpoint is.
func (m *Machine) find(e netip.AddrPort) (place, bool) {
	for n := range m.sources {
		s := &m.sources[n]
		if s.Port == e.Port() {
			if k := slices.Index(s.addrs, e.Addr()); k >= 0 {
				return place{n, k}, true
			}
		}
	}
	return place{}, false
}

// after returns the candidate to try after p: the next one that the uplink
// reaches, from the beginning behind the last. Where it reaches none, any will do:
// routes are not always all that there is. ok is false when there is no other
// candidate than the endpoint in use.
func (m *Machine) after(p place) (next place, ok bool) {
	if m.count() == 0 {
		return p, false
	}
	for _, anyway := range [2]bool{false, true} {
		at := p
		for range m.count() + 1 {
			at = m.follow(at)
			e := m.endpoint(at)
			if e != m.last.Endpoint && (anyway || m.reaches(e.Addr())) {
				return at, true
			}
		}
	}
	return place{}, false
}

// follow returns the candidate behind p in the circle of all, which is not empty.
func (m *Machine) follow(p place) place {
	if p.index+1 < len(m.sources[p.source].addrs) {
		return place{p.source, p.index + 1}
	}
	k := p.source
	for {
		if k = (k + 1) % len(m.sources); len(m.sources[k].addrs) > 0 {
			return place{k, 0}
		}
	}
}

// first returns the candidate to begin with: of the first source that has any,
// unless one before it is still being looked up and may yet be found in time.
func (m *Machine) first(now time.Time) (place, bool) {
	for n := range m.sources {
		if s := &m.sources[n]; !s.answered() && (s.asked.IsZero() || now.Sub(s.asked) < firstTime) {
			return place{}, false
		}
		if p, ok := m.bestOf(n); ok {
			return p, true
		}
	}
	return place{}, false
}

// bestOf returns the first candidate of a source that the uplink reaches, or else
// its first.
func (m *Machine) bestOf(source int) (place, bool) {
	for k, a := range m.sources[source].addrs {
		if m.reaches(a) {
			return place{source, k}, true
		}
	}
	return place{source, 0}, len(m.sources[source].addrs) > 0
}

func (m *Machine) count() (n int) {
	for k := range m.sources {
		n += len(m.sources[k].addrs)
	}
	return n
}

func (m *Machine) reaches(a netip.Addr) bool { return m.reach == nil || m.reach(a) }
