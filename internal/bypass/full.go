package bypass

import (
	"math"
	"net/netip"
	"slices"
	"sort"
)

// Full reports whether routes make a tunnel a full one, in IPv4 or in IPv6: they
// hold more than half of the addresses of the Internet. Lists that leave only some
// networks out, such as everything but private addresses, are full tunnels too:
// the servers that the router asks are in them.
func Full(routes []netip.Prefix) bool {
	sorted := slices.Clone(routes)
	// Not slices.SortFunc, which is compiled anew for each type: 13 KB on MIPS.
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Compare(sorted[j]) < 0 })
	var four, six float64 // the shares
	var last netip.Prefix
	for _, p := range sorted {
		p = p.Masked()
		if last.IsValid() && last.Overlaps(p) {
			continue // A shorter prefix comes before those in it.
		}
		last = p
		if p.Addr().Is4() {
			four += math.Ldexp(1, -p.Bits())
			continue
		}
		switch {
		case !p.Overlaps(global):
		case p.Bits() <= global.Bits():
			six = 1
		default:
			six += math.Ldexp(1, global.Bits()-p.Bits())
		}
	}
	return four > 0.5 || six > 0.5
}

// global is what of IPv6 has been given out as global unicast addresses (IANA).
var global = netip.MustParsePrefix("2000::/3")
