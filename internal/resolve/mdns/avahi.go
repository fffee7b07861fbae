package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
)

// SystemBus is the socket of the D-Bus that services of the system are on.
const SystemBus = "/var/run/dbus/system_bus_socket"

const (
	// connectTime is how long it may take to get onto the bus. It takes a
	// millisecond.
	connectTime = 2 * time.Second
	// lookupTime bounds a look-up whose context has no deadline. Avahi itself gives
	// up after five seconds.
	lookupTime = 10 * time.Second
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
type Avahi struct {
	socket string
	// turn holds the connection; nil inside: there is none. Whoever takes it out puts
	// it back.
	turn chan *dbus.Conn
	link func(index int) (string, error)
}

var _ resolve.Resolver = (*Avahi)(nil)

// NewAvahi returns a client of the Avahi on the bus of a socket; "" is SystemBus.
// It connects when it is first asked, and again after the bus was lost.
func NewAvahi(socket string) *Avahi {
	if socket == "" {
		socket = SystemBus
	}
	a := &Avahi{socket: socket, turn: make(chan *dbus.Conn, 1), link: linkName}
	a.turn <- nil
	return a
}

func linkName(index int) (string, error) {
	link, err := net.InterfaceByIndex(index)
	if err != nil {
		return "", err
	}
	return link.Name, nil
}

// Close ends the connection. The next look-up makes a new one.
func (a *Avahi) Close() error {
	conn := <-a.turn
	a.turn <- nil
	if conn == nil {
		return nil
	}
	return conn.Close()
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
	addr, err := a.resolve(ctx, name, family)
	if errors.Is(err, errBusLost) && ctx.Err() == nil {
		// The bus was restarted since the last look-up, which nobody noticed.
		addr, err = a.resolve(ctx, name, family)
	}
	if err != nil {
		return nil, explain(err, host)
	}
	return []netip.Addr{addr}, nil
}

// errBusLost is that the connection broke under a call.
var errBusLost = fmt.Errorf("the connection to D-Bus was lost: %w", ErrUnavailable)

// resolve makes one call.
func (a *Avahi) resolve(ctx context.Context, name string, family int32) (netip.Addr, error) {
	conn, err := a.connection(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	call := conn.Object("org.freedesktop.Avahi", "/").CallWithContext(ctx,
		"org.freedesktop.Avahi.Server.ResolveHostName", dbus.FlagNoAutoStart,
		anyInterface, anyProtocol, name, family, uint32(0))
	if call.Err != nil {
		if err := ctx.Err(); err != nil {
			return netip.Addr{}, err
		}
		if errors.As(call.Err, new(dbus.Error)) {
			return netip.Addr{}, call.Err
		}
		// It broke; nobody may have noticed yet but the one who wrote.
		_ = conn.Close()
		return netip.Addr{}, errBusLost
	}
	return a.address(call.Body)
}

// address reads the answer of ResolveHostName: interface, protocol, name, protocol
// of the address, address, flags.
func (a *Avahi) address(body []any) (netip.Addr, error) {
	var (
		index, protocol, family int32
		name, text              string
		flags                   uint32
	)
	if err := dbus.Store(body, &index, &protocol, &name, &family, &text, &flags); err != nil {
		return netip.Addr{}, fmt.Errorf("the answer of Avahi is not understood: %w", err)
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

// connection returns the connection to the bus, and makes one where there is none.
func (a *Avahi) connection(ctx context.Context) (*dbus.Conn, error) {
	var conn *dbus.Conn
	select {
	case conn = <-a.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var err error
	if conn == nil || !conn.Connected() {
		conn, err = a.connect(ctx)
	}
	a.turn <- conn
	return conn, err
}

func (a *Avahi) connect(ctx context.Context) (*dbus.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "unix", a.socket)
	if err != nil {
		return nil, fmt.Errorf("D-Bus: %w: %w", ErrUnavailable, err)
	}
	// A bus that hangs: the library knows no deadline for what comes first.
	end, _ := ctx.Deadline()
	err = raw.SetDeadline(end)
	conn, err2 := dbus.NewConn(raw)
	if err = errors.Join(err, err2); err != nil {
		_ = raw.Close() // The first error says more.
		return nil, err
	}
	if err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err == nil {
		err = conn.Hello()
	}
	if err == nil {
		err = raw.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close() // The first error says more.
		return nil, fmt.Errorf("D-Bus: %w: %w", ErrUnavailable, err)
	}
	return conn, nil
}
