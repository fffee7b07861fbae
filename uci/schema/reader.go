package schema

import (
	"fmt"
	"slices"

	"github.com/wgnetifd/wgnetifd/uci"
)

// Reader reads one interface again and again. Where the package shares sections with
// the one before (see uci.Dir.LoadAgain), their peers are the same as before too,
// and only the others are read and checked. The zero Reader is ready.
type Reader struct {
	last     *Interface
	sections []*uci.Section // of the peers of last
	// keys and prefixes are what active peers have or had; nil: last has peers that are
	// something by what others are, and no reading goes on from it.
	keys, prefixes *fingerprints
	// flawed: peers of last have problems.
	flawed bool
}

// maxAgain is how many peers are read beside those of the last reading.
const maxAgain = 64

// Load is LoadWith. What it returns shares peers with what it returned before: nobody
// may change them.
func (r *Reader) Load(p *uci.Package, name string, public func(private Key) Key) (*Interface, error) {
	s := p.Section(name)
	if s == nil || s.Type != "interface" {
		return nil, fmt.Errorf("network.%s: %w", name, ErrNoInterface)
	}
	if proto, _ := s.Get("proto"); proto != Proto {
		return nil, fmt.Errorf("network.%s.proto: %q: %w", name, shorten(proto), ErrOtherProto)
	}
	i := &Interface{Name: name}
	i.read(s)
	sections := p.OfType(Proto + "_" + name)
	if !r.again(i, sections) {
		peers := make([]Peer, len(sections))
		i.Peers = make([]*Peer, len(sections))
		guess := make([]*option[Peer], 0, len(peerOptions))
		for n, ps := range sections {
			i.Peers[n] = &peers[n]
			guess = peers[n].read(ps, n, guess)
		}
		r.keys, r.prefixes = i.crossCheck(public)
		r.flawed = slices.ContainsFunc(i.Peers, (*Peer).flawed)
		i.unrouted = !slices.ContainsFunc(i.Peers, (*Peer).routed)
	}
	r.last, r.sections = i, sections
	if r.flawed {
		for _, p := range i.Peers {
			i.Problems = append(i.Problems, p.Problems...)
		}
	}
	return i, nil
}

func (p *Peer) flawed() bool { return len(p.Problems) > 0 }

func (p *Peer) routed() bool { return p.RouteAllowedIPs && p.Active() }

func anonymous(s *uci.Section) bool { return s.Anonymous }

// again gives an interface the peers that the last one had, and those that are others
// now. It reports whether that is all that there is to it.
func (r *Reader) again(i *Interface, sections []*uci.Section) bool {
	if !uci.Shares || r.keys == nil || r.last.Name != i.Name || r.last.PrivateKey != i.PrivateKey {
		return false
	}
	head, was, is := uci.Differ(r.sections, sections)
	before, between := r.last.Peers[head:was], sections[head:is]
	if len(before) > maxAgain || len(between) > maxAgain ||
		len(before) != len(between) && slices.ContainsFunc(sections[head:], anonymous) {
		return false
	}
	i.PublicKey, i.unrouted = r.last.PublicKey, r.last.unrouted
	keys, prefixes := renewal{r.keys, map[uint64]bool{}}, renewal{r.prefixes, map[uint64]bool{}}
	for _, p := range before {
		if p.Active() {
			keys.had[p.PublicKey.fingerprint()] = true
			for _, prefix := range p.AllowedIPs {
				prefixes.had[prefixFingerprint(prefix)] = true
			}
		}
	}
	fresh := make([]*Peer, len(between))
	for n, s := range between {
		p := new(Peer)
		p.read(s, head+n, nil)
		fresh[n] = p
		r.flawed = r.flawed || p.flawed()
		i.unrouted = i.unrouted && !p.routed()
		if !p.Active() {
			continue
		}
		if i.PublicKey.IsZero() || p.PublicKey == i.PublicKey || !keys.add(p.PublicKey.fingerprint()) {
			return false
		}
		for _, prefix := range p.AllowedIPs {
			if !prefixes.add(prefixFingerprint(prefix)) {
				return false
			}
		}
	}
	i.Peers = uci.Splice(r.last.Peers, head, was, fresh)
	return true
}

// renewal adds to a set what may have been there before, once each.
type renewal struct {
	set *fingerprints
	had map[uint64]bool
}

func (r *renewal) add(v uint64) bool {
	if r.had[v] {
		delete(r.had, v)
		return true
	}
	return r.set.room > 0 && r.set.add(v)
}
