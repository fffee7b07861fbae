package blobmsg

import (
	"fmt"
	"math"
)

// Attribute header: bit 31 says that a name follows (extended), 7 bits are the
// type, 24 bits the length with the header and without the padding.
const (
	extended   = 1 << 31
	lengthMask = 1<<24 - 1
	maxName    = 1<<16 - 1
)

// Append appends the members of t as a row of attributes, without an outer
// header: what a message's data attribute holds. It panics on a value of a kind
// that [Table] does not list, which is a mistake in the program. The result is
// only valid up to 16 MiB, sixteen times what ubusd takes: check its length
// before it is sent.
func Append(dst []byte, t Table) []byte {
	for i := range t {
		dst = appendAttr(dst, t[i].Name, t[i].Value)
	}
	return dst
}

func appendAttr(dst []byte, name string, value any) []byte {
	name = cString(name)
	if len(name) > maxName {
		name = name[:maxName]
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, byte(len(name)>>8), byte(len(name)))
	dst = append(dst, name...)
	dst = append(dst, 0)
	dst = pad(dst, start)

	var typ Type
	switch v := value.(type) {
	case nil:
		typ = TypeUnspec
	case bool:
		typ = TypeBool
		b := byte(0)
		if v {
			b = 1
		}
		dst = append(dst, b)
	case int16:
		typ = TypeInt16
		dst = append(dst, byte(uint16(v)>>8), byte(v))
	case int32:
		typ = TypeInt32
		dst = append32(dst, uint32(v))
	case int64:
		typ = TypeInt64
		dst = append64(dst, uint64(v))
	case int:
		// The choice blobmsg_json.c makes for a number.
		if v >= math.MinInt32 && v <= math.MaxInt32 {
			typ = TypeInt32
			dst = append32(dst, uint32(v))
		} else {
			typ = TypeInt64
			dst = append64(dst, uint64(v))
		}
	case float64:
		typ = TypeDouble
		dst = append64(dst, math.Float64bits(v))
	case string:
		typ = TypeString
		dst = append(dst, cString(v)...)
		dst = append(dst, 0)
	case Array:
		typ = TypeArray
		for i := range v {
			dst = appendAttr(dst, "", v[i])
		}
	case Table:
		typ = TypeTable
		dst = Append(dst, v)
	default:
		panic(fmt.Sprintf("blobmsg: member %q has the kind %T, which blobmsg has not", name, value))
	}

	head := extended | uint32(typ)<<24 | uint32(len(dst)-start)&lengthMask
	dst[start], dst[start+1], dst[start+2], dst[start+3] = byte(head>>24), byte(head>>16), byte(head>>8), byte(head)
	return pad(dst, start)
}

// pad fills up with zero bytes to a multiple of 4 counted from start.
func pad(dst []byte, start int) []byte {
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	return dst
}

func append32(dst []byte, v uint32) []byte {
	return append(dst, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func append64(dst []byte, v uint64) []byte {
	return append32(append32(dst, uint32(v>>32)), uint32(v))
}

// cString cuts at the first NUL, where C sees the end of a string.
func cString(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			return s[:i]
		}
	}
	return s
}
