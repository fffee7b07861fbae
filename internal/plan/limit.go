package plan

import "github.com/wgnetifd/wgnetifd/uci/schema"

// MaxRoutes is how many routes netifd is told of at most, on all interfaces
// together. It crashes above 10,000 on one interface (seen on OpenWrt 24.10,
// 25.12 and main).
const MaxRoutes = 8000

// RouteCount returns how many routes an interface asks for.
func RouteCount(c *schema.Interface) int { return len(routes(c)) }

// RouteLimit returns how many routes each interface may give to netifd, when
// counts are what the WireGuard interfaces ask for: the highest level at which
// all of them together stay within max. Interfaces below it keep all of theirs.
// Every interface computes the same level from the same configuration, so none
// has to ask the others.
func RouteLimit(counts []int, max int) int {
	low, high := 0, max // the level fits at low
	for low < high {
		level := low + (high-low+1)/2
		sum := 0
		for _, n := range counts {
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
