package ubusd

import (
	"bytes"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// member is a blobmsg attribute whose value is passed on as it came.
type member struct {
	typ   blobmsg.Type
	named bool // has a name of at least one byte, NUL or not
	name  string
	data  []byte
}

// eachMember calls f for each attribute of a row until it returns false, and
// reports whether all were well-formed and taken. Like libubox it takes what
// cannot be an attribute for the end of the row.
func eachMember(b []byte, f func(member) bool) bool {
	for len(b) >= 4 {
		length := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		padded := (length + 3) &^ 3
		if padded < 4 || padded > len(b) {
			return true
		}
		m, ok := parseMember(b, length)
		if !ok || !f(m) {
			return false
		}
		b = b[padded:]
	}
	return true
}

func parseMember(b []byte, length int) (m member, ok bool) {
	if length < 4 {
		return m, false
	}
	m.typ, m.data = blobmsg.Type(b[0]&0x7f), b[4:length]
	if b[0]&0x80 != 0 {
		if len(m.data) < 2 {
			return m, false
		}
		n := int(m.data[0])<<8 | int(m.data[1])
		header := (2 + n + 1 + 3) &^ 3
		if header > len(m.data) || m.data[2+n] != 0 {
			return m, false
		}
		m.named = n > 0
		m.name, _, _ = cut(m.data[2 : 2+n])
		m.data = m.data[header:]
	}
	switch n := len(m.data); m.typ {
	case blobmsg.TypeUnspec, blobmsg.TypeArray, blobmsg.TypeTable:
		return m, true
	case blobmsg.TypeString:
		return m, n > 0 && m.data[n-1] == 0
	case blobmsg.TypeInt64:
		return m, n == 8
	case blobmsg.TypeInt32:
		return m, n == 4
	case blobmsg.TypeInt16:
		return m, n == 2
	case blobmsg.TypeBool:
		return m, n == 1
	case blobmsg.TypeDouble:
		return m, n >= 8
	default:
		return m, false
	}
}

// pick returns the first member of that name and type, looking no further than
// the first that is malformed.
func pick(b []byte, name string, typ blobmsg.Type) (data []byte, ok bool) {
	eachMember(b, func(m member) bool {
		if m.named && m.name == name && m.typ == typ {
			data, ok = m.data, true
		}
		return !ok
	})
	return data, ok
}

// text is the string in a string member's value.
func text(data []byte) string {
	s, _, _ := cut(data)
	return s
}

func cut(b []byte) (string, []byte, bool) {
	before, after, found := bytes.Cut(b, []byte{0})
	return string(before), after, found
}

// append writes the attribute anew, as ubusd does.
func (m member) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 0x80|byte(m.typ), 0, 0, 0, byte(len(m.name)>>8), byte(len(m.name)))
	dst = append(append(dst, m.name...), 0)
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	dst = append(dst, m.data...)
	n := len(dst) - start
	dst[start+1], dst[start+2], dst[start+3] = byte(n>>16), byte(n>>8), byte(n)
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	return dst
}
