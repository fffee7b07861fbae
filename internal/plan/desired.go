package plan

import (
	"net/netip"
	"slices"

	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Desired is what one interface should look like.
type Desired struct {
	Interface string

	PrivateKey schema.Key
	ListenPort uint16 // 0: whichever the device has
	FwMark     uint32
	MTU        int // bytes; 0: whichever the device has
	Peers      []*Peer

	// Addresses of the interface, host bits and all, each once.
	Addresses   []netip.Prefix
	IP6Prefixes []string
	// Routes through the tunnel that netifd is told of, at most as many as its
	// limit leaves to this interface.
	Routes []netip.Prefix
	// KernelRoutes are those above the limit, of all after exact aggregation: we make
	// them ourselves.
	KernelRoutes []netip.Prefix

	conf  *schema.Interface
	facts Facts
	asked int // routes, before any aggregation
	// called is how many peers have a configured endpoint.
	called int
}

// Peer is a peer as the device should have it.
type Peer struct {
	// Config is the peer's section.
	Config *schema.Peer

	PublicKey    schema.Key
	PresharedKey schema.Key     // zero: none
	Keepalive    uint16         // seconds; 0: off
	Endpoint     netip.AddrPort // invalid: not known, or none is configured
	AllowedIPs   []netip.Prefix

	// Late: the address of the endpoint is found when all else is done: it is a name,
	// or what an address becomes on an uplink without IPv4.
	Late bool
	// HasEndpoint: the configuration names an endpoint. It stands here too, as looking
	// at all configured peers is what costs with thousands of them.
	HasEndpoint bool
}

// Resolved holds the addresses that are known for host names of endpoints.
type Resolved map[string]netip.Addr

// Facts are what an interface should look like by, beside its own configuration.
type Facts struct {
	// Names are those that are known.
	Names Resolved
	// Budget is what the routes may cost that netifd is told of; see RouteBudget.
	Budget int
	// Halves are the families in which a default route is made as its two halves,
	// 0.0.0.0/1 and 128.0.0.0/1 or ::/1 and 8000::/1: they lead to the same addresses,
	// come before every default route, and take the place of none.
	Halves Families
}

// FactsOf returns what the configuration says of an interface beside its own
// sections. Names are not among it.
func FactsOf(pkg *uci.Package, c *schema.Interface) Facts {
	return Facts{Budget: BudgetOf(pkg, c), Halves: SharedDefaults(pkg, c)}
}

// For returns what the interface should look like. Peers that are disabled or
// invalid are not in it.
func For(c *schema.Interface, f Facts) *Desired { return Next(nil, c, f) }

// Next is For, and takes over from last what comes of peers that are the same as they
// were then: last is not to be used any more. It may be nil.
func Next(last *Desired, c *schema.Interface, f Facts) *Desired {
	d := &Desired{
		Interface:   c.Name,
		PrivateKey:  c.PrivateKey,
		ListenPort:  c.ListenPort,
		FwMark:      c.FwMark,
		MTU:         c.MTU,
		Addresses:   once(c.Addresses),
		IP6Prefixes: c.IP6Prefixes,
		conf:        c,
		facts:       f,
	}
	if !d.again(last) {
		d.Peers = peersOf(c.Peers, f)
		d.called = called(d.Peers)
		d.route()
	}
	return d
}

func (d *Desired) route() {
	list := routes(d.conf, d.facts.Halves)
	d.asked = len(list)
	d.Routes, d.KernelRoutes = split(list, d.facts.Budget)
}

// Numbers returns how many routes there are.
func (d *Desired) Numbers() RouteNumbers {
	return RouteNumbers{Asked: d.asked, Netifd: len(d.Routes), Ours: len(d.KernelRoutes)}
}

// again takes over from last what did not change. It reports whether that, and the
// few peers that did, is everything.
func (d *Desired) again(last *Desired) bool {
	if !uci.Shares || last == nil {
		return false
	}
	was, now := last.conf.Peers, d.conf.Peers
	head, endWas, endNow := uci.Differ(was, now)
	if head == 0 && endNow == len(now) {
		return false
	}
	before, between := was[head:endWas], now[head:endNow]
	first, end := head, endWas
	if len(last.Peers) < len(was) {
		first = active(was[:head])
		end = first + active(before)
	}
	fresh := peersOf(between, d.facts)
	d.Peers = uci.Splice(last.Peers, first, end, fresh)
	d.called = last.called - called(last.Peers[first:end]) + called(fresh)
	if d.facts.Budget == last.facts.Budget && d.facts.Halves == last.facts.Halves && d.conf.NoDefaultRoute == last.conf.NoDefaultRoute &&
		slices.Equal(asked(before), asked(between)) {
		d.Routes, d.KernelRoutes, d.asked = last.Routes, last.KernelRoutes, last.asked
	} else {
		d.route()
	}
	return true
}

// HasEndpoints reports whether the configuration names an endpoint of some peer.
func (d *Desired) HasEndpoints() bool { return d.called > 0 }

func called(list []*Peer) (n int) {
	for _, p := range list {
		if p.HasEndpoint {
			n++
		}
	}
	return n
}

// active returns how many of the peers are.
func active(list []*schema.Peer) (n int) {
	for _, p := range list {
		if p.Active() {
			n++
		}
	}
	return n
}

// asked returns the allowed IPs that peers want routes to.
func asked(list []*schema.Peer) (out []netip.Prefix) {
	for _, p := range list {
		if p.Active() && p.RouteAllowedIPs {
			out = append(append(out, p.AllowedIPs...), p.LostIPs...)
		}
	}
	return out
}

func peersOf(list []*schema.Peer, f Facts) []*Peer {
	peers, out := make([]Peer, 0, len(list)), make([]*Peer, 0, len(list))
	for _, p := range list {
		if !p.Active() {
			continue
		}
		peers = append(peers, Peer{
			Config:       p,
			PublicKey:    p.PublicKey,
			PresharedKey: p.PresharedKey,
			Keepalive:    p.Keepalive,
			Endpoint:     f.Names.endpoint(p.Endpoint),
			AllowedIPs:   p.AllowedIPs,
			Late:         !p.Endpoint.IsZero() && !p.Endpoint.Addr.IsValid(),
			HasEndpoint:  !p.Endpoint.IsZero(),
		})
		out = append(out, &peers[len(peers)-1])
	}
	return out
}

func (r Resolved) endpoint(e schema.Endpoint) netip.AddrPort {
	if ap := e.AddrPort(); ap.IsValid() {
		return ap
	}
	if addr, ok := r[e.Host]; ok {
		return netip.AddrPortFrom(addr.Unmap(), e.Port)
	}
	return netip.AddrPort{}
}

// routes returns the allowed IPs that are to be routed, each once, in the order
// of the file.
func routes(c *schema.Interface, half Families) []netip.Prefix {
	return routesOf(c, half, func(*schema.Peer) bool { return true })
}

// routesOf returns those of some of the peers.
func routesOf(c *schema.Interface, half Families, of func(*schema.Peer) bool) []netip.Prefix {
	if !c.Routed() {
		return nil
	}
	routed := func(p *schema.Peer) bool { return p.Active() && p.RouteAllowedIPs && of(p) }
	total, lost := 0, 0
	for n := range c.Peers {
		if p := c.Peers[n]; routed(p) {
			total += len(p.AllowedIPs) + len(p.LostIPs)
			lost += len(p.LostIPs)
		}
	}
	if total == 0 {
		return nil
	}
	out := make([]netip.Prefix, 0, total+2)
	// Of the allowed IPs themselves none stands there twice. Only where lost ones or
	// halves do, it has to be looked for.
	var seen map[netip.Prefix]struct{}
	if lost > 0 || half != (Families{}) {
		seen = make(map[netip.Prefix]struct{}, total)
	}
	put := func(dst netip.Prefix) {
		if seen != nil {
			if _, twice := seen[dst]; twice {
				return
			}
			seen[dst] = struct{}{}
		}
		out = append(out, dst)
	}
	add := func(list []netip.Prefix) {
		for _, dst := range list {
			switch {
			case dst.Bits() > 0:
				put(dst)
			case c.NoDefaultRoute:
			case half.has(dst.Addr()):
				for _, h := range halves(dst) {
					put(h)
				}
			default:
				put(dst)
			}
		}
	}
	for n := range c.Peers {
		if p := c.Peers[n]; routed(p) {
			add(p.AllowedIPs)
			add(p.LostIPs)
		}
	}
	return out
}

func once(list []netip.Prefix) []netip.Prefix {
	if len(list) < 2 {
		return list
	}
	out := make([]netip.Prefix, 0, len(list))
	for _, p := range list {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
