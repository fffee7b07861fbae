package blobmsg

import (
	"errors"
	"fmt"
	"math"
)

// ErrMalformed is what every error of [Decode] and [DecodeUnnamed] wraps.
var ErrMalformed = errors.New("malformed blobmsg")

// headerLen is the length of an attribute's id-and-length word.
const headerLen = 4

// Decode reads a row of attributes: what a message's data attribute holds. Each
// length is checked against what is really there before it is believed, each
// value against its type, as libubox's blobmsg_check_attr_len does, all the way
// down. Members of tables must have names.
//
// Bytes at the end that are no attribute are refused, except for what libubox
// ignores without a word: fewer bytes than a header, and a last attribute whose
// value is complete while its padding is not.
func Decode(b []byte) (Table, error) {
	return decoder{names: true}.table(b, 0, 1)
}

// DecodeUnnamed is Decode for what others send: members of tables may lack
// names, as libubox's blobmsg_parse lets them. Such a member has the Name "".
func DecodeUnnamed(b []byte) (Table, error) {
	return decoder{}.table(b, 0, 1)
}

type decoder struct {
	names bool // members of tables must have one
}

// attr is one attribute whose lengths have been checked.
type attr struct {
	typ  Type
	name string
	data []byte
}

// table decodes b, which starts at offset at of the whole, for error texts.
func (d decoder) table(b []byte, at, depth int) (Table, error) {
	if depth > MaxDepth {
		return nil, tooDeep(at)
	}
	t := make(Table, 0, countAttrs(b))
	err := d.each(b, at, d.names, func(a attr, at int) error {
		v, err := d.value(a, at, depth)
		if err != nil {
			return err
		}
		t = append(t, Field{Name: a.name, Value: v})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (d decoder) array(b []byte, at, depth int) (Array, error) {
	if depth > MaxDepth {
		return nil, tooDeep(at)
	}
	l := make(Array, 0, countAttrs(b))
	err := d.each(b, at, false, func(a attr, at int) error {
		v, err := d.value(a, at, depth)
		if err != nil {
			return err
		}
		l = append(l, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// each calls f for every attribute in b and stops where libubox's iteration
// does: where no header fits any more, or a padded length is 0 or too large.
func (d decoder) each(b []byte, at int, named bool, f func(a attr, at int) error) error {
	for len(b) >= headerLen {
		padded := padded4(rawLen(b))
		if padded < headerLen || padded > len(b) {
			// What is not even an attribute is an error; one that only
			// lacks its padding is left alone, like libubox does.
			_, err := parseAttr(b, at, false)
			return err
		}
		a, err := parseAttr(b, at, named)
		if err != nil {
			return err
		}
		if err := f(a, at); err != nil {
			return err
		}
		b, at = b[padded:], at+padded
	}
	return nil
}

// parseAttr checks and takes apart the attribute at the start of b, which holds
// a whole header.
func parseAttr(b []byte, at int, named bool) (attr, error) {
	raw := rawLen(b)
	if raw < headerLen || raw > len(b) {
		return attr{}, malformed(at, "attribute length %d of %d bytes", raw, len(b))
	}
	a := attr{typ: Type(b[0] & 0x7f), data: b[headerLen:raw]}
	if b[0]&0x80 != 0 {
		n, hdr := 0, 0
		if len(a.data) >= 2 {
			n = int(a.data[0])<<8 | int(a.data[1])
			hdr = padded4(2 + n + 1)
		}
		switch {
		case hdr == 0 || hdr > len(a.data):
			return attr{}, malformed(at, "name longer than its attribute")
		case a.data[2+n] != 0:
			return attr{}, malformed(at, "name without end")
		case named && n == 0:
			return attr{}, malformed(at, "table member without a name")
		}
		a.name, a.data = cBytes(a.data[2:2+n]), a.data[hdr:]
	} else if named {
		return attr{}, malformed(at, "table member without a name")
	}
	return a, checkSize(a, at)
}

// checkSize holds a value to what libubox's blob_check_type demands: integers
// have exactly their size, a double at least its eight bytes, a string a NUL at
// its end. What is in tables and arrays is checked when they are decoded.
func checkSize(a attr, at int) error {
	n, ok := len(a.data), true
	switch a.typ {
	case TypeUnspec, TypeArray, TypeTable:
	case TypeString:
		ok = n > 0 && a.data[n-1] == 0
	case TypeInt64:
		ok = n == 8
	case TypeInt32:
		ok = n == 4
	case TypeInt16:
		ok = n == 2
	case TypeBool:
		ok = n == 1
	case TypeDouble:
		ok = n >= 8
	default:
		return malformed(at, "type %d", a.typ)
	}
	if !ok {
		return malformed(at, "value of type %d in %d bytes", a.typ, n)
	}
	return nil
}

func (d decoder) value(a attr, at, depth int) (any, error) {
	switch b := a.data; a.typ {
	case TypeArray:
		return d.array(b, at, depth+1)
	case TypeTable:
		return d.table(b, at, depth+1)
	case TypeString:
		return cBytes(b), nil
	case TypeInt64:
		return int64(be64(b)), nil
	case TypeInt32:
		return int32(be32(b)), nil
	case TypeInt16:
		return int16(uint16(b[0])<<8 | uint16(b[1])), nil
	case TypeBool:
		return b[0] != 0, nil
	case TypeDouble:
		return math.Float64frombits(be64(b)), nil
	default:
		return nil, nil
	}
}

// countAttrs tells how many attributes an iteration over b meets, so that the
// slice for them is made once.
func countAttrs(b []byte) int {
	n := 0
	for len(b) >= headerLen {
		padded := padded4(rawLen(b))
		if padded < headerLen || padded > len(b) {
			break
		}
		n++
		b = b[padded:]
	}
	return n
}

// rawLen is the length in an attribute's header: with the header, without the
// padding, at most 16 MiB.
func rawLen(b []byte) int { return int(b[1])<<16 | int(b[2])<<8 | int(b[3]) }

func padded4(n int) int { return (n + 3) &^ 3 }

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func be64(b []byte) uint64 { return uint64(be32(b))<<32 | uint64(be32(b[4:])) }

// cBytes is the string that C sees in b: up to the first NUL.
func cBytes(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// malformed names a place, never a value: values may be secrets.
func malformed(at int, format string, args ...any) error {
	return fmt.Errorf("%w: at byte %d: %s", ErrMalformed, at, fmt.Sprintf(format, args...))
}

func tooDeep(at int) error {
	return malformed(at, "more than %d tables and arrays inside one another", MaxDepth)
}
