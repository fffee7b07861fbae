package netifd

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"

	"golang.org/x/sys/unix"
)

// An assignment is the part of a prefix that an interface has. Offsets count in
// units of /64.
type assignment struct {
	name    string // of the interface; "" ends the list, "!excluded" is nobody's
	offset  int32  // -1: to be found
	length  uint32
	weight  int32
	addr    ipAddr // of the interface; zero until it has one
	enabled bool
}

// excludedName is the assignment of what the uplink keeps for itself.
const excludedName = "!excluded"

// space is the size of a prefix in units of /64, as far as offsets reach.
func space(length uint32) int32 {
	if length < 34 {
		return math.MaxInt32
	}
	return 1 << (64 - length)
}

// assignPrefix takes all parts of a prefix back and, where it is to be used,
// hands them out anew: first to interfaces that ask for a place, then the
// smallest lengths, the greatest weights, by name.
func (e *engine) assignPrefix(p *devPrefix, use bool) {
	for len(p.assignments) > 0 {
		a := p.assignments[0]
		if i := e.ifaces.find(a.name); i != nil {
			p.setAddress(a, i, false)
		}
		p.assignments = p.assignments[1:]
	}
	if !use {
		return
	}
	p.assignments = []*assignment{{offset: space(p.len), length: 64}}
	if p.excludedLen > 0 {
		mask := space(p.len)
		if mask != math.MaxInt32 {
			mask--
		}
		a := &assignment{name: excludedName, length: p.excludedLen}
		a.offset = int32(binary.BigEndian.Uint32(p.excluded[4:8])) & mask
		p.assignments = slices.Insert(p.assignments, 0, a)
	}
	var later []*assignment
	for _, i := range e.ifaces.list {
		if i.assignLength < 48 || i.assignLength > 64 || !i.wantsClass(p.class) {
			continue
		}
		a := &assignment{name: i.name, length: i.assignLength, offset: i.assignHint, weight: i.assignWeight}
		if a.offset == -1 || !p.place(a) {
			a.offset = -1
			later = append(later, a)
		}
	}
	slices.SortStableFunc(later, func(a, b *assignment) int {
		return cmp.Or(cmp.Compare(a.length, b.length), cmp.Compare(b.weight, a.weight), cmp.Compare(a.name, b.name))
	})
	for _, a := range later {
		for !p.place(a) {
			if a.length++; a.length > 64 {
				e.logf("Failed to assign subprefix of size %d for %s", a.length, a.name)
				break
			}
		}
	}
	for _, a := range p.assignments {
		if i := e.ifaces.find(a.name); i != nil {
			p.setAddress(a, i, true)
		}
	}
}

func (i *iface) wantsClass(class string) bool {
	return len(i.assignClasses) == 0 || slices.Contains(i.assignClasses, class)
}

// place finds room for an assignment, at its offset if it has one.
func (p *devPrefix) place(a *assignment) bool {
	size := int64(1)<<(64-a.length) - 1
	var at int64
	for k, c := range p.assignments {
		if a.offset != -1 {
			if int64(a.offset) >= at && int64(a.offset)+size < int64(c.offset) {
				p.assignments = slices.Insert(p.assignments, k, a)
				return true
			}
		} else {
			at = (at + size) &^ size
			if at+size < int64(c.offset) {
				a.offset = int32(at)
				p.assignments = slices.Insert(p.assignments, k, a)
				return true
			}
		}
		at = int64(c.offset) + int64(space(c.length))
	}
	return false
}

// setAddress gives an interface its address from its part of the prefix, or
// takes it away: the kernel keeps such an address as deprecated for up to two
// hours (RFC 7084, L-14).
func (p *devPrefix) setAddress(a *assignment, i *iface, on bool) {
	dev := i.l3Dev.dev
	if dev == nil {
		return
	}
	addr := &devAddr{
		addr: a.addr, mask: a.length, flags: ipV6,
		preferredUntil: p.preferredUntil, validUntil: p.validUntil,
	}
	switch {
	case !on && a.enabled:
		p.withdraw(a, addr, i)
	case on && (i.state == stateUp || i.state == stateSetup):
		p.install(a, addr, i)
	}
}

