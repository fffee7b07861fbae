package rtnl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/link"
)

// Routes implements Kernel.
func (s *System) Routes(table uint32) ([]Route, error) {
	if table == 0 {
		table = TableMain
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.list(&netlink.Route{Table: int(table)}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list the routes of table %d: %w", table, err)
	}
	return list, nil
}

// DeviceRoutes implements Kernel.
func (s *System) DeviceRoutes(device string) ([]Route, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	index, err := s.index(device)
	if err != nil {
		return nil, fmt.Errorf("%s: list its routes: %w", device, err)
	}
	// Without the filter for tables only the main one would be listed.
	filter := &netlink.Route{LinkIndex: index, Table: unix.RT_TABLE_UNSPEC}
	list, err := s.list(filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_OIF)
	if err != nil {
		return nil, fmt.Errorf("%s: list its routes: %w", device, err)
	}
	return list, nil
}

// list returns the unicast routes of both families that match a filter.
func (s *System) list(filter *netlink.Route, mask uint64) ([]Route, error) {
	h, err := s.open()
	if err != nil {
		return nil, err
	}
	names := s.names()
	var out []Route
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := consistent(func() ([]netlink.Route, error) {
			return h.RouteListFiltered(family, filter, mask)
		})
		// A table that never had a route does not exist.
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, advise(err)
		}
		for n := range list {
			if r, ok := routeOf(&list[n]); ok {
				r.Device = names(r.Ifindex)
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// names returns a function that finds the names of devices, and asks for each
// only once.
func (s *System) names() func(index int) string {
	known := map[int]string{}
	return func(index int) string {
		name, ok := known[index]
		if !ok && index != 0 {
			if l, err := s.links.ByIndex(index); err == nil {
				name = l.Name
			}
			known[index] = name
		}
		return name
	}
}

// routeOf translates a route, and reports whether it is one that leads anywhere.
func routeOf(k *netlink.Route) (Route, bool) {
	if k.Type != unix.RTN_UNICAST || k.Dst == nil {
		return Route{}, false
	}
	dst, ok := prefixOf(k.Dst)
	if !ok {
		return Route{}, false
	}
	r := Route{
		Dst:      dst.Masked(),
		Ifindex:  k.LinkIndex,
		Gateway:  gatewayOf(k.Gw, k.Via),
		Metric:   uint32(k.Priority),
		Table:    uint32(k.Table),
		Protocol: uint8(k.Protocol),
		OnLink:   k.Flags&unix.RTNH_F_ONLINK != 0,
		Source:   addrOf(k.Src),
	}
	for _, hop := range k.MultiPath {
		if hop.Flags&unix.RTNH_F_DEAD == 0 {
			r.Ifindex, r.Gateway = hop.LinkIndex, gatewayOf(hop.Gw, hop.Via)
			r.OnLink = hop.Flags&unix.RTNH_F_ONLINK != 0
			break
		}
	}
	return r, true
}

// gatewayOf returns the gateway; that of a route of IPv4 can be an address of
// IPv6, which stands in an attribute of its own.
func gatewayOf(gw net.IP, via netlink.Destination) netip.Addr {
	if v, ok := via.(*netlink.Via); ok && v != nil {
		return addrOf(v.Addr)
	}
	return addrOf(gw)
}

func addrOf(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	addr := addrOf(n.IP)
	ones, _ := n.Mask.Size()
	p := netip.PrefixFrom(addr, ones)
	return p, p.IsValid()
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// ReplaceRoute implements Kernel.
func (s *System) ReplaceRoute(routes ...Route) error {
	return s.each(routes, func(h *netlink.Handle, k *netlink.Route) error {
		return h.RouteReplace(k)
	})
}

// DeleteRoute implements Kernel.
func (s *System) DeleteRoute(routes ...Route) error {
	return s.each(routes, func(h *netlink.Handle, k *netlink.Route) error {
		// Any scope: what a route has was the kernel's choice.
		k.Scope = netlink.SCOPE_NOWHERE
		err := h.RouteDel(k)
		if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}, link.ErrNotFound)
}

// each does something with each of the routes. Errors that match one of fine are
// none.
func (s *System) each(routes []Route, do func(*netlink.Handle, *netlink.Route) error, fine ...error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.open()
	if err != nil {
		return err
	}
	indexes := map[string]int{}
	var errs []error
	for n := range routes {
		r := &routes[n]
		if err := r.check(); err != nil {
			errs = append(errs, routeError(r, err))
			continue
		}
		index, ok := indexes[r.Device]
		if !ok {
			if index, err = s.index(r.Device); err != nil && !errors.Is(err, link.ErrNotFound) {
				return routeError(r, advise(err))
			}
			indexes[r.Device] = index // 0: there is none
		}
		err := link.ErrNotFound
		if index != 0 {
			err = do(h, routeTo(r, index))
		}
		if err != nil && !isAny(err, fine) {
			errs = append(errs, routeError(r, advise(err)))
		}
	}
	return errors.Join(errs...)
}

// check finds what netlink would make something else of, or nothing.
func (r *Route) check() error {
	switch {
	case !r.Dst.IsValid():
		return errors.New("no destination")
	case int(r.Metric) < 0, int(r.Table) < 0:
		// vishvananda/netlink has them as int, and leaves out what is below 1.
		return errors.New("metrics and tables over 2147483647 cannot be written on a 32-bit machine")
	}
	return nil
}

func isAny(err error, targets []error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func routeError(r *Route, err error) error {
	return fmt.Errorf("route to %v: %w", r, err)
}

// routeTo translates a route for the kernel.
func routeTo(r *Route, index int) *netlink.Route {
	k := &netlink.Route{
		Dst:       ipNet(r.Dst.Masked()),
		LinkIndex: index,
		Priority:  int(r.Metric),
		Table:     int(r.table()),
		Protocol:  netlink.RouteProtocol(r.protocol()),
		Type:      unix.RTN_UNICAST,
		Scope:     netlink.SCOPE_UNIVERSE,
	}
	switch {
	case !r.Gateway.IsValid():
		if r.Dst.Addr().Is4() {
			k.Scope = netlink.SCOPE_LINK // IPv6 has no scopes here
		}
	case r.Gateway.Is6() && r.Dst.Addr().Is4():
		k.Via = &netlink.Via{AddrFamily: unix.AF_INET6, Addr: r.Gateway.AsSlice()}
	default:
		k.Gw = r.Gateway.AsSlice()
	}
	if r.OnLink {
		k.Flags = unix.RTNH_F_ONLINK
	}
	if r.Source.IsValid() {
		k.Src = r.Source.AsSlice()
	}
	return k
}
