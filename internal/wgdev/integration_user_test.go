package wgdev_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/wgdev"
)

func TestNoWireGuard(t *testing.T) {
	s, kernel := system(t)
	if kernel {
		return // ErrNoWireGuard cannot be had from this kernel
	}
	for _, path := range []string{t.TempDir(), "", "."} {
		t.Setenv("PATH", path)
		err := s.Create("wgnone")
		if !errors.Is(err, wgdev.ErrNoWireGuard) || !strings.Contains(err.Error(), "kmod-wireguard") {
			t.Errorf("PATH=%s: %v, want ErrNoWireGuard", path, err)
		}
	}
}

// A process that netifd started has descriptors of netifd's. A daemon that kept
// them would hold netifd's pipes and sockets open for ever.
func TestNoDescriptorIsInherited(t *testing.T) {
	s, kernel := system(t)
	if kernel {
		return // no process is started
	}
	leak := inherited(t)
	const name = "wgleak"
	create(t, s, name)
	owners := 0
	for _, fd := range globFDs(t) {
		target, err := os.Readlink(fd)
		if err != nil {
			continue // ended meanwhile
		}
		if strings.HasPrefix(fd, "/proc/1/") || strings.HasPrefix(fd, "/proc/self/") || strings.HasPrefix(fd, "/proc/thread-self/") {
			continue
		}
		owners++
		if target == leak {
			t.Errorf("%s is our %s", fd, target)
		}
		if n := filepath.Base(fd); (n == "0" || n == "1" || n == "2") && target != os.DevNull {
			t.Errorf("%s is %s, want %s", fd, target, os.DevNull)
		}
	}
	if owners == 0 {
		t.Error("no process of wireguard-go was found")
	}
}

// inherited opens a descriptor that is not closed on exec, and returns what it is.
func inherited(t *testing.T) string {
	t.Helper()
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil { // without O_CLOEXEC
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pipe[0])
		unix.Close(pipe[1])
	})
	target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(pipe[1]))
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func globFDs(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return list
}
