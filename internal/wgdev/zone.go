package wgdev

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/plan"
)

// sendZoned writes the endpoint of one peer to a device of the kernel, with its
// zone, which wgctrl leaves out: without it the kernel does not know which link
// a link-local address is on, and sends nothing. A peer that does not exist is
// made, unless the change is an update.
func (s *System) sendZoned(name string, c *plan.PeerChange) error {
	index, err := s.zoneIndex(c.Endpoint.Addr().Zone())
	if err != nil {
		return err
	}
	if s.kernel == nil {
		if s.kernel, err = s.newKernel(); err != nil {
			return err
		}
	}
	attributes, err := endpointAttributes(name, c, index)
	if err != nil {
		return err
	}
	if _, err := s.kernel.conn.Execute(s.kernel.request(unix.WG_CMD_SET_DEVICE, netlink.Acknowledge, attributes)); err != nil {
		s.forget()
		return err
	}
	return nil
}

// zoneIndex returns the index of the interface that a zone names, by its name or
// its number.
func (s *System) zoneIndex(zone string) (uint32, error) {
	l, err := s.links.ByName(zone)
	if err == nil {
		return uint32(l.Index), nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil && n != 0 {
		return uint32(n), nil
	}
	return 0, fmt.Errorf("its zone %q is no interface", zone)
}

// endpointAttributes encodes a message about the endpoint of one peer.
func endpointAttributes(name string, c *plan.PeerChange, zone uint32) ([]byte, error) {
	ae := netlink.NewAttributeEncoder()
	ae.String(unix.WGDEVICE_A_IFNAME, name)
	ae.Nested(unix.WGDEVICE_A_PEERS, func(peers *netlink.AttributeEncoder) error {
		peers.Nested(0, func(peer *netlink.AttributeEncoder) error {
			peer.Bytes(unix.WGPEER_A_PUBLIC_KEY, c.PublicKey[:])
			if c.Update {
				peer.Uint32(unix.WGPEER_A_FLAGS, unix.WGPEER_F_UPDATE_ONLY)
			}
			peer.Bytes(unix.WGPEER_A_ENDPOINT, sockaddr6(c.Endpoint, zone))
			return nil
		})
		return nil
	})
	return ae.Encode()
}

// sockaddr6 is a struct sockaddr_in6: family, port, flow label, address, scope.
func sockaddr6(e netip.AddrPort, zone uint32) []byte {
	b := make([]byte, sockaddr6Size)
	native.PutUint16(b, unix.AF_INET6)
	binary.BigEndian.PutUint16(b[2:], e.Port())
	addr := e.Addr().As16()
	copy(b[8:], addr[:])
	native.PutUint32(b[24:], zone)
	return b
}
