package rtnl

import (
	"cmp"
	"errors"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/nlattr"
)

// Router, as the Incoming of a Rule, stands for the packets that the router
// itself makes: to the kernel they come in by the loopback device.
const Router = "lo"

// Rule is a policy rule of the program's own: packets that it fits are looked up
// in its table, and by the rules that follow where the table has no route for
// them. Rules are the same when they are equal.
type Rule struct {
	IPv6 bool
	// Priority orders the rules, the smallest first: local is looked up by 0, main by
	// 32766.
	Priority uint32
	Table    uint32
	// IPProto is the protocol in the IP header, such as unix.IPPROTO_UDP; 0: any.
	IPProto uint8
	// FirstPort and LastPort are the range of destination ports; both 0: any.
	FirstPort, LastPort uint16
	// Incoming is the device that packets come in by, or Router; empty: any.
	Incoming string
}

// Ruler is the policy rules of a network namespace. But for OtherTables it knows
// none but those under Protocol, and has no hand in others'. Errors are as of Kernel.
type Ruler interface {
	// Rules returns the program's rules of both families, ordered by priority.
	Rules() ([]Rule, error)
	// OtherTables returns the tables that somebody else's rules look up, each once, in
	// their order: not those that the kernel looks up by itself, nor main.
	OtherTables() ([]uint32, error)
	// AddRule adds rules. One that is there already is no error, and one that is
	// refused does not keep the others from being added; the errors are joined.
	AddRule(rules ...Rule) error
	// DeleteRule deletes rules. One that is not there is no error.
	DeleteRule(rules ...Rule) error
}

// String returns the rule in the words of `ip rule`.
func (r Rule) String() string {
	var b []byte
	if r.IPv6 {
		b = append(b, "IPv6 "...)
	}
	b = append(b, "priority "...)
	b = strconv.AppendUint(b, uint64(r.Priority), 10)
	if r.Incoming != "" {
		b = append(b, " iif "...)
		b = append(b, r.Incoming...)
	}
	if r.IPProto != 0 {
		b = append(b, " ipproto "...)
		b = strconv.AppendUint(b, uint64(r.IPProto), 10)
	}
	if r.LastPort != 0 {
		b = append(b, " dport "...)
		b = strconv.AppendUint(b, uint64(r.FirstPort), 10)
		if r.LastPort != r.FirstPort {
			b = append(b, '-')
			b = strconv.AppendUint(b, uint64(r.LastPort), 10)
		}
	}
	b = append(b, " lookup "...)
	return string(strconv.AppendUint(b, uint64(r.Table), 10))
}

// DiffRules returns which rules have to be added so that those in have become
// those in want, and which have to be deleted.
func DiffRules(want, have []Rule) (add, remove []Rule) {
	return missing(want, have), missing(have, want)
}

// missing returns what of a is not in b, each once.
func missing(a, b []Rule) (out []Rule) {
	seen := make(map[Rule]struct{}, len(b))
	for _, r := range b {
		seen[r] = struct{}{}
	}
	for _, r := range a {
		if _, ok := seen[r]; !ok {
			seen[r] = struct{}{}
			out = append(out, r)
		}
	}
	return out
}

// insertRule puts a rule into its place, behind those that are looked up no later. The
// kernel lists them in this order, so that it is the end.
func insertRule(list []Rule, r Rule) []Rule {
	list = append(list, r)
	for n := len(list) - 1; n > 0 && compareRules(list[n-1], list[n]) > 0; n-- {
		list[n-1], list[n] = list[n], list[n-1]
	}
	return list
}

