package endpoint

import (
	"net/netip"
	"slices"
	"time"
)

// Machine is the state of one peer's endpoint. It is not safe for use by several
// goroutines.
type Machine struct {
	failback time.Duration
	random   func() float64
	sources  []source
	reach    func(netip.Addr) bool // nil: everything

	// What the device showed last, and what follows from it.
	seen  bool
	last  Reading
	read  time.Time      // when
	fresh time.Time      // when the last handshake was, by the clock of the steps; zero: none that counts
	sent  time.Time      // when bytes sent were seen last; zero: never
	good  netip.AddrPort // the endpoint that had the last handshake

	tried   place          // the candidate that was written or answered last
	wrote   netip.AddrPort // the endpoint that was written last
	trying  time.Time      // since when the endpoint in use is given a try; zero: it is not
	rewrite bool

	away    time.Time // since when another source than the first is connected; zero: it is not
	vain    int       // attempts to return that failed
	attempt *attempt
	moved   *move // nil: the session is where it was made
}

// attempt is an attempt to return to the first source.
type attempt struct {
	home  netip.AddrPort // what worked
	to    netip.AddrPort
	since time.Time
	sent  time.Time // when the first packet went there that renews the session; zero: not yet
}

// New returns the machine of a peer. random returns numbers from 0 to below 1, as
// math/rand/v2.Float64 does. What the device has is found out at the first step; an
// endpoint that works is kept.
func New(c Config, random func() float64) *Machine {
	m := &Machine{failback: c.Failback, random: random, reach: c.Reach, sources: make([]source, len(c.Sources)), tried: nowhere}
	for n, s := range c.Sources {
		m.sources[n].Source = s
	}
	return m
}

// Rewrite makes the next step that knows an address write the first candidate,
// even over an endpoint that works: the configuration was changed.
func (m *Machine) Rewrite() { m.rewrite = true }

// Resolved tells the addresses of a source, in the order in which they are to be
// tried; without any, nothing changes. Step comes next.
func (m *Machine) Resolved(source int, addrs []netip.Addr) {
	s := &m.sources[source]
	s.asking, s.err, s.doubt = time.Time{}, nil, false
	if len(addrs) == 0 {
		return
	}
	old := m.endpoint(m.tried)
	s.addrs = slices.Clone(addrs[:min(len(addrs), MaxCandidates)])
	if m.tried.source == source {
		m.tried.index = slices.Index(s.addrs, old.Addr())
	}
}

// Doubt tells that there may be other addresses of a source before long, as when the
// uplink's NAT64 could not be found: it is looked up again while the peer is not
// connected. It follows Resolved.
func (m *Machine) Doubt(source int) { m.sources[source].doubt = true }

// Failed tells that a source was not found. What was known of it stays. Step comes
// next.
func (m *Machine) Failed(source int, err error) {
	m.sources[source].asking, m.sources[source].err = time.Time{}, err
}

// Uplink tells that the way to the Internet has changed, and what it reaches; nil:
// everything. All sources are looked up again. Step comes next.
func (m *Machine) Uplink(now time.Time, reach func(netip.Addr) bool) {
	m.reach, m.trying = reach, time.Time{}
	for n := range m.sources {
		s := &m.sources[n]
		s.tries, s.asking, s.must = 0, time.Time{}, true
		s.due = now.Add(time.Duration(m.random() * float64(spread)))
	}
}

// OtherServers tells that other name servers are asked from now on. Sources that
// were not found are looked up, without the wait that has grown. Step comes next.
func (m *Machine) OtherServers(now time.Time) {
	for n := range m.sources {
		s := &m.sources[n]
		if s.err != nil && s.asking.IsZero() {
			s.tries, s.due = 0, now.Add(time.Duration(m.random()*float64(spread)))
		}
	}
}

// Step takes a reading of the device and says what is to be done. now never goes
// back; time.Now's is such a clock, whatever happens to the router's.
func (m *Machine) Step(now time.Time, r Reading) Step {
	m.absorb(now, r)
	var s Step
	if to, ok := m.decide(now); ok {
		s.Write, m.wrote = to, to
		m.last.Endpoint = to
		m.trying = time.Time{}
		if v := m.moved; v != nil && v.to != to {
			m.moved = &move{to: to, since: now, session: v.session, asked: v.asked}
		}
		if m.wanted(now) {
			m.trying = now
		}
	}
	m.demandNames(now)
	for n := range m.sources {
		if m.sources[n].ask(now) {
			s.Resolve = append(s.Resolve, n)
		}
	}
	m.describe(now, &s)
	s.Next = m.next(now)
	return s
}

