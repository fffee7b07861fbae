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
