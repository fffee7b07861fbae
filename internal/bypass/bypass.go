// Package bypass leads the router's own questions for the time and for names past
// the tunnels, until its clock is set.
//
// A router without a clock of its own starts in the past, and the other sides of
// its tunnels refuse its handshakes. Where a tunnel takes everything, the
// questions that would set the clock go into it too, and wait for ever
// (openwrt/openwrt#9408, openwrt/openwrt#24721). With `option clock_bypass '1'`
// they go out beside it: rules of our own send NTP and DNS that the router itself
// asks to a table of our own, which holds what the main table would be without
// tunnels. Packets of others never go there.
//
//	8787: from all iif lo ipproto udp dport 123 lookup 8787 proto 87
//
// Want plans, Sync writes the difference; Apply does both.
//
// An uplink with the strict reverse path filter (rp_filter 1; OpenWrt has it off)
// drops the answers where a tunnel takes everything: the kernel leaves ports out
// of account there, for rules of its own packets need none of what comes in.
package bypass

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

// Table is the routing table of the bypass. No program that we know of uses it:
// mwan3 has 1 to 250, pbr 256 and more, wg-quick 51820 and more, and the names in
// OpenWrt's rt_tables are all below 256.
const Table uint32 = 8787

// Priority is that of the rules: after mwan3's (1001 to 3253), whose marks choose
// among uplinks that work, and before netifd's own (10000 and more), pbr's
// (30000) and those of a tunnel with a table of its own.
const Priority uint32 = 8787

// services are what goes past the tunnels: NTP, and DNS over both.
var services = []rtnl.Rule{
	{IPProto: unix.IPPROTO_UDP, FirstPort: 123, LastPort: 123},
	{IPProto: unix.IPPROTO_UDP, FirstPort: 53, LastPort: 53},
	{IPProto: unix.IPPROTO_TCP, FirstPort: 53, LastPort: 53},
}

// Plan is what has to be in the kernel. The empty Plan is no bypass.
type Plan struct {
	Rules  []rtnl.Rule
	Routes []rtnl.Route
}

// Want plans the bypass. main are the routes of the main table, own those of
// Table, and tunnel says of a device whether it is one to go past. The time taken
// is linear.
//
// own is needed for a route that a tunnel has ousted: netifd puts a tunnel's
// default route in place of an uplink's with the same metric, and the main table
// does not know that one any more. What Table has of it stays. (When its link
// goes, the kernel deletes it.)
func Want(main, own []rtnl.Route, tunnel func(device string) bool) Plan {
	t := table{taken: map[key]struct{}{}}
	for _, r := range main {
		// Ours lead to endpoints, past one tunnel.
		if r.Protocol != rtnl.Protocol && r.Device != "" && r.Device != rtnl.Router && !tunnel(r.Device) {
			t.add(r)
		}
	}
	// A tunnel can have thousands of routes, and what it may have ousted is few.
	lost := map[key]*rtnl.Route{}
	for n := range own {
		r := &own[n]
		if _, there := t.taken[keyOf(r)]; !there && r.Protocol == rtnl.Protocol && r.Device != "" && !tunnel(r.Device) {
			lost[keyOf(r)] = r
		}
	}
	for n := range main {
		if len(lost) == 0 {
			break
		}
		if r, ousted := lost[keyOf(&main[n])]; ousted && tunnel(main[n].Device) {
			delete(lost, keyOf(r))
			t.add(*r)
		}
	}
	return Plan{Rules: t.rules(), Routes: slices.Concat(t.links, t.gateways)}
}

// key is what there is only one route of in a table.
type key struct {
	dst    netip.Prefix
	metric uint32
}

func keyOf(r *rtnl.Route) key { return key{r.Dst, r.Metric} }

// table collects the routes of the bypass.
type table struct {
	taken map[key]struct{}
	// Gateways have to be reachable when they are named.
	links, gateways []rtnl.Route
	has4, has6      bool
}

// add copies a route. Of the same destination and metric the main table can have
// several, such as fe80::/64 on every link: the first keeps its metric, and those
// that follow get the next that is free.
func (t *table) add(r rtnl.Route) {
	r.Table, r.Protocol, r.Ifindex = Table, rtnl.Protocol, 0
	for {
		if _, taken := t.taken[keyOf(&r)]; !taken {
			break
		}
		r.Metric++
	}
	t.taken[keyOf(&r)] = struct{}{}
	if r.Gateway.IsValid() {
		t.gateways = append(t.gateways, r)
	} else {
		t.links = append(t.links, r)
	}
	if r.Dst.Addr().Is4() {
		t.has4 = true
	} else {
		t.has6 = true
	}
}

// rules returns the rules of the families that there are routes of. A kernel
// without IPv6 has none of it.
func (t *table) rules() (out []rtnl.Rule) {
	for _, six := range []bool{false, true} {
		if six && !t.has6 || !six && !t.has4 {
			continue
		}
		for _, r := range services {
			r.IPv6, r.Priority, r.Table, r.Incoming = six, Priority, Table, rtnl.Router
			out = append(out, r)
		}
	}
	return out
}