// absorb notes what the device shows.
func (m *Machine) absorb(now time.Time, r Reading) {
	age := now.Sub(r.Handshake)
	switch {
	case r.Handshake.IsZero():
		m.fresh = time.Time{}
	case !m.seen:
		// The router's clock is all that there is. Where it was set back meanwhile, the
		// session may be any age: it is given the time of a new one.
		switch {
		case age < 0:
			m.fresh, m.good = now, r.Endpoint
		case age < rejectAfterTime:
			m.fresh, m.good = now.Add(-age), r.Endpoint
		}
	case !r.Handshake.Equal(m.last.Handshake):
		// It happened since the last reading, whatever the router's clock says.
		m.fresh = now
		if age >= 0 && age < now.Sub(m.read) {
			m.fresh = now.Add(-age)
		}
		m.shook(r.Endpoint)
	}
	if m.seen && r.Tx > m.last.Tx {
		m.sent = now
	}
	if m.seen && r.Endpoint != m.last.Endpoint {
		m.trying = time.Time{} // the peer moved, or somebody else wrote
	}
	m.followMove(now, r)
	m.seen, m.last, m.read = true, r, now
}

// shook notes a handshake with an endpoint.
func (m *Machine) shook(e netip.AddrPort) {
	m.trying, m.good = time.Time{}, e
	for n := range m.sources {
		m.sources[n].tries = 0
	}
	m.tried = nowhere // the peer roamed: should it be lost, the first is next
	if p, ok := m.find(e); ok {
		m.tried = p
	}
}

// connected reports whether there is a session that may still carry packets.
func (m *Machine) connected(now time.Time) bool {
	return !m.fresh.IsZero() && now.Sub(m.fresh) < rejectAfterTime
}

// wanted reports whether somebody wants to send to the peer.
func (m *Machine) wanted(now time.Time) bool {
	return m.last.Keepalive || !m.sent.IsZero() && now.Sub(m.sent) <= demandTime
}

// decide returns the endpoint to write.
func (m *Machine) decide(now time.Time) (to netip.AddrPort, ok bool) {
	use := m.last.Endpoint
	switch {
	case len(m.sources) == 0:
		return to, false
	case m.rewrite:
		if p, known := m.first(now); known {
			m.rewrite, m.attempt = false, nil
			return m.turnTo(p)
		}
		return to, false
	case !use.IsValid():
		if p, known := m.first(now); known {
			return m.turnTo(p)
		}
		return to, false
	case !m.reaches(use.Addr()):
		m.attempt = nil
		if p, known := m.after(nowhere); known && m.reaches(m.endpoint(p).Addr()) {
			m.take(now, m.endpoint(p))
			return m.turnTo(p)
		}
		return to, false
	case m.attempt != nil:
		return m.watchReturn(now)
	case m.connected(now):
		m.trying = time.Time{}
		return m.startReturn(now)
	}
	return m.search(now)
}

// turnTo makes a candidate the one in use.
func (m *Machine) turnTo(p place) (to netip.AddrPort, differs bool) {
	m.tried = p
	to = m.endpoint(p)
	return to, to != m.last.Endpoint
}

// search decides about a peer without a session.
func (m *Machine) search(now time.Time) (to netip.AddrPort, ok bool) {
	use := m.last.Endpoint
	p, known := m.find(use)
	if !known && (use == m.wrote || m.last.Handshake.IsZero()) {
		// The names say something else by now: it was our choice, or one from before,
		// for no peer moves without a handshake.
		if m.tried.index < 0 && m.tried.source < len(m.sources) && len(m.sources[m.tried.source].addrs) > 0 {
			if best, any := m.bestOf(m.tried.source); any {
				return m.turnTo(best)
			}
		}
	}
	if !m.wanted(now) {
		m.trying = time.Time{}
		if best, any := m.home(now, p, known); any {
			return m.turnTo(best)
		}
		return to, false
	}
	if m.trying.IsZero() {
		m.trying = now
	}
	if now.Sub(m.trying) < TryTime {
		return to, false
	}
	m.trying = now
	if next, any := m.after(m.tried); any {
		return m.turnTo(next)
	}
	return to, false
}

// home returns the first source's candidate when the peer, whom nobody sends to,
// has been on another source for long enough.
func (m *Machine) home(now time.Time, p place, known bool) (best place, ok bool) {
	if !known || p.source == 0 || m.away.IsZero() || now.Before(m.returnAt()) {
		return best, false
	}
	m.inVain(now) // unless a handshake says otherwise
	m.away = time.Time{}
	return m.bestOf(0)
}

// demandNames has the sources looked up that are needed: each once at the
// beginning, and those of a peer that is not connected where they are unknown or
// lead nowhere.
func (m *Machine) demandNames(now time.Time) {
	connected := m.connected(now)
	suspect := !m.trying.IsZero() && now.Sub(m.trying) >= suspectTime
	for n := range m.sources {
		s := &m.sources[n]
		if !s.asking.IsZero() && now.Sub(s.asking) >= answerTime {
			s.asking = time.Time{}
		}
		switch {
		case s.asked.IsZero():
			s.want(now, m.random)
			s.must = true
		case connected:
			if !s.must {
				s.due = time.Time{}
			}
		case s.doubt:
			s.want(now, m.random)
		case len(s.addrs) == 0 && (n == 0 || n == m.tried.source || m.wanted(now) || !m.last.Endpoint.IsValid()):
			s.want(now, m.random)
		case suspect && n == m.tried.source && s.asked.Before(m.trying):
			s.want(now, m.random)
		}
	}
}
