package rtnl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addresses implements Kernel.
func (s *System) Addresses(device string) ([]netip.Prefix, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.link(device)
	if err != nil {
		return nil, fmt.Errorf("%s: list its addresses: %w", device, err)
	}
	list, err := consistent(func() ([]netlink.Addr, error) {
		return s.handle.AddrList(l, netlink.FAMILY_ALL)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: list its addresses: %w", device, err)
	}
	var out []netip.Prefix
	for n := range list {
		if p, ok := prefixOf(list[n].IPNet); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// AddAddress implements Kernel.
func (s *System) AddAddress(device string, addr netip.Prefix) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.link(device)
	if err == nil {
		err = s.handle.AddrAdd(l, addressTo(addr))
	}
	switch {
	case err == nil, errors.Is(err, unix.EEXIST):
		return nil
	case errors.Is(err, unix.EACCES) && addr.Addr().Is6():
		// It has nothing to do with who asks.
		return fmt.Errorf("%s: add address %v: IPv6 is switched off (sysctl net.ipv6.conf.%s.disable_ipv6)", device, addr, device)
	}
	return fmt.Errorf("%s: add address %v: %w", device, addr, advise(err))
}

// DeleteAddress implements Kernel.
func (s *System) DeleteAddress(device string, addr netip.Prefix) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.link(device)
	if err == nil {
		err = s.handle.AddrDel(l, addressTo(addr))
	}
	if err == nil || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, errNoLink) {
		return nil
	}
	return fmt.Errorf("%s: delete address %v: %w", device, addr, advise(err))
}

func addressTo(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is4() {
		// None, as `ip address add` does: a tunnel has no broadcast.
		a.Broadcast = net.IPv4zero
	}
	return a
}
