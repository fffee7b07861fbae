package plan

import (
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// What a route costs, in bytes of the message that holds netifd's status of the
// interface: measured with netifd of OpenWrt 23.05, 24.10, 25.12 and main, at the
// longest addresses.
const (
	routeCost4   = 108
	maxRouteCost = 124 // of IPv6
)

// RouteBudget is what the routes that netifd is told of may cost, on all
// interfaces together: 8,000 of IPv4, or 6,967 of IPv6. Once an interface's
// status takes more than 1 MiB netifd crashes, between 9,000 and 10,000 routes of
// IPv4 and above 8,300 of IPv6; once all of them together do, its dump, which
// LuCI asks for, is never answered again.
const RouteBudget = 8000 * routeCost4

// RouteCost returns what the routes cost that an interface of the configuration
// asks for.
func RouteCost(pkg *uci.Package, c *schema.Interface) int {
	cost := 0
	for _, dst := range routes(c, SharedDefaults(pkg, c)) {
		cost += routeCost(dst)
	}
	return cost
}

func routeCost(dst netip.Prefix) int {
	if dst.Addr().Is4() {
		return routeCost4
	}
	return maxRouteCost
}

// within returns how many routes of the list the budget pays for.
func within(budget int, list []netip.Prefix) int {
	for n, dst := range list {
		if budget -= routeCost(dst); budget < 0 {
			return n
		}
	}
	return len(list)
}

// RouteLimit returns what each interface's routes may cost, when costs are what
// those of the WireGuard interfaces do: the highest level at which all of them
// together stay within max. Interfaces below it keep all of theirs.
// Every interface computes the same level from the same configuration, so none
// has to ask the others.
func RouteLimit(costs []int, max int) int {
	low, high := 0, max // the level fits at low
	for low < high {
		level := low + (high-low+1)/2
		sum := 0
		for _, n := range costs {
			sum += min(n, level)
		}
		if sum <= max {
			low = level
		} else {
			high = level - 1
		}
	}
	return low
}

// BudgetOf returns what the routes of interface c may cost, of all WireGuard
// interfaces of the configuration. The others are read only where all allowed IPs
// of the file together could be too many.
func BudgetOf(pkg *uci.Package, c *schema.Interface) int {
	names := schema.Names(pkg)
	if len(names) < 2 {
		return RouteBudget
	}
	total := 0
	for _, s := range pkg.Sections {
		if !strings.HasPrefix(s.Type, schema.Proto+"_") {
			continue
		}
		for _, v := range s.Values("allowed_ips") {
			// A comma or a blank separates two of them.
			total += len(v)/2 + 1
		}
	}
	if total <= RouteBudget/maxRouteCost {
		return RouteBudget
	}
	costs := []int{RouteCost(pkg, c)}
	for _, name := range names {
		if name == c.Name {
			continue
		}
		if other, err := schema.Load(pkg, name); err == nil && !other.Disabled {
			costs = append(costs, RouteCost(pkg, other))
		}
	}
	return RouteLimit(costs, RouteBudget)
}

// RouteNumbers says how many routes an interface asks for, and how many netifd is
// told of and we make ourselves; aggregated, both can be fewer together.
type RouteNumbers struct{ Asked, Netifd, Ours int }

// NumbersOf returns the numbers of interface c of the configuration.
func NumbersOf(pkg *uci.Package, c *schema.Interface) RouteNumbers {
	list := routes(c, SharedDefaults(pkg, c))
	if len(list) == 0 {
		return RouteNumbers{}
	}
	told, ours := split(list, BudgetOf(pkg, c))
	return RouteNumbers{Asked: len(list), Netifd: len(told), Ours: len(ours)}
}

// split returns the routes that netifd is told of and those that we make
// ourselves. Where the budget does not pay for all, they are aggregated first.
func split(list []netip.Prefix, budget int) (told, ours []netip.Prefix) {
	if within(budget, list) < len(list) {
		list = aggregate(list)
	}
	n := within(budget, list)
	return list[:n:n], list[n:]
}

// aggregate returns the fewest prefixes that cover the same addresses: those that
// another one covers go, and two halves become one. Two halves of everything stay
// two, as they keep the default route of the uplink; and like a default route they
// leave the others what they are.
func aggregate(list []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(list)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Compare(sorted[j]) < 0 }) // as in bypass.Full
	out := sorted[:0]
	for _, p := range sorted {
		if n := len(out); n > 0 && (out[n-1].Bits() > 1 && out[n-1].Overlaps(p) || out[n-1] == p) {
			continue // the one before, which is shorter or the same, covers it
		}
		out = append(out, p)
		for len(out) > 1 {
			parent, ok := join(out[len(out)-2], out[len(out)-1])
			if !ok {
				break
			}
			out = append(out[:len(out)-2], parent)
		}
	}
	return slices.Clip(out)
}

// join returns the prefix whose halves a and b are.
func join(a, b netip.Prefix) (netip.Prefix, bool) {
	if a.Bits() != b.Bits() || a.Bits() < 2 || a.Addr().Is4() != b.Addr().Is4() || a == b {
		return netip.Prefix{}, false
	}
	parent := netip.PrefixFrom(a.Addr(), a.Bits()-1).Masked()
	return parent, parent.Addr() == a.Addr() && parent.Contains(b.Addr())
}
