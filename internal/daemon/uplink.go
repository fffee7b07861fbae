package daemon

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

// ways is what the main table says of the way to the Internet: the routes that do
// not lead through a tunnel and that are not ours.
type ways struct {
	routes  map[netip.Prefix]struct{}
	lengths [2][]int // of IPv4 and IPv6 that occur, longest first
	// four and six: there is a default route.
	four, six bool
	// defaults tells one way to the Internet from another.
	defaults string
	table    []rtnl.Route
}

// waysOf reads the main table. tunnel tells the devices of tunnels.
func waysOf(table []rtnl.Route, tunnel func(device string) bool) *ways {
	w := &ways{routes: make(map[netip.Prefix]struct{}, len(table))}
	var defaults []string
	for _, r := range table {
		if r.Protocol == rtnl.Protocol || tunnel(r.Device) {
			continue
		}
		w.table = append(w.table, r)
		w.routes[r.Dst] = struct{}{}
		family := familyOf(r.Dst.Addr())
		if !slices.Contains(w.lengths[family], r.Dst.Bits()) {
			w.lengths[family] = append(w.lengths[family], r.Dst.Bits())
		}
		if r.Dst.Bits() > 0 {
			continue
		}
		if family == 0 {
			w.four = true
		} else {
			w.six = true
		}
		defaults = append(defaults, r.Gateway.String()+" "+r.Device+" "+strconv.Itoa(r.Ifindex)+" "+
			strconv.FormatUint(uint64(r.Metric), 10)+" "+strconv.Itoa(family))
	}
	for family := range w.lengths {
		slices.Sort(w.lengths[family])
		slices.Reverse(w.lengths[family])
	}
	slices.Sort(defaults)
	w.defaults = strings.Join(defaults, "\n")
	return w
}

func familyOf(a netip.Addr) int {
	if a.Unmap().Is4() {
		return 0
	}
	return 1
}

// reach reports whether a route leads to an address.
func (w *ways) reach(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLinkLocalUnicast() || a.IsLoopback() {
		return true
	}
	for _, bits := range w.lengths[familyOf(a)] {
		if p, err := a.Prefix(bits); err == nil {
			if _, ok := w.routes[p]; ok {
				return true
			}
		}
	}
	return false
}

// uplink is the way to the Internet, and what is known of its NAT64.
type uplink struct {
	*ways
	// unknown: the table could not be read, or policy rules of others decide: then
	// everything counts as reached.
	unknown bool
}

// reaches reports whether packets to an address leave through the uplink.
func (d *Daemon) reaches(a netip.Addr) bool {
	u := d.uplink.Load()
	if u.unknown {
		return true
	}
	if !u.reach(a) {
		return false
	}
	if a.Unmap().Is4() || d.o.NAT64 == nil {
		return true
	}
	// What the NAT64 of an uplink that is gone made leads nowhere any more.
	return resolve.Uplink{IPv6: true, NAT64: d.o.NAT64.Known(), Former: d.o.NAT64.Former()}.Reaches(a)
}

// candidates looks up the addresses of a host as the uplink has them.
func (d *Daemon) candidates(ctx context.Context, host string, family resolve.Family) ([]netip.Addr, error) {
	addrs, err := d.o.Names.Candidates(ctx, host, family)
	if err != nil {
		return nil, err
	}
	u := d.uplink.Load()
	lost := func(a netip.Addr) bool { return a.Is4() && !u.reach(a) }
	if u.unknown || u.four || !u.six || d.o.NAT64 == nil || !slices.ContainsFunc(addrs, lost) {
		return addrs, nil
	}
	prefixes, err := d.o.NAT64.Prefixes(ctx)
	if err != nil {
		return addrs, nil // what there is, in case the routes are not all
	}
	return resolve.Uplink{IPv6: true, NAT64: prefixes, Former: d.o.NAT64.Former()}.Candidates(addrs), nil
}

// dirt is what the kernel told of and nobody has looked at yet.
type dirt struct {
	mu     sync.Mutex
	routes bool
	links  map[string]bool // by name; "" all
	wake   chan struct{}
}

// settleTime is how long more is waited for when something changed: a new uplink
// comes with a dozen of events. lookShare bounds what looking costs: a twentieth
// of the time, however many routes change.
const (
	settleTime = 100 * time.Millisecond
	lookShare  = 20
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

// note notes an event, unless it is our own doing.
func (d *Daemon) note(e rtnl.Event) {
	if e.Kind == rtnl.EventRoute && e.Protocol == rtnl.Protocol {
		return
	}
	ours := e.Device != "" && d.keeper(e.Device) != nil
	if ours && e.Kind != rtnl.EventLink {
		return // netifd's routes and addresses of a tunnel
	}
	d.dirty.mu.Lock()
	if d.dirty.links == nil {
		d.dirty.links = map[string]bool{}
	}
	switch {
	case e.Kind == rtnl.EventLost:
		d.dirty.routes, d.dirty.links[""] = true, true
	case ours:
		d.dirty.links[e.Device] = true
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
	var cost time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.dirty.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(settleTime, lookShare*cost)):
		}
		d.dirty.mu.Lock()
		routes, links := d.dirty.routes, d.dirty.links
		d.dirty.routes, d.dirty.links = false, nil
		d.dirty.mu.Unlock()
		begin := time.Now()
		if routes {
			d.turn(ctx)
		}
		for _, k := range d.all() {
			if links[""] || links[k.name] {
				k.post(func(in *inbox) { in.look = true })
			}
		}
		cost = time.Since(begin)
	}
}

// turn looks at the uplinks and tells the keepers what changed.
func (d *Daemon) turn(ctx context.Context) {
	old := d.uplink.Load()
	now := d.readUplink()
	other := !old.unknown && !now.unknown && old.defaults != now.defaults
	if other {
		d.log.Info("the way to the Internet has changed", "ipv4", now.four, "ipv6", now.six)
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

// readUplink reads the routes.
func (d *Daemon) readUplink() *uplink {
	u := &uplink{ways: &ways{}}
	table, err := d.o.System.Kernel.Routes(rtnl.TableMain)
	if err != nil {
		d.log.Error("cannot read the routes", "error", err)
		u.unknown = true
	} else {
		u.ways = waysOf(table, d.tunnels())
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