// compareRules orders rules as the kernel looks them up, IPv4 first.
func compareRules(a, b Rule) int {
	if a.IPv6 != b.IPv6 {
		if b.IPv6 {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.Priority, b.Priority)
}

// errRule is a message of the kernel that ends before it should.
var errRule = errors.New("the kernel's message about a rule is too short")

// sizeofRuleHeader is the size of struct fib_rule_hdr (linux/fib_rules.h): as
// struct rtmsg, with other names.
const sizeofRuleHeader = unix.SizeofRtMsg

// parseRule reads a message of type RTM_NEWRULE. ok is false for a rule that is
// not ours, or that does anything but look a table up.
func parseRule(b []byte) (r Rule, ok bool, err error) {
	if len(b) < sizeofRuleHeader {
		return r, false, errRule
	}
	msg := nl.DeserializeRtMsg(b)
	r = Rule{IPv6: msg.Family == unix.AF_INET6, Table: uint32(msg.Table)}
	var protocol uint8
	a := nlattr.New(b[sizeofRuleHeader:])
	for a.Next() {
		switch a.Kind {
		case unix.FRA_PROTOCOL:
			if a.Size(1) {
				protocol = a.Data[0]
			}
		case unix.FRA_PRIORITY:
			a.Uint32(&r.Priority)
		case unix.FRA_TABLE: // the header has room for tables up to 255
			a.Uint32(&r.Table)
		case unix.FRA_IIFNAME:
			r.Incoming = a.Text()
		case unix.FRA_IP_PROTO:
			if a.Size(1) {
				r.IPProto = a.Data[0]
			}
		case unix.FRA_DPORT_RANGE: // struct fib_rule_port_range
			if a.Size(4) {
				r.FirstPort, r.LastPort = native.Uint16(a.Data), native.Uint16(a.Data[2:])
			}
		}
	}
	family := msg.Family == unix.AF_INET || msg.Family == unix.AF_INET6
	return r, a.Err == nil && family && msg.Type == unix.FR_ACT_TO_TBL && protocol == Protocol, a.Err
}

// parseOther reads a message of type RTM_NEWRULE. ok is false for a rule that is the
// kernel's or ours, or that does not look up a table of somebody's own.
func parseOther(b []byte) (table uint32, ok bool, err error) {
	if len(b) < sizeofRuleHeader {
		return 0, false, errRule
	}
	msg := nl.DeserializeRtMsg(b)
	table = uint32(msg.Table)
	var protocol uint8
	a := nlattr.New(b[sizeofRuleHeader:])
	for a.Next() {
		switch a.Kind {
		case unix.FRA_PROTOCOL:
			if a.Size(1) {
				protocol = a.Data[0]
			}
		case unix.FRA_TABLE:
			a.Uint32(&table)
		}
	}
	own := table != unix.RT_TABLE_UNSPEC && table != unix.RT_TABLE_LOCAL && table != unix.RT_TABLE_MAIN && table != unix.RT_TABLE_DEFAULT
	others := protocol != Protocol && protocol != unix.RTPROT_KERNEL
	return table, a.Err == nil && own && others && msg.Type == unix.FR_ACT_TO_TBL, a.Err
}

// data returns what a message of type RTM_NEWRULE or RTM_DELRULE says of the rule.
// The latter deletes the first rule that has all of it: ours alone, for the
// protocol is among it.
func (r *Rule) data() []nl.NetlinkRequestData {
	msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Type: unix.FR_ACT_TO_TBL}}
	if r.IPv6 {
		msg.Family = unix.AF_INET6
	}
	out := []nl.NetlinkRequestData{
		msg,
		nl.NewRtAttr(unix.FRA_PRIORITY, nl.Uint32Attr(r.Priority)),
		nl.NewRtAttr(unix.FRA_TABLE, nl.Uint32Attr(r.Table)),
		nl.NewRtAttr(unix.FRA_PROTOCOL, nl.Uint8Attr(Protocol)),
	}
	if r.Incoming != "" {
		out = append(out, nl.NewRtAttr(unix.FRA_IIFNAME, nl.ZeroTerminated(r.Incoming)))
	}
	if r.IPProto != 0 {
		out = append(out, nl.NewRtAttr(unix.FRA_IP_PROTO, nl.Uint8Attr(r.IPProto)))
	}
	if r.LastPort != 0 {
		ports := native.AppendUint16(native.AppendUint16(nil, r.FirstPort), r.LastPort)
		out = append(out, nl.NewRtAttr(unix.FRA_DPORT_RANGE, ports))
	}
	return out
}
