package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/link"
)

const (
	// listTries is how often a list is read before it counts as impossible to
	// read: the kernel marks one that changed while it was read.
	listTries    = 12
	firstPause   = time.Millisecond
	longestPause = 100 * time.Millisecond
)

// System is the Kernel of the running system: of the network namespace of the
// thread that first uses it. Its socket is opened when it is needed.
type System struct {
	links link.Socket
}

var _ Kernel = (*System)(nil)

// NewSystem returns the kernel of the system. Nothing is opened yet.
func NewSystem() *System { return &System{} }

// Close implements Kernel. The System can be used again afterwards.
func (s *System) Close() error { return s.links.Close() }

// index returns the index of a device; the error matches fs.ErrNotExist when
// there is none.
func (s *System) index(device string) (int, error) {
	l, err := s.links.ByName(device)
	if err != nil {
		return 0, err
	}
	return l.Index, nil
}

// Links implements Kernel.
func (s *System) Links() ([]Link, error) {
	list, err := s.links.List()
	return list, advise(err)
}

// consistent reads a list until nothing changed while it was read.
func consistent[T any](list func() ([]T, error)) ([]T, error) {
	pause := firstPause
	for try := 1; ; try++ {
		got, err := list()
		if !errors.Is(err, nl.ErrDumpInterrupted) {
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
		return link.ErrNotFound
	}
	return err
}
