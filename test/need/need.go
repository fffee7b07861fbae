// Package need says what a test needs of the machine that it runs on: root, a
// command, network namespaces, a TUN device, OpenWrt's own programs.
//
// What is missing skips the test with a message that names it, so that
// `go test ./...` says something useful on any machine. Where every test has to
// run, in CI (CI=true) and wherever WGNETIFD_NO_SKIP=1 is set, the same message
// fails the test instead: a run that is green there has left nothing out.
// OpenWrt's own programs are an exception, because no Debian machine has them:
// their tests are left out until WGNETIFD_OPENWRT=1 asks for them. What takes the
// kernel's WireGuard, or a machine that may be spoilt, is another: `make
// test-kernel` runs it in a virtual machine (WGNETIFD_VM=1), where it never is
// left out.
//
// go test hides what a passing package skipped. When WGNETIFD_SKIP_LOG names a
// file, every skip is appended to it as a line, and `make test` prints that
// file at its end.
package need

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The environment variables that this package reads. The boolean ones are true
// for every value but the empty one and those that strconv.ParseBool takes for
// false: a typing error must not turn a strict run into a lenient one.
const (
	// envCI is set to true by every common CI service.
	envCI = "CI"
	// envNoSkip makes a missing need a failure.
	envNoSkip = "WGNETIFD_NO_SKIP"
	// envVM is set in the virtual machine of package vm.
	envVM = "WGNETIFD_VM"
	// envOpenWrt asks for the tests that meet OpenWrt's own programs.
	envOpenWrt = "WGNETIFD_OPENWRT"
	// envSkipLog names the file that collects what was skipped.
	envSkipLog = "WGNETIFD_SKIP_LOG"
)

// Root ends the test unless it runs as root.
func Root(t testing.TB) {
	t.Helper()
	if uid := os.Geteuid(); uid != 0 {
		missing(t, "needs root, runs as uid %d", uid)
	}
}

// Command returns the path of a command, and ends the test when it is not on
// PATH. The Debian package that brings it belongs in scripts/setup.
func Command(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "needs the command %s on PATH (`make setup` installs what the tests need)", name)
	}
	return path
}

// Namespaces ends the test unless it may make network and mount namespaces:
// that takes root, and a container can forbid it to root as well.
func Namespaces(t testing.TB) {
	t.Helper()
	if err := tryNamespaces(); err != nil {
		missing(t, "needs network and mount namespaces (CAP_SYS_ADMIN): %v", err)
	}
}

// tryNamespaces runs a command in namespaces of its own. A thread of this process
// would do as well, but could be the main one, and /proc/self would show the
// new namespaces to the tests that follow.
func tryNamespaces() error {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	return cmd.Run()
}

// TUN ends the test unless /dev/net/tun opens: userspace WireGuard stands on it.
func TUN(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		missing(t, "needs a TUN device for userspace WireGuard: %v", err)
		return
	}
	_ = f.Close() // Nothing was written.
}

// OpenWrt ends the test unless WGNETIFD_OPENWRT=1 is set and every named
// program is on PATH, and returns their paths in the same order. Without the
// variable the test is left out, in CI too; with it a missing program fails.
func OpenWrt(t testing.TB, programs ...string) []string {
	t.Helper()
	if !enabled(envOpenWrt) {
		skip(t, fmt.Sprintf("needs OpenWrt's %s; `make test-openwrt` runs it", strings.Join(programs, ", ")))
		return nil
	}
	paths := make([]string, 0, len(programs))
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%s=1, but OpenWrt's %s is not on PATH", envOpenWrt, name)
		}
		paths = append(paths, path)
	}
	return paths
}

// InVM reports whether the test runs in the virtual machine of `make test-kernel`.
func InVM() bool { return enabled(envVM) }

// Kernel ends the test unless the kernel has what it is about, and has says so.
// Where it has not, the virtual machine's kernel has it: there alone the test
// fails, and elsewhere, in CI too, it is left out.
func Kernel(t testing.TB, what string, has bool) {
	t.Helper()
	switch {
	case has:
	case InVM():
		t.Fatalf("%s=%s, but the kernel has no %s", envVM, os.Getenv(envVM), what)
	default:
		skip(t, fmt.Sprintf("needs the kernel's %s; `make test-kernel` runs it", what))
	}
}

// VM ends the test unless it runs in the virtual machine of `make test-kernel`: for
// what changes a whole machine, such as its clock. Elsewhere, in CI too, the test
// is left out.
func VM(t testing.TB) {
	t.Helper()
	if !InVM() {
		skip(t, "needs a machine of its own; `make test-kernel` runs it")
	}
}

// missing ends the test because the machine lacks something: a failure where
// nothing may be skipped, otherwise a skip.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	reason := fmt.Sprintf(format, args...)
	for _, name := range []string{envNoSkip, envCI} {
		if enabled(name) {
			t.Fatalf("%s (no test may be skipped: %s=%s)", reason, name, os.Getenv(name))
		}
	}
	skip(t, reason)
}

// skip records the reason in the skip log, if there is one, and skips the test.
func skip(t testing.TB, reason string) {
	t.Helper()
	if name := os.Getenv(envSkipLog); name != "" {
		if err := appendLine(name, t.Name()+": "+reason); err != nil {
			t.Fatalf("%s=%s: %v", envSkipLog, name, err)
		}
	}
	t.Skip(reason)
}

// appendLine adds a line to a file that the test processes of several packages
// write at the same time: O_APPEND and one write keep the lines whole.
func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		_ = f.Close() // The error of the write says more.
		return err
	}
	return f.Close()
}

// enabled tells whether a boolean environment variable is set and not false.
func enabled(name string) bool {
	value := os.Getenv(name)
	if value == "" {
		return false
	}
	on, err := strconv.ParseBool(value)
	return err != nil || on
}
