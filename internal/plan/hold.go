package plan

import (
	"net/netip"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Routes are the routes through a tunnel: those that netifd is told of and those
// that we make ourselves.
type Routes struct{ Netifd, Ours []netip.Prefix }

// Reachable returns the routes without those that lead to nobody yet, and how
// many peers that is: peers whose endpoint is found late, while no address is
// known and the device has none either. Such a route would take the packets of
// the look-up itself into the tunnel, and the tunnel would never come up
// (openwrt/openwrt#24721). A peer without any endpoint calls us; its routes do
// not wait.
func (d *Desired) Reachable(have *Actual) (Routes, int) {
	all := Routes{Netifd: d.Routes, Ours: d.KernelRoutes}
	if !d.HasEndpoints() {
		return all, 0
	}
	waiting := map[schema.Key]struct{}{}
	for n := range d.Peers {
		w := d.Peers[n]
		if w.HasEndpoint && w.Config.RouteAllowedIPs && !w.Endpoint.IsValid() {
			waiting[w.PublicKey] = struct{}{}
		}
	}
	if len(waiting) == 0 {
		return all, 0
	}
	for n := range have.Peers {
		if p := &have.Peers[n]; p.Endpoint.IsValid() {
			delete(waiting, p.PublicKey)
		}
	}
	if len(waiting) == 0 {
		return all, 0
	}
	var r Routes
	r.Netifd, r.Ours = split(routesOf(d.conf, d.facts.Halves, func(p *schema.Peer) bool {
		_, waits := waiting[p.PublicKey]
		return !waits
	}), d.facts.Budget)
	return r, len(waiting)
}
