package netifd

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// devPrefix is an IPv6 prefix of which other interfaces get parts.
type devPrefix struct {
	vnode
	iface       *iface // nil: the local prefix of the section globals
	assignments []*assignment

	validUntil, preferredUntil int64

	excluded    ipAddr
	excludedLen uint32 // 0: nothing is excluded

	addr  ipAddr
	len   uint32
	class string
}

func comparePrefixes(a, b *devPrefix) int {
	return cmp.Or(bytes.Compare(a.addr[:], b.addr[:]), cmp.Compare(a.len, b.len))
}

func (p *devPrefix) valid() bool { return p.validUntil == 0 || p.validUntil-1 > rtime() }

// addPrefixes adds announced prefixes up to the first that is bad, for which it
// reports false.
func (i *iface) addPrefixes(list blobmsg.Array) bool {
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return false
		}
		p := parsePrefix(s)
		if p == nil {
			return false
		}
		if p.class == "" {
			p.class = i.name
		}
		p.iface = i
		i.protoIP.prefixes.add(p)
	}
	return true
}

// maxPrefixText is the longest text that netifd reads as a prefix.
const maxPrefixText = 126

// parsePrefix reads ADDRESS/LENGTH[,PREFERRED[,VALID[,KEY=VALUE…]]] with the keys
// excluded and class, or returns nil. Empty parts do not count. (What stands in
// the places of the lifetimes is read as a number: KEY=VALUE there is 0.)
func parsePrefix(s string) *devPrefix {
	if len(s) > maxPrefixText {
		return nil
	}
	addr, rest, _ := strings.Cut(strings.TrimLeft(s, "/"), "/")
	parts := strings.FieldsFunc(rest, func(c rune) bool { return c == ',' })
	if addr == "" || len(parts) == 0 {
		return nil
	}
	n, _ := strtoul(parts[0], 10)
	p := &devPrefix{len: uint32(uint8(n))}
	if p.len < 1 || p.len > 64 {
		return nil
	}
	var ok bool
	if p.addr, ok = inetPton(addr, true); !ok {
		return nil
	}
	for k, to := range []*int64{&p.preferredUntil, &p.validUntil} {
		if len(parts) > k+1 {
			if n, _ := strtoul(parts[k+1], 10); n != math.MaxUint32 && n <= math.MaxInt64-uint64(rtime()) {
				*to = int64(n) + rtime()
			}
		}
	}
	for _, extra := range parts[min(3, len(parts)):] {
		if !p.parseExtra(extra) {
			return nil
		}
	}
	p.addr = clearHost(p.addr, p.len)
	return p
}

func (p *devPrefix) parseExtra(s string) bool {
	pair := strings.FieldsFunc(s, func(c rune) bool { return c == '=' })
	if len(pair) < 2 {
		return true
	}
	key, value := pair[0], strings.TrimLeft(s, "=")[len(pair[0])+1:]
	switch key {
	case "class":
		p.class = value
	case "excluded":
		addr, length, ok := strings.Cut(value, "/")
		n, _ := strtol(length)
		if !ok || n < int64(p.len) || n > 128 {
			return false
		}
		// Parts are handed out in units of /64.
		p.excludedLen = uint32(min(n, 64))
		if p.excluded, ok = inetPton(addr, true); !ok {
			return false
		}
	}
	return true
}

func (s *ipSettings) updatePrefix(after, before *devPrefix) {
	if after == nil || before == nil ||
		after.preferredUntil != before.preferredUntil || after.validUntil != before.validUntil {
		s.iface.updated |= updatedPrefixes
	}
	s.iface.e.updatePrefix(after, before)
}

// updatePrefix follows a change of a prefix, the unreachable route of the whole
// and the parts.
func (e *engine) updatePrefix(after, before *devPrefix) {
	delegated := func(p *devPrefix) bool { return p.iface == nil || !p.iface.protoIP.noDelegation }
	switch {
	case after != nil && before != nil:
		after.assignments = append(before.assignments, after.assignments...)
		for _, a := range after.assignments {
			if i := e.ifaces.find(a.name); i != nil {
				after.setAddress(a, i, after.valid())
			}
		}
	case after != nil:
		e.kernel.setRoute(unix.RTM_NEWROUTE, nil, unreachableRoute(after.addr, after.len, true))
		if delegated(after) {
			e.assignPrefix(after, after.valid())
		}
	case before != nil:
		e.assignPrefix(before, false)
		e.kernel.setRoute(unix.RTM_DELROUTE, nil, unreachableRoute(before.addr, before.len, true))
	}
	if before != nil {
		e.prefixes = slices.DeleteFunc(e.prefixes, func(p *devPrefix) bool { return p == before })
	}
	if after != nil && delegated(after) {
		e.prefixes = slices.Insert(e.prefixes, 0, after)
	}
}

// setULA sets the local prefix: ADDRESS/LENGTH, or "" for none.
func (e *engine) setULA(s string) {
	addr, rest, _ := strings.Cut(s, "/")
	n, _ := strtol(strings.Split(rest, ",")[0])
	a, ok := inetPton(addr, true)
	if !ok || n < 1 || n > 64 {
		if e.ula != nil {
			e.updatePrefix(nil, e.ula)
			e.ula = nil
		}
		return
	}
	p := &devPrefix{addr: clearHost(a, uint32(n)), len: uint32(n), class: "local"}
	if e.ula != nil {
		if comparePrefixes(p, e.ula) == 0 {
			return
		}
		e.updatePrefix(nil, e.ula)
	}
	e.ula = p
	e.updatePrefix(p, nil)
}

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
