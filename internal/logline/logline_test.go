package logline

import (
	"errors"
	"strings"
	"testing"
)

func TestLogger(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  func(l *Logger)
		want string
	}{
		{"plain", func(l *Logger) { l.Info("the interface is up") }, "the interface is up\n"},
		{"levels", func(l *Logger) { l.Warn("w"); l.Error("e") }, "warning: w\nerror: e\n"},
		{"attributes", func(l *Logger) {
			l.With("interface", "wg0").Error("no route", "peer", "my phone", "error", errors.New(`what "now"`), "n", 3)
		}, `error: no route (interface=wg0 peer="my phone" error="what \"now\"" n=3)` + "\n"},
		{"with keeps the first as it is", func(l *Logger) { _ = l.With("a", 1); l.Info("m") }, "m\n"},
		{"one line", func(l *Logger) { l.Info("a\nb\x1b[2J", "k", "c\nd") }, `a b [2J (k="c\nd")` + "\n"},
		{"empty value", func(l *Logger) { l.Info("m", "k", "") }, `m (k="")` + "\n"},
		{"a name without a value", func(l *Logger) { l.Info("m", "k") }, "m\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			tt.log(New(&b))
			if b.String() != tt.want {
				t.Errorf("got %q, want %q", b.String(), tt.want)
			}
		})
	}
	var none *Logger
	none.With("a", 1).Info("nobody reads this")
}
