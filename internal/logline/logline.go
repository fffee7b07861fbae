// Package logline writes log records as people read them in OpenWrt's log: one
// line an event, the message first. The system log adds time and program.
package logline

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
)

// Handler is a slog.Handler. Make one with New.
type Handler struct {
	mu    *sync.Mutex
	w     io.Writer
	level slog.Level
	attrs string
}

var _ slog.Handler = &Handler{}

// New returns a handler that writes records of level and above to w, one Write a
// record.
func New(w io.Writer, level slog.Level) *Handler {
	return &Handler{mu: &sync.Mutex{}, w: w, level: level}
}

// Enabled reports whether records of the level are written.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// WithAttrs returns a handler that adds attrs to each record.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		appendAttr(&b, a)
	}
	out := *h
	out.attrs = b.String()
	return &out
}

// WithGroup returns h: groups are for machines.
func (h *Handler) WithGroup(string) slog.Handler { return h }

// Handle writes one record: `error: MESSAGE (interface=wg0 …)`.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString("error: ")
	case r.Level >= slog.LevelWarn:
		b.WriteString("warning: ")
	}
	oneLine(&b, r.Message)
	var attrs strings.Builder
	attrs.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&attrs, a)
		return true
	})
	if attrs.Len() > 0 {
		b.WriteString(" (")
		b.WriteString(strings.TrimPrefix(attrs.String(), " "))
		b.WriteByte(')')
	}
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

func appendAttr(b *strings.Builder, a slog.Attr) {
	v := a.Value.Resolve().String()
	b.WriteByte(' ')
	b.WriteString(a.Key)
	b.WriteByte('=')
	if strings.ContainsAny(v, " \"()=\n\r\t") || v == "" {
		v = strconv.Quote(v)
	}
	oneLine(b, v)
}

// oneLine keeps what came from a configuration file from starting a line of its
// own, or from steering a terminal.
func oneLine(b *strings.Builder, s string) {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		b.WriteRune(r)
	}
}
