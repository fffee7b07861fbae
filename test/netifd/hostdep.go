package netifd

import (
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// A hostDep is a host that the protocol needs a way to, and the interface that
// the way leads through. As long as there is none, the interface that depends on
// it is not available.
type hostDep struct {
	user ifaceUser // of the interface found, or of all while there is none
	x    *external
	host ipAddr
	v6   bool
	any  bool   // no host: the named interface is enough
	via  string // interface to use; "" any
}

// addHostDep is action 6.
func (x *external) addHostDep(msg blobmsg.Table) error {
	if x.ending() {
		return ubus.StatusPermissionDenied
	}
	d := &hostDep{x: x}
	d.via, _ = stringMember(msg, "ifname")
	host, _ := stringMember(msg, "host")
	if host == "" && d.via != "" {
		d.any = true
	} else {
		var ok bool
		if d.host, ok = inetPton(host, false); !ok {
			if d.host, ok = inetPton(host, true); !ok {
				return ubus.StatusInvalidArgument
			}
			d.v6 = true
		}
	}
	d.user.event = d.whileMissing
	x.iface.e.watch(&d.user, nil)
	x.deps = slices.Insert(x.deps, 0, d)
	d.update()
	if d.user.iface == nil {
		return ubus.StatusNotFound
	}
	return nil
}

func (x *external) clearHostDeps() {
	for _, d := range x.deps {
		x.iface.e.unwatch(&d.user)
	}
	x.deps = nil
}

// update looks for the interface, and makes the host route.
func (d *hostDep) update() {
	if i := d.find(); i != nil {
		e := d.x.iface.e
		e.unwatch(&d.user)
		d.user.event = d.whileFound
		e.watch(&d.user, i)
	}
	d.x.checkDeps()
}

func (d *hostDep) find() *iface {
	e := d.x.iface.e
	if d.user.iface != nil {
		return nil
	}
	var via *iface
	if d.via != "" {
		if via = e.ifaces.find(d.via); via == nil || via.state != stateUp {
			return nil
		}
	}
	if d.any {
		return via
	}
	return e.addTargetRoute(d.host, d.v6, via, nil)
}

func (x *external) checkDeps() {
	missing := slices.ContainsFunc(x.deps, func(d *hostDep) bool { return d.user.iface == nil })
	x.iface.setAvailable(!missing)
}

func (d *hostDep) whileMissing(_ *iface, ev ifaceEvent) {
	if ev == eventUp || ev == eventUpdate {
		d.update()
	}
}

func (d *hostDep) whileFound(_ *iface, ev ifaceEvent) {
	if ev != eventUpFailed && ev != eventDown && ev != eventFree {
		return
	}
	x := d.x
	x.iface.e.unwatch(&d.user)
	d.user.event = d.whileMissing
	x.iface.e.watch(&d.user, nil)
	if x.state == scriptIdle {
		x.iface.protoEvent(protoLinkLost)
		_ = x.command(commandTeardown, false)
	}
}

// addTargetRoute finds the interface through which a host is reached, and makes
// a route to the host on it unless the host is in a subnet there. It looks at via
// only, or at all interfaces but except.
func (e *engine) addTargetRoute(host ipAddr, v6 bool, via, except *iface) *iface {
	among := e.ifaces.list
	if via != nil {
		among = []*iface{via}
	}
	var best *devRoute
	for _, i := range among {
		if i == except {
			continue
		}
		if i.protoIP.hasSubnetOf(host, v6) || i.configIP.hasSubnetOf(host, v6) {
			return i
		}
		i.protoIP.bestRoute(host, v6, &best)
		i.configIP.bestRoute(host, v6, &best)
	}
	if best == nil {
		return nil
	}
	i := best.iface
	if host == (ipAddr{}) {
		return i // asks for the default route
	}
	i.hostRoutes.add(&devRoute{
		flags: family(v6), mask: maxMask(v6), addr: host, iface: i,
		nexthop: best.nexthop, mtu: best.mtu, metric: best.metric, table: best.table, validUntil: best.validUntil,
	})
	return i
}

// hasSubnetOf tells whether an address of the interface has the host in its
// subnet.
func (s *ipSettings) hasSubnetOf(host ipAddr, v6 bool) bool {
	for _, a := range s.addrs.items {
		if !a.enabled || a.flags.v6() != v6 {
			continue
		}
		if !v6 && a.ptp != [4]byte{} && a.ptp == [4]byte(host[:4]) {
			return true
		}
		mask := a.mask
		if v6 && a.flags.has(ipOfflink) {
			mask = 128
		}
		if sameNet(a.addr, host, mask) {
			return true
		}
	}
	return false
}

// bestRoute keeps the route with the longest prefix, then the least metric,
// outside of tables of their own.
func (s *ipSettings) bestRoute(host ipAddr, v6 bool, best **devRoute) {
	for _, r := range s.routes.items {
		if !r.enabled || r.flags.v6() != v6 || r.flags.has(ipTable) || !sameNet(r.addr, host, r.mask) {
			continue
		}
		if b := *best; b == nil || r.mask > b.mask ||
			r.mask == b.mask && r.flags.has(ipMetric) && r.metric < b.metric {
			*best = r
		}
	}
}

// refreshHostRoutes follows a change of the routes that the host routes were
// made of.
func (i *iface) refreshHostRoutes() {
	for _, r := range slices.Clone(i.hostRoutes.items) {
		var best *devRoute
		i.protoIP.bestRoute(r.addr, r.flags.v6(), &best)
		i.configIP.bestRoute(r.addr, r.flags.v6(), &best)
		if best == nil {
			i.hostRoutes.delete(r)
			continue
		}
		if r.nexthop == best.nexthop && r.mtu == best.mtu && r.metric == best.metric && r.table == best.table {
			r.validUntil = best.validUntil
			continue
		}
		next := &devRoute{
			flags: r.flags, mask: r.mask, addr: r.addr, iface: i,
			nexthop: best.nexthop, mtu: best.mtu, metric: best.metric, table: best.table, validUntil: best.validUntil,
		}
		if compareRoutes(next, r) != 0 {
			i.hostRoutes.delete(r)
		}
		i.hostRoutes.add(next)
	}
}
