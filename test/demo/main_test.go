package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/need"
)

// build builds the demo in a folder of its own, where it finds no wgnetifd and
// builds that itself.
func build(t *testing.T) string {
	t.Helper()
	need.Root(t)
	need.Namespaces(t)
	need.TUN(t)
	need.Command(t, "go")
	need.Command(t, "ping")
	program := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// mounts returns what is mounted on this machine where the demo mounts something
// in namespaces of its own.
func mounts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found strings.Builder
	for line := range strings.Lines(string(text)) {
		switch place := strings.Fields(line)[4]; {
		case place == "/etc", place == "/tmp", place == "/run", place == "/var/run", strings.HasPrefix(place, "/run/machine"):
			found.WriteString(line)
		}
	}
	return found.String()
}

// remains returns the processes that a program has left.
func remains(t *testing.T, program string) (lines []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		// One that cannot be read has ended.
		if line, err := os.ReadFile(f); err == nil && strings.HasPrefix(string(line), program) {
			lines = append(lines, string(line))
		}
	}
	return lines
}

// clean checks that nothing of the demo is left on the machine.
func clean(t *testing.T, program, before string) {
	t.Helper()
	if left := remains(t, program); len(left) > 0 {
		t.Errorf("processes are left: %q", left)
	}
	if now := mounts(t); now != before {
		t.Errorf("mounts were\n%s\nand are\n%s", before, now)
	}
	if _, err := os.Stat("/run/router"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("/run/router: %v", err)
	}
}

func TestDemo(t *testing.T) {
	program := build(t)
	before := mounts(t)
	out, err := exec.Command(program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"config interface 'wg0'", "wg0 was up after", "0% packet loss", "peer laptop: connected", "peer tablet: invalid",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	clean(t, program, before)
}

// TestInterrupted interrupts the demo early and late: it ends at once and leaves
// nothing behind.
func TestInterrupted(t *testing.T) {
	program := build(t)
	before := mounts(t)
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM} {
		for _, line := range []string{"A router", "ubusd and netifd start", "The laptop pings"} {
			interrupt(t, program, sig, line)
			clean(t, program, before)
		}
	}
}

// slowPipe makes a pipe that holds one write until it is read: who writes to it is
// never further than that.
func slowPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_DIRECT|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	reader, writer = os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "writer")
	t.Cleanup(func() { _, _ = reader.Close(), writer.Close() })
	if _, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil {
		t.Fatal(err)
	}
	return reader, writer
}

// interrupt sends a signal when the demo has printed a line that begins so. It has
// not come to its end by then, however late we are: it prints more first.
func interrupt(t *testing.T, program string, sig syscall.Signal, line string) {
	t.Helper()
	cmd := exec.Command(program)
	stdout, writer := slowPipe(t)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = writer, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	written := make([]byte, os.Getpagesize()) // as much as a write has here
	for {
		n, err := stdout.Read(written)
		if err != nil || strings.HasPrefix(string(written[:n]), line) {
			break
		}
	}
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, _ = io.Copy(io.Discard, stdout) // until it has ended
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("%v at %q: %v, want exit status %d", sig, line, err, exitInterrupted)
	}
	if !strings.Contains(said.String(), "demo: interrupted") || strings.Contains(said.String(), "FAILED") {
		t.Errorf("%v at %q: it says %q", sig, line, said.String())
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("%v at %q: it took %v to end", sig, line, took)
	}
}

// TestNotRoot: who is not root is told so, and nothing else.
func TestNotRoot(t *testing.T) {
	program := build(t)
	// Others may not look into the test's own folder.
	copied, err := os.MkdirTemp("", "demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(copied) })
	if err := os.Chmod(copied, 0o755); err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(copied, "demo")
	if err := os.Rename(program, public); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(public)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != exitFailed || !strings.HasPrefix(string(out), "demo: run this as root") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}
