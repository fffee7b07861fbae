package netifd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// linkState is what netifd looks at in a link.
type linkState struct {
	name  string
	index int
	flags uint32
	mtu   uint32
	mac   []byte // hardware address; a tunnel has none
}

func ifInfo(index int, flags, change uint32) message {
	b := make([]byte, 4, 64) // any family, type 0
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	b = binary.NativeEndian.AppendUint32(b, flags)
	return message{binary.NativeEndian.AppendUint32(b, change)}
}

// link looks a link up by name. The error is ENODEV if there is none.
func (k *kernel) link(name string) (linkState, error) {
	m := ifInfo(0, 0, 0)
	m.attrString(unix.IFLA_IFNAME, name)
	answers, err := k.request(unix.RTM_GETLINK, 0, m, unix.RTM_NEWLINK)
	if err != nil {
		return linkState{}, fmt.Errorf("device %s: %w", name, err)
	}
	if len(answers) == 0 {
		return linkState{}, fmt.Errorf("device %s: %w", name, unix.ENODEV)
	}
	return parseLink(answers[0])
}

func parseLink(b []byte) (linkState, error) {
	if len(b) < unix.SizeofIfInfomsg {
		return linkState{}, fmt.Errorf("link message: %w", unix.EBADMSG)
	}
	l := linkState{
		index: int(binary.NativeEndian.Uint32(b[4:])),
		flags: binary.NativeEndian.Uint32(b[8:]),
	}
	attrs, err := nl.ParseRouteAttr(b[unix.SizeofIfInfomsg:])
	if err != nil {
		return linkState{}, fmt.Errorf("link message: %w", err)
	}
	for _, a := range attrs {
		switch {
		case a.Attr.Type == unix.IFLA_IFNAME:
			l.name = nl.BytesToString(a.Value)
		case a.Attr.Type == unix.IFLA_ADDRESS:
			l.mac = a.Value
		case a.Attr.Type == unix.IFLA_MTU && len(a.Value) >= 4:
			l.mtu = binary.NativeEndian.Uint32(a.Value)
		}
	}
	return l, nil
}

func (k *kernel) setUp(index int, up bool) error {
	var flags uint32
	if up {
		flags = unix.IFF_UP
	}
	return k.send(unix.RTM_NEWLINK, 0, ifInfo(index, flags, unix.IFF_UP))
}

func (k *kernel) setMTU(index int, mtu uint32) error {
	m := ifInfo(index, 0, 0)
	m.attr32(unix.IFLA_MTU, mtu)
	return k.send(unix.RTM_NEWLINK, 0, m)
}

func (k *kernel) deleteLink(name string) error {
	m := ifInfo(0, 0, 0)
	m.attrString(unix.IFLA_IFNAME, name)
	return k.send(unix.RTM_DELLINK, 0, m)
}

// clear takes a device that netifd begins to use down and empties it: its
// addresses, routes and permanent neighbors go.
func (k *kernel) clear(dev *device) {
	if err := k.setUp(dev.index, false); err != nil {
		k.logf("device %s: down: %v", dev.name, err)
	}
	for _, v6 := range []bool{false, true} {
		k.clearRoutes(dev.index, v6)
		k.clearAddrs(dev.index, v6)
		k.clearNeighbors(dev.index, v6)
	}
	// A kernel without IPv6 has no such file.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+dev.name+"/disable_ipv6", []byte("0"), 0)
}

// deleteDumped deletes what a dump shows and mine picks. Errors mean that it is
// gone already.
func (k *kernel) deleteDumped(get, del int, head message, answer uint16, mine func(b []byte) bool) {
	found, err := k.request(get, unix.NLM_F_DUMP, head, answer)
	if err != nil {
		k.logf("netlink dump %d: %v", get, err)
		return
	}
	for _, b := range found {
		if mine(b) {
			_ = k.send(del, 0, message{b})
		}
	}
}

