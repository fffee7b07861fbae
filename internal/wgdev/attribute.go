package wgdev

import (
	"encoding/binary"
	"fmt"
)

// native is the byte order of numbers in netlink messages: the machine's own.
var native = binary.NativeEndian

const (
	attributeHeader = 4
	attributeAlign  = 4
	// The two upper bits of an attribute's type are flags (NLA_F_NESTED and
	// NLA_F_NET_BYTEORDER of linux/netlink.h).
	attributeTypeMask = 0x3fff
)

// attributes walks the netlink attributes in a message without allocating, as
// 10,000 peers with their allowed IPs are some 200,000 of them.
//
//	for a := newAttributes(data); a.next(); {
//		… a.kind, a.data
//	}
//
// Whether the walk came to the end of the data, or to an attribute that claims
// more than there is, err tells.
type attributes struct {
	rest []byte
	kind uint16
	data []byte
	err  error
}

func newAttributes(b []byte) attributes { return attributes{rest: b} }

// next goes to the next attribute.
func (a *attributes) next() bool {
	if a.err != nil || len(a.rest) == 0 {
		return false
	}
	if len(a.rest) < attributeHeader {
		a.err = fmt.Errorf("%d bytes are too few for an attribute", len(a.rest))
		return false
	}
	size := int(native.Uint16(a.rest))
	if size < attributeHeader || size > len(a.rest) {
		a.err = fmt.Errorf("an attribute claims %d of %d bytes", size, len(a.rest))
		return false
	}
	a.kind = native.Uint16(a.rest[2:]) & attributeTypeMask
	a.data = a.rest[attributeHeader:size]
	// The last attribute need not be padded.
	padded := (size + attributeAlign - 1) &^ (attributeAlign - 1)
	a.rest = a.rest[min(padded, len(a.rest)):]
	return true
}

// fail ends the walk with an error about the attribute that it stands at.
func (a *attributes) fail(err error) {
	if a.err == nil && err != nil {
		a.err = fmt.Errorf("attribute %d: %w", a.kind, err)
	}
}

// size reports whether the attribute has n bytes, and ends the walk otherwise.
func (a *attributes) size(n int) bool {
	if len(a.data) == n {
		return true
	}
	a.fail(fmt.Errorf("%d bytes instead of %d", len(a.data), n))
	return false
}

func (a *attributes) uint16(to *uint16) {
	if a.size(2) {
		*to = native.Uint16(a.data)
	}
}

func (a *attributes) uint32(to *uint32) {
	if a.size(4) {
		*to = native.Uint32(a.data)
	}
}

func (a *attributes) uint64(to *uint64) {
	if a.size(8) {
		*to = native.Uint64(a.data)
	}
}
