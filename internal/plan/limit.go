package plan

import (
	"net/netip"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// What a route costs, in bytes of the message that holds netifd's status of the
// interface: measured with netifd of OpenWrt 23.05, 24.10, 25.12 and main, at the
// longest addresses.
const (
	routeCost4   = 108
	MaxRouteCost = 124 // of IPv6
)

// RouteBudget is what the routes that netifd is told of may cost, on all
// interfaces together: 8,000 of IPv4, or 6,967 of IPv6. Once an interface's
// status takes more than 1 MiB netifd crashes, between 9,000 and 10,000 routes of
// IPv4 and above 8,300 of IPv6; once all of them together do, its dump, which
// LuCI asks for, is never answered again.
const RouteBudget = 8000 * routeCost4

// RouteCost returns what the routes cost that an interface asks for.
func RouteCost(c *schema.Interface) int {
	cost := 0
	for _, dst := range routes(c) {
		cost += routeCost(dst)
	}
	return cost
}

func routeCost(dst netip.Prefix) int {
	if dst.Addr().Is4() {
		return routeCost4
	}
	return MaxRouteCost
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
