package rtnl

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/nlattr"
)

// Kind says what an Event is about.
type Kind uint8

// The kinds of events.
const (
	// EventLost: everything may have changed. It is the first event of every Watch,
	// and comes again when the kernel had more to say than there was room for.
	EventLost Kind = iota
	// EventLink: a link was made, changed or deleted.
	EventLink
	// EventAddress: a link got or lost an address.
	EventAddress
	// EventRoute: a unicast route, of any table, was made, changed or deleted.
	EventRoute
)

// String returns the kind in a word.
func (k Kind) String() string {
	switch k {
	case EventLost:
		return "lost"
	case EventLink:
		return "link"
	case EventAddress:
		return "address"
	case EventRoute:
		return "route"
	}
	return "unknown"
}

// Event is a change of links, addresses or routes that the kernel told of.
//
// The kernel does not tell of everything: the routes of IPv4 that go with their
// link or address go without a word. Who follows routes has to look after events
// of all kinds.
type Event struct {
	Kind Kind
	// Removed: it is gone. Otherwise it is new or has changed.
	Removed bool
	// Down: the link is not administratively up.
	Down bool
	// Index and Device are the link, the address's or the route's (of a route over
	// several, the first). Device is empty when its name is not known any more.
	Index  int
	Device string
	// Dst is the address with the length of its prefix, or the route's destination.
	Dst netip.Prefix
	// Table and Protocol are the route's. Protocol is our own where we made it.
	Table    uint32
	Protocol uint8
}

// Watcher tells of changes of the kernel's network configuration.
type Watcher interface {
	// Watch calls handler for every change, one after the other, until ctx ends or
	// it cannot go on; it never returns nil. The first event is EventLost: what is
	// read when it comes, or later, misses nothing that no event tells of.
	Watch(ctx context.Context, handler func(Event)) error
}

// errEvent is a notification of the kernel that ends before it should.
var errEvent = errors.New("the kernel's notification is too short")

// parseEvents reads notifications of rtnetlink: a row of messages with their
// headers (struct nlmsghdr). Messages about other things are passed over. Of
// events about addresses and routes Device is not filled in.
func parseEvents(b []byte, each func(Event)) error {
	for len(b) > 0 {
		if len(b) < unix.SizeofNlMsghdr {
			return errEvent
		}
		size := uint64(native.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > uint64(len(b)) {
			return errEvent
		}
		e, ok, err := parseEvent(native.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size])
		if err != nil {
			return err
		}
		if ok {
			each(e)
		}
		// The last message need not be padded.
		b = b[min((size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), uint64(len(b))):]
	}
	return nil
}

// parseEvent reads the body of one message.
func parseEvent(kind uint16, b []byte) (e Event, ok bool, err error) {
	switch kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		e, ok, err = parseLinkEvent(b)
		e.Removed = kind == unix.RTM_DELLINK
		e.Down = e.Down && !e.Removed
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		e = Event{Kind: EventAddress, Removed: kind == unix.RTM_DELADDR}
		e.Index, e.Dst, err = parseAddress(b)
		ok = e.Dst.IsValid()
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		var r Route
		r, ok, err = parseRoute(b)
		e = Event{
			Kind: EventRoute, Removed: kind == unix.RTM_DELROUTE,
			Index: r.Ifindex, Dst: r.Dst, Table: r.Table, Protocol: r.Protocol,
		}
	}
	return e, ok && err == nil, err
}

// parseLinkEvent reads a message of type RTM_NEWLINK or RTM_DELLINK. ok is false
// for one of a bridge (AF_BRIDGE): there the link is a port, and one that is
// deleted has only left the bridge.
func parseLinkEvent(b []byte) (e Event, ok bool, err error) {
	if len(b) < unix.SizeofIfInfomsg {
		return e, false, errEvent
	}
	if b[0] != unix.AF_UNSPEC {
		return e, false, nil
	}
	e = Event{Kind: EventLink, Index: int(int32(binary.NativeEndian.Uint32(b[4:])))}
	e.Down = binary.NativeEndian.Uint32(b[8:])&unix.IFF_UP == 0
	a := nlattr.New(b[unix.SizeofIfInfomsg:])
	for a.Next() {
		if a.Kind == unix.IFLA_IFNAME {
			e.Device = a.Text()
		}
	}
	return e, a.Err == nil, a.Err
}
