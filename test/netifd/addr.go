package netifd

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// applyNotified adds the addresses, prefixes and gateways of a message. Each
// list ends at its first bad element; a bad address also leaves the gateways out.
func (s *ipSettings) applyNotified(msg blobmsg.Table, external bool) {
	n4, ok4 := 0, true
	if list, ok := arrayMember(msg, "ipaddr"); ok {
		n4, ok4 = s.addAddrs(list, false, external)
	}
	n6, ok6 := 0, true
	if list, ok := arrayMember(msg, "ip6addr"); ok {
		n6, ok6 = s.addAddrs(list, true, external)
	}
	if list, ok := arrayMember(msg, "ip6prefix"); ok && !s.iface.addPrefixes(list) {
		return
	}
	if ok4 && ok6 {
		s.addGateways(msg, n4, n6)
	}
}

// addGateways adds the default routes of the members gateway and ip6gw. It
// reports false, and an error of the interface, for one that is no address.
func (s *ipSettings) addGateways(t blobmsg.Table, n4, n6 int) bool {
	if gw, ok := stringMember(t, "gateway"); ok && n4 > 0 && !s.addGateway(gw, false) {
		return false
	}
	if gw, ok := stringMember(t, "ip6gw"); ok && n6 > 0 && !s.addGateway(gw, true) {
		return false
	}
	return true
}

func (s *ipSettings) addGateway(gw string, v6 bool) bool {
	r := &devRoute{flags: family(v6), metric: s.iface.metric}
	var ok bool
	if r.nexthop, ok = inetPton(gw, v6); !ok {
		s.iface.addError("proto", "INVALID_GATEWAY", gw)
		return false
	}
	if table := s.iface.table(v6); table != 0 {
		r.table = table
		r.flags |= ipIfaceTable
	}
	s.routes.add(r)
	return true
}

// addAddrs adds addresses up to the first that is bad.
func (s *ipSettings) addAddrs(list blobmsg.Array, v6, external bool) (n int, ok bool) {
	for _, v := range list {
		t, isTable := v.(blobmsg.Table)
		if !isTable {
			return n, false
		}
		a := parseNotifiedAddr(t, v6)
		if a == nil {
			return n, false
		}
		if external {
			a.flags |= ipExternal
		}
		a.index = n
		n++
		s.addrs.add(a)
	}
	return n, true
}

// parseNotifiedAddr reads an element of ipaddr or ip6addr, or returns nil.
func parseNotifiedAddr(t blobmsg.Table, v6 bool) *devAddr {
	a := &devAddr{flags: family(v6), mask: maxMask(v6)}
	if m, ok := stringMember(t, "mask"); ok {
		mask := parseNetmask(m, v6)
		if mask > a.mask {
			return nil
		}
		a.mask = mask
	}
	ip, ok := stringMember(t, "ipaddr")
	if !ok {
		return nil
	}
	if a.addr, ok = inetPton(ip, v6); !ok {
		return nil
	}
	if boolDefault(t, "offlink", false) {
		a.flags |= ipOfflink
	}
	if v6 {
		return a.withLifetimes(t)
	}
	for name, to := range map[string]*[4]byte{"broadcast": &a.broadcast, "ptp": &a.ptp} {
		if text, ok := stringMember(t, name); ok {
			ip, ok := inetPton(text, false)
			if !ok {
				return nil
			}
			*to = [4]byte(ip[:4])
		}
	}
	return a
}

// withLifetimes reads what only IPv6 addresses have. It returns nil for one that
// is to be preferred longer than it is valid.
func (a *devAddr) withLifetimes(t blobmsg.Table) *devAddr {
	if n, ok := intMember(t, "preferred"); ok {
		a.preferredUntil = until(n)
	}
	if n, ok := intMember(t, "valid"); ok {
		a.validUntil = until(n)
	}
	if a.validUntil != 0 {
		if a.preferredUntil == 0 {
			a.preferredUntil = a.validUntil
		} else if a.preferredUntil > a.validUntil {
			return nil
		}
	}
	a.class, _ = stringMember(t, "class")
	return a
}

// defaultBroadcast is the last address of the subnet; subnets of one or two
// addresses have the limited broadcast.
func (a *devAddr) defaultBroadcast() [4]byte {
	if a.mask >= 31 {
		return [4]byte{255, 255, 255, 255}
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(a.addr[:4])|^uint32(0)>>a.mask)
	return b
}

// updateAddr follows a change of the address list.
func (s *ipSettings) updateAddr(after, before *devAddr) {
	i := s.iface
	if after == nil || before == nil {
		i.updated |= updatedAddresses
	}
	if after != nil && !after.flags.v6() && after.broadcast == [4]byte{} {
		after.broadcast = after.defaultBroadcast()
	}
	keep, replace := false, false
	if after != nil && before != nil {
		keep = after.flags == before.flags && !before.failed
		replace = after.validUntil != before.validUntil || after.preferredUntil != before.preferredUntil
		if !after.flags.v6() && (after.broadcast != before.broadcast || after.ptp != before.ptp) {
			keep = false
		}
	}
	if before != nil {
		if before.enabled && !keep {
			s.retireAddr(before, after == nil)
		}
		if keep && !replace {
			after.subnet = before.subnet
		}
	}
	if after != nil {
		s.installAddr(after, keep, replace)
	}
}

