package apk

import (
	"encoding/binary"
	"math"
)

// value is a tag word: four bits of type, and a number or the place of what it
// stands for.
type value uint32

const (
	typeInt    value = 0x1 << 28
	typeInt32  value = 0x2 << 28
	typeInt64  value = 0x3 << 28
	typeBlob8  value = 0x8 << 28
	typeBlob16 value = 0x9 << 28
	typeBlob32 value = 0xa << 28
	typeArray  value = 0xd << 28
	typeObject value = 0xe << 28

	typeMask   value = 0xf << 28
	numberMask value = 1<<28 - 1

	null value = 0
)

// headerLen is the length of what stands in front of the values: the version of
// the format, 0 throughout, and the root.
const headerLen = 8

// database is a tree of values being written. Equal values are written once.
type database struct {
	buf  []byte
	seen map[string]int
}

func newDatabase() *database {
	return &database{buf: make([]byte, headerLen), seen: map[string]int{}}
}

// put writes data at a multiple of align, or finds where it stands already.
func (d *database) put(data []byte, align int) value {
	if at, ok := d.seen[string(data)]; ok && at%align == 0 {
		return value(at)
	}
	at := d.raw(data, align)
	d.seen[string(data)] = at
	return value(at)
}

func (d *database) raw(data []byte, align int) int {
	for len(d.buf)%align != 0 {
		d.buf = append(d.buf, 0)
	}
	at := len(d.buf)
	d.buf = append(d.buf, data...)
	return at
}

func (d *database) number(n uint64) value {
	switch {
	case n <= uint64(numberMask):
		return typeInt | value(n)
	case n <= math.MaxUint32:
		return typeInt32 | d.put(binary.LittleEndian.AppendUint32(nil, uint32(n)), 4)
	}
	return typeInt64 | d.put(binary.LittleEndian.AppendUint64(nil, n), 4)
}

// encodeBlob returns the type of a blob, and it with its length in front.
func encodeBlob(b []byte) (kind value, data []byte, align int) {
	switch n := len(b); {
	case n <= math.MaxUint8:
		return typeBlob8, append([]byte{byte(n)}, b...), 1
	case n <= math.MaxUint16:
		return typeBlob16, append(binary.LittleEndian.AppendUint16(nil, uint16(n)), b...), 2
	default:
		return typeBlob32, append(binary.LittleEndian.AppendUint32(nil, uint32(n)), b...), 4
	}
}

func (d *database) blob(b []byte) value {
	if len(b) == 0 {
		return null
	}
	kind, data, align := encodeBlob(b)
	return kind | d.put(data, align)
}

func (d *database) text(s string) value { return d.blob([]byte(s)) }

// slots writes the slots of an array or object, the first of which is their
// number; slots that are null at the end are left out.
func (d *database) slots(kind value, values []value) value {
	n := len(values)
	for n > 0 && values[n-1] == null {
		n--
	}
	if n == 0 {
		return null
	}
	data := binary.LittleEndian.AppendUint32(nil, uint32(n+1))
	for _, v := range values[:n] {
		data = binary.LittleEndian.AppendUint32(data, uint32(v))
	}
	return kind | d.put(data, 4)
}

func (d *database) array(values []value) value { return d.slots(typeArray, values) }

// fields are the slots of an object by their number, from 1.
type fields map[int]value

func (d *database) object(f fields) value {
	var values []value
	for n, v := range f {
		for len(values) < n {
			values = append(values, null)
		}
		values[n-1] = v
	}
	return d.slots(typeObject, values)
}

// root names the value that all others hang from, and returns the database.
func (d *database) root(v value) []byte {
	binary.LittleEndian.PutUint32(d.buf[4:], uint32(v))
	return d.buf
}
