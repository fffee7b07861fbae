package rtnl

import (
	"net/netip"
	"strconv"
)

// defaultMetric6 is what the kernel makes of metric 0 in a route of IPv6
// (IP6_RT_PRIO_USER in linux/ipv6_route.h).
const defaultMetric6 = 1024

// String returns the route in the words of `ip route`.
func (r Route) String() string {
	b := []byte(r.Dst.String())
	if r.Gateway.IsValid() {
		b = append(b, " via "...)
		b = r.Gateway.AppendTo(b)
	}
	if r.Device != "" {
		b = append(b, " dev "...)
		b = append(b, r.Device...)
	}
	if t := r.table(); t != TableMain {
		b = append(b, " table "...)
		b = strconv.AppendUint(b, uint64(t), 10)
	}
	if r.Metric != 0 {
		b = append(b, " metric "...)
		b = strconv.AppendUint(b, uint64(r.Metric), 10)
	}
	return string(b)
}

// table returns the number of the route's table.
func (r *Route) table() uint32 {
	if r.Table == 0 {
		return TableMain
	}
	return r.Table
}

// protocol returns the number that the route is written under.
func (r *Route) protocol() uint8 {
	if r.Protocol == 0 {
		return Protocol
	}
	return r.Protocol
}

// routeID is what a route takes the place of another by.
type routeID struct {
	dst    netip.Prefix
	table  uint32
	metric uint32
}

func (r *Route) id() routeID {
	id := routeID{dst: r.Dst.Masked(), table: r.table(), metric: r.Metric}
	if id.metric == 0 && r.Dst.Addr().Is6() {
		id.metric = defaultMetric6
	}
	return id
}

// Diff returns which of our routes have to be written so that those in have
// become those in want, and which have to be deleted. A route that leads
// elsewhere now is only written: it takes the place of the old one. Routes in
// have that are not under Protocol are left out of account. The time taken is
// linear.
func Diff(want, have []Route) (add, remove []Route) {
	there := make(map[routeID]*Route, len(have))
	for n := range have {
		if have[n].Protocol == Protocol {
			there[have[n].id()] = &have[n]
		}
	}
	wanted := make(map[routeID]struct{}, len(want))
	for n := range want {
		id := want[n].id()
		if _, twice := wanted[id]; twice {
			continue
		}
		wanted[id] = struct{}{}
		if old := there[id]; old == nil || !old.sameWay(&want[n]) {
			add = append(add, want[n])
		}
	}
	for n := range have {
		if have[n].Protocol != Protocol {
			continue
		}
		if _, keep := wanted[have[n].id()]; !keep {
			remove = append(remove, have[n])
		}
	}
	return add, remove
}

// sameWay reports whether two routes to one destination are the same otherwise.
func (r *Route) sameWay(o *Route) bool {
	return r.Gateway == o.Gateway && r.Device == o.Device && r.OnLink == o.OnLink && r.Source == o.Source && r.MTU == o.MTU
}
