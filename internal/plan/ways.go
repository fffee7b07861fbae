package plan

import "net/netip"

// Ways are the ways that packets can leave by without a tunnel, as the main table
// has them.
type Ways struct {
	// Default are the families that have a default route.
	Default Families
	routes  prefixTable[struct{}]
}

// WaysOf returns the ways of routes. tunnel tells the devices of tunnels.
func WaysOf(uplinks []Uplink, tunnel func(device string) bool) *Ways {
	w := &Ways{}
	for _, u := range uplinks {
		if tunnel(u.Device) {
			continue
		}
		w.routes.put(u.Dst, struct{}{}, nil)
		if u.Dst.Bits() == 0 {
			w.Default.add(u.Dst.Addr().Is6())
		}
	}
	return w
}

// Reach reports whether a way leads to an address.
func (w *Ways) Reach(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLinkLocalUnicast() || a.IsLoopback() {
		return true
	}
	_, bits := w.routes.lookup(a)
	return bits >= 0
}

// Inside reports whether an address lies in a subnet of the tunnel's own, and no way
// is as specific. A peer that is seen there was seen through the tunnel, as when
// wireguard-go at one end had no other way and put its packets into itself.
func (w *Ways) Inside(a netip.Addr, own []netip.Prefix) bool {
	a = a.Unmap()
	_, bits := w.routes.lookup(a)
	for _, p := range own {
		if p.Bits() > bits && p.Bits() > 1 && p.Contains(a) {
			return true
		}
	}
	return false
}
