package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/link"
	"github.com/wgnetifd/wgnetifd/internal/plan"
)

// client is what of wgctrl.Client is used.
type client interface {
	Device(name string) (*wgtypes.Device, error)
	ConfigureDevice(name string, c wgtypes.Config) error
	Close() error
}

// System is Devices of the running system: of the network namespace of the
// thread that first uses it. Its sockets are opened when they are needed; one
// operation runs at a time.
type System struct {
	mu     sync.Mutex
	links  link.Socket
	wg     client
	kernel *kernelConn

	// What tests put something else in place of.
	newClient func() (client, error)
	newKernel func() (*kernelConn, error)
	lookPath  func(file string) (string, error)
}

var _ Devices = (*System)(nil)

// NewSystem returns the devices of the system. Nothing is opened yet.
func NewSystem() *System {
	return &System{
		newClient: func() (client, error) { return wgctrl.New() },
		newKernel: dialKernel,
		lookPath:  lookPath,
	}
}

// client returns the client that writes.
func (s *System) client() (client, error) {
	if s.wg == nil {
		c, err := s.newClient()
		if err != nil {
			return nil, err
		}
		s.wg = c
	}
	return s.wg, nil
}

// forget closes the connections to WireGuard, so that the next operation makes
// new ones: a client looks for the kernel's WireGuard when it is made and never
// again, and a connection that had an error may have answers waiting in it.
func (s *System) forget() {
	if s.wg != nil {
		_ = s.wg.Close() // It was only written to; the answers have come.
		s.wg = nil
	}
	if s.kernel != nil {
		_ = s.kernel.Close()
		s.kernel = nil
	}
}

// Close implements Devices. The System can be used again afterwards.
func (s *System) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	return s.links.Close()
}

// Read implements Devices.
func (s *System) Read(name string) (plan.Actual, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(name)
	if l == nil {
		return plan.Actual{}, err
	}
	var a plan.Actual
	if l.user {
		a, err = s.readUser(name)
	} else {
		a, err = s.readKernel(name)
	}
	if err != nil {
		if l, again := s.find(name); l == nil && again == nil {
			return plan.Actual{}, nil // deleted just now
		}
		return plan.Actual{}, failure(name, "read the device", err)
	}
	a.Exists, a.Index, a.MTU, a.Up = true, l.Index, l.MTU, l.Up
	return a, nil
}

func (s *System) readKernel(name string) (plan.Actual, error) {
	if s.kernel == nil {
		k, err := s.newKernel()
		if err != nil {
			return plan.Actual{}, fmt.Errorf("find the kernel's WireGuard: %w", err)
		}
		s.kernel = k
	}
	a, err := s.kernel.read(name, s.zones())
	if err != nil {
		s.forget()
	}
	return a, err
}

// Create implements Devices.
func (s *System) Create(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkName(name); err != nil {
		return err
	}
	err := s.links.Add(name, kindKernel)
	switch {
	case err == nil:
		// This may have loaded the module, after a client looked for it in vain.
		s.forget()
		return nil
	case errors.Is(err, unix.EOPNOTSUPP):
		return s.startUser(name)
	}
	return failure(name, "make the link", err)
}

// SetMTU implements Devices.
func (s *System) SetMTU(name string, mtu int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.mustFind(name)
	if err != nil {
		return err
	}
	if err := s.links.SetMTU(l.Index, mtu); err != nil {
		return failure(name, fmt.Sprintf("set mtu %d", mtu), err)
	}
	return nil
}

// SetUp implements Devices.
func (s *System) SetUp(name string, up bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.mustFind(name)
	if err != nil {
		return err
	}
	if !up {
		if err := s.links.SetUp(l.Index, false); err != nil {
			return failure(name, "set the link down", err)
		}
		return nil
	}
	err = s.links.SetUp(l.Index, true)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EADDRINUSE):
		// A device opens its port when it goes up.
		return failure(name, "set the link up", fmt.Errorf("its listen port is in use: %w", err))
	}
	return failure(name, "set the link up", err)
}

// Delete implements Devices.
func (s *System) Delete(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(name)
	if l == nil {
		return err
	}
	if !l.user {
		s.flush(name)
	}
	if err := s.links.Delete(l.Index); err != nil && !errors.Is(err, link.ErrNotFound) {
		return failure(name, "delete the link", err)
	}
	if l.user {
		return s.awaitEnd(name)
	}
	return nil
}

// flush takes all peers out of a device of the kernel. Deleting the link does so
// too, but waits about 17 ms for each of them (seen on kernels 6.1 and 6.12:
// 17.6 s for 1,000), where this takes 0.15 s in all. Where it fails, deleting
// will only be slow.
func (s *System) flush(name string) {
	_ = s.send(name, wgtypes.Config{ReplacePeers: true})
}

// send writes one message. A client that was made before the kernel's WireGuard
// was loaded finds no device; a new one does.
func (s *System) send(name string, cfg wgtypes.Config) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	err = c.ConfigureDevice(name, cfg)
	if errors.Is(err, fs.ErrNotExist) {
		s.forget()
		if c, err = s.client(); err != nil {
			return err
		}
		err = c.ConfigureDevice(name, cfg)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return link.ErrNotFound
	}
	return userError(err)
}
