package netifd

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A kernel writes to one network namespace, in messages that have exactly what
// netifd puts into them: what the kernel makes of an address or route depends on
// flags and scopes, not only on the address. It is used on the engine's loop only.
type kernel struct {
	sock *nl.SocketHandle
	logf func(format string, args ...any)
}

// nl finds this out at its first use and keeps it in a variable without a lock:
// two kernels would race for it.
var _ = nl.NativeEndian()

// newKernel takes the namespace of the calling thread.
func newKernel(logf func(string, ...any)) (*kernel, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE) // no groups: a socket for requests
	if err != nil {
		return nil, fmt.Errorf("route netlink: %w", err)
	}
	return &kernel{sock: &nl.SocketHandle{Socket: s}, logf: logf}, nil
}

func (k *kernel) close() { k.sock.Close() }

// A message is the body of a route netlink message.
type message struct{ b []byte }

func (m *message) attr(typ int, value []byte) {
	m.b = binary.NativeEndian.AppendUint16(m.b, uint16(unix.SizeofRtAttr+len(value)))
	m.b = binary.NativeEndian.AppendUint16(m.b, uint16(typ))
	m.b = append(m.b, value...)
	for len(m.b)%unix.RTA_ALIGNTO != 0 {
		m.b = append(m.b, 0)
	}
}

func (m *message) attr32(typ int, value uint32) {
	m.attr(typ, binary.NativeEndian.AppendUint32(nil, value))
}

func (m *message) attrString(typ int, s string) { m.attr(typ, append([]byte(s), 0)) }

// attrAddr puts an address of the family's length.
func (m *message) attrAddr(typ int, a ipAddr, v6 bool) {
	if v6 {
		m.attr(typ, a[:])
	} else {
		m.attr(typ, a[:4])
	}
}

func (k *kernel) send(cmd, flags int, m message) error {
	_, err := k.request(cmd, unix.NLM_F_ACK|flags, m, 0)
	return err
}

func (k *kernel) request(cmd, flags int, m message, answer uint16) ([][]byte, error) {
	req := nl.NewNetlinkRequest(cmd, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: k.sock}
	req.AddRawData(m.b)
	return req.Execute(unix.NETLINK_ROUTE, answer)
}

