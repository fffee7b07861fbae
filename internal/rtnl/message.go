package rtnl

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/link"
)

// native is the byte order of numbers in netlink messages: the machine's own.
var native = binary.NativeEndian

// errRoute is a message of the kernel that ends before it should.
var errRoute = errors.New("the kernel's message about a route is too short")

// parseRoute reads a message of type RTM_NEWROUTE (struct rtmsg and attributes,
// linux/rtnetlink.h). Device is not filled in. ok is false for a route that leads
// nowhere, or that is no entry of a table.
func parseRoute(b []byte) (r Route, ok bool, err error) {
	if len(b) < unix.SizeofRtMsg {
		return r, false, errRoute
	}
	msg := nl.DeserializeRtMsg(b)
	if msg.Type != unix.RTN_UNICAST || msg.Flags&unix.RTM_F_CLONED != 0 {
		return r, false, nil
	}
	dst := netip.IPv6Unspecified()
	switch msg.Family {
	case unix.AF_INET:
		dst = netip.IPv4Unspecified()
	case unix.AF_INET6:
	default:
		return r, false, nil
	}
	r = Route{Table: uint32(msg.Table), Protocol: msg.Protocol, OnLink: msg.Flags&unix.RTNH_F_ONLINK != 0}
	err = link.Attributes(b[unix.SizeofRtMsg:], func(kind uint16, value []byte) (err error) {
		switch kind {
		case unix.RTA_DST:
			dst, err = address(value)
		case unix.RTA_PREFSRC:
			r.Source, err = address(value)
		case unix.RTA_PRIORITY:
			r.Metric, err = number(value)
		case unix.RTA_TABLE: // the header has room for tables up to 255
			r.Table, err = number(value)
		case unix.RTA_MULTIPATH:
			err = r.parseHops(value)
		default:
			err = r.parseHop(kind, value)
		}
		return err
	})
	r.Dst = netip.PrefixFrom(dst, int(msg.Dst_len)).Masked()
	return r, err == nil && r.Dst.IsValid(), err
}

// parseHop takes what says where the route leads.
func (r *Route) parseHop(kind uint16, value []byte) (err error) {
	switch kind {
	case unix.RTA_OIF:
		var index uint32
		index, err = number(value)
		r.Ifindex = int(int32(index))
	case unix.RTA_GATEWAY:
		r.Gateway, err = address(value)
	case unix.RTA_VIA: // a gateway of another family: struct rtvia
		if len(value) < 2 {
			return errRoute
		}
		r.Gateway, err = address(value[2:])
	}
	return err
}

// parseHops takes the first hop that is alive, of a row of struct rtnexthop.
func (r *Route) parseHops(b []byte) error {
	for len(b) >= unix.SizeofRtNexthop {
		size := int(native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			return errRoute
		}
		if flags := b[2]; flags&unix.RTNH_F_DEAD == 0 {
			r.Ifindex = int(int32(native.Uint32(b[4:])))
			r.OnLink = flags&unix.RTNH_F_ONLINK != 0
			return link.Attributes(b[unix.SizeofRtNexthop:size], r.parseHop)
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil
}

func address(b []byte) (netip.Addr, error) {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return a, errRoute
	}
	return a.Unmap(), nil
}

func number(b []byte) (uint32, error) {
	if len(b) < 4 {
		return 0, errRoute
	}
	return native.Uint32(b), nil
}

// data returns what a message of type RTM_NEWROUTE or RTM_DELROUTE says of the
// route, through the device of an index.
func (r *Route) data(index int) []nl.NetlinkRequestData {
	msg := nl.NewRtMsg()
	dst := r.Dst.Masked()
	msg.Family = unix.AF_INET6
	if dst.Addr().Is4() {
		msg.Family = unix.AF_INET
		if !r.Gateway.IsValid() {
			msg.Scope = unix.RT_SCOPE_LINK // IPv6 has no scopes here
		}
	}
	msg.Dst_len = uint8(dst.Bits())
	msg.Protocol = r.protocol()
	msg.Table = unix.RT_TABLE_UNSPEC // the attribute counts
	if r.OnLink {
		msg.Flags = unix.RTNH_F_ONLINK
	}
	out := []nl.NetlinkRequestData{
		msg,
		nl.NewRtAttr(unix.RTA_DST, dst.Addr().AsSlice()),
		nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))),
		nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(r.table())),
	}
	if r.Metric != 0 {
		out = append(out, nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(r.Metric)))
	}
	switch {
	case !r.Gateway.IsValid():
	case r.Gateway.Is6() && dst.Addr().Is4():
		via := append(native.AppendUint16(nil, unix.AF_INET6), r.Gateway.AsSlice()...)
		out = append(out, nl.NewRtAttr(unix.RTA_VIA, via))
	default:
		out = append(out, nl.NewRtAttr(unix.RTA_GATEWAY, r.Gateway.AsSlice()))
	}
	if r.Source.IsValid() {
		out = append(out, nl.NewRtAttr(unix.RTA_PREFSRC, r.Source.AsSlice()))
	}
	return out
}
