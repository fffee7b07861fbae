package schema

import (
	"net/netip"

	"golang.org/x/crypto/curve25519"
)

// PublicKey returns the public key that belongs to the private key k (RFC 7748).
func (k Key) PublicKey() (public Key) {
	curve25519.ScalarBaseMult((*[KeyLen]byte)(&public), (*[KeyLen]byte)(&k))
	return public
}

// crossCheck finds what is wrong between the peers of one interface: the
// interface's own key, a key or an allowed IP that stands there twice. The time
// taken is linear in peers and allowed IPs. It returns the keys and the allowed IPs of
// the active peers, nil if something is wrong.
func (i *Interface) crossCheck(public func(private Key) Key) (keys, prefixes *fingerprints) {
	keys = newFingerprints(len(i.Peers))
	own, twice := false, false
	for _, p := range i.Peers {
		if !p.Active() {
			continue
		}
		if i.PublicKey.IsZero() && !i.PrivateKey.IsZero() {
			i.PublicKey = public(i.PrivateKey)
		}
		if p.PublicKey == i.PublicKey {
			p.leaveOut("public_key", p.PublicKey.String(),
				"this is the interface's own public key; the other side's is right here")
			own = true
			continue
		}
		twice = !keys.add(p.PublicKey.fingerprint()) || twice
	}
	if twice {
		i.leaveOutTwins()
	}
	prefixes, overlap := i.overlap()
	if overlap {
		i.noteOverlaps()
	}
	if own || twice || overlap {
		return nil, nil
	}
	return keys, prefixes
}

// leaveOutTwins leaves peers out whose key another one before has.
func (i *Interface) leaveOutTwins() {
	byKey := make(map[Key]*Peer, len(i.Peers))
	for n := range i.Peers {
		p := i.Peers[n]
		if !p.Active() {
			continue
		}
		if first, twice := byKey[p.PublicKey]; twice {
			p.leaveOut("public_key", p.PublicKey.String(),
				"the same key as network."+first.Section+".public_key; each peer needs a key of its own")
			continue
		}
		byKey[p.PublicKey] = p
	}
}

// overlap returns the allowed IPs of the active peers, and whether two of them may
// have one.
func (i *Interface) overlap() (seen *fingerprints, twice bool) {
	total := 0
	for _, p := range i.Peers {
		total += len(p.AllowedIPs)
	}
	seen = newFingerprints(total)
	for _, p := range i.Peers {
		if !p.Active() {
			continue
		}
		for _, prefix := range p.AllowedIPs {
			if !seen.add(prefixFingerprint(prefix)) {
				return seen, true
			}
		}
	}
	return seen, false
}

// noteOverlaps notes allowed IPs that two peers have: WireGuard gives each
// prefix to one peer, the last one wins (openwrt/openwrt#16210,
// openwrt/packages#25974). The prefix stays with the peer that wins only, so that
// a device that is right is not written again and again; a route to it that the
// losing peer asks for is made all the same.
func (i *Interface) noteOverlaps() {
	owner := map[netip.Prefix]*Peer{}
	for n := len(i.Peers) - 1; n >= 0; n-- {
		p := i.Peers[n]
		if !p.Active() {
			continue
		}
		kept := p.AllowedIPs[:0]
		for _, prefix := range p.AllowedIPs {
			if winner, taken := owner[prefix]; taken {
				p.Problems = append(p.Problems, &Problem{
					Level: Note, Section: p.Section, Option: "allowed_ips", Value: prefix.String(),
					Text: "network." + winner.Section + " has the same allowed IP and comes later: it goes to that peer alone",
				})
				p.LostIPs = append(p.LostIPs, prefix)
				continue
			}
			owner[prefix] = p
			kept = append(kept, prefix)
		}
		p.AllowedIPs = kept
	}
}
