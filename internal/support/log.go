package support

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"
)

// logTime is how long logread may take: it waits for a log that nobody keeps.
const logTime = 5 * time.Second

// Logread returns the router's log, by OpenWrt's program.
func Logread(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "logread").Output()
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errors.New("logread did not end: does logd run?")
	}
	return string(out), err
}

// log writes the lines that are about us, the last ones.
func (s *Sources) log(ctx context.Context, b *strings.Builder, names []string) error {
	all, err := s.Log(ctx)
	var lines []string
	for line := range strings.Lines(all) {
		if ours(line, names) {
			lines = append(lines, clean(strings.TrimSuffix(line, "\n")))
		}
	}
	for _, line := range lines[max(0, len(lines)-maxLines):] {
		b.WriteString(line + "\n")
	}
	return err
}

// ours: a line of this program, of the kernel's WireGuard, or of netifd about one of
// the interfaces.
func ours(line string, names []string) bool {
	if strings.Contains(line, "wgnetifd") || strings.Contains(line, "wireguard") {
		return true
	}
	for _, name := range names {
		if strings.Contains(line, "netifd") && (strings.Contains(line, " "+name+" (") || strings.Contains(line, "'"+name+"'")) {
			return true
		}
	}
	return false
}
