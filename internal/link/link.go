// Package link reads, makes and deletes the kernel's links: what wgdev and rtnl
// need of them.
//
// It sends rtnetlink's messages through the low level of vishvananda/netlink.
// That library's own links know every kind of link with all its attributes: 214 KB
// on a MIPS router, for a name, a kind, a flag and a number.
package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/nlattr"
)

// MaxName is the length of the longest name of a link (IFNAMSIZ less the NUL).
const MaxName = unix.IFNAMSIZ - 1

// ErrNotFound: there is no such link. It matches fs.ErrNotExist, whose own text
// is about files.
var ErrNotFound error = notFound{}

type notFound struct{}

func (notFound) Error() string        { return "no such interface" }
func (notFound) Is(target error) bool { return target == fs.ErrNotExist }

// errShort is a message of the kernel that ends before it should.
var errShort = errors.New("the kernel's message about a link is too short")

// Link is a network interface.
type Link struct {
	Index int
	Name  string
	// Kind is the driver's kind as `ip -details link` shows it, such as
	// "wireguard" or "tun"; empty for hardware and loopback.
	Kind string
	Up   bool // administratively up (IFF_UP)
	MTU  int  // bytes
}

// Socket speaks to the kernel about the links of one network namespace. The zero
// Socket opens itself when it is first used, in the namespace of the calling
// thread. Its methods may be called at the same time.
type Socket struct {
	mu     sync.Mutex
	handle *nl.SocketHandle
}

// Close gives the socket back.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle != nil {
		s.handle.Close()
		s.handle = nil
	}
	return nil
}

// ByName returns the link of that name, or ErrNotFound.
func (s *Socket) ByName(name string) (*Link, error) {
	if name == "" || len(name) > MaxName {
		return nil, ErrNotFound
	}
	return s.get(0, nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
}

// ByIndex returns the link of that index, or ErrNotFound.
func (s *Socket) ByIndex(index int) (*Link, error) {
	if index <= 0 {
		return nil, ErrNotFound
	}
	return s.get(index)
}

func (s *Socket) get(index int, attrs ...nl.NetlinkRequestData) (*Link, error) {
	answer, err := s.request(unix.RTM_GETLINK, 0, message(index), attrs...)
	if errors.Is(err, unix.ENODEV) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if len(answer) != 1 {
		return nil, fmt.Errorf("the kernel answered with %d links", len(answer))
	}
	return parse(answer[0])
}

// List returns all links. When they changed while they were read, it reads them
// again.
func (s *Socket) List() ([]Link, error) {
	const tries = 5
	var answer [][]byte
	var err error
	for range tries {
		answer, err = s.request(unix.RTM_GETLINK, unix.NLM_F_DUMP, message(0))
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list the links: %w", err)
	}
	out := make([]Link, 0, len(answer))
	for _, b := range answer {
		l, err := parse(b)
		if err != nil {
			return nil, err
		}
		out = append(out, *l)
	}
	return out, nil
}

// Add makes a link of a kind that needs no more than its name. The error is
// unix.EOPNOTSUPP where the kernel does not know the kind, and matches
// fs.ErrExist when the name is taken.
func (s *Socket) Add(name, kind string) error {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(kind))
	_, err := s.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, message(0),
		nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)), info)
	return err
}

// Delete deletes a link; ErrNotFound when there is none.
func (s *Socket) Delete(index int) error {
	return s.change(unix.RTM_DELLINK, message(index))
}

// SetMTU sets the largest packet of a link, in bytes.
func (s *Socket) SetMTU(index, mtu int) error {
	return s.change(unix.RTM_SETLINK, message(index), nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(mtu))))
}

// SetUp sets a link administratively up or down.
func (s *Socket) SetUp(index int, up bool) error {
	msg := message(index)
	msg.Change = unix.IFF_UP
	if up {
		msg.Flags = unix.IFF_UP
	}
	return s.change(unix.RTM_NEWLINK, msg)
}

func (s *Socket) change(kind int, msg *nl.IfInfomsg, attrs ...nl.NetlinkRequestData) error {
	if msg.Index <= 0 {
		return ErrNotFound
	}
	_, err := s.request(kind, unix.NLM_F_ACK, msg, attrs...)
	if errors.Is(err, unix.ENODEV) {
		return ErrNotFound
	}
	return err
}

// message returns the header of a message about a link.
func message(index int) *nl.IfInfomsg {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	return msg
}

func (s *Socket) request(kind, flags int, msg *nl.IfInfomsg, attrs ...nl.NetlinkRequestData) ([][]byte, error) {
	return s.Execute(kind, flags, append([]nl.NetlinkRequestData{msg}, attrs...)...)
}

// Execute sends one message of rtnetlink, of a kind such as unix.RTM_GETADDR, and
// returns the bodies of those that answer. An error of the kernel is a
// unix.Errno; nl.ErrDumpInterrupted says that a list changed while it was read.
func (s *Socket) Execute(kind, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle == nil {
		// A socket of this one family: the library's handle opens others too, which
		// kernels without XFRM do not have.
		socket, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
		if err != nil {
			return nil, fmt.Errorf("open rtnetlink: %w", err)
		}
		// With it the kernel leaves out of a list what was not asked for. Kernels
		// before 4.20 do not know it, and send all.
		_ = unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
		s.handle = &nl.SocketHandle{Socket: socket}
	}
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: s.handle}
	for _, d := range data {
		req.AddData(d)
	}
	return req.Execute(unix.NETLINK_ROUTE, 0)
}

// parse reads a message of type RTM_NEWLINK.
func parse(b []byte) (*Link, error) {
	if len(b) < unix.SizeofIfInfomsg {
		return nil, errShort
	}
	l := &Link{
		Index: int(int32(binary.NativeEndian.Uint32(b[4:]))),
		Up:    binary.NativeEndian.Uint32(b[8:])&unix.IFF_UP != 0,
	}
	a := nlattr.New(b[unix.SizeofIfInfomsg:])
	for a.Next() {
		switch a.Kind {
		case unix.IFLA_IFNAME:
			l.Name = a.Text()
		case unix.IFLA_MTU:
			var mtu uint32
			a.Uint32(&mtu)
			l.MTU = int(mtu)
		case unix.IFLA_LINKINFO:
			info := nlattr.New(a.Data)
			for info.Next() {
				if info.Kind == nl.IFLA_INFO_KIND {
					l.Kind = info.Text()
				}
			}
			a.Fail(info.Err)
		}
	}
	if a.Err != nil {
		return nil, fmt.Errorf("the kernel's message about a link: %w", a.Err)
	}
	return l, nil
}
