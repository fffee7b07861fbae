// Package netifd talks to OpenWrt's network interface daemon over ubus: what a
// protocol handler tells it, and what it knows of an interface.
package netifd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// ErrTearingDown: netifd takes the interface down right now and wants to hear
// nothing more of it.
var ErrTearingDown = errors.New("netifd is taking the interface down")

// ErrNoInterface: netifd has no such interface, or not of a protocol with a
// handler.
var ErrNoInterface = errors.New("netifd does not know the interface")

// Bus is the part of a ubus connection that is needed here.
type Bus interface {
	Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error)
}

var _ Bus = (*ubus.Conn)(nil)

// Client tells netifd about interfaces.
type Client struct{ Bus Bus }

// Object is the path of netifd's object for all interfaces. That of one is below it.
const Object = "network.interface"

// Update announces the state of an interface that is up. Sent again it is a
// difference: netifd changes what differs and nothing else.
func (c Client) Update(ctx context.Context, iface string, s *State) error {
	return c.notify(ctx, iface, s.message(iface))
}

// Report adds to the errors of the interface, which LuCI shows, those that do not
// stand there yet: netifd keeps each that it is told of, until the interface
// comes up anew.
func (c Client) Report(ctx context.Context, iface string, errs ...Error) error {
	if len(errs) == 0 {
		return nil
	}
	var known []Error
	if s, err := c.Status(ctx, iface); err == nil {
		known = s.Errors
	}
	for _, e := range errs {
		if slices.ContainsFunc(known, e.same) {
			continue
		}
		if err := c.notify(ctx, iface, errorMessage(iface, e.Code, e.Words)); err != nil {
			return err
		}
	}
	return nil
}

// Fail ends a setup that cannot succeed. netifd would run the setup again at
// once, without a pause, about 77 times a second: restarting is blocked first,
// until somebody brings the interface up by hand or its configuration changes.
// netifd may end the calling process on it.
func (c Client) Fail(ctx context.Context, iface string) error {
	err := c.notify(ctx, iface, actionMessage(iface, actionBlock))
	if err != nil {
		return err
	}
	return c.notify(ctx, iface, actionMessage(iface, actionSetupFailed))
}

func (c Client) notify(ctx context.Context, iface string, msg blobmsg.Table) error {
	_, err := c.Bus.Call(ctx, Object, "notify_proto", msg)
	switch {
	case errors.Is(err, ubus.StatusPermissionDenied):
		return ErrTearingDown
	case errors.Is(err, ubus.StatusNotFound):
		return ErrNoInterface
	case err != nil:
		return fmt.Errorf("notify_proto: %w", err)
	}
	return nil
}

// Status is what netifd knows of an interface.
type Status struct {
	Up, Pending, Available, Autostart bool
	// Device is the interface's device while it is up.
	Device string
	Proto  string
	// Uptime in seconds.
	Uptime int64
	Errors []Error
}

// Error is one of the errors of an interface.
type Error struct {
	// Subsystem is the protocol that told of it, as netifd notes it.
	Subsystem string
	Code      string
	// Words say more than the code: the option, the value, what is right; at most
	// 14 of them.
	Words []string
}

func (e Error) same(o Error) bool { return e.Code == o.Code && slices.Equal(e.Words, o.Words) }

// Status asks for one interface. ErrNoInterface when there is none.
func (c Client) Status(ctx context.Context, iface string) (*Status, error) {
	reply, err := c.Bus.Call(ctx, Object+"."+iface, "status", nil)
	if errors.Is(err, ubus.StatusNotFound) {
		return nil, ErrNoInterface
	}
	if err != nil {
		return nil, fmt.Errorf("status of %s: %w", iface, err)
	}
	return parseStatus(reply), nil
}

func parseStatus(t blobmsg.Table) *Status {
	s := &Status{}
	s.Up, _ = t.Bool("up")
	s.Pending, _ = t.Bool("pending")
	s.Available, _ = t.Bool("available")
	s.Autostart, _ = t.Bool("autostart")
	s.Device, _ = t.String("l3_device")
	s.Proto, _ = t.String("proto")
	s.Uptime, _ = t.Int("uptime")
	list, _ := t.Array("errors")
	for _, item := range list {
		e, ok := item.(blobmsg.Table)
		if !ok {
			continue
		}
		var out Error
		out.Subsystem, _ = e.String("subsystem")
		out.Code, _ = e.String("code")
		words, _ := e.Array("data")
		for _, w := range words {
			if s, ok := w.(string); ok {
				out.Words = append(out.Words, s)
			}
		}
		s.Errors = append(s.Errors, out)
	}
	return s
}

// Start has netifd bring an interface up, as `ifup` does.
func (c Client) Start(ctx context.Context, iface string) error {
	_, err := c.Bus.Call(ctx, Object+"."+iface, "up", nil)
	if errors.Is(err, ubus.StatusNotFound) {
		return ErrNoInterface
	}
	return err
}
