package daemon

import (
	"context"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// uplink is what the routing tables say of the way to the Internet: the routes that
// do not lead through a tunnel and that are not ours.
type uplink struct {
	*plan.Ways
	// defaults tells one way to the Internet from another; empty: there is none. Where
	// it is unknown, that of the last look.
	defaults string
	// unknown: no table could be read; then everything counts as reached.
	unknown bool
}

// uplinkOf makes it of the routes of the tables that are looked up. tunnel tells the
// devices of tunnels.
func uplinkOf(routes []rtnl.Route, tunnel func(device string) bool) *uplink {
	var ways []plan.Uplink
	var defaults []string
	for _, r := range routes {
		if r.Protocol == rtnl.Protocol || tunnel(r.Device) {
			continue
		}
		ways = append(ways, plan.Uplink{Dst: r.Dst, Gateway: r.Gateway, Device: r.Device, Metric: r.Metric})
		if r.Dst.Bits() == 0 {
			defaults = append(defaults, strings.Join([]string{
				r.Dst.String(), r.Gateway.String(), r.Device, strconv.Itoa(r.Ifindex),
				strconv.FormatUint(uint64(r.Metric), 10), strconv.FormatUint(uint64(r.Table), 10),
			}, " "))
		}
	}
	sort.Slice(defaults, func(i, j int) bool { return defaults[i] < defaults[j] })
	return &uplink{
		Ways:     plan.WaysOf(ways, func(string) bool { return false }),
		defaults: strings.Join(defaults, "\n"),
	}
}

// reaches reports whether packets to an address leave through the uplink.
func (d *Daemon) reaches(a netip.Addr) bool {
	u := d.uplink.Load()
	if u.unknown {
		return true
	}
	if !u.Reach(a) {
		return false
	}
	if a.Unmap().Is4() || d.o.NAT64 == nil {
		return true
	}
	// What the NAT64 of an uplink that is gone made leads nowhere any more.
	return resolve.Uplink{IPv6: true, NAT64: d.o.NAT64.Known(), Former: d.o.NAT64.Former()}.Reaches(a)
}

// reaches reports whether packets to an address leave through the uplink, and not
// through the tunnel of which it would be an endpoint. What the configuration names
// is where it says, though.
func (k *keeper) reaches(a netip.Addr) bool {
	u := k.d.uplink.Load()
	return k.d.reaches(a) && (u.unknown || k.run == nil || !u.Inside(a, k.run.Want.Addresses) || k.named(a))
}

// named reports whether an address is one of those that a peer is configured with.
func (k *keeper) named(a netip.Addr) bool {
	for _, p := range k.peers {
		for n := range p.found {
			if slices.Contains(p.found[n].addrs, a) {
				return true
			}
		}
	}
	return false
}

// dirt is what the kernel told of and nobody has looked at yet.
type dirt struct {
	mu     sync.Mutex
	routes bool
	// links by name, "" all; with the index of what was down meanwhile, else 0.
	links map[string]int
	wake  chan struct{}
}

// settleTime is how long more is waited for when something changed: a new uplink
// comes with a dozen of events. lookShare bounds what looking costs, and what the
// keepers do about it: a twentieth of the time, however many routes change. An
// uplink that comes back in the middle of that is seen within longestRest.
const (
	settleTime = 100 * time.Millisecond
	lookShare  = 20

	longestRest = 2 * time.Second
)

// watchNetwork notes what the kernel tells of, until ctx ends.
func (d *Daemon) watchNetwork(ctx context.Context) {
	for ctx.Err() == nil {
		err := d.o.Network.Watch(ctx, d.note)
		if ctx.Err() != nil {
			return
		}
		d.log.Error("cannot follow changes of the network, trying again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// note notes an event, unless it is our own doing. That a route of ours is gone may
// be somebody else's; where it was ours the look that follows finds nothing to do.
func (d *Daemon) note(e rtnl.Event) {
	if e.Kind == rtnl.EventRoute && e.Protocol == rtnl.Protocol && !e.Removed {
		return
	}
	ours := e.Device != "" && d.keeper(e.Device) != nil
	if ours && e.Kind != rtnl.EventLink {
		// Netifd's routes and addresses of a tunnel. Another one's endpoint may be behind it.
		if len(d.all()) == 1 {
			return
		}
		ours = false
	}
	d.dirty.mu.Lock()
	if d.dirty.links == nil {
		d.dirty.links = map[string]int{}
	}
	switch {
	case e.Kind == rtnl.EventLost:
		d.dirty.routes, d.dirty.links[""] = true, 0
	case ours:
		down := d.dirty.links[e.Device]
		if e.Down {
			down = e.Index
		}
		d.dirty.links[e.Device] = down
	default:
		d.dirty.routes = true
	}
	d.dirty.mu.Unlock()
	select {
	case d.dirty.wake <- struct{}{}:
	default:
	}
}

// followNetwork looks at what changed, until ctx ends.
func (d *Daemon) followNetwork(ctx context.Context) {
	var rested time.Time // when the last look has cost no more than its share
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.dirty.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(settleTime, time.Until(rested))):
		}
		d.dirty.mu.Lock()
		routes, links := d.dirty.routes, d.dirty.links
		d.dirty.routes, d.dirty.links = false, nil
		d.dirty.mu.Unlock()
		begin := time.Now()
		if routes {
			d.turn(ctx)
		}
		cost := time.Since(begin)
		for _, k := range d.all() {
			_, all := links[""]
			if down, look := links[k.name]; look || all {
				k.post(func(in *inbox) {
					in.look = true
					if down != 0 {
						in.down = down
					}
				})
			}
			cost += time.Duration(k.adjusting.Load())
		}
		rested = time.Now().Add(min(lookShare*cost, longestRest))
	}
}

// turn looks at the uplinks and tells the keepers what changed. Without any uplink
// there is nothing to look up, and sessions may still be good when it is back.
func (d *Daemon) turn(ctx context.Context) {
	old := d.uplink.Load()
	now := d.readUplink()
	differs := !now.unknown && old.defaults != now.defaults
	other := differs && now.defaults != ""
	if differs {
		d.log.Info("the way to the Internet has changed", "ipv4", now.Default.IPv4, "ipv6", now.Default.IPv6)
	}
	if other {
		d.newEpoch(ctx)
		if d.o.NAT64 != nil {
			d.o.NAT64.Forget()
		}
	}
	for _, k := range d.all() {
		k.post(func(in *inbox) { in.adjust, in.uplink = true, in.uplink || other })
	}
	d.bypass.sync(d)
}

// maxTables bounds how many tables of policy rules are read.
const maxTables = 32

// readUplink reads the routes: of the main table, and of those that policy rules of
// somebody else look up, as where several uplinks have a table each.
func (d *Daemon) readUplink() *uplink {
	routes, err := d.o.System.Kernel.Routes(rtnl.TableMain)
	if err == nil && d.o.Rules != nil {
		tables, _ := d.o.Rules.OtherTables() // else the main table is all that is known
		for _, table := range tables[:min(len(tables), maxTables)] {
			more, _ := d.o.System.Kernel.Routes(table)
			routes = append(routes, more...)
		}
	}
	u := uplinkOf(routes, d.tunnels())
	if err != nil {
		d.log.Error("cannot read the routes", "error", err)
		u.unknown = true
		if old := d.uplink.Load(); old != nil {
			u.defaults = old.defaults // by which the next look sees a change
		}
	}
	d.uplink.Store(u)
	return u
}

// tunnels returns a function that tells the devices of WireGuard.
func (d *Daemon) tunnels() func(device string) bool {
	names := map[string]bool{}
	links, _ := d.o.System.Kernel.Links() // ours are known in any case
	for _, l := range links {
		if l.Kind == "wireguard" {
			names[l.Name] = true
		}
	}
	for _, k := range d.all() {
		names[k.name] = true
	}
	return func(device string) bool { return names[device] }
}

// guards reports whether the endpoints of an interface are looked after more often:
// what the tunnel itself takes finds a peer that moves only by a host route, and
// nobody tells of that.
func guards(run *apply.Run) bool {
	if run.Conf.NoHostRoute || run.Conf.TunLink == "" && len(run.Want.Routes)+len(run.Want.KernelRoutes) == 0 {
		return false
	}
	return isFull(run) || run.Swallows(plan.Endpoints(run.Want, run.Have, run.Changes.Peers))
}

// roamed reports whether the device has an endpoint that it did not have before, of
// a peer that moved there by itself, and that may need a host route.
func (k *keeper) roamed() bool {
	var to []netip.Addr
	for n := range k.have.Peers {
		a := &k.have.Peers[n]
		if p := k.peers[a.PublicKey]; p != nil && a.Endpoint.IsValid() && a.Endpoint.Addr() != p.seen.Endpoint.Addr() {
			to = append(to, a.Endpoint.Addr())
		}
	}
	return k.run.Swallows(to)
}

// sources returns the endpoints of IPv6 that the device has, but for peers in writes,
// to be written once more: another uplink takes another source address.
func (k *keeper) sources(writes []plan.PeerChange) (again []plan.PeerChange) {
	if k.have == nil {
		return nil
	}
	other := make(map[schema.Key]bool, len(writes))
	for n := range writes {
		other[writes[n].PublicKey] = true
	}
	for n := range k.have.Peers {
		if a := &k.have.Peers[n]; a.Endpoint.IsValid() && a.Endpoint.Addr().Is6() && !other[a.PublicKey] {
			again = append(again, plan.PeerChange{PublicKey: a.PublicKey, Endpoint: a.Endpoint})
		}
	}
	return again
}
