package rtnl

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/nlattr"
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
	a := nlattr.New(b[unix.SizeofRtMsg:])
	for a.Next() {
		switch a.Kind {
		case unix.RTA_DST:
			a.Addr(&dst)
		case unix.RTA_PREFSRC:
			a.Addr(&r.Source)
		case unix.RTA_PRIORITY:
			a.Uint32(&r.Metric)
		case unix.RTA_METRICS:
			a.Fail(r.parseMetrics(a.Data))
		case unix.RTA_TABLE: // the header has room for tables up to 255
			a.Uint32(&r.Table)
		case unix.RTA_MULTIPATH:
			a.Fail(r.parseHops(a.Data))
		default:
			r.parseHop(&a)
		}
	}
	r.Dst = netip.PrefixFrom(dst, int(msg.Dst_len)).Masked()
	return r, a.Err == nil && r.Dst.IsValid(), a.Err
}

// parseMetrics takes what the kernel keeps of the way.
func (r *Route) parseMetrics(b []byte) error {
	a := nlattr.New(b)
	for a.Next() {
		if a.Kind == unix.RTAX_MTU {
			a.Uint32(&r.MTU)
		}
	}
	return a.Err
}

// parseHop takes what says where the route leads.
func (r *Route) parseHop(a *nlattr.Reader) {
	switch a.Kind {
	case unix.RTA_OIF:
		var index uint32
		a.Uint32(&index)
		r.Ifindex = int(int32(index))
	case unix.RTA_GATEWAY:
		a.Addr(&r.Gateway)
	case unix.RTA_VIA: // a gateway of another family: struct rtvia
		if len(a.Data) < 2 {
			a.Fail(errRoute)
			return
		}
		a.Data = a.Data[2:]
		a.Addr(&r.Gateway)
	}
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
			a := nlattr.New(b[unix.SizeofRtNexthop:size])
			for a.Next() {
				r.parseHop(&a)
			}
			return a.Err
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil
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
	if r.MTU != 0 {
		metrics := nl.NewRtAttr(unix.RTA_METRICS, nil)
		metrics.AddRtAttr(unix.RTAX_MTU, nl.Uint32Attr(r.MTU))
		out = append(out, metrics)
	}
	return out
}
