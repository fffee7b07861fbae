package apply

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// hostRoutes makes the host routes that endpoints need now and deletes those
// that they needed before. What it cannot do is logged: the tunnel comes up
// without it, and the next run tries again.
func (r *Run) hostRoutes(ctx context.Context) {
	want, have, ok := r.wantHostRoutes(ctx)
	if !ok {
		return
	}
	defer r.lockHostRoutes()()
	old := r.saved.HostRoutes
	// Should this process be killed half-way, the next one finds in the state all
	// that there may be.
	r.saved.HostRoutes = slices.Concat(old, missing(want, old))
	r.save()
	for _, h := range want {
		if slices.Contains(have, h) {
			continue
		}
		r.Wrote++
		if err := r.Kernel.ReplaceRoute(route(h)); err != nil {
			r.Log.Error("no host route to an endpoint", "endpoint", h.Dst, "device", h.Device, "error", err)
			r.lost = append(r.lost, h.Dst)
		}
	}
	r.deleteHostRoutes(r.Conf.Name, old, want)
	r.saved.HostRoutes = want
}

// Swallows reports whether one of the addresses would need a host route as an
// endpoint, as far as can be said without a look at the kernel's table.
func (r *Run) Swallows(addrs []netip.Addr) bool {
	if r.Conf.NoHostRoute || len(addrs) == 0 {
		return false
	}
	return r.Conf.TunLink != "" || len(plan.Swallowed(addrs, r.mainRoutes())) > 0
}

// missing returns what of want is not in have.
func missing(want, have []plan.HostRoute) (out []plan.HostRoute) {
	for _, h := range want {
		if !slices.Contains(have, h) {
			out = append(out, h)
		}
	}
	return out
}

// wantHostRoutes plans the host routes, and returns those of ours that the
// kernel has. ok is false when the kernel could not be asked. Its table is read
// only where an endpoint may need a host route or had one.
func (r *Run) wantHostRoutes(ctx context.Context) (want, have []plan.HostRoute, ok bool) {
	r.lost = nil
	tunnel := r.mainRoutes()
	var endpoints []netip.Addr
	if !r.Conf.NoHostRoute && (r.Conf.TunLink != "" || len(tunnel) > 0) {
		endpoints = plan.Endpoints(r.Want, r.Have, r.Changes.Peers)
	}
	if r.Conf.TunLink == "" {
		endpoints = plan.Swallowed(endpoints, tunnel)
	}
	if len(endpoints) == 0 && len(r.saved.HostRoutes) == 0 {
		r.saved.Ousted = false
		return nil, nil, false
	}
	table, err := r.Kernel.Routes(rtnl.TableMain)
	if err != nil {
		r.Log.Error("cannot read the routing table, host routes stay as they are", "error", err)
		return nil, nil, false
	}
	for _, k := range table {
		// Routes of allowed IPs can be ours as well.
		if k.Protocol == rtnl.Protocol && k.Dst.IsSingleIP() && k.Device != r.Conf.Name {
			have = append(have, plan.HostRoute{Dst: k.Dst.Addr(), Gateway: k.Gateway, Device: k.Device, OnLink: k.OnLink, Source: k.Source, MTU: k.MTU})
		}
	}
	uplinks := r.aside(uplinksOf(table), table)
	var uplink *string
	if r.Conf.TunLink != "" && len(endpoints) > 0 {
		device, err := r.Net.Uplink(ctx, r, r.Conf.TunLink)
		if err != nil {
			r.Log.Warn("cannot find the uplink", "tunlink", r.Conf.TunLink, "error", err)
		}
		if err != nil && !errors.Is(err, errUplinkDown) && !errors.Is(err, netifd.ErrNoInterface) {
			r.Again = true // Netifd did not answer: host routes stay as they are.
			return nil, nil, false
		}
		uplink = &device
	}
	want, r.lost = plan.HostRoutes(endpoints, r.Conf.Name, tunnel, uplinks, uplink)
	if uplink == nil {
		want = append(want, r.byOtherTables()...)
	}
	want = append(want, r.keepLost(table, have, uplink)...)
	return want, have, true
}

// uplinksOf returns the routes of a table that are not our own.
func uplinksOf(table []rtnl.Route) (uplinks []plan.Uplink) {
	for _, k := range table {
		if k.Protocol != rtnl.Protocol {
			uplinks = append(uplinks, plan.Uplink{
				Dst: k.Dst, Gateway: k.Gateway, Device: k.Device, Metric: k.Metric,
				OnLink: k.OnLink, Source: k.Source, MTU: k.MTU,
			})
		}
	}
	return uplinks
}

// aside marks the default routes of uplinks that lead through other tunnels. Where
// another tunnel goes through this one there are none: that would be a circle.
func (r *Run) aside(uplinks []plan.Uplink, table []rtnl.Route) []plan.Uplink {
	circle := r.Conf.TunLink == "" && slices.ContainsFunc(table, func(k rtnl.Route) bool {
		return k.Protocol == rtnl.Protocol && k.Dst.IsSingleIP() && k.Device == r.Conf.Name
	})
	tunnel := r.tunnels()
	for n := range uplinks {
		u := &uplinks[n]
		u.Tunnel = u.Dst.Bits() <= 1 && tunnel(u.Device)
	}
	return slices.DeleteFunc(uplinks, func(u plan.Uplink) bool { return circle && u.Tunnel })
}

// tunnels returns a function that tells the devices of WireGuard from others.
func (r *Run) tunnels() func(device string) bool {
	links, _ := r.Kernel.Links() // Without them the other tunnels count as uplinks.
	return func(device string) bool {
		return device == r.Conf.Name || slices.ContainsFunc(links, func(l rtnl.Link) bool { return l.Name == device && l.Kind == "wireguard" })
	}
}

