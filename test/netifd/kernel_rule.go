package netifd

import (
	"golang.org/x/sys/unix"
)

// Priorities of the rules that netifd makes (iprule.h).
const (
	rulePriorityAddr     = 10000
	rulePriorityAddrNet  = 20000
	rulePriorityNetwork  = 90000
	rulePriorityRejected = 4200000000
)

// An ipRule is a policy routing rule. What is zero is not part of it.
type ipRule struct {
	v6             bool
	priority       uint32
	source, dest   ipAddr
	hasSrc, hasDst bool
	mask           uint32 // of source or dest
	table          uint32
	action         uint32 // a route type; without table and action the rule does nothing
	inDevice       string
}

// frActionNop is FR_ACT_NOP: a rule that only has a place.
const frActionNop = 3

func (k *kernel) setRule(add bool, r ipRule) {
	cmd := unix.RTM_DELRULE
	h := unix.RtMsg{Family: afOf(r.v6), Protocol: unix.RTPROT_STATIC}
	if add {
		cmd = unix.RTM_NEWRULE
		h.Type = unix.RTN_UNICAST
	}
	if r.hasSrc {
		h.Src_len = byte(r.mask)
	}
	if r.hasDst {
		h.Dst_len = byte(r.mask)
	}
	switch {
	case r.table != 0 && r.table < 256:
		h.Table = byte(r.table)
	case r.table == 0 && r.action != 0:
		h.Type = byte(r.action)
	case r.table == 0:
		h.Type = frActionNop
	}
	m := message{rtHeader(h)}
	if r.inDevice != "" {
		m.attrString(unix.FRA_IIFNAME, r.inDevice)
	}
	if r.hasSrc {
		m.attrAddr(unix.FRA_SRC, r.source, r.v6)
	}
	if r.hasDst {
		m.attrAddr(unix.FRA_DST, r.dest, r.v6)
	}
	m.attr32(unix.FRA_PRIORITY, r.priority)
	if r.table >= 256 {
		m.attr32(unix.FRA_TABLE, r.table)
	}
	if err := k.send(cmd, 0, m); err != nil && add {
		k.logf("rule with priority %d: %v", r.priority, err)
	}
}

// setAddrRules makes or deletes the rules that lead what comes from an address,
// or goes to its subnet, to the interface's table.
func (k *kernel) setAddrRules(a *devAddr, on bool) {
	v6 := a.flags.v6()
	k.setRule(on, ipRule{
		v6: v6, priority: rulePriorityAddr, hasSrc: true, source: a.addr, mask: maxMask(v6), table: a.policyTable,
	})
	k.setRule(on, ipRule{
		v6: v6, priority: rulePriorityAddrNet, hasDst: true, dest: a.addr, mask: a.mask, table: a.policyTable,
	})
}

// setPolicyRules makes or deletes the rule that lets the router itself use the
// interface's table. (netifd makes one for IPv6 only on devices on which the
// configuration sets ipv6, which device sections do.)
func (i *iface) setPolicyRules(on bool) {
	if i.ip4table != 0 {
		i.e.kernel.setRule(on, ipRule{
			priority: rulePriorityNetwork + uint32(i.l3Dev.dev.index),
			table:    i.ip4table, inDevice: "lo",
		})
	}
}
