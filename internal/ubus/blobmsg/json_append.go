package blobmsg

import (
	"fmt"
	"math"
	"strconv"
)

// AppendJSON appends v, a value of a kind that [Table] lists, as `ubus -S call`
// prints it: on one line, without spaces. It is JSON except for what libubox
// prints of doubles that are no number (inf, nan), of members without a name
// (the value alone) and of strings that are not UTF-8 (their bytes).
func AppendJSON(dst []byte, v any) []byte {
	w := jsonWriter{buf: dst}
	w.value(v)
	return w.buf
}

// AppendJSONIndent appends v as `ubus call` prints it: a member a line, with a
// tab for each level up to 16.
func AppendJSONIndent(dst []byte, v any) []byte {
	w := jsonWriter{buf: dst, indent: true}
	w.value(v)
	return w.buf
}

// maxTabs is where libubox's indentation ends.
const maxTabs = 16

type jsonWriter struct {
	buf    []byte
	indent bool
	level  int
}

func (w *jsonWriter) value(value any) {
	switch v := value.(type) {
	case nil:
		w.buf = append(w.buf, "null"...)
	case bool:
		w.buf = strconv.AppendBool(w.buf, v)
	case int16:
		w.buf = strconv.AppendInt(w.buf, int64(v), 10)
	case int32:
		w.buf = strconv.AppendInt(w.buf, int64(v), 10)
	case int64:
		w.buf = strconv.AppendInt(w.buf, v, 10)
	case int:
		w.buf = strconv.AppendInt(w.buf, int64(v), 10)
	case float64:
		w.double(v)
	case string:
		w.string(v)
	case Array:
		w.open('[')
		for i := range v {
			w.comma(i)
			w.value(v[i])
		}
		w.close(']')
	case Table:
		w.open('{')
		for i := range v {
			w.comma(i)
			w.name(v[i].Name)
			w.value(v[i].Value)
		}
		w.close('}')
	default:
		panic(fmt.Sprintf("blobmsg: a value has the kind %T, which blobmsg has not", value))
	}
}

func (w *jsonWriter) open(c byte) {
	w.buf = append(w.buf, c)
	w.level++
	w.newline()
}

func (w *jsonWriter) comma(i int) {
	if i > 0 {
		w.buf = append(w.buf, ',')
		w.newline()
	}
}

func (w *jsonWriter) close(c byte) {
	w.level--
	w.newline()
	w.buf = append(w.buf, c)
}

func (w *jsonWriter) newline() {
	if !w.indent {
		return
	}
	w.buf = append(w.buf, '\n')
	for i := 0; i < w.level && i < maxTabs; i++ {
		w.buf = append(w.buf, '\t')
	}
}

func (w *jsonWriter) name(s string) {
	if s = cString(s); s == "" {
		return
	}
	w.string(s)
	w.buf = append(w.buf, ':')
	if w.indent {
		w.buf = append(w.buf, ' ')
	}
}

// double writes what C's "%f" does.
func (w *jsonWriter) double(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		if math.Signbit(v) {
			w.buf = append(w.buf, '-')
		}
		if math.IsNaN(v) {
			w.buf = append(w.buf, "nan"...)
		} else {
			w.buf = append(w.buf, "inf"...)
		}
		return
	}
	w.buf = strconv.AppendFloat(w.buf, v, 'f', 6, 64)
}

func (w *jsonWriter) string(s string) {
	const hex = "0123456789abcdef"
	s = cString(s)
	w.buf = append(w.buf, '"')
	done := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.buf = append(w.buf, s[done:i]...)
		done = i + 1
		switch c {
		case '"', '\\':
			w.buf = append(w.buf, '\\', c)
		case '\b':
			w.buf = append(w.buf, '\\', 'b')
		case '\n':
			w.buf = append(w.buf, '\\', 'n')
		case '\r':
			w.buf = append(w.buf, '\\', 'r')
		case '\t':
			w.buf = append(w.buf, '\\', 't')
		default:
			w.buf = append(w.buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	w.buf = append(w.buf, s[done:]...)
	w.buf = append(w.buf, '"')
}
