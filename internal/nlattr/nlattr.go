// Package nlattr reads the attributes in messages of netlink, bounds checked and
// without allocating.
package nlattr

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
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

// Reader walks the netlink attributes in a message without allocating, as
// 10,000 peers with their allowed IPs are some 200,000 of them.
//
//	for a := nlattr.New(data); a.Next(); {
//		… a.Kind, a.Data
//	}
//
// Whether the walk came to the end of the data, or to an attribute that claims
// more than there is, Err tells.
type Reader struct {
	rest []byte
	Kind uint16
	Data []byte
	Err  error
}

// New returns a reader of the attributes in b.
func New(b []byte) Reader { return Reader{rest: b} }

// Next goes to the next attribute.
func (a *Reader) Next() bool {
	if a.Err != nil || len(a.rest) == 0 {
		return false
	}
	if len(a.rest) < attributeHeader {
		a.Err = fmt.Errorf("%d bytes are too few for an attribute", len(a.rest))
		return false
	}
	size := int(native.Uint16(a.rest))
	if size < attributeHeader || size > len(a.rest) {
		a.Err = fmt.Errorf("an attribute claims %d of %d bytes", size, len(a.rest))
		return false
	}
	a.Kind = native.Uint16(a.rest[2:]) & attributeTypeMask
	a.Data = a.rest[attributeHeader:size]
	// The last attribute need not be padded.
	padded := (size + attributeAlign - 1) &^ (attributeAlign - 1)
	a.rest = a.rest[min(padded, len(a.rest)):]
	return true
}

// Fail ends the walk with an error about the attribute that it stands at.
func (a *Reader) Fail(err error) {
	if a.Err == nil && err != nil {
		a.Err = fmt.Errorf("attribute %d: %w", a.Kind, err)
	}
}

// Size reports whether the attribute has n bytes, and ends the walk otherwise.
func (a *Reader) Size(n int) bool {
	if len(a.Data) == n {
		return true
	}
	a.Fail(fmt.Errorf("%d bytes instead of %d", len(a.Data), n))
	return false
}

// Uint16 reads a number of two bytes.
func (a *Reader) Uint16(to *uint16) {
	if a.Size(2) {
		*to = native.Uint16(a.Data)
	}
}

// Uint32 reads a number of four bytes.
func (a *Reader) Uint32(to *uint32) {
	if a.Size(4) {
		*to = native.Uint32(a.Data)
	}
}

// Uint64 reads a number of eight bytes.
func (a *Reader) Uint64(to *uint64) {
	if a.Size(8) {
		*to = native.Uint64(a.Data)
	}
}

// Text returns the attribute as text, which ends at the first NUL.
func (a *Reader) Text() string {
	text, _, _ := bytes.Cut(a.Data, []byte{0})
	return string(text)
}

// Addr reads an address of IPv4 or IPv6.
func (a *Reader) Addr(to *netip.Addr) {
	addr, ok := netip.AddrFromSlice(a.Data)
	if !ok {
		a.Fail(fmt.Errorf("%d bytes are no address", len(a.Data)))
		return
	}
	*to = addr.Unmap()
}