// byOtherTables returns host routes to the endpoints that the main table leads
// nowhere, by the tables that policy rules look up, and takes these for found:
// uplinks can have a table each (`option ip4table`), and the tunnel's routes in the
// main table come first for all that no rule takes out.
func (r *Run) byOtherTables() (found []plan.HostRoute) {
	rules, ok := r.Kernel.(rtnl.Ruler)
	if !ok || len(r.lost) == 0 {
		return nil
	}
	tables, _ := rules.OtherTables() // else the main table is all that is known
	tunnel := r.tunnels()
	for _, table := range tables[:min(len(tables), maxTables)] {
		routes, err := r.Kernel.Routes(table)
		if err != nil || len(r.lost) == 0 {
			continue
		}
		uplinks := slices.DeleteFunc(uplinksOf(routes), func(u plan.Uplink) bool { return tunnel(u.Device) })
		var more []plan.HostRoute
		more, r.lost = plan.By(r.lost, uplinks)
		found = append(found, more...)
	}
	return found
}

// maxTables bounds how many tables of policy rules are read.
const maxTables = 32

// keepLost returns the host routes in have to endpoints that no uplink leads to
// any more, and takes these endpoints for found. Others may take an uplink's
// default route away while the uplink works: another VPN that puts its own in the
// place, or the tunnel itself as another handler made it before
// (openwrt/openwrt#20511). What was planned by that route has to stay. A route
// whose link went down is not in have: the kernel dropped it.
//
// The daemon sees uplinks go and come, and keeps none but what the tunnel itself
// has taken the uplink's route away from: a route to a gateway that nothing else
// leads to any more is in the way of the next uplink.
func (r *Run) keepLost(table []rtnl.Route, have []plan.HostRoute, uplink *string) (keep []plan.HostRoute) {
	if len(r.lost) == 0 {
		r.saved.Ousted = false
		return nil
	}
	stays := func(netip.Addr) bool { return true }
	if ousted := r.ousted(table); slices.ContainsFunc(r.lost, ousted) {
		// Halves in the place of that route do not bring the uplink's back.
		r.saved.Ousted = true
	} else if r.live && !r.saved.Ousted {
		stays = ousted
	}
	ways := make(map[netip.Addr]plan.HostRoute, len(have))
	for _, h := range have {
		if (uplink == nil || h.Device == *uplink) && stays(h.Dst) {
			ways[h.Dst] = h
		}
	}
	r.lost = slices.DeleteFunc(r.lost, func(addr netip.Addr) bool {
		h, ok := ways[addr]
		if ok {
			keep = append(keep, h)
		}
		return ok
	})
	return keep
}

// ousted returns a function that tells of an address whether the tunnel may have a
// default route of its family in the place of an uplink's: one that is not planned.
// Those that are have a metric of their own, or are halves.
func (r *Run) ousted(table []rtnl.Route) func(netip.Addr) bool {
	var four, six bool
	for _, k := range table {
		if k.Dst.Bits() != 0 || k.Device != r.Conf.Name || slices.Contains(r.Want.Routes, k.Dst) {
			continue
		}
		four, six = four || k.Dst.Addr().Is4(), six || k.Dst.Addr().Is6()
	}
	return func(a netip.Addr) bool { return a.Is4() && four || a.Is6() && six }
}

// mainRoutes returns the tunnel's routes that go into the main table, where
// endpoints are looked up.
func (r *Run) mainRoutes() []netip.Prefix {
	all := slices.Concat(r.Want.Routes, r.Want.KernelRoutes)
	return slices.DeleteFunc(all, func(p netip.Prefix) bool {
		return !schema.IsMainTable(r.Conf.Table(p.Addr().Is6()))
	})
}

// lockHostRoutes keeps other runs from making and deleting host routes until unlock is
// called: two interfaces may share one.
func (r *Run) lockHostRoutes() (unlock func()) {
	unlock, err := r.State.Lock("@hostroutes") // no interface has such a name
	if err != nil {
		return func() {} // The interface's own lock was to be had.
	}
	return unlock
}

// dropHostRoutes deletes the host routes that were made for the interface.
func (r *Run) dropHostRoutes(iface string) {
	if r.saved != nil {
		r.deleteHostRoutes(iface, r.saved.HostRoutes, nil)
	}
}

// deleteHostRoutes deletes the routes of old that are neither in keep nor needed
// by another interface of ours.
func (r *Run) deleteHostRoutes(iface string, old, keep []plan.HostRoute) {
	var others []plan.HostRoute
	read := false
	for _, h := range old {
		if slices.ContainsFunc(keep, func(k plan.HostRoute) bool { return k.Dst == h.Dst }) {
			continue // replaced by now, or the same
		}
		if !read {
			others, read = r.State.OtherHostRoutes(iface), true
		}
		if slices.ContainsFunc(others, func(o plan.HostRoute) bool {
			return o.Dst == h.Dst && o.Gateway == h.Gateway && o.Device == h.Device // all that a state holds
		}) {
			continue
		}
		r.Wrote++
		if err := r.Kernel.DeleteRoute(route(h)); err != nil {
			r.Log.Warn("cannot delete a host route", "endpoint", h.Dst, "device", h.Device, "error", err)
		}
	}
}

func route(h plan.HostRoute) rtnl.Route {
	return rtnl.Route{
		Dst:      netip.PrefixFrom(h.Dst, h.Dst.BitLen()),
		Gateway:  h.Gateway,
		Device:   h.Device,
		OnLink:   h.OnLink,
		Source:   h.Source,
		MTU:      h.MTU,
		Protocol: rtnl.Protocol,
	}
}
