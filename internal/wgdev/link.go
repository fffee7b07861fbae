package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	kindKernel = "wireguard"
	// kindTUN is what a userspace device stands on.
	kindTUN = "tun"

	maxNameLen = unix.IFNAMSIZ - 1
)

// link is what rtnetlink says about a device.
type link struct {
	netlink.Link
	// user: a wireguard-go process is behind it.
	user bool
}

// checkName returns an error for what the kernel would not take for the name of
// an interface (dev_valid_name), and for what would lead out of the folder of
// the control sockets.
func checkName(name string) error {
	switch {
	case name == "", name == ".", name == "..", len(name) > maxNameLen, strings.ContainsAny(name, "/: \t\n\v\f\r\x00"):
		return fmt.Errorf("%q is no name of an interface: 1 to %d characters, without blanks, '/' and ':'", name, maxNameLen)
	}
	return nil
}

// find returns the link of a WireGuard device; nil when there is none.
func (s *System) find(name string) (*link, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	h, err := s.rtnetlink()
	if err != nil {
		return nil, failure(name, "open rtnetlink", err)
	}
	l, err := h.LinkByName(name)
	if err != nil {
		// It matches neither fs.ErrNotExist nor ENODEV.
		var missing netlink.LinkNotFoundError
		if errors.As(err, &missing) {
			return nil, nil
		}
		return nil, failure(name, "look the link up", err)
	}
	switch kind := kindOf(l); {
	case kind == kindKernel:
		return &link{Link: l}, nil
	case kind == kindTUN && isSocket(socketPath(name)):
		return &link{Link: l, user: true}, nil
	default:
		return nil, &NotWireGuardError{Name: name, Kind: kind}
	}
}

// mustFind is find for a device that has to be there.
func (s *System) mustFind(name string) (*link, error) {
	l, err := s.find(name)
	if err == nil && l == nil {
		err = fmt.Errorf("%s: %w", name, errNoLink)
	}
	return l, err
}

// errNoLink matches fs.ErrNotExist, whose own text is about files.
var errNoLink error = noLinkError{}

type noLinkError struct{}

func (noLinkError) Error() string        { return "no such interface" }
func (noLinkError) Is(target error) bool { return target == fs.ErrNotExist }

// kindOf returns the kind as the kernel names it.
func kindOf(l netlink.Link) string {
	switch l.Type() {
	case "tuntap":
		return kindTUN
	case "device":
		return "" // no kind: hardware, loopback
	default:
		return l.Type()
	}
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == fs.ModeSocket
}

// zones returns a function that finds the names of interfaces, and asks for each
// only once.
func (s *System) zones() func(uint32) string {
	known := map[uint32]string{}
	return func(index uint32) string {
		name, ok := known[index]
		if !ok {
			if h, err := s.rtnetlink(); err == nil {
				if l, err := h.LinkByIndex(int(index)); err == nil {
					name = l.Attrs().Name
				}
			}
			known[index] = name
		}
		return name
	}
}

// failure is an error of an operation on a device, with what to do about it
// where that is plain.
func failure(name, doing string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: cannot %s: %w: must be root (CAP_NET_ADMIN)", name, doing, err)
	}
	return fmt.Errorf("%s: cannot %s: %w", name, doing, err)
}
