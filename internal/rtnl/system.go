package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// listTries is how often a list is read before it counts as impossible to
	// read: the kernel marks one that changed while it was read.
	listTries    = 12
	firstPause   = time.Millisecond
	longestPause = 100 * time.Millisecond
)

// System is the Kernel of the running system: of the network namespace of the
// thread that first uses it. Its socket is opened when it is needed; one
// operation runs at a time.
type System struct {
	mu     sync.Mutex
	handle *netlink.Handle
}

var _ Kernel = (*System)(nil)

// NewSystem returns the kernel of the system. Nothing is opened yet.
func NewSystem() *System { return &System{} }

// open returns the connection to the kernel. A handle for all families, which
// netlink.NewHandle() would be, needs a kernel with XFRM.
func (s *System) open() (*netlink.Handle, error) {
	if s.handle != nil {
		return s.handle, nil
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	// With it the kernel leaves out the routes of other tables and devices. Kernels
	// before 4.20 do not know it, and send all.
	_ = h.SetStrictCheck(true)
	s.handle = h
	return h, nil
}

// Close implements Kernel. The System can be used again afterwards.
func (s *System) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle != nil {
		s.handle.Close()
		s.handle = nil
	}
	return nil
}

// index returns the index of a device.
func (s *System) index(device string) (int, error) {
	l, err := s.link(device)
	if err != nil {
		return 0, err
	}
	return l.Attrs().Index, nil
}

// link returns a device; the error matches fs.ErrNotExist when there is none.
func (s *System) link(device string) (netlink.Link, error) {
	h, err := s.open()
	if err != nil {
		return nil, err
	}
	// A longer name would be looked for among the alternative names.
	if device == "" || len(device) >= unix.IFNAMSIZ {
		return nil, errNoLink
	}
	l, err := h.LinkByName(device)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) { // matches neither fs.ErrNotExist nor ENODEV
		return nil, errNoLink
	}
	return l, err
}

// Links implements Kernel.
func (s *System) Links() ([]Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.open()
	if err != nil {
		return nil, err
	}
	list, err := consistent(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list the links: %w", err)
	}
	out := make([]Link, 0, len(list))
	for _, l := range list {
		a := l.Attrs()
		out = append(out, Link{
			Index: a.Index,
			Name:  a.Name,
			Kind:  kindOf(l),
			Up:    a.RawFlags&unix.IFF_UP != 0,
			MTU:   a.MTU,
		})
	}
	return out, nil
}

// kindOf returns a link's kind as the kernel names it.
func kindOf(l netlink.Link) string {
	switch kind := l.Type(); kind {
	case "tuntap":
		return "tun"
	case "device":
		return "" // no kind: hardware, loopback
	default:
		return kind
	}
}

// consistent reads a list until nothing changed while it was read.
func consistent[T any](list func() ([]T, error)) ([]T, error) {
	pause := firstPause
	for try := 1; ; try++ {
		got, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return got, err
		}
		if try == listTries {
			return nil, fmt.Errorf("it changes faster than it can be read: %w", err)
		}
		time.Sleep(pause)
		pause = min(2*pause, longestPause)
	}
}

// advise adds what to do about an error where that is plain.
func advise(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: must be root (CAP_NET_ADMIN)", err)
	}
	if errors.Is(err, unix.ENODEV) {
		return errNoLink
	}
	return err
}
