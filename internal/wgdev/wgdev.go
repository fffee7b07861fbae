// Package wgdev reads and writes WireGuard devices, and makes and deletes their
// links: those of the kernel and those of a wireguard-go process.
//
// Writing goes through wgctrl, in messages that carry the device's fields once
// and peers in portions. Reading asks the kernel itself, because wgctrl does not
// tell a whole list of peers from one that was cut short by another writer.
//
// Everything else in the program sees the interface Devices: System is the real
// one, Fake keeps devices in memory.
package wgdev

import (
	"errors"
	"fmt"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Devices are the WireGuard devices of a network namespace, by the names of
// their interfaces. The methods may be called at the same time, also for one
// device.
//
// Errors match fs.ErrPermission when the caller has not the rights (root) and
// name the interface. They never hold a key other than a public one.
type Devices interface {
	// Read returns the device as it is, with all its peers. For an interface that
	// does not exist, Exists is false and the error nil. The error is a
	// *NotWireGuardError when the name belongs to a link of another kind, and
	// matches ErrBusy when other programs changed the peers during every try.
	Read(name string) (plan.Actual, error)

	// Create makes an interface with no key and no peers, which is down. Where the
	// kernel has no WireGuard it starts wireguard-go, and returns ErrNoWireGuard
	// when that is missing as well. It matches fs.ErrExist when the name is taken.
	Create(name string) error

	// Configure writes changes, peers in their order. What is refused costs
	// nothing else: everything that can be written is, and the errors are joined.
	// Those about a single peer are of type *PeerError, those about a field of the
	// device *FieldError. An error that matches
	// fs.ErrNotExist means that there is no such device.
	Configure(name string, c plan.Changes) error

	// SetMTU sets the largest packet that the interface takes, in bytes. The kernel
	// decides which values it accepts.
	SetMTU(name string, mtu int) error

	// SetUp sets the interface administratively up or down.
	SetUp(name string, up bool) error

	// Delete deletes the interface, and ends the process of a userspace device.
	// One that does not exist is no error; a link of another kind is a
	// *NotWireGuardError and stays.
	Delete(name string) error

	// Close gives back what the methods opened. Devices stay as they are.
	Close() error
}

var (
	// ErrNoWireGuard is returned by Create when nothing can make a WireGuard
	// device.
	ErrNoWireGuard = errors.New("the kernel has no WireGuard and wireguard-go is not on PATH: install kmod-wireguard (on other systems than OpenWrt a kernel with CONFIG_WIREGUARD), or wireguard-go")

	// ErrNotWireGuard is matched by every *NotWireGuardError.
	ErrNotWireGuard = errors.New("not a WireGuard interface")

	// ErrBusy is returned by Read when the peers changed during every try to read
	// them.
	ErrBusy = errors.New("its peers change faster than they can be read")
)

// NotWireGuardError says that an interface's name belongs to a link that is no
// WireGuard device.
type NotWireGuardError struct {
	Name string
	Kind string // of the link, as `ip -details link` shows it; empty for hardware
}

// Error returns the name and the kind.
func (e *NotWireGuardError) Error() string {
	kind := e.Kind
	if kind == "" {
		kind = "a physical or built-in interface"
	}
	return fmt.Sprintf("%s: %v, but %s: delete it or choose another name", e.Name, ErrNotWireGuard, kind)
}

// Is matches ErrNotWireGuard.
func (e *NotWireGuardError) Is(target error) bool { return target == ErrNotWireGuard }

// FieldError says what is wrong with a field of the device itself while the others,
// and the peers, were written.
type FieldError struct {
	Option string // as in UCI
	Err    error
}

// Error names the interface, and what was tried.
func (e *FieldError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// PeerError says what is wrong with one peer while the others were written.
type PeerError struct {
	PublicKey schema.Key
	Err       error
}

// Error names the peer by the first characters of its public key.
func (e *PeerError) Error() string {
	return "peer " + e.PublicKey.Short() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *PeerError) Unwrap() error { return e.Err }
