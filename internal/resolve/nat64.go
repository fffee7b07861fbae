package resolve

import (
	"net/netip"
	"slices"
)

// MaxPrefixes is how many NAT64 prefixes of one uplink are used. Networks have one
// or two.
const MaxPrefixes = 4

// Uplink is what the way to the Internet can carry at the moment.
type Uplink struct {
	// IPv4 and IPv6 tell whether a route leads anywhere in that family, other than
	// through a tunnel of ours.
	IPv4, IPv6 bool
	// NAT64 are the prefixes by which the uplink reaches IPv4; see NAT64.Prefixes.
	NAT64 []netip.Prefix
	// Former are prefixes of uplinks before this one: what they made leads nowhere
	// any more.
	Former []netip.Prefix
}

// Reaches reports whether packets to an address leave through the uplink.
func (u Uplink) Reaches(a netip.Addr) bool {
	if a.Unmap().Is4() {
		return u.IPv4
	}
	if !u.IPv6 && !a.IsLinkLocalUnicast() {
		return false
	}
	within := func(p netip.Prefix) bool { return p.Contains(a) }
	return slices.ContainsFunc(u.NAT64, within) || !slices.ContainsFunc(u.Former, within)
}

// Candidates returns candidates as the uplink has them: where it has no route for
// IPv4, IPv4 addresses become the IPv6 addresses that its NAT64 has for them, in
// their places. What it does not reach goes to the end, in case the routes are not
// all that there is; nothing is dropped but what stands there twice, and what is
// behind the MaxCandidates-th.
func (u Uplink) Candidates(candidates []netip.Addr) []netip.Addr {
	var near, far []netip.Addr
	put := func(list *[]netip.Addr, a netip.Addr) {
		if !slices.Contains(*list, a) && len(*list) < MaxCandidates {
			*list = append(*list, a)
		}
	}
	for _, a := range candidates {
		switch {
		case u.Reaches(a):
			put(&near, a)
		case a.Is4() && u.IPv6 && len(u.NAT64) > 0:
			made := false
			for _, p := range u.NAT64 {
				if six, ok := Synthesize(p, a); ok {
					put(&near, six)
					made = true
				}
			}
			if !made {
				put(&far, a)
			}
		default:
			put(&far, a)
		}
	}
	for _, a := range far {
		put(&near, a)
	}
	return near
}

// lengths are the lengths that a NAT64 prefix can have (RFC 6052, section 2.2).
var lengths = [...]int{32, 40, 48, 56, 64, 96}

// place returns where the four octets of an IPv4 address stand in an IPv6 address
// under a prefix of that length: behind it, but never in octet 8, bits 64 to 71,
// which is zero (RFC 6052, section 2.2).
func place(length int) (at [4]int, ok bool) {
	if !slices.Contains(lengths[:], length) {
		return at, false
	}
	octet := length / 8
	for n := range at {
		if octet == 8 {
			octet++
		}
		at[n] = octet
		octet++
	}
	return at, true
}

// WellKnownPrefix is the NAT64 prefix that belongs to nobody (RFC 6052, 2.1).
var WellKnownPrefix = netip.MustParsePrefix("64:ff9b::/96")

// Synthesize returns the address that stands for an IPv4 address behind a NAT64
// prefix (RFC 6052, section 2.2). ok is false when the prefix is none of NAT64, or
// the address is a private one and the prefix the well-known one, which must not
// be used for these (section 3.1).
func Synthesize(prefix netip.Prefix, four netip.Addr) (six netip.Addr, ok bool) {
	four = four.Unmap()
	at, ok := place(prefix.Bits())
	if !ok || !four.Is4() || !prefix.Addr().Is6() || prefix.Masked() == WellKnownPrefix && !global(four) {
		return netip.Addr{}, false
	}
	bytes, octets := prefix.Masked().Addr().As16(), four.As4()
	if bytes[8] != 0 { // only a prefix of 96 bits reaches there
		return netip.Addr{}, false
	}
	for n, where := range at {
		bytes[where] = octets[n]
	}
	return netip.AddrFrom16(bytes), true
}

// global reports whether an IPv4 address is one of the whole Internet's.
func global(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a)
}

// sharedSpace are the addresses between carriers and their customers (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// wellKnownIPv4 are the addresses of ipv4only.arpa (RFC 7050, section 2.2).
var wellKnownIPv4 = [2]netip.Addr{netip.AddrFrom4([4]byte{192, 0, 0, 170}), netip.AddrFrom4([4]byte{192, 0, 0, 171})}

// PrefixesOf returns the NAT64 prefixes that answers for ipv4only.arpa show, each
// once, in the order of the answers, at most MaxPrefixes. An address that holds a
// well-known IPv4 address at two places tells nothing: the other one does then
// (RFC 7050, section 3).
func PrefixesOf(answers []netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for _, six := range answers {
		if p, ok := prefixOf(six); ok && !slices.Contains(out, p) && len(out) < MaxPrefixes {
			out = append(out, p)
		}
	}
	return out
}

func prefixOf(six netip.Addr) (found netip.Prefix, ok bool) {
	if !six.Is6() || six.Is4In6() || six.Zone() != "" || six.As16()[8] != 0 {
		return found, false
	}
	bytes, count := six.As16(), 0
	for _, length := range lengths {
		at, _ := place(length)
		var octets [4]byte
		for n, where := range at {
			octets[n] = bytes[where]
		}
		if slices.Contains(wellKnownIPv4[:], netip.AddrFrom4(octets)) {
			found, count = netip.PrefixFrom(six, length).Masked(), count+1
		}
	}
	return found, count == 1
}
