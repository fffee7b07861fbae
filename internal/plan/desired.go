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
	Peers      []Peer

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
func For(c *schema.Interface, f Facts) *Desired {
	d := &Desired{
		Interface:   c.Name,
		PrivateKey:  c.PrivateKey,
		ListenPort:  c.ListenPort,
		FwMark:      c.FwMark,
		MTU:         c.MTU,
		Addresses:   once(c.Addresses),
		IP6Prefixes: c.IP6Prefixes,
		Peers:       make([]Peer, 0, len(c.Peers)),
		conf:        c,
		facts:       f,
	}
	for n := range c.Peers {
		p := &c.Peers[n]
		if !p.Active() {
			continue
		}
		d.Peers = append(d.Peers, Peer{
			Config:       p,
			PublicKey:    p.PublicKey,
			PresharedKey: p.PresharedKey,
			Keepalive:    p.Keepalive,
			Endpoint:     f.Names.endpoint(p.Endpoint),
			AllowedIPs:   p.AllowedIPs,
			Late:         !p.Endpoint.IsZero() && !p.Endpoint.Addr.IsValid(),
		})
	}
	d.Routes, d.KernelRoutes = split(routes(c, f.Halves), f.Budget)
	return d
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
	routed := func(p *schema.Peer) bool { return p.Active() && p.RouteAllowedIPs && of(p) }
	total, lost := 0, 0
	for n := range c.Peers {
		if p := &c.Peers[n]; routed(p) {
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
		if p := &c.Peers[n]; routed(p) {
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
