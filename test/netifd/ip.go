package netifd

import (
	"bytes"
	"cmp"

	"golang.org/x/sys/unix"
)

// ipFlags mark addresses, routes and neighbors. Their values are netifd's: they
// are part of the order in which routes and addresses stand.
type ipFlags uint32

const (
	ipV6         ipFlags = 1 << 0
	ipExternal   ipFlags = 1 << 2 // put there by someone else
	ipMetric     ipFlags = 1 << 3 // a metric of its own, not the interface's
	ipMTU        ipFlags = 1 << 4
	ipProto      ipFlags = 1 << 5
	ipOfflink    ipFlags = 1 << 6 // no subnet route, but an unreachable one
	ipTable      ipFlags = 1 << 7 // a table of its own
	ipIfaceTable ipFlags = 1 << 8 // the interface's ip4table or ip6table
	ipOnlink     ipFlags = 1 << 9
	ipType       ipFlags = 1 << 10
	ipMAC        ipFlags = 1 << 11
	ipNoDevice   ipFlags = 1 << 12
)

func (f ipFlags) has(g ipFlags) bool { return f&g != 0 }
func (f ipFlags) v6() bool           { return f&ipV6 != 0 }

func family(v6 bool) ipFlags {
	if v6 {
		return ipV6
	}
	return 0
}

// unreachableMetric is the metric of the unreachable routes that keep packets
// to unassigned parts of a prefix from going round in circles.
const unreachableMetric = 1<<31 - 1

// devAddr is an address of an interface.
type devAddr struct {
	vnode
	enabled, failed bool
	index           int // place in its list
	policyTable     uint32
	subnet          devRoute // the subnet route that took the kernel's place; iface nil: none

	broadcast, ptp [4]byte // IPv4 only, zero: none

	validUntil, preferredUntil int64 // IPv6 only, seconds of rtime; 0: for ever
	class                      string

	flags ipFlags
	mask  uint32
	addr  ipAddr
}

// compareAddrs orders by place in the list and then as the memory of a
// little-endian machine does, so that the same address at another place is
// another one.
func compareAddrs(a, b *devAddr) int {
	return cmp.Or(
		cmp.Compare(a.index, b.index),
		compareBytes32(uint32(a.flags), uint32(b.flags)),
		compareBytes32(a.mask, b.mask),
		bytes.Compare(a.addr[:], b.addr[:]),
	)
}

func compareBytes32(a, b uint32) int {
	swap := func(n uint32) uint32 { return n<<24 | n>>24 | n<<8&0xff0000 | n>>8&0xff00 }
	return cmp.Compare(swap(a), swap(b))
}

// devRoute is a route of an interface.
type devRoute struct {
	vnode
	iface           *iface
	enabled, failed bool

	nexthop    ipAddr
	mtu        uint32
	typ        uint32
	proto      uint32
	validUntil int64 // seconds of rtime; 0: for ever

	flags      ipFlags
	metric     int32
	table      uint32
	mask       uint32
	sourceMask uint32
	addr       ipAddr
	source     ipAddr
}

// compareRoutes puts longer prefixes and smaller metrics first. What it looks at
// makes two routes the same one: the gateway, for instance, does not.
func compareRoutes(a, b *devRoute) int {
	minus := func(x, y uint32) int { return int(int32(x - y)) } // wraps round, as in C
	return cmp.Or(
		minus(b.mask, a.mask),
		minus(uint32(a.metric), uint32(b.metric)),
		minus(uint32(b.flags), uint32(a.flags)),
		minus(a.sourceMask, b.sourceMask),
		minus(a.table, b.table),
		bytes.Compare(a.source[:], b.source[:]),
		bytes.Compare(a.addr[:], b.addr[:]),
	)
}

// devNeighbor is a neighbor entry of an interface.
type devNeighbor struct {
	vnode
	enabled, failed bool
	proxy, router   bool
	mac             [6]byte
	flags           ipFlags
	addr            ipAddr
}

