package netifd

import (
	"bytes"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// A param is an option that goes from the configuration into what a protocol
// is given, and the type it is given as.
type param struct {
	name string
	typ  blobmsg.Type
	// check is what get_proto_handlers shows of an option instead of its type.
	check string
}

// member returns the first member of t that has this name and this type: a
// member of another type is not seen.
func member(t blobmsg.Table, name string, typ blobmsg.Type) any {
	for i := range t {
		if t[i].Name == name && typeOf(t[i].Value) == typ {
			return t[i].Value
		}
	}
	return nil
}

func stringMember(t blobmsg.Table, name string) (string, bool) {
	s, ok := member(t, name, blobmsg.TypeString).(string)
	return s, ok
}

func boolMember(t blobmsg.Table, name string) (value, ok bool) {
	value, ok = member(t, name, blobmsg.TypeBool).(bool)
	return value, ok
}

// boolDefault is the member, or d where there is none.
func boolDefault(t blobmsg.Table, name string, d bool) bool {
	if v, ok := boolMember(t, name); ok {
		return v
	}
	return d
}

func intMember(t blobmsg.Table, name string) (int32, bool) {
	n, ok := member(t, name, blobmsg.TypeInt32).(int32)
	return n, ok
}

func arrayMember(t blobmsg.Table, name string) (blobmsg.Array, bool) {
	a, ok := member(t, name, blobmsg.TypeArray).(blobmsg.Array)
	return a, ok
}

func tableMember(t blobmsg.Table, name string) (blobmsg.Table, bool) {
	v, ok := member(t, name, blobmsg.TypeTable).(blobmsg.Table)
	return v, ok
}

func typeOf(v any) blobmsg.Type {
	switch v.(type) {
	case blobmsg.Array:
		return blobmsg.TypeArray
	case blobmsg.Table:
		return blobmsg.TypeTable
	case string:
		return blobmsg.TypeString
	case int64:
		return blobmsg.TypeInt64
	case int32:
		return blobmsg.TypeInt32
	case int16:
		return blobmsg.TypeInt16
	case bool:
		return blobmsg.TypeBool
	case float64:
		return blobmsg.TypeDouble
	}
	return blobmsg.TypeUnspec
}

// An option of the configuration: a list or a single value.
type option struct {
	name   string
	list   bool
	values []string
}

// A section of the configuration.
type section struct {
	typ, name string
	options   []option
}

// get returns the value of a single-valued option.
func (s *section) get(name string) (string, bool) {
	for i := range s.options {
		if o := &s.options[i]; o.name == name && !o.list {
			return o.values[0], true
		}
	}
	return "", false
}

// appendParams appends the options of a section that params names, in the order
// of the file. What does not fit its type is left out without a word.
func appendParams(t blobmsg.Table, s *section, params []param) blobmsg.Table {
	for i := range s.options {
		o := &s.options[i]
		var seen [16]bool // a type counts once for each option
		for _, p := range params {
			if p.name != o.name || seen[p.typ] {
				continue
			}
			seen[p.typ] = true
			switch {
			case p.typ == blobmsg.TypeArray:
				t = append(t, blobmsg.Field{Name: p.name, Value: optionList(o)})
			case !o.list:
				if v := optionValue(o.values[0], p.typ); v != nil {
					t = append(t, blobmsg.Field{Name: p.name, Value: v})
				}
			}
		}
	}
	return t
}

// optionList splits a single value at blanks; a list is taken as it is.
func optionList(o *option) blobmsg.Array {
	values := o.values
	if !o.list {
		values = splitBlanks(o.values[0])
	}
	a := make(blobmsg.Array, 0, len(values))
	for _, v := range values {
		a = append(a, v)
	}
	return a
}

func splitBlanks(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' })
}

// optionValue returns nil for what is no value of that type.
func optionValue(s string, typ blobmsg.Type) any {
	switch typ {
	case blobmsg.TypeString:
		return s
	case blobmsg.TypeBool:
		switch s {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
	case blobmsg.TypeInt32:
		if n, rest := strtol(s); rest == "" {
			return int32(n)
		}
	case blobmsg.TypeInt64:
		if n, rest := strtol(s); rest == "" {
			return n
		}
	}
	return nil
}

// sameParams tells whether two configurations agree in what params names.
func sameParams(a, b blobmsg.Table, params []param) bool {
	for _, p := range params {
		if !sameValue(member(a, p.name, p.typ), member(b, p.name, p.typ)) {
			return false
		}
	}
	return true
}

func sameValue(a, b any) bool {
	if (a == nil) != (b == nil) {
		return false
	}
	return a == nil || bytes.Equal(encodeValue(a), encodeValue(b))
}

func encodeValue(v any) []byte {
	return blobmsg.Append(nil, blobmsg.Table{{Value: v}})
}
