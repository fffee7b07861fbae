package status

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// ref is a peer of a snapshot, by index.
type ref struct{ iface, peer int }

func (s *Snapshot) peer(r ref) *Peer { return &s.Interfaces[r.iface].Peers[r.peer] }

// choose returns the peers that the query means, in its order, and how many there
// are in each state before its states are looked at.
func (s *Snapshot) choose(q *Query) ([]ref, counts) {
	var all counts
	wanted := [len(states)]bool{}
	for _, state := range q.States {
		if n := state.rank(); n < len(wanted) {
			wanted[n] = true
		}
	}
	m := newMatcher(q.Text)
	var chosen []ref
	if m.text == "" && len(q.States) == 0 {
		chosen = make([]ref, 0, s.peers(q.Interface))
	}
	for n := range s.Interfaces {
		i := &s.Interfaces[n]
		if q.Interface != "" && q.Interface != i.Name {
			continue
		}
		for k := range i.Peers {
			p := &i.Peers[k]
			if !m.matches(p) {
				continue
			}
			rank := p.State.rank()
			if rank < len(all) {
				all[rank]++
			}
			if len(q.States) == 0 || rank < len(wanted) && wanted[rank] {
				chosen = append(chosen, ref{n, k})
			}
		}
	}
	if order := compare(q.Sort); order != nil {
		sort.Slice(chosen, func(i, j int) bool {
			a, b := chosen[i], chosen[j]
			// Those that are the same stay in the order of the file.
			return cmp.Or(order(s.peer(a), s.peer(b)), a.iface-b.iface, a.peer-b.peer) < 0
		})
	}
	if q.Reverse {
		slices.Reverse(chosen)
	}
	return chosen, all
}

// peers counts those of one interface, or of all.
func (s *Snapshot) peers(only string) (n int) {
	for k := range s.Interfaces {
		if i := &s.Interfaces[k]; only == "" || i.Name == only {
			n += len(i.Peers)
		}
	}
	return n
}

// compare returns the function that orders peers, nil for the order of the file.
func compare(order Sort) func(a, b *Peer) int {
	switch order {
	case SortName:
		return func(a, b *Peer) int { return compareFold(a.Name, b.Name) }
	case SortState:
		return func(a, b *Peer) int { return a.State.rank() - b.State.rank() }
	case SortHandshake:
		return func(a, b *Peer) int { return b.LastHandshake.Compare(a.LastHandshake) }
	case SortRx:
		return func(a, b *Peer) int { return cmp.Compare(b.RxBytes, a.RxBytes) }
	case SortTx:
		return func(a, b *Peer) int { return cmp.Compare(b.TxBytes, a.TxBytes) }
	case SortEndpoint:
		return func(a, b *Peer) int {
			if a.Endpoint.IsValid() != b.Endpoint.IsValid() {
				if a.Endpoint.IsValid() {
					return -1
				}
				return 1
			}
			return a.Endpoint.Compare(b.Endpoint)
		}
	}
	return nil
}

// compareFold compares without regard to the case of a to z; names that are the
// same then stand in the order of their bytes.
func compareFold(a, b string) int {
	for n := range min(len(a), len(b)) {
		if c := int(lower(a[n])) - int(lower(b[n])); c != 0 {
			return c
		}
	}
	if c := len(a) - len(b); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// Has reports whether a peer has the text in its name, key, endpoint or allowed IPs,
// whatever the case.
func (i *Interface) Has(text string) bool {
	m := newMatcher(text)
	for n := range i.Peers {
		if m.matches(&i.Peers[n]) {
			return true
		}
	}
	return false
}

// matcher looks for a text in peers, whatever the case. It allocates nothing for
// text in ASCII.
type matcher struct {
	text  string // in lower case
	bytes []byte // the same
	buf   []byte
}

func newMatcher(text string) *matcher {
	text = strings.ToLower(strings.TrimSpace(text))
	return &matcher{text: text, bytes: []byte(text)}
}

func (m *matcher) matches(p *Peer) bool {
	return m.text == "" || m.in(p.Name) || p.Description != p.Name && m.in(p.Description) ||
		p.Section != p.Name && m.in(p.Section) || m.in(p.EndpointHost) ||
		m.inKey(p.PublicKey) || m.inEndpoint(p.Endpoint) || m.inPrefixes(p.AllowedIPs)
}

func (m *matcher) in(s string) bool {
	if len(s) < len(m.text) && isASCII(s) {
		return false
	}
	if !isASCII(s) {
		return strings.Contains(strings.ToLower(s), m.text)
	}
	m.buf = append(m.buf[:0], s...)
	return m.found()
}

func (m *matcher) inKey(k schema.Key) bool {
	if k.IsZero() || len(m.text) > base64.StdEncoding.EncodedLen(len(k)) {
		return false
	}
	m.buf = base64.StdEncoding.AppendEncode(m.buf[:0], k[:])
	return m.found()
}

func (m *matcher) inEndpoint(e netip.AddrPort) bool {
	if !e.IsValid() {
		return false
	}
	m.buf = e.AppendTo(m.buf[:0])
	return m.found()
}

func (m *matcher) inPrefixes(list []netip.Prefix) bool {
	for _, p := range list {
		m.buf = p.AppendTo(m.buf[:0])
		if m.found() {
			return true
		}
	}
	return false
}

// found looks into the buffer, which it makes lower case.
func (m *matcher) found() bool {
	for n, c := range m.buf {
		m.buf[n] = lower(c)
	}
	return bytes.Contains(m.buf, m.bytes)
}

func isASCII(s string) bool {
	for n := range len(s) {
		if s[n] >= 0x80 {
			return false
		}
	}
	return true
}
