package netifd

import (
	"fmt"
	"maps"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// put appends a member.
func put(t *blobmsg.Table, name string, value any) {
	*t = append(*t, blobmsg.Field{Name: name, Value: value})
}

// status is the answer to the method status.
func (i *iface) status() blobmsg.Table {
	t := blobmsg.Table{
		{Name: "up", Value: i.state == stateUp},
		{Name: "pending", Value: i.state == stateSetup},
		{Name: "available", Value: i.available},
		{Name: "autostart", Value: i.autostart},
		{Name: "dynamic", Value: i.dynamic},
	}
	if i.state == stateUp {
		put(&t, "uptime", int32(rtime()-i.startTime))
		if d := i.l3Dev.dev; d != nil {
			put(&t, "l3_device", d.name)
		}
	}
	put(&t, "proto", i.handler.name)
	if d := i.mainDev.dev; d != nil && !i.handler.flags.has(flagNoDevice) {
		put(&t, "device", d.name)
	}
	if i.jail != "" {
		put(&t, "jail", i.jail)
	}
	if i.jailDevice != "" {
		put(&t, "jail_device", i.jailDevice)
	}
	if i.tags != nil {
		put(&t, "tags", i.tags)
	}
	if i.state == stateUp {
		i.putUp(&t)
	}
	data := blobmsg.Table{}
	if i.zone != "" {
		put(&data, "zone", i.zone)
	}
	put(&t, "data", append(data, i.data...))
	if len(i.errors) > 0 {
		put(&t, "errors", i.errorList())
	}
	return t
}

// putUp appends what only an interface that is up has.
func (i *iface) putUp(t *blobmsg.Table) {
	if i.updated != 0 {
		put(t, "updated", i.updated.list())
	}
	if i.ip4table != 0 {
		put(t, "ip4table", int32(i.ip4table))
	}
	if i.ip6table != 0 {
		put(t, "ip6table", int32(i.ip6table))
	}
	put(t, "metric", i.metric)
	put(t, "dns_metric", i.dnsMetric)
	put(t, "delegation", !i.protoIP.noDelegation)
	if i.assignWeight != 0 {
		put(t, "ip6weight", i.assignWeight)
	}
	origins := []*ipSettings{&i.configIP, &i.protoIP}
	each := func(list func(s *ipSettings) blobmsg.Array) blobmsg.Array {
		all := blobmsg.Array{}
		for _, s := range origins {
			all = append(all, list(s)...)
		}
		return all
	}
	put(t, "ipv4-address", each(func(s *ipSettings) blobmsg.Array { return s.addrList(false, true) }))
	put(t, "ipv6-address", each(func(s *ipSettings) blobmsg.Array { return s.addrList(true, true) }))
	put(t, "ipv6-prefix", each((*ipSettings).prefixList))
	put(t, "ipv6-prefix-assignment", i.assignmentList())
	put(t, "route", each(func(s *ipSettings) blobmsg.Array { return s.routeList(true) }))
	put(t, "dns-server", each(func(s *ipSettings) blobmsg.Array { return s.serverList(true) }))
	put(t, "dns-search", each(func(s *ipSettings) blobmsg.Array { return s.searchList(true) }))
	put(t, "neighbors", each(func(s *ipSettings) blobmsg.Array { return s.neighborList(true) }))
	var inactive blobmsg.Table
	put(&inactive, "ipv4-address", each(func(s *ipSettings) blobmsg.Array { return s.addrList(false, false) }))
	put(&inactive, "ipv6-address", each(func(s *ipSettings) blobmsg.Array { return s.addrList(true, false) }))
	put(&inactive, "route", each(func(s *ipSettings) blobmsg.Array { return s.routeList(false) }))
	put(&inactive, "dns-server", each(func(s *ipSettings) blobmsg.Array { return s.serverList(false) }))
	put(&inactive, "dns-search", each(func(s *ipSettings) blobmsg.Array { return s.searchList(false) }))
	put(&inactive, "neighbors", each(func(s *ipSettings) blobmsg.Array { return s.neighborList(false) }))
	put(t, "inactive", inactive)
}

func (f updateFlags) list() blobmsg.Array {
	var list blobmsg.Array
	for k, name := range []string{"addresses", "routes", "prefixes", "data"} {
		if f&(1<<k) != 0 {
			list = append(list, name)
		}
	}
	return list
}

func (i *iface) errorList() blobmsg.Array {
	var list blobmsg.Array
	for _, e := range i.errors {
		t := blobmsg.Table{{Name: "subsystem", Value: e.subsystem}, {Name: "code", Value: e.code}}
		if len(e.data) > 0 {
			var data blobmsg.Array
			for _, s := range e.data {
				data = append(data, s)
			}
			put(&t, "data", data)
		}
		list = append(list, t)
	}
	return list
}

// putLifetimes appends the seconds that an address or a prefix has left.
func putLifetimes(t *blobmsg.Table, preferredUntil, validUntil int64) {
	if preferredUntil != 0 {
		put(t, "preferred", remaining(preferredUntil))
	}
	if validUntil != 0 {
		put(t, "valid", int32(validUntil-rtime()))
	}
}

func (s *ipSettings) addrList(v6, enabled bool) blobmsg.Array {
	var list blobmsg.Array
	for _, a := range s.addrs.items {
		if a.enabled != enabled || a.flags.v6() != v6 {
			continue
		}
		t := blobmsg.Table{
			{Name: "address", Value: inetNtop(a.addr, v6)},
			{Name: "mask", Value: int32(a.mask)},
		}
		if a.ptp != [4]byte{} {
			var ptp ipAddr
			copy(ptp[:], a.ptp[:])
			put(&t, "ptpaddress", inetNtop(ptp, false))
		}
		putLifetimes(&t, a.preferredUntil, a.validUntil)
		if a.class != "" {
			put(&t, "class", a.class)
		}
		list = append(list, t)
	}
	return list
}

func (s *ipSettings) routeList(enabled bool) blobmsg.Array {
	var list blobmsg.Array
	for _, r := range s.routes.items {
		if r.enabled != enabled || s.noDefaultRoute == enabled && r.mask == 0 {
			continue
		}
		v6 := r.flags.v6()
		t := blobmsg.Table{
			{Name: "target", Value: inetNtop(r.addr, v6)},
			{Name: "mask", Value: int32(r.mask)},
			{Name: "nexthop", Value: inetNtop(r.nexthop, v6)},
		}
		for _, m := range []struct {
			flag  ipFlags
			name  string
			value int32
		}{
			{ipType, "type", int32(r.typ)},
			{ipProto, "proto", int32(r.proto)},
			{ipMTU, "mtu", int32(r.mtu)},
			{ipMetric, "metric", r.metric},
			{ipTable, "table", int32(r.table)},
		} {
			if r.flags.has(m.flag) {
				put(&t, m.name, m.value)
			}
		}
		if r.validUntil != 0 {
			put(&t, "valid", int32(r.validUntil-rtime()))
		}
		put(&t, "source", fmt.Sprintf("%s/%d", inetNtop(r.source, v6), r.sourceMask))
		list = append(list, t)
	}
	return list
}

func (s *ipSettings) neighborList(enabled bool) blobmsg.Array {
	var list blobmsg.Array
	for _, n := range s.neighbors.items {
		if n.enabled != enabled {
			continue
		}
		var t blobmsg.Table
		if n.flags.has(ipMAC) {
			put(&t, "mac", n.macString())
		}
		put(&t, "address", inetNtop(n.addr, n.flags.v6()))
		if n.proxy {
			put(&t, "proxy", int32(1))
		}
		if n.router {
			put(&t, "router", int32(1))
		}
		list = append(list, t)
	}
	return list
}

func (s *ipSettings) prefixList() blobmsg.Array {
	var list blobmsg.Array
	for _, p := range s.prefixes.items {
		t := blobmsg.Table{
			{Name: "address", Value: inetNtop(p.addr, true)},
			{Name: "mask", Value: int32(p.len)},
		}
		putLifetimes(&t, p.preferredUntil, p.validUntil)
		put(&t, "class", p.class)
		assigned := blobmsg.Table{}
		for _, a := range p.assignments {
			if a.name != "" {
				put(&assigned, a.name, blobmsg.Table{
					{Name: "address", Value: inetNtop(p.partAddr(a), true)},
					{Name: "mask", Value: int32(a.length)},
				})
			}
		}
		put(&t, "assigned", assigned)
		list = append(list, t)
	}
	return list
}

// assignmentList is the parts of prefixes that the interface has.
func (i *iface) assignmentList() blobmsg.Array {
	list := blobmsg.Array{}
	for _, p := range i.e.prefixes {
		for _, a := range p.assignments {
			if a.name != i.name {
				continue
			}
			t := blobmsg.Table{
				{Name: "address", Value: inetNtop(p.partAddr(a), true)},
				{Name: "mask", Value: int32(a.length)},
			}
			putLifetimes(&t, p.preferredUntil, p.validUntil)
			local := blobmsg.Table{}
			if a.enabled {
				put(&local, "address", inetNtop(a.addr, true))
				put(&local, "mask", int32(a.length))
			}
			put(&t, "local-address", local)
			list = append(list, t)
		}
	}
	return list
}

func (s *ipSettings) serverList(enabled bool) blobmsg.Array {
	var list blobmsg.Array
	if s.noDNS != enabled {
		for _, d := range s.dnsServers.items {
			list = append(list, inetNtop(d.value.addr, d.value.v6))
		}
	}
	return list
}

func (s *ipSettings) searchList(enabled bool) blobmsg.Array {
	var list blobmsg.Array
	if s.noDNS != enabled {
		for _, d := range s.dnsSearch.items {
			list = append(list, d.value)
		}
	}
	return list
}

// status is the answer to network.device status.
func (d *device) status() blobmsg.Table {
	t := blobmsg.Table{
		{Name: "external", Value: d.external},
		{Name: "present", Value: d.present},
		{Name: "type", Value: "Network device"},
	}
	if !d.present {
		return t
	}
	put(&t, "up", d.active > 0)
	put(&t, "carrier", d.linkActive)
	put(&t, "auth_status", false)
	l, err := d.e.kernel.link(d.name)
	if err == nil && d.active > 0 {
		put(&t, "mtu", int32(l.mtu))
		if len(l.mac) == 6 {
			n := devNeighbor{mac: [6]byte(l.mac)}
			put(&t, "macaddr", n.macString())
		}
	}
	put(&t, "statistics", blobmsg.Table{})
	return t
}

// deviceTable is the status of all devices that are there.
func (e *engine) deviceTable() blobmsg.Table {
	t := blobmsg.Table{}
	for _, name := range slices.Sorted(maps.Keys(e.devices)) {
		if d := e.devices[name]; d.present {
			put(&t, name, d.status())
		}
	}
	return t
}
