package endpoint

import (
	"net/netip"
	"time"
)

// returnAt is when the first source is tried again.
func (m *Machine) returnAt() time.Time {
	after, most := m.failback, max(m.failback, maxFailback)
	for n := 0; n < m.vain && after < most; n++ {
		after *= 2
	}
	return m.away.Add(min(after, most))
}

// startReturn decides whether a connected peer goes back to its first source, and
// begins the attempt. See the documentation of the package.
func (m *Machine) startReturn(now time.Time) (to netip.AddrPort, ok bool) {
	p, known := m.find(m.last.Endpoint)
	switch {
	case known && p.source == 0:
		m.away, m.vain = time.Time{}, 0
		return to, false
	case !known || m.failback == 0:
		m.away = time.Time{}
		return to, false
	case m.away.IsZero():
		m.away = now
		return to, false
	case now.Before(m.returnAt()) || !m.wanted(now):
		return to, false
	}
	first := &m.sources[0]
	switch {
	case !first.asking.IsZero() || !first.due.IsZero():
		return to, false // its answer comes first
	case now.Sub(first.asked) > answerTime:
		first.due, first.must = now, true
		return to, false
	}
	best, any := m.bestOf(0)
	if !any || !m.reaches(m.endpoint(best).Addr()) {
		m.inVain(now)
		return to, false
	}
	if age := now.Sub(m.fresh); age < returnAge || age >= rejectAfterTime-returnTime {
		return to, false
	}
	m.attempt = &attempt{home: m.last.Endpoint, to: m.endpoint(best), since: now}
	return m.turnTo(best)
}

// watchReturn decides how an attempt ends.
func (m *Machine) watchReturn(now time.Time) (to netip.AddrPort, ok bool) {
	a := m.attempt
	switch {
	case m.last.Endpoint != a.to:
		// The peer sends from elsewhere: WireGuard is back there by itself.
		m.inVain(now)
		return to, false
	case m.fresh.After(a.since):
		m.attempt, m.away, m.vain = nil, time.Time{}, 0
		return to, false
	}
	if a.sent.IsZero() && m.sent.Equal(now) && now.Sub(m.fresh) >= rekeyAfterTime {
		a.sent = now
	}
	if (a.sent.IsZero() || now.Sub(a.sent) < TryTime) && now.Sub(a.since) < returnTime && m.connected(now) {
		return to, false
	}
	m.inVain(now)
	m.tried = nowhere
	if p, known := m.find(a.home); known {
		m.tried = p
	}
	return a.home, true
}

// inVain notes that an attempt to return came to nothing.
func (m *Machine) inVain(now time.Time) {
	m.attempt, m.away = nil, now
	m.vain++
}
