package wgdev_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/wggo"
)

// The tests of this file are about userspace devices also where the kernel has
// WireGuard.

func userSystem(t *testing.T) *wgdev.System {
	t.Helper()
	netns.Require(t)
	wggo.Install(t)
	s := wgdev.NewSystem()
	t.Cleanup(func() { s.Close() })
	return s
}

func TestUserDevice(t *testing.T) {
	s := userSystem(t)
	const name = "wguser"
	if err := s.CreateUser(name); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateUser(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second one: %v, want one that matches fs.ErrExist", err)
	}
	peers := manyPeers(100)
	configure(t, s, name, plan.Changes{PrivateKey: &ourKey, ListenPort: &ourPort, FwMark: &ourMark, Peers: peers})
	want := plan.Actual{
		Exists: true, PrivateKey: ourKey, PublicKey: ourKey.PublicKey(), ListenPort: ourPort, FwMark: ourMark,
		Peers: actualPeers(peers),
	}
	if diff := cmp.Diff(want, read(t, s, name), compare); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := s.Delete(name); err != nil {
		t.Fatal(err)
	}
	if a := read(t, s, name); a.Exists {
		t.Error("the device is there after it was deleted")
	}
	if _, err := os.Lstat("/var/run/wireguard/" + name + ".sock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the control socket is left: %v", err)
	}
}

func TestNoWireGuard(t *testing.T) {
	s := userSystem(t)
	for _, path := range []string{t.TempDir(), "", "."} {
		t.Setenv("PATH", path)
		err := s.CreateUser("wgnone")
		if !errors.Is(err, wgdev.ErrNoWireGuard) || !strings.Contains(err.Error(), "kmod-wireguard") {
			t.Errorf("PATH=%s: %v, want ErrNoWireGuard", path, err)
		}
	}
}

// A program of that name that makes no device.
func TestUserProgramFails(t *testing.T) {
	s := userSystem(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "wireguard-go"), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	err := s.CreateUser("wgfails")
	if err == nil || errors.Is(err, wgdev.ErrNoWireGuard) || !strings.Contains(err.Error(), "status 3") {
		t.Errorf("%v, want an error with the exit status", err)
	}
}

// A device whose name is taken by a tunnel of another program.
func TestUserNameTaken(t *testing.T) {
	s := userSystem(t)
	host := netns.New(t, "host")
	host.AddStub("wgtaken")
	host.Do(func() {
		if err := s.CreateUser("wgtaken"); err == nil {
			t.Error("a device was made over another link")
		}
	})
}

// The process has none of the descriptors that netifd leaks to us: a daemon that
// kept them would hold netifd's pipes open for ever.
func TestUserInheritsNothing(t *testing.T) {
	s := userSystem(t)
	leak := inherited(t)
	before := processes(t)
	const name = "wgleak"
	if err := s.CreateUser(name); err != nil {
		t.Fatal(err)
	}
	defer s.Delete(name)
	started := 0
	for _, pid := range processes(t) {
		fds, err := filepath.Glob("/proc/" + pid + "/fd/*")
		if err != nil || len(fds) == 0 || slices.Contains(before, pid) {
			continue // ended, or not by us
		}
		started++
		for _, fd := range fds {
			target, err := os.Readlink(fd)
			if err != nil {
				continue
			}
			if target == leak {
				t.Errorf("%s is our %s", fd, target)
			}
			if n := filepath.Base(fd); (n == "0" || n == "1" || n == "2") && target != os.DevNull {
				t.Errorf("%s is %s, want %s", fd, target, os.DevNull)
			}
		}
	}
	if started != 1 {
		t.Errorf("%d processes were started, want 1", started)
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

// processes returns the process ids of the test's namespace.
func processes(t *testing.T) (pids []string) {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range list {
		pids = append(pids, filepath.Base(dir))
	}
	return pids
}