func compareNeighbors(a, b *devNeighbor) int { return bytes.Compare(a.addr[:], b.addr[:]) }

// dnsServer is the address of a name server.
type dnsServer struct {
	v6   bool
	addr ipAddr
}

// ipSettings is what an interface has of one origin: its protocol, or the
// configuration.
type ipSettings struct {
	iface   *iface
	enabled bool

	noDefaultRoute, noDNS, noDelegation bool

	addrs     vlist[*devAddr]
	routes    vlist[*devRoute]
	prefixes  vlist[*devPrefix]
	neighbors vlist[*devNeighbor]

	dnsServers updateList[dnsServer]
	dnsSearch  updateList[string]
}

func (s *ipSettings) init(i *iface) {
	s.iface = i
	s.enabled = true
	s.addrs = newVlist(compareAddrs, s.updateAddr)
	s.routes = newVlist(compareRoutes, s.updateRoute)
	s.prefixes = newVlist(comparePrefixes, s.updatePrefix)
	s.neighbors = newVlist(compareNeighbors, s.updateNeighbor)
}

// begin starts an update: what is not added before complete is called goes.
func (s *ipSettings) begin() {
	if s != &s.iface.configIP { // its name servers come with the section
		s.dnsServers.begin()
		s.dnsSearch.begin()
	}
	s.routes.begin()
	s.addrs.begin()
	s.prefixes.begin()
	s.neighbors.begin()
}

func (s *ipSettings) complete() {
	s.dnsServers.flush()
	s.dnsSearch.flush()
	s.routes.flush()
	s.addrs.flush()
	s.prefixes.flush()
	s.neighbors.flush()
	if s == &s.iface.protoIP {
		s.iface.refreshHostRoutes()
	}
	s.iface.e.writeResolvConf()
}

// flushAll forgets everything.
func (s *ipSettings) flushAll() {
	if s == &s.iface.protoIP {
		s.iface.hostRoutes.flushAll()
	}
	s.dnsServers.flushAll()
	s.dnsSearch.flushAll()
	s.routes.flushAll()
	s.addrs.flushAll()
	s.neighbors.flushAll()
	s.prefixes.flushAll()
}

// setEnabled puts everything into the kernel, or takes it out and keeps it.
func (s *ipSettings) setEnabled(on bool) {
	i := s.iface
	s.enabled = on
	if i.l3Dev.dev == nil {
		return
	}
	for _, a := range s.addrs.items {
		s.setAddrEnabled(a, on)
	}
	for _, r := range s.routes.items {
		s.setRouteEnabled(r, on)
	}
	if s == &i.protoIP {
		for _, r := range i.hostRoutes.items {
			s.setRouteEnabled(r, on)
		}
	}
	for _, n := range s.neighbors.items {
		if n.enabled == on {
			continue
		}
		if on {
			n.failed = i.e.kernel.setNeighbor(unix.RTM_NEWNEIGH, i.l3Dev.dev, n) != nil
		} else {
			i.e.kernel.setNeighbor(unix.RTM_DELNEIGH, i.l3Dev.dev, n)
		}
		n.enabled = on
	}
	for _, p := range i.e.prefixes {
		for _, a := range p.assignments {
			if a.name == i.name {
				p.setAddress(a, i, on)
			}
		}
	}
	if i.policyRulesSet != on {
		i.setPolicyRules(on)
		i.policyRulesSet = on
	}
}

// rtime is the clock that lifetimes are counted with: seconds that never jump.
func rtime() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return int64(ts.Sec)
}

// until is the time n seconds from now; all ones stands for ever.
func until(n int32) int64 {
	if uint32(n) == ^uint32(0) {
		return 0
	}
	return rtime() + int64(uint32(n))
}

// remaining is how many seconds are left, not less than 0.
func remaining(until int64) int32 { return int32(max(0, until-rtime())) }
