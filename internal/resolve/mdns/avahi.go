package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
)

// SystemBus is the socket of the D-Bus that services of the system are on.
const SystemBus = "/var/run/dbus/system_bus_socket"

const (
	// lookupTime bounds a look-up whose context has no deadline. Avahi itself gives
	// up after five seconds.
	lookupTime = 10 * time.Second
	// maxLookups is how many names are asked for at the same time, each on a connection
	// of its own: half of those that dbus-daemon lets log in at a time
	// (max_incomplete_connections).
	maxLookups = 32
)

// The numbers of avahi-common/address.h.
const (
	anyInterface = int32(-1)
	anyProtocol  = int32(-1)
	protocolIPv4 = int32(0)
	protocolIPv6 = int32(1)
)

// Avahi asks avahi-daemon. It gives one address of each family at most: that is what
// its resolver does. Its methods may be called at the same time.
//
// A look-up has a connection of its own, which costs a millisecond of the seconds that
// the network may take, and so none is ever found to be dead.
type Avahi struct {
	socket string
	turn   chan struct{} // filled by the look-ups that are under way
	link   func(index int) (string, error)
}

var _ resolve.Resolver = (*Avahi)(nil)

// NewAvahi returns a client of the Avahi on the bus of a socket; "" is SystemBus.
func NewAvahi(socket string) *Avahi {
	if socket == "" {
		socket = SystemBus
	}
	return &Avahi{socket: socket, turn: make(chan struct{}, maxLookups), link: linkName}
}

func linkName(index int) (string, error) {
	link, err := net.InterfaceByIndex(index)
	if err != nil {
		return "", err
	}
	return link.Name, nil
}

// LookupNetIP implements resolve.Resolver. network is "ip4" or "ip6"; host ends in
// .local. The error is ErrUnavailable where there is no bus or no Avahi on it.
func (a *Avahi) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	name, err := localName(host)
	if err != nil {
		return nil, err
	}
	family := protocolIPv4
	if network == "ip6" {
		family = protocolIPv6
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lookupTime)
		defer cancel()
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	addr, err := a.resolve(ctx, name, family)
	if err != nil {
		return nil, explain(err, host)
	}
	return []netip.Addr{addr}, nil
}

// resolve makes one call.
func (a *Avahi) resolve(ctx context.Context, name string, family int32) (netip.Addr, error) {
	bus, err := dialBus(ctx, a.socket)
	if err != nil {
		return netip.Addr{}, err
	}
	defer bus.close()
	answer, err := bus.call("org.freedesktop.Avahi", "/", "org.freedesktop.Avahi.Server", "ResolveHostName",
		anyInterface, anyProtocol, name, family, uint32(0))
	if err != nil {
		return netip.Addr{}, err
	}
	return a.address(answer)
}

// address reads the answer of ResolveHostName: interface, protocol, name, protocol
// of the address, address, flags.
func (a *Avahi) address(body []any) (netip.Addr, error) {
	var index int32
	var text string
	understood := len(body) == 6
	if understood {
		var isIndex, isText bool
		index, isIndex = body[0].(int32)
		text, isText = body[4].(string)
		understood = isIndex && isText
	}
	if !understood {
		return netip.Addr{}, errors.New("the answer of Avahi is not understood")
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("the answer of Avahi is no address: %.64q", text)
	}
	if !addr.Is6() || !addr.IsLinkLocalUnicast() {
		return addr, nil
	}
	link, err := a.link(int(index))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("the link of %v is gone: %w", addr, err)
	}
	return onLink(addr, link), nil
}

// explain makes an error of D-Bus one of this package's.
func explain(err error, host string) error {
	var e dbus.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Name {
	case "org.freedesktop.Avahi.TimeoutError", "org.freedesktop.Avahi.NotFoundError", "org.freedesktop.Avahi.InvalidHostNameError":
		return noSuchName(host)
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.NoReply":
		return fmt.Errorf("Avahi is not on D-Bus: %w", ErrUnavailable)
	}
	return fmt.Errorf("Avahi: %w", e)
}
