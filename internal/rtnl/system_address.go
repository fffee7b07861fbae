package rtnl

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/link"
	"github.com/wgnetifd/wgnetifd/internal/nlattr"
)

// Addresses implements Kernel.
func (s *System) Addresses(device string) ([]netip.Prefix, error) {
	index, err := s.index(device)
	if err != nil {
		return nil, fmt.Errorf("%s: list its addresses: %w", device, advise(err))
	}
	list, err := consistent(func() ([][]byte, error) {
		return s.links.Execute(unix.RTM_GETADDR, unix.NLM_F_DUMP, nl.NewIfAddrmsg(unix.AF_UNSPEC))
	})
	if err != nil {
		return nil, fmt.Errorf("%s: list its addresses: %w", device, advise(err))
	}
	var out []netip.Prefix
	for _, b := range list {
		of, p, err := parseAddress(b)
		if err != nil {
			return nil, fmt.Errorf("%s: list its addresses: %w", device, err)
		}
		if of == index && p.IsValid() {
			out = append(out, p)
		}
	}
	return out, nil
}

// errAddress is a message of the kernel that ends before it should.
var errAddress = errors.New("the kernel's message about an address is too short")

// parseAddress reads a message of type RTM_NEWADDR: the device's index and its
// address, which is not valid when the message is of another family.
func parseAddress(b []byte) (index int, p netip.Prefix, err error) {
	if len(b) < unix.SizeofIfAddrmsg {
		return 0, p, errAddress
	}
	msg := nl.DeserializeIfAddrmsg(b)
	var address, local netip.Addr
	a := nlattr.New(b[unix.SizeofIfAddrmsg:])
	for a.Next() {
		switch a.Kind {
		case unix.IFA_ADDRESS: // the other end where there is one
			a.Addr(&address)
		case unix.IFA_LOCAL:
			a.Addr(&local)
		}
	}
	if !local.IsValid() {
		local = address
	}
	return int(msg.Index), netip.PrefixFrom(local, int(msg.Prefixlen)), a.Err
}

// AddAddress implements Kernel.
func (s *System) AddAddress(device string, addr netip.Prefix) error {
	err := s.address(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, device, addr)
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
	err := s.address(unix.RTM_DELADDR, 0, device, addr)
	if err == nil || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, link.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("%s: delete address %v: %w", device, addr, advise(err))
}

// address sends one address without a broadcast address, as `ip address add`
// does: a tunnel has none.
func (s *System) address(kind, flags int, device string, addr netip.Prefix) error {
	index, err := s.index(device)
	if err != nil {
		return err
	}
	family := unix.AF_INET6
	if addr.Addr().Is4() {
		family = unix.AF_INET
	}
	msg := nl.NewIfAddrmsg(family)
	msg.Index = uint32(index)
	msg.Prefixlen = uint8(addr.Bits())
	bytes := addr.Addr().AsSlice()
	_, err = s.links.Execute(kind, flags|unix.NLM_F_ACK, msg,
		nl.NewRtAttr(unix.IFA_LOCAL, bytes), nl.NewRtAttr(unix.IFA_ADDRESS, bytes))
	return err
}
