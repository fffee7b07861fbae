package endpoint

import "time"

// describe fills in what the status shows.
func (m *Machine) describe(now time.Time, s *Step) {
	use := m.last.Endpoint
	p, known := m.find(use)
	s.Source, s.Handshake = -1, m.fresh
	if known {
		s.Source = p.source
	}
	connected := m.connected(now)
	switch {
	case !use.IsValid() && len(m.sources) == 0:
		s.State = Waiting
	case !use.IsValid():
		s.State = Unresolved
	case connected:
		s.State = Connected
		s.Good = known && use == m.good
	case m.last.Handshake.IsZero():
		s.State = Connecting
	case m.wanted(now):
		s.State = Stale
	default:
		s.State = Idle
	}
	switch {
	case len(m.sources) == 0:
	case use.IsValid() && !m.reaches(use.Addr()):
		s.Reason = NoUplink
	case m.attempt != nil:
		s.Reason = Returning
	case connected && !known && m.count() > 0 && use != m.wrote:
		s.Reason = Roamed
	case connected && p.source > 0:
		s.Reason = FailedOver
	case connected, s.State == Idle:
	case use.IsValid() && m.count() > 0:
		s.Reason = NoAnswer
	default:
		s.Reason = Resolving
		for n := range m.sources {
			if err := m.sources[n].err; err != nil {
				s.Reason, s.Err = NoAddress, err
				break
			}
		}
	}
}

// next returns when a step has to be taken although nothing happens.
func (m *Machine) next(now time.Time) time.Time {
	var next time.Time
	at := func(t time.Time) {
		// What is due already waits for something else to happen.
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for n := range m.sources {
		s := &m.sources[n]
		if !s.due.IsZero() {
			at(s.due)
		}
		if !s.asking.IsZero() {
			at(s.asking.Add(answerTime))
			if !m.last.Endpoint.IsValid() && n+1 < len(m.sources) {
				at(s.asking.Add(firstTime))
			}
		}
	}
	if m.connected(now) {
		at(m.fresh.Add(rejectAfterTime))
	}
	if !m.trying.IsZero() {
		at(m.trying.Add(suspectTime))
		at(m.trying.Add(TryTime))
	}
	if !m.away.IsZero() && m.failback > 0 {
		at(m.returnAt())
		if m.connected(now) && !now.Before(m.returnAt()) {
			at(m.fresh.Add(returnAge))
		}
	}
	if m.attempt != nil {
		at(now.Add(rekeyTimeout))
	}
	if m.moved != nil {
		at(m.moved.since.Add(settleTime))
		at(now.Add(rekeyTimeout))
	}
	return next
}
