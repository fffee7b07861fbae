package plan

import (
	"net/netip"

	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Families says something of IPv4 and of IPv6.
type Families struct{ IPv4, IPv6 bool }

// has returns what is said of the family of an address.
func (f Families) has(a netip.Addr) bool {
	if a.Is4() {
		return f.IPv4
	}
	return f.IPv6
}

// MainDefaults returns the families in which the interface makes a default route
// in the main table.
func MainDefaults(c *schema.Interface) (f Families) {
	if c.NoDefaultRoute || !c.Routed() {
		return f
	}
	four, six := schema.IsMainTable(c.IP4Table), schema.IsMainTable(c.IP6Table)
	for n := range c.Peers {
		p := c.Peers[n]
		if !p.Active() || !p.RouteAllowedIPs {
			continue
		}
		for _, list := range [2][]netip.Prefix{p.AllowedIPs, p.LostIPs} {
			for _, dst := range list {
				if dst.Bits() == 0 {
					f.IPv4 = f.IPv4 || four && dst.Addr().Is4()
					f.IPv6 = f.IPv6 || six && dst.Addr().Is6()
				}
			}
		}
	}
	return f
}

// SharedDefaults returns the families in which the interface's default route
// would meet another one of the same metric in the main table. Of two such routes
// the kernel has one: netifd, like `ip route replace`, puts the later in place of
// the other, whoever made that, and does not bring it back (openwrt/openwrt#20511).
//
// It looks at the configuration alone, so that the answer does not change when an
// uplink comes and goes: at the default routes that other interfaces can bring.
// Where none can, the uplink is not netifd's, and has the metric 0 that most have.
func SharedDefaults(pkg *uci.Package, c *schema.Interface) (f Families) {
	mine := MainDefaults(c)
	if mine == f {
		return f
	}
	known := Families{}
	for _, r := range schema.DefaultRoutes(pkg, c.Name) {
		if !schema.IsMainTable(r.Table) {
			continue
		}
		known.add(r.IPv6)
		if metric(r.Metric, r.IPv6) == metric(c.Metric, r.IPv6) {
			f.add(r.IPv6)
		}
	}
	f.IPv4 = mine.IPv4 && (f.IPv4 || !known.IPv4 && c.Metric == 0)
	f.IPv6 = mine.IPv6 && (f.IPv6 || !known.IPv6 && c.Metric == 0)
	return f
}

// MeetsDefaults returns the families in which routes of the kernel's main table
// that others made are default routes of the interface's metric.
func MeetsDefaults(c *schema.Interface, uplinks []Uplink) (f Families) {
	for _, u := range uplinks {
		six := u.Dst.Addr().Is6()
		if u.Dst.Bits() == 0 && u.Device != c.Name && metric(u.Metric, six) == metric(c.Metric, six) {
			f.add(six)
		}
	}
	mine := MainDefaults(c)
	return Families{IPv4: f.IPv4 && mine.IPv4, IPv6: f.IPv6 && mine.IPv6}
}

func (f *Families) add(six bool) {
	if six {
		f.IPv6 = true
	} else {
		f.IPv4 = true
	}
}

// metric returns what the kernel makes of a route's metric: 0 is 1024 in IPv6
// (IP6_RT_PRIO_USER of linux/ipv6_route.h).
func metric(m uint32, six bool) uint32 {
	if six && m == 0 {
		return 1024
	}
	return m
}

// halves returns the two halves of a default route.
func halves(dst netip.Prefix) [2]netip.Prefix {
	low := dst.Addr()
	high := netip.AddrFrom4([4]byte{0: 0x80})
	if low.Is6() {
		high = netip.AddrFrom16([16]byte{0: 0x80})
	}
	return [2]netip.Prefix{netip.PrefixFrom(low, 1), netip.PrefixFrom(high, 1)}
}
