package rtnl

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/link"
)

// Routes implements Kernel.
func (s *System) Routes(table uint32) ([]Route, error) {
	if table == 0 {
		table = TableMain
	}
	list, err := s.list(func(r *Route) bool { return r.Table == table }, nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(table)))
	if err != nil {
		return nil, fmt.Errorf("list the routes of table %d: %w", table, err)
	}
	return list, nil
}

// DeviceRoutes implements Kernel.
func (s *System) DeviceRoutes(device string) ([]Route, error) {
	index, err := s.index(device)
	if err == nil {
		var list []Route
		list, err = s.list(func(r *Route) bool { return r.Ifindex == index }, nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
		if err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("%s: list its routes: %w", device, advise(err))
}

// list returns the unicast routes of both families that match. The kernel leaves
// the others out, from 4.20 on; older ones send all.
func (s *System) list(match func(*Route) bool, filter *nl.RtAttr) ([]Route, error) {
	names := s.names()
	var out []Route
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		// With a filter the kernel wants the rest of the header empty.
		msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}}
		list, err := consistent(func() ([][]byte, error) {
			return s.links.Execute(unix.RTM_GETROUTE, unix.NLM_F_DUMP, msg, filter)
		})
		// A table that never had a route does not exist.
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, advise(err)
		}
		for _, b := range list {
			r, ok, err := parseRoute(b)
			if err != nil {
				return nil, err
			}
			if ok && match(&r) {
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

// ReplaceRoute implements Kernel.
func (s *System) ReplaceRoute(routes ...Route) error {
	return s.each(routes, func(r *Route, index int) error {
		_, err := s.links.Execute(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK, r.data(index)...)
		return err
	})
}

// DeleteRoute implements Kernel.
func (s *System) DeleteRoute(routes ...Route) error {
	return s.each(routes, func(r *Route, index int) error {
		data := r.data(index)
		// Any scope: what a route has was the kernel's choice.
		data[0].(*nl.RtMsg).Scope = unix.RT_SCOPE_NOWHERE
		_, err := s.links.Execute(unix.RTM_DELROUTE, unix.NLM_F_ACK, data...)
		if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}, link.ErrNotFound)
}

// each does something with each of the routes. Errors that match one of fine are
// none.
func (s *System) each(routes []Route, do func(r *Route, index int) error, fine ...error) error {
	indexes := map[string]int{}
	var errs []error
	for n := range routes {
		r := &routes[n]
		if !r.Dst.IsValid() {
			errs = append(errs, routeError(r, errors.New("no destination")))
			continue
		}
		index, ok := indexes[r.Device]
		if !ok {
			var err error
			if index, err = s.index(r.Device); err != nil && !errors.Is(err, link.ErrNotFound) {
				return routeError(r, advise(err))
			}
			indexes[r.Device] = index // 0: there is none
		}
		err := link.ErrNotFound
		if index != 0 {
			err = do(r, index)
		}
		if err != nil && !isAny(err, fine) {
			errs = append(errs, routeError(r, advise(err)))
		}
	}
	return errors.Join(errs...)
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
