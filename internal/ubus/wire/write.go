package wire

import (
	"errors"
	"fmt"
)

// ErrTooLarge is a message that ubusd, or the client it is for, would not take.
var ErrTooLarge = errors.New("message is too large for ubus")

// Message builds a frame. Its methods append attributes and return the message.
type Message struct {
	header Header
	blob   []byte
}

// New begins a message.
func New(h Header) *Message {
	return &Message{header: h, blob: make([]byte, attrLen, 64)}
}

// Uint32 appends an int32 attribute.
func (m *Message) Uint32(id Attr, v uint32) *Message {
	m.blob = append(m.blob, byte(id), 0, 0, attrLen+4, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	return m
}

// Uint8 appends an int8 attribute.
func (m *Message) Uint8(id Attr, v uint8) *Message {
	m.blob = append(m.blob, byte(id), 0, 0, attrLen+1, v, 0, 0, 0)
	return m
}

// String appends a string attribute; a NUL in s ends it there.
func (m *Message) String(id Attr, s string) *Message {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			s = s[:i]
		}
	}
	start := m.begin(id)
	m.blob = append(append(m.blob, s...), 0)
	return m.end(start)
}

// Bytes appends an attribute that holds data as it is: blobmsg, attributes.
func (m *Message) Bytes(id Attr, data []byte) *Message {
	start := m.begin(id)
	m.blob = append(m.blob, data...)
	return m.end(start)
}

// Uint32s appends an attribute that holds int32 attributes of id 0.
func (m *Message) Uint32s(id Attr, list []uint32) *Message {
	start := m.begin(id)
	for _, v := range list {
		m.Uint32(AttrUnspec, v)
	}
	return m.end(start)
}

func (m *Message) begin(id Attr) int {
	m.blob = append(m.blob, byte(id), 0, 0, 0)
	return len(m.blob) - attrLen
}

func (m *Message) end(start int) *Message {
	putLen(m.blob[start:], len(m.blob)-start)
	for len(m.blob)%4 != 0 {
		m.blob = append(m.blob, 0)
	}
	return m
}

// Frame completes the message, whatever its length.
func (m *Message) Frame() Frame {
	putLen(m.blob, len(m.blob))
	return Frame{Header: m.header, Blob: m.blob}
}

// Encode completes the message and returns its bytes, or [ErrTooLarge] if the
// blob has more than limit bytes.
func (m *Message) Encode(limit int) ([]byte, error) {
	if len(m.blob) > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(m.blob), limit)
	}
	f := m.Frame()
	return f.Append(make([]byte, 0, f.Len())), nil
}

// SetSeq writes the sequence number into an encoded message.
func SetSeq(msg []byte, seq uint16) { msg[2], msg[3] = byte(seq>>8), byte(seq) }

// putLen writes the 24-bit length of the attribute at the start of b. A longer
// one is cut: it is far beyond what Encode lets pass.
func putLen(b []byte, n int) {
	b[1], b[2], b[3] = byte(n>>16), byte(n>>8), byte(n)
}
