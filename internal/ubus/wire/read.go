package wire

import (
	"errors"
	"fmt"
	"io"
)

// ErrLength is a message that announces a blob shorter than its own header or
// longer than the limit. There is no way to find the next message behind it.
var ErrLength = errors.New("impossible message length")

// readChunk bounds what is set aside for a message before its bytes are there.
const readChunk = 64 << 10

// Read reads one message with a blob of at most limit bytes, padding included.
// The frame's memory is its own. Errors are io.EOF where the stream ends between
// two messages, io.ErrUnexpectedEOF where it ends inside one, [ErrLength], or
// what r returns.
func Read(r io.Reader, limit int) (Frame, error) {
	var head [headerLen + attrLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{Header: Header{
		Version: head[0],
		Type:    Type(head[1]),
		Seq:     uint16(head[2])<<8 | uint16(head[3]),
		Peer:    be32(head[4:]),
	}}
	length := rawLen(head[headerLen:])
	if length < attrLen || pad4(length) > limit {
		return Frame{}, fmt.Errorf("%w: %d bytes in a message of type %v, at most %d are taken", ErrLength, length, f.Type, limit)
	}
	f.Blob = append(make([]byte, 0, min(length, readChunk)), head[headerLen:]...)
	for len(f.Blob) < length {
		have := len(f.Blob)
		n := min(length-have, readChunk)
		f.Blob = append(f.Blob, make([]byte, n)...)
		if _, err := io.ReadFull(r, f.Blob[have:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return Frame{}, err
		}
	}
	return f, nil
}

// Attrs are the attributes of a message by id. The zero value has none.
type Attrs struct {
	data [attrCount][]byte // nil is absent
}

// Parse takes the attributes out of a frame's blob as libubox's
// blob_parse_untrusted does: one of an unknown id or whose value does not fit
// its kind is passed over, of several the last counts, and what cannot be an
// attribute ends the row.
func Parse(blob []byte) Attrs {
	var a Attrs
	EachAttr(blob, func(id Attr, data []byte) {
		if id < attrCount && fits(id, data) {
			a.data[id] = data
		}
	})
	return a
}

// EachAttr calls f for each attribute in a blob, or in another attribute that is
// given with its header.
func EachAttr(blob []byte, f func(id Attr, data []byte)) {
	if len(blob) < attrLen {
		return
	}
	for b := blob[attrLen:]; len(b) >= attrLen; {
		length := rawLen(b)
		padded := pad4(length)
		if padded < attrLen || padded > len(b) {
			return
		}
		if length >= attrLen {
			f(Attr(b[0]&0x7f), b[attrLen:length:length])
		}
		b = b[padded:]
	}
}

// fits tells whether a value has the size of its kind. The lists are those of
// libubus and ubusd together.
func fits(id Attr, data []byte) bool {
	switch id {
	case AttrStatus, AttrObjID, AttrObjType:
		return len(data) == 4
	case AttrObjPath, AttrMethod, AttrUser, AttrGroup:
		return len(data) > 0 && data[len(data)-1] == 0
	default:
		return true
	}
}

// Has reports whether the attribute is there.
func (a *Attrs) Has(id Attr) bool { return a.data[id] != nil }

// Bytes returns the value of an attribute, nil if it is not there.
func (a *Attrs) Bytes(id Attr) []byte { return a.data[id] }

// Uint32 returns the value of an int32 attribute.
func (a *Attrs) Uint32(id Attr) (uint32, bool) {
	if len(a.data[id]) < 4 {
		return 0, false
	}
	return be32(a.data[id]), true
}

// Uint8 returns the value of an int8 attribute.
func (a *Attrs) Uint8(id Attr) (uint8, bool) {
	if len(a.data[id]) < 1 {
		return 0, false
	}
	return a.data[id][0], true
}

// String returns the value of a string attribute up to its first NUL.
func (a *Attrs) String(id Attr) (string, bool) {
	for i, c := range a.data[id] {
		if c == 0 {
			return string(a.data[id][:i]), true
		}
	}
	return "", false
}

// Uint32s returns the int32 attributes inside an attribute; others are passed
// over.
func (a *Attrs) Uint32s(id Attr) []uint32 {
	var list []uint32
	for b := a.data[id]; len(b) >= attrLen; {
		length := rawLen(b)
		padded := pad4(length)
		if padded < attrLen || padded > len(b) {
			break
		}
		if length == attrLen+4 {
			list = append(list, be32(b[attrLen:]))
		}
		b = b[padded:]
	}
	return list
}

func rawLen(b []byte) int { return int(b[1])<<16 | int(b[2])<<8 | int(b[3]) }

func pad4(n int) int { return (n + 3) &^ 3 }

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
