package resolve

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// MaxCandidates is how many addresses of one name are used. Each that does not
// answer takes a quarter of a minute before the next one has its turn: a round of
// sixteen takes four minutes, and a name with a thousand addresses (a mistake, or
// an attack) must cost neither more time nor more memory. Where a name has more
// addresses than that on purpose, any sixteen of them do.
const MaxCandidates = 16

// Family says which addresses of a name are wanted.
type Family uint8

const (
	Auto Family = iota // both
	IPv4
	IPv6
)

// String returns the word of `option endpoint_family`.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	default:
		return "auto"
	}
}

// possible returns the addresses of a name that a peer can have, at most
// MaxCandidates, each once and in the order in which they came. What filter lists,
// broken servers and attackers answer is left out: unspecified, multicast and
// broadcast addresses, the router's own (unless the name is localhost), and
// link-local IPv6 addresses that come without the link. IPv4 in IPv6-mapped form
// is IPv4.
func possible(host string, addrs []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, min(len(addrs), MaxCandidates))
	for _, a := range addrs {
		if len(out) == MaxCandidates {
			break
		}
		if a = normal(a); endpointCanBe(host, a) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// normal returns the one form of an address: no mapping, and a zone only where it
// means something.
func normal(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.IsLinkLocalUnicast() {
		a = a.WithZone("")
	}
	return a
}

func endpointCanBe(host string, a netip.Addr) bool {
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast():
		return false
	case a.Is4() && (a.As4()[0] == 0 || a == broadcast):
		return false
	case a.IsLoopback():
		return isLocalhost(host)
	case a.Is6() && a.IsLinkLocalUnicast():
		return a.Zone() != ""
	}
	return true
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// isLocalhost reports whether a name is one of those that are the own machine
// (RFC 6761, section 6.3).
func isLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// alternate joins addresses of two families, each in its order, so that the
// families take turns, beginning with that of first (RFC 8305, section 4, with a
// First Address Family Count of 1), and keeps MaxCandidates of them.
func alternate(first, second []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, min(len(first)+len(second), MaxCandidates))
	for n := range max(len(first), len(second)) {
		for _, list := range [2][]netip.Addr{first, second} {
			if n < len(list) && len(out) < MaxCandidates {
				out = append(out, list[n])
			}
		}
	}
	return out
}

// Source returns the address that packets to an address would be sent from, as
// the routing table is now; invalid when no route leads there.
type Source func(to netip.Addr) netip.Addr

// KernelSource asks the kernel. No packet is sent.
func KernelSource(to netip.Addr) netip.Addr {
	if !to.IsValid() {
		return netip.Addr{}
	}
	const discard = 9 // any port will do
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, discard)))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	local, _ := conn.LocalAddr().(*net.UDPAddr)
	return local.AddrPort().Addr().Unmap()
}

// sixFirst reports whether an IPv6 address comes before an IPv4 address. The
// rules are those of RFC 6724, section 6, that can tell the families apart; which
// of one family comes first, the resolver has decided by the same rules.
func sixFirst(six, four netip.Addr, source Source) bool {
	from6, from4 := source(six), source(four)
	if from6.IsValid() != from4.IsValid() { // rule 1: avoid unusable destinations
		return from6.IsValid()
	}
	if !from6.IsValid() {
		return true
	}
	same6, same4 := scope(six) == scope(from6), scope(four) == scope(from4)
	if same6 != same4 { // rule 2: prefer matching scope
		return same6
	}
	policy6, policy4 := policyOf(six), policyOf(four)
	match6, match4 := policy6.label == policyOf(from6).label, policy4.label == policyOf(from4).label
	if match6 != match4 { // rule 5: prefer matching label
		return match6
	}
	if policy6.precedence != policy4.precedence { // rule 6: prefer higher precedence
		return policy6.precedence > policy4.precedence
	}
	return scope(six) <= scope(four) // rule 8: prefer smaller scope
}

// The scopes of unicast addresses (RFC 4291, section 2.7; RFC 6724, section 3.2).
const (
	scopeLink   = 0x2
	scopeSite   = 0x5
	scopeGlobal = 0xe
)

func scope(a netip.Addr) int {
	switch {
	case a.IsLoopback(), a.IsLinkLocalUnicast():
		return scopeLink
	case siteLocal.Contains(a):
		return scopeSite
	}
	return scopeGlobal
}

var siteLocal = netip.MustParsePrefix("fec0::/10")

type policy struct {
	prefix            netip.Prefix
	precedence, label uint8
}

// policies is the default table of RFC 6724, section 2.1, longest prefix first.
// 4 is the line of IPv4, ::ffff:0:0/96 there.
var policies = []policy{
	{netip.MustParsePrefix("0.0.0.0/0"), 35, 4},
	{netip.MustParsePrefix("::1/128"), 50, 0},
	{netip.MustParsePrefix("::/96"), 1, 3},
	{netip.MustParsePrefix("2001::/32"), 5, 5},
	{netip.MustParsePrefix("2002::/16"), 30, 2},
	{netip.MustParsePrefix("3ffe::/16"), 1, 12},
	{siteLocal, 1, 11},
	{netip.MustParsePrefix("fc00::/7"), 3, 13},
	{netip.MustParsePrefix("::/0"), 40, 1},
}

func policyOf(a netip.Addr) policy {
	for _, p := range policies {
		if p.prefix.Contains(a.WithZone("")) {
			return p
		}
	}
	return policies[len(policies)-1]
}