func afOf(v6 bool) uint8 {
	if v6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// ifaFlagNoPrefixRoute is IFA_F_NOPREFIXROUTE: the kernel makes no subnet route.
const ifaFlagNoPrefixRoute = 0x200

func (k *kernel) addAddr(dev *device, a *devAddr) error { return k.setAddr(unix.RTM_NEWADDR, dev, a) }

func (k *kernel) delAddr(dev *device, a *devAddr) error { return k.setAddr(unix.RTM_DELADDR, dev, a) }

func (k *kernel) setAddr(cmd int, dev *device, a *devAddr) error {
	v6 := a.flags.v6()
	m := message{[]byte{afOf(v6), byte(a.mask), 0, 0}}
	m.b = binary.NativeEndian.AppendUint32(m.b, uint32(dev.index))
	m.attrAddr(unix.IFA_LOCAL, a.addr, v6)
	if v6 {
		if !k.putLifetimes(&m, cmd, dev, a) {
			return unix.EINVAL
		}
	} else {
		if a.broadcast != [4]byte{} {
			m.attr(unix.IFA_BROADCAST, a.broadcast[:])
		}
		if a.ptp != [4]byte{} {
			m.attr(unix.IFA_ADDRESS, a.ptp[:])
		}
	}
	flags := 0
	if cmd == unix.RTM_NEWADDR {
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	return k.send(cmd, flags, m)
}

// putLifetimes reports false for an address whose time is over.
func (k *kernel) putLifetimes(m *message, cmd int, dev *device, a *devAddr) bool {
	preferred, valid := ^uint32(0), ^uint32(0)
	if a.preferredUntil != 0 {
		preferred = seconds(a.preferredUntil - rtime())
	}
	if a.validUntil != 0 {
		if valid = seconds(a.validUntil - rtime()); valid == 0 {
			return false
		}
	}
	var info []byte
	for _, n := range []uint32{preferred, valid, 0, 0} {
		info = binary.NativeEndian.AppendUint32(info, n)
	}
	m.attr(unix.IFA_CACHEINFO, info)
	if cmd == unix.RTM_NEWADDR && k.isOfflink(dev, a) {
		m.attr32(unix.IFA_FLAGS, ifaFlagNoPrefixRoute)
	}
	return true
}

// seconds brings a lifetime into the range of the kernel's.
func seconds(n int64) uint32 { return uint32(min(max(n, 0), int64(^uint32(0)))) }

// isOfflink tells whether an address is to have no subnet route: on a
// point-to-point link it gets one in any case.
func (k *kernel) isOfflink(dev *device, a *devAddr) bool {
	if !a.flags.has(ipOfflink) {
		return false
	}
	if dev == nil {
		return true
	}
	l, err := k.link(dev.name)
	return err != nil || l.flags&unix.IFF_POINTOPOINT == 0
}

// setRoute adds or deletes a route; without a device it is an unreachable one.
func (k *kernel) setRoute(cmd int, dev *device, r *devRoute) error {
	v6 := r.flags.v6()
	gateway := r.nexthop != ipAddr{}
	table := uint32(unix.RT_TABLE_MAIN)
	if r.flags.has(ipTable | ipIfaceTable) {
		table = r.table
	}
	h := unix.RtMsg{
		Family: afOf(v6), Dst_len: byte(r.mask), Src_len: byte(r.sourceMask),
		Protocol: unix.RTPROT_STATIC, Scope: unix.RT_SCOPE_NOWHERE,
	}
	if table < 256 {
		h.Table = byte(table)
	}
	if r.flags.has(ipProto) {
		h.Protocol = byte(r.proto)
	}
	if r.flags.has(ipOnlink) {
		h.Flags = unix.RTNH_F_ONLINK
	}
	flags := 0
	if cmd == unix.RTM_NEWROUTE {
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
		h.Type = unix.RTN_UNICAST
		switch {
		case dev == nil:
			h.Scope, h.Type = unix.RT_SCOPE_UNIVERSE, unix.RTN_UNREACHABLE
		case gateway:
			h.Scope = unix.RT_SCOPE_UNIVERSE
		default:
			h.Scope = unix.RT_SCOPE_LINK
		}
	}
	if r.flags.has(ipType) && !applyRouteType(&h, r) || r.flags.has(ipNoDevice) {
		dev = nil
	}
	return k.send(cmd, flags, routeMessage(h, dev, r, table))
}

// applyRouteType sets what belongs to a route's type. It reports false for a
// type that has no device.
func applyRouteType(h *unix.RtMsg, r *devRoute) bool {
	h.Type = byte(r.typ)
	if !r.flags.has(ipTable | ipIfaceTable) {
		switch r.typ {
		case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_NAT, unix.RTN_ANYCAST:
			h.Table = unix.RT_TABLE_LOCAL
		}
	}
	switch r.typ {
	case unix.RTN_LOCAL, unix.RTN_NAT:
		h.Scope = unix.RT_SCOPE_HOST
	case unix.RTN_BROADCAST, unix.RTN_MULTICAST, unix.RTN_ANYCAST:
		h.Scope = unix.RT_SCOPE_LINK
	case unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, rtnFailedPolicy, unix.RTN_THROW:
		h.Scope = unix.RT_SCOPE_UNIVERSE
		return false
	}
	return true
}

func routeMessage(h unix.RtMsg, dev *device, r *devRoute, table uint32) message {
	v6 := r.flags.v6()
	m := message{rtHeader(h)}
	if r.mask != 0 {
		m.attrAddr(unix.RTA_DST, r.addr, v6)
	}
	if r.sourceMask != 0 {
		if v6 {
			m.attrAddr(unix.RTA_SRC, r.source, true)
		} else {
			m.attrAddr(unix.RTA_PREFSRC, r.source, false)
		}
	}
	if r.metric > 0 {
		m.attr32(unix.RTA_PRIORITY, uint32(r.metric))
	}
	if r.nexthop != (ipAddr{}) {
		m.attrAddr(unix.RTA_GATEWAY, r.nexthop, v6)
	}
	if dev != nil {
		m.attr32(unix.RTA_OIF, uint32(dev.index))
	}
	if table >= 256 {
		m.attr32(unix.RTA_TABLE, table)
	}
	if r.flags.has(ipMTU) {
		var metrics message
		metrics.attr32(unix.RTAX_MTU, r.mtu)
		m.attr(unix.RTA_METRICS, metrics.b)
	}
	return m
}

func rtHeader(h unix.RtMsg) []byte {
	b := []byte{h.Family, h.Dst_len, h.Src_len, h.Tos, h.Table, h.Protocol, h.Scope, h.Type}
	return binary.NativeEndian.AppendUint32(b, h.Flags)
}

func (k *kernel) setNeighbor(cmd int, dev *device, n *devNeighbor) error {
	v6 := n.flags.v6()
	var flags byte
	if n.proxy {
		flags |= unix.NTF_PROXY
	}
	if n.router {
		flags |= unix.NTF_ROUTER
	}
	m := message{[]byte{afOf(v6), 0, 0, 0}}
	m.b = binary.NativeEndian.AppendUint32(m.b, uint32(dev.index))
	m.b = binary.NativeEndian.AppendUint16(m.b, unix.NUD_PERMANENT)
	m.b = append(m.b, flags, 0)
	m.attrAddr(unix.NDA_DST, n.addr, v6)
	if n.flags.has(ipMAC) {
		m.attr(unix.NDA_LLADDR, n.mac[:])
	}
	create := 0
	if cmd == unix.RTM_NEWNEIGH {
		create = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	return k.send(cmd, create, m)
}

// flushRouteCache makes the kernel forget what it remembers of routes.
func (k *kernel) flushRouteCache() {
	for _, family := range []string{"ipv4", "ipv6"} {
		// A kernel without the family has no such file.
		_ = os.WriteFile("/proc/sys/net/"+family+"/route/flush", []byte("-1"), 0)
	}
}
