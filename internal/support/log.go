package support

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

// logTime is how long logread may take: it waits for a log that nobody keeps.
const logTime = 5 * time.Second

// maxLog is how much of the log is read, in bytes: logd keeps less.
const maxLog = 4 << 20

// Logread returns the router's log, by OpenWrt's program.
func Logread(ctx context.Context) (string, error) { return output(ctx, logTime, "/sbin/logread") }

// output runs a program and returns what it prints.
func output(ctx context.Context, limit time.Duration, program string) (string, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return "", err
	}
	defer null.Close()
	out, in, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer out.Close()
	p, err := os.StartProcess(program, []string{program}, &os.ProcAttr{Dir: "/", Files: []*os.File{null, in, null}})
	_ = in.Close() // the program has its own
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = p.Kill() }) // it may have ended by itself
	defer stop()
	text, err := io.ReadAll(io.LimitReader(out, maxLog))
	if _, ended := p.Wait(); err == nil {
		err = ended
	}
	if ctx.Err() != nil {
		err = errors.New(program + " did not end in time")
	}
	return string(text), err
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
