package plan

import (
	"net/netip"
	"slices"

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

	conf   *schema.Interface
	budget int
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
}

// Resolved holds the addresses that are known for host names of endpoints.
type Resolved map[string]netip.Addr

// For returns what the interface should look like. routeBudget is what the
// routes may cost that netifd is told of; see RouteBudget. Peers that are
// disabled or invalid are not in it.
func For(c *schema.Interface, names Resolved, routeBudget int) *Desired {
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
		budget:      routeBudget,
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
			Endpoint:     names.endpoint(p.Endpoint),
			AllowedIPs:   p.AllowedIPs,
		})
	}
	d.Routes, d.KernelRoutes = split(routes(c), routeBudget)
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
func routes(c *schema.Interface) []netip.Prefix {
	return routesOf(c, func(*schema.Peer) bool { return true })
}

// routesOf returns those of some of the peers.
func routesOf(c *schema.Interface, of func(*schema.Peer) bool) []netip.Prefix {
	routed := func(p *schema.Peer) bool { return p.Active() && p.RouteAllowedIPs && of(p) }
	total := 0
	for n := range c.Peers {
		if p := &c.Peers[n]; routed(p) {
			total += len(p.AllowedIPs) + len(p.LostIPs)
		}
	}
	if total == 0 {
		return nil
	}
	out := make([]netip.Prefix, 0, total)
	seen := make(map[netip.Prefix]struct{}, total)
	add := func(list []netip.Prefix) {
		for _, dst := range list {
			if dst.Bits() == 0 && c.NoDefaultRoute {
				continue
			}
			if _, twice := seen[dst]; !twice {
				seen[dst] = struct{}{}
				out = append(out, dst)
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