func (p *devPrefix) withdraw(a *assignment, addr *devAddr, i *iface) {
	k, dev, now := i.e.kernel, i.l3Dev.dev, rtime()
	if addr.validUntil != 0 && addr.validUntil-1 <= now {
		addr.validUntil, addr.preferredUntil = 0, 0
	} else {
		addr.preferredUntil = now
		if addr.validUntil == 0 || addr.validUntil > now+7200 {
			addr.validUntil = now + 7200
		}
	}
	p.setRules(addr, i, false)
	k.setRoute(unix.RTM_DELROUTE, dev, i.partRoute(addr))
	if addr.validUntil != 0 {
		k.addAddr(dev, addr)
	} else {
		k.delAddr(dev, addr)
	}
	a.addr = ipAddr{}
	a.enabled = false
}

func (p *devPrefix) install(a *assignment, addr *devAddr, i *iface) {
	k, dev := i.e.kernel, i.l3Dev.dev
	if addr.addr == (ipAddr{}) {
		addr.addr = p.partAddr(a)
		if !i.fillInterfaceID(&addr.addr) {
			return
		}
		a.addr = addr.addr
	}
	addr.flags |= ipOfflink
	if k.addAddr(dev, addr) != nil {
		return
	}
	if !a.enabled {
		p.setRules(addr, i, true)
	}
	k.setRoute(unix.RTM_NEWROUTE, dev, i.partRoute(addr))
	a.enabled = true
}

// partAddr is the first address of a part.
func (p *devPrefix) partAddr(a *assignment) ipAddr {
	addr := p.addr
	binary.BigEndian.PutUint32(addr[4:8], binary.BigEndian.Uint32(addr[4:8])|uint32(a.offset))
	return addr
}

// partRoute is the route to the subnet in which an interface has an address.
func (i *iface) partRoute(addr *devAddr) *devRoute {
	mask := max(addr.mask, 64)
	r := &devRoute{flags: ipV6, mask: mask, addr: clearHost(addr.addr, mask)}
	i.fillRoute(r)
	return r
}

func (p *devPrefix) setRules(addr *devAddr, i *iface, on bool) {
	k := i.e.kernel
	if i.ip6table != 0 {
		k.setRule(on, ipRule{
			v6: true, priority: rulePriorityAddrNet, hasDst: true, dest: addr.addr, mask: max(addr.mask, 64), table: i.ip6table,
		})
	}
	if p.iface == nil {
		return
	}
	k.setRule(on, ipRule{
		v6: true, priority: rulePriorityRejected, hasSrc: true, source: addr.addr, mask: addr.mask,
		action: unix.RTN_UNREACHABLE, inDevice: i.l3Dev.dev.name,
	})
	if p.iface.ip6table != 0 {
		k.setRule(on, ipRule{
			v6: true, priority: rulePriorityNetwork, hasSrc: true, source: addr.addr, mask: addr.mask,
			table: p.iface.ip6table, inDevice: i.l3Dev.dev.name,
		})
	}
}

// fillInterfaceID sets the lower half of an address by the option ip6ifaceid.
func (i *iface) fillInterfaceID(a *ipAddr) bool {
	switch i.assignID {
	case "random":
		binary.BigEndian.PutUint64(a[8:], rand.Uint64())
	case "eui64":
		l, err := i.e.kernel.link(i.l3Dev.dev.name)
		if err != nil || len(l.mac) != 6 {
			return false // as tunnels have none
		}
		copy(a[8:], l.mac[:3])
		a[8] ^= 2
		a[11], a[12] = 0xff, 0xfe
		copy(a[13:], l.mac[3:])
	default:
		copy(a[8:], i.assignFixedID[8:])
	}
	return true
}

// refreshAssignments hands all prefixes out again where an interface asks for
// other parts than before.
func (e *engine) refreshAssignments(changed bool) {
	if !changed && e.assignmentsChanged {
		for _, p := range slices.Clone(e.prefixes) {
			e.assignPrefix(p, p.valid())
		}
	}
	e.assignmentsChanged = changed
}

// updateDelegation follows a change of the option delegate.
func (s *ipSettings) updateDelegation() {
	e := s.iface.e
	for _, p := range s.prefixes.items {
		e.assignPrefix(p, !s.noDelegation && p.valid())
		if s.noDelegation {
			e.prefixes = slices.DeleteFunc(e.prefixes, func(q *devPrefix) bool { return q == p })
		} else if !slices.Contains(e.prefixes, p) {
			e.prefixes = slices.Insert(e.prefixes, 0, p)
		}
	}
}
