package plan

import (
	"net/netip"
	"slices"
	"time"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// HandshakeValid is how long after a handshake a session may still carry
// packets: REJECT_AFTER_TIME of the WireGuard protocol.
const HandshakeValid = 180 * time.Second

// Applied is what we wrote last of each peer's endpoint, as configured. It
// tells an endpoint that the user changed from one that the peer moved away
// from by itself.
type Applied map[schema.Key]AppliedEndpoint

// AppliedEndpoint is an endpoint as it stood in the configuration when it was
// written to the device.
type AppliedEndpoint struct {
	Host string
	Port uint16
}

// Matched is a device beside what is wanted of it.
type Matched struct {
	want *Desired
	have *Actual
	// There is for each wanted peer what the device has of it, nil if nothing.
	There []*ActualPeer
	// gone are the indexes of the peers that only the device has.
	gone []int
}

// In looks for the wanted peers in a device.
func (d *Desired) In(have *Actual) *Matched {
	there, gone := match(d.Peers, have.Peers)
	return &Matched{d, have, there, gone}
}

// Diff returns what has to be written to make the device what is desired. now is
// the router's clock, by which handshakes are dated.
func Diff(want *Desired, have *Actual, applied Applied, now time.Time) Changes {
	return want.In(have).Diff(applied, now)
}

// Diff is the function Diff.
func (m *Matched) Diff(applied Applied, now time.Time) Changes {
	want, have := m.want, m.have
	var c Changes
	// The device has it clamped. The kernel ends all sessions where the key that is
	// written is not, byte for byte, the one that it has.
	if have.PrivateKey.Clamped() != want.PrivateKey.Clamped() {
		c.PrivateKey = &want.PrivateKey
	}
	if want.ListenPort != 0 && have.ListenPort != want.ListenPort {
		c.ListenPort = &want.ListenPort
	}
	if have.FwMark != want.FwMark {
		c.FwMark = &want.FwMark
	}
	for _, n := range m.gone {
		c.Peers = append(c.Peers, PeerChange{PublicKey: have.Peers[n].PublicKey, Remove: true})
	}
	c.Peers = append(c.Peers, diffPeers(want.Peers, m.There, applied, now)...)
	return c
}

func diffPeers(want []*Peer, there []*ActualPeer, applied Applied, now time.Time) (changes []PeerChange) {
	var differ []int
	for n, w := range want {
		h := there[n]
		if h == nil || w.PresharedKey != h.PresharedKey || w.Keepalive != h.Keepalive ||
			!samePrefixes(w.AllowedIPs, h.AllowedIPs) || w.Endpoint.IsValid() && endpointDiffers(w, h, applied, now) {
			differ = append(differ, n)
		}
	}
	ips := newIPMoves(want, there, differ)
	for _, n := range differ {
		w, h := want[n], there[n]
		if h == nil {
			changes = append(changes, newPeer(w))
			continue
		}
		if c, differs := changePeer(w, h, ips, applied, now); differs {
			changes = append(changes, c)
		}
	}
	return changes
}

// samePrefixes is slices.Equal, which takes several times as long for one prefix.
func samePrefixes(a, b []netip.Prefix) bool {
	if len(a) != len(b) {
		return false
	}
	for n := range a {
		if a[n] != b[n] {
			return false
		}
	}
	return true
}

// match returns for each wanted peer what the device has of it, nil if nothing, and
// the indexes of the peers that only the device has, in its order. The kernel keeps
// peers in the order in which they came, which mostly is that of the configuration:
// only what stands between the first and the last difference is looked up.
func match(want []*Peer, have []ActualPeer) (there []*ActualPeer, gone []int) {
	there = make([]*ActualPeer, len(want))
	first := 0
	for first < len(want) && first < len(have) && want[first].PublicKey == have[first].PublicKey {
		there[first] = &have[first]
		first++
	}
	w, h := len(want), len(have)
	for w > first && h > first && want[w-1].PublicKey == have[h-1].PublicKey {
		w, h = w-1, h-1
		there[w] = &have[h]
	}
	if h == first {
		return there, nil // the rest of what is wanted is new
	}
	rest := make(map[schema.Key]int, w-first)
	for n := first; n < w; n++ {
		rest[want[n].PublicKey] = n
	}
	for n := first; n < h; n++ {
		if at, ok := rest[have[n].PublicKey]; ok {
			there[at] = &have[n]
		} else {
			gone = append(gone, n)
		}
	}
	return there, gone
}

// newPeer is a peer that the device does not have. Its allowed IPs need no
// replacing: it has none.
func newPeer(w *Peer) PeerChange {
	c := PeerChange{PublicKey: w.PublicKey, Endpoint: w.Endpoint, AllowedIPs: w.AllowedIPs}
	if !w.PresharedKey.IsZero() {
		c.PresharedKey = &w.PresharedKey
	}
	if w.Keepalive != 0 {
		c.Keepalive = &w.Keepalive
	}
	return c
}

func changePeer(w *Peer, h *ActualPeer, ips *ipMoves, applied Applied, now time.Time) (c PeerChange, differs bool) {
	c = PeerChange{PublicKey: w.PublicKey, Update: true}
	if w.PresharedKey != h.PresharedKey {
		c.PresharedKey, differs = &w.PresharedKey, true
	}
	if w.Keepalive != h.Keepalive {
		c.Keepalive, differs = &w.Keepalive, true
	}
	if endpointDiffers(w, h, applied, now) {
		c.Endpoint, differs = w.Endpoint, true
	}
	missing, surplus := ips.of(w, h)
	switch {
	case surplus:
		c.ReplaceAllowedIPs, c.AllowedIPs, differs = true, w.AllowedIPs, true
	case len(missing) > 0:
		c.AllowedIPs, differs = missing, true
	}
	return c, differs
}

// endpointDiffers reports whether the endpoint has to be written. One that the
// peer moved to by itself (roaming) is left alone while it works, unless the
// configuration names another endpoint than the one that we wrote.
func endpointDiffers(w *Peer, h *ActualPeer, applied Applied, now time.Time) bool {
	if !w.Endpoint.IsValid() || w.Endpoint == h.Endpoint {
		return false
	}
	if !h.Endpoint.IsValid() || w.Config == nil {
		return true
	}
	last, known := applied[w.PublicKey]
	if known && last != (AppliedEndpoint{w.Config.Endpoint.Host, w.Config.Endpoint.Port}) {
		return true
	}
	// The configuration is as it was when we, or whoever made this device, wrote
	// it: the peer roamed. A clock that was set back makes ages negative; then
	// the session counts as old.
	age := now.Sub(h.LastHandshake)
	works := !h.LastHandshake.IsZero() && age >= 0 && age < HandshakeValid
	return !works
}

// ipMoves knows where allowed IPs of the device are and where they should be. An
// allowed IP that one peer loses to another needs no write to the loser: the
// kernel moves it.
type ipMoves struct {
	have map[netip.Prefix]schema.Key // owner in the device
	want map[netip.Prefix]schema.Key // owner as desired, of those in have
}

// newIPMoves builds the maps only from peers whose lists differ, which are among
// differ: an unchanged device of 10,000 peers needs none, and a new one neither. there
// are the same peers in the device.
func newIPMoves(want []*Peer, there []*ActualPeer, differ []int) *ipMoves {
	m := &ipMoves{have: map[netip.Prefix]schema.Key{}, want: map[netip.Prefix]schema.Key{}}
	for _, n := range differ {
		if h := there[n]; h != nil && !slices.Equal(want[n].AllowedIPs, h.AllowedIPs) {
			for _, p := range h.AllowedIPs {
				m.have[p] = h.PublicKey
			}
		}
	}
	if len(m.have) == 0 {
		return m
	}
	for _, n := range differ {
		w := want[n]
		if h := there[n]; h != nil && slices.Equal(w.AllowedIPs, h.AllowedIPs) {
			continue
		}
		for _, p := range w.AllowedIPs {
			if _, there := m.have[p]; there {
				m.want[p] = w.PublicKey
			}
		}
	}
	return m
}

// of returns the allowed IPs that peer w misses, and whether it has some that it
// should not have and that no other peer takes from it.
func (m *ipMoves) of(w *Peer, h *ActualPeer) (missing []netip.Prefix, surplus bool) {
	if slices.Equal(w.AllowedIPs, h.AllowedIPs) {
		return nil, false
	}
	for _, p := range w.AllowedIPs {
		if m.have[p] != w.PublicKey {
			missing = append(missing, p)
		}
	}
	for _, p := range h.AllowedIPs {
		if owner, wanted := m.want[p]; !wanted || owner.IsZero() {
			return missing, true
		}
	}
	return missing, false
}

// DiffEndpoints returns what has to be written about endpoints alone: those of
// peers whose endpoint is found late. It is for what was found after everything
// else was written; have is the device as it was before that.
func DiffEndpoints(want *Desired, have *Actual, applied Applied, now time.Time) []PeerChange {
	there := want.In(have).There
	var changes []PeerChange
	for n, w := range want.Peers {
		h := there[n]
		if !w.Late {
			continue
		}
		if h == nil {
			h = &ActualPeer{}
		}
		if endpointDiffers(w, h, applied, now) {
			changes = append(changes, PeerChange{PublicKey: w.PublicKey, Update: true, Endpoint: w.Endpoint})
		}
	}
	return changes
}

// Endpoints returns the address that each desired peer is sent to once changes
// are written: the one written, or the one that the device keeps.
func Endpoints(want *Desired, have *Actual, changes []PeerChange) []netip.Addr {
	written := map[schema.Key]netip.Addr{}
	for n := range changes {
		if e := changes[n].Endpoint; e.IsValid() {
			written[changes[n].PublicKey] = e.Addr()
		}
	}
	there := want.In(have).There
	var out []netip.Addr
	for n, w := range want.Peers {
		var addr netip.Addr
		if len(written) > 0 {
			addr = written[w.PublicKey]
		}
		switch h := there[n]; {
		case addr.IsValid():
			out = append(out, addr)
		case h != nil && h.Endpoint.IsValid():
			out = append(out, h.Endpoint.Addr())
		}
	}
	return out
}
