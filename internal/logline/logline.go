// Package logline writes log records as people read them in OpenWrt's log: one
// line an event, the message first. The system log adds time and program.
//
// It has the methods of log/slog that are used here and a tenth of its size:
// log/slog brings encoding/json and reflection along, 190 KB on a MIPS router.
package logline

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// Logger writes records. Make one with New. Its methods may be called from many
// goroutines; one that is nil writes nothing.
type Logger struct {
	mu    *sync.Mutex
	w     io.Writer
	attrs string
}

// New returns a logger that writes to w, one Write a record.
func New(w io.Writer) *Logger { return &Logger{mu: &sync.Mutex{}, w: w} }

// With returns a logger that adds attributes to each record: pairs of a name and
// a value.
func (l *Logger) With(args ...any) *Logger {
	if l == nil {
		return nil
	}
	out := *l
	out.attrs += attributes(args)
	return &out
}

// Debug writes nothing: it is for other loggers of the same methods.
func (l *Logger) Debug(string, ...any) {}

// Info writes what happened, with pairs of a name and a value.
func (l *Logger) Info(msg string, args ...any) { l.write("", msg, args) }

// Warn writes what is not right and can be lived with.
func (l *Logger) Warn(msg string, args ...any) { l.write("warning: ", msg, args) }

// Error writes what is wrong.
func (l *Logger) Error(msg string, args ...any) { l.write("error: ", msg, args) }

// write writes `error: MESSAGE (interface=wg0 …)`.
func (l *Logger) write(level, msg string, args []any) {
	if l == nil {
		return
	}
	line := level + oneLine(msg)
	if attrs := l.attrs + attributes(args); attrs != "" {
		line += " (" + attrs[1:] + ")"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, line+"\n")
}

// attributes returns each pair with a blank before it.
func attributes(args []any) string {
	var b strings.Builder
	for n := 0; n+1 < len(args); n += 2 {
		value := fmt.Sprint(args[n+1])
		if strings.ContainsAny(value, " \"()=\n\r\t") || value == "" {
			value = strconv.Quote(value)
		}
		fmt.Fprintf(&b, " %v=%s", args[n], oneLine(value))
	}
	return b.String()
}

// oneLine keeps what came from a configuration file from starting a line of its
// own, or from steering a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
