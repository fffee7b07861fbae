package netifd

import (
	"net"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// routeParams are the options of route and route6 sections and the members of
// an announced route.
var routeParams = []param{
	{name: "interface", typ: blobmsg.TypeString},
	{name: "target", typ: blobmsg.TypeString},
	{name: "netmask", typ: blobmsg.TypeString},
	{name: "gateway", typ: blobmsg.TypeString},
	{name: "metric", typ: blobmsg.TypeInt32},
	{name: "mtu", typ: blobmsg.TypeInt32},
	{name: "table", typ: blobmsg.TypeString},
	{name: "valid", typ: blobmsg.TypeInt32},
	{name: "source", typ: blobmsg.TypeString},
	{name: "onlink", typ: blobmsg.TypeBool},
	{name: "type", typ: blobmsg.TypeString},
	{name: "proto", typ: blobmsg.TypeString},
	{name: "disabled", typ: blobmsg.TypeBool},
}

// addRoutes adds announced routes; what is no table or cannot be read is passed
// over.
func (s *ipSettings) addRoutes(list blobmsg.Array, v6 bool) {
	for _, v := range list {
		t, ok := v.(blobmsg.Table)
		if !ok || boolDefault(t, "disabled", false) {
			continue
		}
		if r := parseRoute(t, v6); r != nil {
			s.iface.fillRoute(r)
			s.routes.add(r)
		}
	}
}

// addConfigRoute adds a route section. Without an interface it stands with the
// interface loopback and has no device.
func (e *engine) addConfigRoute(t blobmsg.Table, v6 bool) {
	if boolDefault(t, "disabled", false) {
		return
	}
	name, named := stringMember(t, "interface")
	if !named {
		name = "loopback"
	}
	i := e.ifaces.find(name)
	if i == nil {
		return
	}
	r := parseRoute(t, v6)
	if r == nil {
		return
	}
	if named {
		i.fillRoute(r)
	} else {
		r.flags |= ipNoDevice
	}
	i.configIP.routes.add(r)
}

// parseRoute reads a route, or returns nil. A route without a target leads
// everywhere or, without a netmask, to the address 0.
func parseRoute(t blobmsg.Table, v6 bool) *devRoute {
	r := &devRoute{flags: family(v6), mask: maxMask(v6)}
	if m, ok := stringMember(t, "netmask"); ok {
		if r.mask = parseNetmask(m, v6); r.mask > maxMask(v6) {
			return nil
		}
	}
	if target, ok := stringMember(t, "target"); ok {
		if r.addr, r.mask, ok = parseAddrMask(target, v6, r.mask); !ok {
			return nil
		}
		if !v6 { // the kernel refuses host bits; of IPv6 it clears them itself
			r.addr = clearHost(r.addr, r.mask)
		}
	}
	if gw, ok := stringMember(t, "gateway"); ok {
		if r.nexthop, ok = inetPton(gw, v6); !ok {
			return nil
		}
	}
	if n, ok := intMember(t, "metric"); ok {
		r.metric = n
		r.flags |= ipMetric
	}
	if n, ok := intMember(t, "mtu"); ok {
		r.mtu = uint32(n)
		r.flags |= ipMTU
	}
	if source, ok := stringMember(t, "source"); ok && !r.parseSource(source) {
		return nil
	}
	if boolDefault(t, "onlink", false) {
		r.flags |= ipOnlink
	}
	if n, ok := intMember(t, "valid"); ok {
		r.validUntil = until(n)
	}
	if !r.parseNames(t) {
		return nil
	}
	return r
}

// parseSource reads ADDRESS or ADDRESS/LENGTH.
func (r *devRoute) parseSource(s string) (ok bool) {
	parts := strings.FieldsFunc(s, func(c rune) bool { return c == '/' })
	if len(parts) == 0 {
		return false
	}
	v6 := r.flags.v6()
	if r.source, ok = inetPton(parts[0], v6); !ok {
		return false
	}
	r.sourceMask = maxMask(v6)
	if len(parts) > 1 {
		n, rest := strtoul(parts[1], 10)
		if rest != "" || uint32(n) > r.sourceMask {
			return false
		}
		r.sourceMask = uint32(n)
	}
	return true
}

// parseNames reads the members that may be names of iproute2's tables.
func (r *devRoute) parseNames(t blobmsg.Table) bool {
	if name, ok := stringMember(t, "table"); ok {
		table, ok := routeTable(name)
		if !ok {
			return false
		}
		if table != unix.RT_TABLE_MAIN {
			r.table = table
			r.flags |= ipTable
		}
	}
	if name, ok := stringMember(t, "type"); ok {
		if r.typ, ok = routeType(name); !ok {
			return false
		}
		r.flags |= ipType
	}
	if name, ok := stringMember(t, "proto"); ok {
		if r.proto, ok = routeProto(name); !ok {
			return false
		}
		r.flags |= ipProto
	}
	return true
}

// fillRoute gives a route without metric or table those of the interface.
func (i *iface) fillRoute(r *devRoute) {
	if !r.flags.has(ipMetric) {
		r.metric = i.metric
	}
	if !r.flags.has(ipTable) {
		if r.table = i.table(r.flags.v6()); r.table != 0 {
			r.flags |= ipIfaceTable
		}
	}
}

// table is the interface's routing table for a family; 0 is main.
func (i *iface) table(v6 bool) uint32 {
	if v6 {
		return i.ip6table
	}
	return i.ip4table
}

// routeEnabled tells whether a route is to be in the kernel.
func (s *ipSettings) routeEnabled(r *devRoute) bool {
	return s.enabled && (!s.noDefaultRoute || r.mask != 0)
}

// updateRoute follows a change of the routes, or of the host routes.
func (s *ipSettings) updateRoute(after, before *devRoute) {
	i := s.iface
	k, dev := i.e.kernel, i.l3Dev.dev
	if after == nil || before == nil {
		i.updated |= updatedRoutes
	}
	keep := after != nil && before != nil && !before.failed &&
		before.nexthop == after.nexthop && before.mtu == after.mtu &&
		before.typ == after.typ && before.proto == after.proto
	if before != nil && before.enabled && !keep && !before.flags.has(ipExternal) {
		k.setRoute(unix.RTM_DELROUTE, dev, before)
	}
	if after == nil {
		return
	}
	on := s.routeEnabled(after)
	if on && !keep && !after.flags.has(ipExternal) {
		after.failed = k.setRoute(unix.RTM_NEWROUTE, dev, after) != nil
	}
	after.iface = i
	after.enabled = on
}

func (s *ipSettings) setRouteEnabled(r *devRoute, on bool) {
	if r.flags.has(ipExternal) {
		return
	}
	on = on && s.routeEnabled(r)
	if r.enabled == on {
		return
	}
	k, dev := s.iface.e.kernel, s.iface.l3Dev.dev
	if on {
		s.iface.fillRoute(r)
		if k.setRoute(unix.RTM_NEWROUTE, dev, r) != nil {
			r.failed = true
		}
	} else {
		k.setRoute(unix.RTM_DELROUTE, dev, r)
	}
	r.enabled = on
}

// addNeighbors adds announced neighbors; what cannot be read is passed over.
func (s *ipSettings) addNeighbors(list blobmsg.Array, v6 bool) {
	for _, v := range list {
		if t, ok := v.(blobmsg.Table); ok {
			if n := parseNeighbor(t, v6); n != nil {
				s.neighbors.add(n)
			}
		}
	}
}

func parseNeighbor(t blobmsg.Table, v6 bool) *devNeighbor {
	n := &devNeighbor{flags: family(v6)}
	ip, ok := stringMember(t, "ipaddr")
	if !ok {
		return nil
	}
	if n.addr, ok = inetPton(ip, v6); !ok {
		return nil
	}
	if text, ok := stringMember(t, "mac"); ok {
		if n.mac, ok = parseMAC(text); !ok {
			return nil
		}
		n.flags |= ipMAC
	}
	n.proxy = boolDefault(t, "proxy", false)
	n.router = boolDefault(t, "router", false)
	return n
}

// parseMAC reads six numbers of one or two hexadecimal digits with colons.
func parseMAC(s string) (mac [6]byte, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != len(mac) {
		return mac, false
	}
	for i, p := range parts {
		if len(p) < 1 || len(p) > 2 {
			return mac, false
		}
		n, rest := strtoul(p, 16)
		if rest != "" || hexDigit(p[0]) > 15 {
			return mac, false
		}
		mac[i] = byte(n)
	}
	return mac, true
}

func (n *devNeighbor) macString() string { return net.HardwareAddr(n.mac[:]).String() }

func (s *ipSettings) updateNeighbor(after, before *devNeighbor) {
	k, dev := s.iface.e.kernel, s.iface.l3Dev.dev
	keep := after != nil && before != nil &&
		before.mac == after.mac && before.proxy == after.proxy && before.router == after.router
	if before != nil && !keep && before.enabled {
		k.setNeighbor(unix.RTM_DELNEIGH, dev, before)
	}
	if after != nil {
		if !keep && s.enabled {
			after.failed = k.setNeighbor(unix.RTM_NEWNEIGH, dev, after) != nil
		}
		after.enabled = s.enabled
	}
}
