package endpoint

import (
	"net/netip"
	"time"
)

// move is a session that was taken to another endpoint, because the uplink does not
// reach the one that it had any more. See the documentation of the package.
type move struct {
	to      netip.AddrPort
	since   time.Time
	session time.Time // its handshake
	// tx and rx are what the device showed a little after; until then, settled is
	// not set.
	tx, rx  uint64
	settled bool
	asked   time.Time // when an initiation was seen; zero: none was
}

const (
	// settleTime is how long packets may be under way from the endpoint before.
	settleTime = time.Second

	// transportBlock divides the length of all messages that carry packets, as these
	// are padded to it (WireGuard paper, section 5.4.6), but for packets that fill
	// the MTU. That of an initiation, 148, it does not divide.
	transportBlock = 16
)

// take takes the session, if there is one, to an endpoint that is being written.
func (m *Machine) take(now time.Time, to netip.AddrPort) {
	m.moved = nil
	if m.connected(now) {
		m.moved = &move{to: to, since: now, session: m.fresh}
	}
}

// followMove finds out whether the session goes on where it was taken to.
func (m *Machine) followMove(now time.Time, r Reading) {
	v := m.moved
	switch {
	case v == nil:
	case !r.Handshake.Equal(m.last.Handshake), r.Endpoint != v.to, now.Sub(v.session) >= rejectAfterTime:
		m.moved = nil
	case !v.settled:
		v.tx, v.rx, v.settled = r.Tx, r.Rx, now.Sub(v.since) >= settleTime
	case r.Rx != v.rx:
		// It came from there: from elsewhere, WireGuard would have gone to that.
		m.moved, m.fresh = nil, v.session
		m.shook(r.Endpoint)
	case v.asked.IsZero():
		if (r.Tx-v.tx)%transportBlock != 0 {
			v.asked = now
		}
	case now.Sub(v.asked) >= suspectTime && !m.fresh.IsZero():
		m.fresh, m.trying = time.Time{}, v.asked
	}
}
