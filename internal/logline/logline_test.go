package logline

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  func(l *slog.Logger)
		want string
	}{
		{"plain", func(l *slog.Logger) { l.Info("the interface is up") }, "the interface is up\n"},
		{"levels", func(l *slog.Logger) { l.Warn("w"); l.Error("e"); l.Debug("d") }, "warning: w\nerror: e\n"},
		{"attributes", func(l *slog.Logger) {
			l.With("interface", "wg0").Error("no route", "peer", "my phone", "error", errors.New(`what "now"`), "n", 3)
		}, `error: no route (interface=wg0 peer="my phone" error="what \"now\"" n=3)` + "\n"},
		{"one line", func(l *slog.Logger) { l.Info("a\nb\x1b[2J", "k", "c\nd") }, `a b [2J (k="c\nd")` + "\n"},
		{"empty value", func(l *slog.Logger) { l.Info("m", "k", "") }, `m (k="")` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			tt.log(slog.New(New(&b, slog.LevelInfo)))
			if b.String() != tt.want {
				t.Errorf("got %q, want %q", b.String(), tt.want)
			}
		})
	}
}
