package netifd

import (
	"bytes"
	"cmp"
	"math"
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