func (k *kernel) clearAddrs(index int, v6 bool) {
	k.deleteDumped(unix.RTM_GETADDR, unix.RTM_DELADDR, message{[]byte{afOf(v6), 0, 0, 0}}, unix.RTM_NEWADDR,
		func(b []byte) bool {
			return len(b) >= unix.SizeofIfAddrmsg && int(binary.NativeEndian.Uint32(b[4:])) == index
		})
}

func (k *kernel) clearRoutes(index int, v6 bool) {
	head := message{rtHeader(unix.RtMsg{Family: afOf(v6)})}
	k.deleteDumped(unix.RTM_GETROUTE, unix.RTM_DELROUTE, head, unix.RTM_NEWROUTE, func(b []byte) bool {
		if len(b) < unix.SizeofRtMsg || v6 && b[5] == unix.RTPROT_KERNEL {
			return false
		}
		attrs, err := nl.ParseRouteAttr(b[unix.SizeofRtMsg:])
		if err != nil {
			return false
		}
		for _, a := range attrs {
			if a.Attr.Type == unix.RTA_OIF && len(a.Value) >= 4 {
				return int(binary.NativeEndian.Uint32(a.Value)) == index
			}
		}
		return false
	})
}

func (k *kernel) clearNeighbors(index int, v6 bool) {
	for _, flags := range []byte{0, unix.NTF_PROXY} {
		head := message{[]byte{afOf(v6), 0, 0, 0, 0, 0, 0, 0, 0, 0, flags, 0}}
		k.deleteDumped(unix.RTM_GETNEIGH, unix.RTM_DELNEIGH, head, unix.RTM_NEWNEIGH, func(b []byte) bool {
			return len(b) >= unix.SizeofNdMsg && int(binary.NativeEndian.Uint32(b[4:])) == index &&
				(binary.NativeEndian.Uint16(b[8:])&unix.NUD_PERMANENT != 0 || b[10]&unix.NTF_PROXY != 0)
		})
	}
}

// A linkMonitor tells of changes of links.
type linkMonitor struct {
	sock    *nl.NetlinkSocket
	changed func(l linkState, gone bool)
	buf     []byte
	stop    chan struct{}
	done    chan struct{}
}

// monitorPoll is how long the end of a monitor may take, in milliseconds.
const monitorPoll = 50

// monitorLinks calls hear from a goroutine whenever there are link messages, one call
// after the other. It takes the namespace of the calling thread.
func monitorLinks(hear func(), changed func(l linkState, gone bool)) (*linkMonitor, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return nil, fmt.Errorf("link events: %w", err)
	}
	m := &linkMonitor{sock: s, changed: changed, buf: make([]byte, 1<<16), stop: make(chan struct{}), done: make(chan struct{})}
	go m.run(hear)
	return m, nil
}

func (m *linkMonitor) run(hear func()) {
	defer close(m.done)
	defer m.sock.Close()
	for {
		select {
		case <-m.stop:
			return
		default:
		}
		fds := []unix.PollFd{{Fd: int32(m.sock.GetFd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, monitorPoll); err == nil && n > 0 {
			hear()
		}
	}
}

// take calls changed for each link message that is there; gone is true when the link
// was deleted. It is used on the engine's loop only.
func (m *linkMonitor) take() {
	for {
		n, _, err := unix.Recvfrom(m.sock.GetFd(), m.buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS):
			continue
		case err != nil:
			return // there is none
		}
		msgs, err := syscall.ParseNetlinkMessage(m.buf[:n])
		if err != nil {
			continue
		}
		for _, msg := range msgs {
			deliverLink(msg, m.changed)
		}
	}
}

func deliverLink(msg syscall.NetlinkMessage, changed func(linkState, bool)) {
	if t := msg.Header.Type; t != unix.RTM_NEWLINK && t != unix.RTM_DELLINK {
		return
	}
	if len(msg.Data) == 0 || msg.Data[0] != unix.AF_UNSPEC {
		return // of a bridge port or the like
	}
	if l, err := parseLink(msg.Data); err == nil && l.name != "" {
		changed(l, msg.Header.Type == unix.RTM_DELLINK)
	}
}

func (m *linkMonitor) close() {
	close(m.stop)
	<-m.done
}