// retireAddr takes an address out of the kernel. Where it is gone from the list,
// another place of the list may have the same one: then the kernel's stays.
func (s *ipSettings) retireAddr(a *devAddr, gone bool) {
	i := s.iface
	k, dev := i.e.kernel, i.l3Dev.dev
	var same *devAddr
	if gone {
		same = s.currentTwin(a)
	}
	if a.policyTable != 0 {
		k.setAddrRules(a, false)
	}
	if a.flags.has(ipExternal) {
		return
	}
	if same == nil || same.subnet.iface == nil {
		i.setSubnetRoute(a, false)
	}
	if same == nil {
		k.delAddr(dev, a)
	}
	if (same == nil || !k.isOfflink(dev, same)) && k.isOfflink(dev, a) && a.mask < maxMask(a.flags.v6()) {
		k.setRoute(unix.RTM_DELROUTE, nil, unreachableRoute(a.addr, a.mask, a.flags.v6()))
	}
}

// currentTwin finds an address of the present update that the kernel cannot tell
// from a.
func (s *ipSettings) currentTwin(a *devAddr) *devAddr {
	if s.addrs.version == -1 {
		return nil
	}
	for _, b := range s.addrs.items {
		if b != a && b.version == s.addrs.version &&
			b.flags.v6() == a.flags.v6() && b.mask == a.mask && b.addr == a.addr {
			return b
		}
	}
	return nil
}

func (s *ipSettings) installAddr(a *devAddr, keep, replace bool) {
	i := s.iface
	k, dev := i.e.kernel, i.l3Dev.dev
	a.enabled = true
	a.policyTable = i.table(a.flags.v6())
	if keep && !replace {
		return
	}
	external := a.flags.has(ipExternal)
	if !external {
		if k.addAddr(dev, a) != nil {
			a.failed = true
		}
		if i.metric != 0 || a.policyTable != 0 {
			i.setSubnetRoute(a, true)
		}
	}
	if keep {
		return
	}
	if !external && k.isOfflink(dev, a) && a.mask < maxMask(a.flags.v6()) {
		k.setRoute(unix.RTM_NEWROUTE, nil, unreachableRoute(a.addr, a.mask, a.flags.v6()))
	}
	if a.policyTable != 0 {
		k.setAddrRules(a, true)
	}
}

// setAddrEnabled puts an address into the kernel or takes it out, with what
// belongs to it.
func (s *ipSettings) setAddrEnabled(a *devAddr, on bool) {
	if a.flags.has(ipExternal) || a.enabled == on {
		return
	}
	i := s.iface
	k, dev := i.e.kernel, i.l3Dev.dev
	cmd := unix.RTM_DELROUTE
	if on {
		cmd = unix.RTM_NEWROUTE
		k.addAddr(dev, a)
		a.policyTable = i.table(a.flags.v6())
		if i.metric != 0 || a.policyTable != 0 {
			i.setSubnetRoute(a, true)
		}
	} else {
		i.setSubnetRoute(a, false)
		k.delAddr(dev, a)
	}
	if k.isOfflink(dev, a) && a.mask < maxMask(a.flags.v6()) {
		k.setRoute(cmd, nil, unreachableRoute(a.addr, a.mask, a.flags.v6()))
	}
	if a.policyTable != 0 {
		k.setAddrRules(a, on)
	}
	a.enabled = on
}

// setSubnetRoute replaces the route to the address's subnet that the kernel has
// made by one with the interface's metric and table, or deletes that.
func (i *iface) setSubnetRoute(a *devAddr, on bool) {
	k, dev := i.e.kernel, i.l3Dev.dev
	if k.isOfflink(dev, a) {
		return
	}
	r := &a.subnet
	if !on {
		if r.iface != nil {
			k.setRoute(unix.RTM_DELROUTE, dev, r)
			*r = devRoute{}
		}
		return
	}
	r.iface = i
	r.flags = a.flags | ipProto
	r.mask = a.mask
	r.addr = clearHost(a.addr, a.mask)
	r.proto = unix.RTPROT_KERNEL
	k.setRoute(unix.RTM_DELROUTE, dev, r)
	r.flags &^= ipProto
	i.fillRoute(r)
	k.setRoute(unix.RTM_NEWROUTE, dev, r)
}

// unreachableRoute catches what goes to a prefix and to no part of it that is in
// use.
func unreachableRoute(a ipAddr, mask uint32, v6 bool) *devRoute {
	return &devRoute{flags: family(v6), metric: unreachableMetric, mask: mask, addr: clearHost(a, mask)}
}
