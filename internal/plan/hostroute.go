package plan

import (
	"net/netip"
	"slices"

	"github.com/wgnetifd/wgnetifd/uci"
)

// Uplink is a route of the kernel's main table.
type Uplink struct {
	Dst     netip.Prefix
	Gateway netip.Addr // invalid: the destination is on the link itself
	Device  string
	Metric  uint32
	// OnLink: no address of the device says that the gateway is its neighbour.
	OnLink bool
	Source netip.Addr // of the router's packets; invalid: the kernel chooses
	MTU    uint32     // of the way, in bytes; 0: that of the device
	// Tunnel: it is a default route, whole or a half, through another tunnel.
	Tunnel bool
}

// HostRoute leads to one endpoint past the tunnel.
type HostRoute struct {
	Dst     netip.Addr
	Gateway netip.Addr // invalid: on the link itself
	Device  string
	// As of Uplink.
	OnLink bool
	Source netip.Addr
	MTU    uint32
}

// Swallowed returns those of the endpoints that lie within the tunnel's own
// routes, each once. Only these can need a host route, unless the configuration
// names an uplink: for most interfaces there are none, and the kernel's table
// need not be read.
func Swallowed(endpoints []netip.Addr, tunnelRoutes []netip.Prefix) []netip.Addr {
	if len(endpoints) == 0 || len(tunnelRoutes) == 0 {
		return nil
	}
	tunnel := tableOf(tunnelRoutes)
	var out []netip.Addr
	for _, addr := range unicast(endpoints) {
		if _, bits := tunnel.lookup(addr); bits >= 0 {
			out = append(out, addr)
		}
	}
	return out
}

// HostRoutes returns the host routes that endpoints need: those that the
// tunnel's own routes would swallow, and, where an uplink is named, those that
// would leave through another device. uplinks are the main table's routes
// without our own; those through the tunnel's device do not count. uplink is the
// named uplink's device; nil: any will do. A route of somebody else's to an endpoint
// alone decides, wherever it leads: one of ours would take its place. Of two tunnels
// that both take everything none leads to the other's endpoint as long as there is
// another uplink: each would wait for the other.
//
// lost are endpoints that need a host route while no uplink leads to them. The
// time taken is linear in endpoints and in routes.
func HostRoutes(endpoints []netip.Addr, tunnel string, tunnelRoutes []netip.Prefix, uplinks []Uplink, uplink *string) (routes []HostRoute, lost []netip.Addr) {
	swallow := tableOf(tunnelRoutes)
	var any, wanted, tunnels prefixTable[Uplink]
	for _, u := range uplinks {
		if u.Device == tunnel {
			continue
		}
		better := func(old Uplink) bool { return u.Metric < old.Metric }
		any.put(u.Dst, u, better)
		switch {
		case uplink == nil && u.Tunnel:
			tunnels.put(u.Dst, u, better)
		case uplink == nil || u.Device == *uplink:
			wanted.put(u.Dst, u, better)
		}
	}
	for _, addr := range unicast(endpoints) {
		now, nowBits := any.lookup(addr)
		_, tunnelBits := swallow.lookup(addr)
		swallowed := tunnelBits >= 0 && tunnelBits >= nowBits
		elsewhere := uplink != nil && (nowBits < 0 || now.Device != *uplink)
		if !swallowed && !elsewhere || nowBits == addr.BitLen() {
			continue
		}
		up, bits := wanted.lookup(addr)
		if bits < 0 {
			up, bits = tunnels.lookup(addr)
		}
		if bits < 0 {
			lost = append(lost, addr)
			continue
		}
		routes = append(routes, up.to(addr))
	}
	return routes, lost
}

// By returns host routes to endpoints by the best of uplinks, and the endpoints that
// none leads to.
func By(endpoints []netip.Addr, uplinks []Uplink) (routes []HostRoute, lost []netip.Addr) {
	var all prefixTable[Uplink]
	for _, u := range uplinks {
		all.put(u.Dst, u, func(old Uplink) bool { return u.Metric < old.Metric })
	}
	for _, addr := range endpoints {
		if up, bits := all.lookup(addr); bits < 0 {
			lost = append(lost, addr)
		} else {
			routes = append(routes, up.to(addr))
		}
	}
	return routes, lost
}

func (u *Uplink) to(addr netip.Addr) HostRoute {
	return HostRoute{Dst: addr, Gateway: u.Gateway, Device: u.Device, OnLink: u.OnLink, Source: u.Source, MTU: u.MTU}
}

// unicast returns the addresses that a route can be about, each once.
func unicast(list []netip.Addr) []netip.Addr {
	seen := make(map[netip.Addr]struct{}, len(list))
	out := make([]netip.Addr, 0, len(list))
	for _, addr := range list {
		addr = addr.Unmap()
		if !addr.IsValid() || addr.IsLinkLocalUnicast() || addr.IsLoopback() {
			continue
		}
		if _, twice := seen[addr]; !twice {
			seen[addr] = struct{}{}
			out = append(out, addr)
		}
	}
	return out
}

func tableOf(list []netip.Prefix) *prefixTable[struct{}] {
	t := &prefixTable[struct{}]{}
	for _, p := range list {
		t.put(p.Masked(), struct{}{}, nil)
	}
	return t
}

// prefixTable finds the longest prefix that holds an address, by one look-up for
// each length that occurs.
type prefixTable[V any] struct {
	entries map[netip.Prefix]V
	lengths [2][]int // of IPv4 and IPv6, longest first
}

// put enters v, over an older entry only where better says so.
func (t *prefixTable[V]) put(p netip.Prefix, v V, better func(old V) bool) {
	if t.entries == nil {
		t.entries = map[netip.Prefix]V{}
	}
	old, there := t.entries[p]
	if there {
		if better != nil && better(old) {
			t.entries[p] = v
		}
		return
	}
	t.entries[p] = v
	lengths := &t.lengths[family(p.Addr())]
	at, found := slices.BinarySearchFunc(*lengths, p.Bits(), func(a, b int) int { return b - a })
	if !found {
		*lengths = uci.Splice(*lengths, at, at, []int{p.Bits()})
	}
}

// lookup returns the entry of the longest prefix that holds addr, and its
// length, or -1 when there is none.
func (t *prefixTable[V]) lookup(addr netip.Addr) (v V, bits int) {
	for _, bits := range t.lengths[family(addr)] {
		p, err := addr.Prefix(bits)
		if err != nil {
			continue
		}
		if v, ok := t.entries[p]; ok {
			return v, bits
		}
	}
	return v, -1
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}
