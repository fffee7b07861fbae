// Package wggo gives tests and the demo WireGuard devices on a machine whose
// kernel has none: it puts wireguard-go on PATH, as the project golang.zx2c4.com
// releases it, at the version that tool/go.mod names.
package wggo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/need"
)

// EnvProgram names the environment variable that holds the path of a wireguard-go
// to use. Without it that is built, which takes Go.
const EnvProgram = "WGNETIFD_WIREGUARD_GO"

// tool is the import path of wireguard-go's main package.
const tool = "golang.zx2c4.com/wireguard"

// Require makes sure that WireGuard devices can be made in the calling thread's
// network namespace, for the rest of the test: by the kernel, or by wireguard-go
// on PATH. It reports whether it is the kernel, as it has to be in the virtual
// machine of `make test-kernel`.
func Require(t testing.TB) (kernel bool) {
	t.Helper()
	kernel, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	if !kernel && need.InVM() {
		t.Fatal("the virtual machine's kernel has no WireGuard")
	}
	if !kernel {
		Install(t)
	}
	return kernel
}

// RequireKernel makes sure that WireGuard devices are the kernel's, for what
// wireguard-go does not show.
func RequireKernel(t testing.TB) {
	t.Helper()
	kernel, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	need.Kernel(t, "WireGuard", kernel)
}

// Install puts wireguard-go on PATH for the rest of the test.
func Install(t testing.TB) {
	t.Helper()
	need.TUN(t)
	if os.Getenv(EnvProgram) == "" {
		need.Command(t, "go")
	}
	program, err := Program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(program, filepath.Join(dir, "wireguard-go")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// Program returns the path of wireguard-go: the one that EnvProgram names, or it is
// built, once in a process, and kept in Go's build cache.
var Program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(EnvProgram); path != "" {
		return path, nil
	}
	root, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("where is the project's go.mod: %w", err)
	}
	cmd := exec.Command("go", "tool", "-n", tool)
	cmd.Dir = filepath.Join(filepath.Dir(string(bytes.TrimSpace(root))), "test", "wggo", "tool")
	// Static, to run wherever the tests do; and what is not there cannot be fetched
	// from within a network namespace, so that trying would only take time.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOPROXY=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return "", fmt.Errorf("build wireguard-go, which `make setup` fetches: %w", err)
	}
	return string(bytes.TrimSpace(out)), nil
})

// Kernel reports whether the kernel can make WireGuard devices, by making one in
// the calling thread's network namespace.
func Kernel() (bool, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return false, fmt.Errorf("open rtnetlink: %w", err)
	}
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "wggo-probe"
	l := &netlink.Wireguard{LinkAttrs: attrs}
	err = h.LinkAdd(l)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return false, nil
	}
	if err == nil {
		err = h.LinkDel(l)
	}
	if err != nil {
		return false, fmt.Errorf("try the kernel's WireGuard: %w", err)
	}
	return true, nil
}
