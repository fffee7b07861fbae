// Package blobmsg is the data format of ubus: named, typed values in tables and
// arrays, as libubox's blobmsg writes them, and the JSON that goes in and out of
// them with `ubus call`.
//
// A [Table] keeps the order of its members, as the format does. There is no
// reflection: a value is one of the kinds listed at [Table].
package blobmsg

import (
	"math"
	"strconv"
)

// Type is the kind of a value on the wire. It stands in the signature of an
// object's methods as well. The numbers are those of libubox's blobmsg.h.
type Type uint8

// The types of blobmsg. In a method's signature TypeUnspec means any type.
const (
	TypeUnspec Type = iota // nil
	TypeArray              // Array
	TypeTable              // Table
	TypeString             // string
	TypeInt64              // int64
	TypeInt32              // int32
	TypeInt16              // int16
	TypeBool               // bool; libubox calls it INT8 too
	TypeDouble             // float64
)

// MaxDepth is how many tables and arrays may stand inside one another, the
// outermost counted, in bytes that are decoded. libubox recurses without a
// limit; what json-c parses has at most 31 levels.
const MaxDepth = 1024

// Table is a row of named values in the order of the wire. A value is one of
//
//	nil, bool, int16, int32, int64, float64, string, Array, Table
//
// and nothing else; int is taken by the encoder too, as JSON numbers are (int32
// where it fits, int64 otherwise). ubus has no boolean of its own: its 8-bit
// integer serves as one, so that an 8-bit integer other than 0 is read as true.
type Table []Field

// Field is one member of a [Table]. Neither name nor string values can hold a
// NUL byte: the wire ends them there, and so does the encoder.
type Field struct {
	Name  string
	Value any
}

// Array is a row of unnamed values of the kinds a [Table] may hold.
type Array []any

// Get returns the first member of that name, as libubox's parser does where a
// name occurs twice, or nil if there is none. A null value is nil too.
func (t Table) Get(name string) any {
	for i := range t {
		if t[i].Name == name {
			return t[i].Value
		}
	}
	return nil
}

// Has reports whether there is a member of that name, null or not.
func (t Table) Has(name string) bool {
	for i := range t {
		if t[i].Name == name {
			return true
		}
	}
	return false
}

// Set returns the table with that member's value replaced, or with the member
// appended. Like append it may write into the array under t.
func (t Table) Set(name string, value any) Table {
	for i := range t {
		if t[i].Name == name {
			t[i].Value = value
			return t
		}
	}
	return append(t, Field{Name: name, Value: value})
}

// String returns a member that is a string.
func (t Table) String(name string) (string, bool) {
	s, ok := t.Get(name).(string)
	return s, ok
}

// Int returns a member that is an integer of any width, or says the same in
// another way: a boolean (0 or 1), a double without a fraction, a string of
// decimal digits. Shell scripts and web pages send all of them.
func (t Table) Int(name string) (int64, bool) {
	switch v := t.Get(name).(type) {
	case int:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case float64:
		// 2^63 itself is no int64; NaN fails the first comparison.
		if v >= math.MinInt64 && v < math.MaxInt64 && v == math.Trunc(v) {
			return int64(v), true
		}
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// Bool returns a member that is a boolean, or an integer (0 is false, all else
// is true).
func (t Table) Bool(name string) (value, ok bool) {
	switch v := t.Get(name).(type) {
	case bool:
		return v, true
	case int:
		return v != 0, true
	case int16:
		return v != 0, true
	case int32:
		return v != 0, true
	case int64:
		return v != 0, true
	}
	return false, false
}

// Table returns a member that is a table.
func (t Table) Table(name string) (Table, bool) {
	v, ok := t.Get(name).(Table)
	return v, ok
}

// Array returns a member that is an array.
func (t Table) Array(name string) (Array, bool) {
	v, ok := t.Get(name).(Array)
	return v, ok
}

// Strings returns the strings of a member that is an array of strings.
// ok is false if it is not an array or an element is not a string.
func (t Table) Strings(name string) (list []string, ok bool) {
	a, ok := t.Array(name)
	if !ok {
		return nil, false
	}
	list = make([]string, 0, len(a))
	for _, v := range a {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}
