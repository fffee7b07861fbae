package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/link"
)

const (
	kindKernel = "wireguard"
	// kindTUN is what a userspace device stands on.
	kindTUN = "tun"
)

// device is the link of a WireGuard device.
type device struct {
	*link.Link
	// user: a wireguard-go process is behind it.
	user bool
}

// checkName returns an error for what the kernel would not take for the name of
// an interface (dev_valid_name), and for what would lead out of the folder of
// the control sockets.
func checkName(name string) error {
	switch {
	case name == "", name == ".", name == "..", len(name) > link.MaxName, strings.ContainsAny(name, "/: \t\n\v\f\r\x00"):
		return fmt.Errorf("%q is no name of an interface: 1 to %d characters, without blanks, '/' and ':'", name, link.MaxName)
	}
	return nil
}

// find returns the link of a WireGuard device; nil when there is none.
func (s *System) find(name string) (*device, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	l, err := s.links.ByName(name)
	if errors.Is(err, link.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, failure(name, "look the link up", err)
	}
	switch {
	case l.Kind == kindKernel:
		return &device{Link: l}, nil
	case l.Kind == kindTUN && isSocket(socketPath(name)):
		return &device{Link: l, user: true}, nil
	default:
		return nil, &NotWireGuardError{Name: name, Kind: l.Kind}
	}
}

// mustFind is find for a device that has to be there.
func (s *System) mustFind(name string) (*device, error) {
	l, err := s.find(name)
	if err == nil && l == nil {
		err = fmt.Errorf("%s: %w", name, link.ErrNotFound)
	}
	return l, err
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
			if l, err := s.links.ByIndex(int(index)); err == nil {
				name = l.Name
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
