package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/need"
)

// outside is the environment variable that tells the second start of a program
// from the first. It holds the network namespace of the first: a value that was
// set by hand, or handed on to some other program, cannot pass for one.
const outside = "WGNETIFD_NETNS_OUTSIDE"

// namespace returns the network namespace that the program runs in.
func namespace() (string, error) { return os.Readlink("/proc/self/ns/net") }

// isolated reports whether the program runs in namespaces made by Isolate.
func isolated() bool {
	before := os.Getenv(outside)
	now, err := namespace()
	return err == nil && strings.HasPrefix(before, "net:[") && before != now
}

// cloneFlags are the namespaces of an isolated program. That of processes is what
// ends the ones it leaves behind: they die with the first one in it.
const cloneFlags = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID

// errStart is why the program could not be started in fresh namespaces.
var errStart error

// Main is the TestMain of a package whose tests need network namespaces. Where
// they cannot be made, the tests run as they are, and Require says so.
func Main(m *testing.M) {
	code, err := Isolate(m.Run)
	var start *startError
	switch {
	case errors.As(err, &start):
		errStart = err
		code = m.Run()
	case err != nil:
		fmt.Fprintln(os.Stderr, "netns:", err)
		code = 1
	}
	os.Exit(code)
}

// Require ends the test unless it runs in namespaces of its own.
func Require(t testing.TB) {
	t.Helper()
	if isolated() {
		return
	}
	need.Root(t)
	need.Namespaces(t)
	if errStart != nil {
		t.Fatal(errStart)
	}
	t.Fatal("the package has no TestMain that calls netns.Main")
}

// startError is an error of starting a program in fresh namespaces.
type startError struct{ err error }

func (e *startError) Error() string {
	return fmt.Sprintf("start %s in fresh namespaces: %v", os.Args[0], e.err)
}

func (e *startError) Unwrap() error { return e.err }

// Isolate runs f in fresh namespaces and returns what it returns. It starts the
// program once more to do so: the caller has to be at the beginning of main or
// TestMain, and what it does before happens twice.
func Isolate(f func() int) (code int, err error) {
	if !isolated() {
		return again()
	}
	// Others are started by the first process: workers of a fuzz test.
	if os.Getpid() == 1 {
		if err := furnish(); err != nil {
			return 0, err
		}
	}
	return f(), nil
}

// again starts the program in fresh namespaces and waits for its end.
func again() (code int, err error) {
	// The kernel kills the child when the thread that made it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now, err := namespace()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), outside+"="+now)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: cloneFlags, Pdeathsig: syscall.SIGKILL}

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, &startError{err}
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s) // It may have ended just now.
			case <-done:
				return
			}
		}
	}()
	err = cmd.Wait()
	close(done)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if code = cmd.ProcessState.ExitCode(); code < 0 { // a signal
		return 0, fmt.Errorf("%s: %v", os.Args[0], cmd.ProcessState)
	}
	return code, nil
}

// furnish makes fresh namespaces such that programs find what they expect.
func furnish() error {
	// Nothing that is mounted from here on may reach the machine.
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// It shows the processes of the namespace that it was mounted in.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := privateRun(); err != nil {
		return err
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open rtnetlink: %w", err)
	}
	defer h.Close()
	return loopbackUp(h)
}

// privateRun mounts an empty file system on /run and /var/run, one of which
// is usually a symbolic link to the other.
func privateRun() error {
	done := map[string]bool{}
	for _, dir := range []string{"/run", "/var/run"} {
		real, err := filepath.EvalSymlinks(dir)
		if errors.Is(err, fs.ErrNotExist) || done[real] {
			continue
		}
		if err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", real, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("mount a tmpfs on %s: %w", real, err)
		}
		done[real] = true
	}
	return nil
}

func loopbackUp(h *netlink.Handle) error {
	lo, err := h.LinkByName("lo")
	if err == nil {
		err = h.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}
