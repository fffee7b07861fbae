package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Environment variables that name places; see the package's comment.
const (
	envProgram = "WGNETIFD_PROGRAM"
	envShell   = "WGNETIFD_UPSTREAM_SHELL"
	envUcode   = "WGNETIFD_UPSTREAM_UCODE"
)

// Where OpenWrt has things.
const (
	netifdDir = "/lib/netifd"
	protoDir  = netifdDir + "/proto"
	configDir = "/etc/config"
)

// programs are what has to be on PATH: netifd and ubusd are run here, the
// handlers of upstream call the others.
var programs = []string{"netifd", "ubusd", "ubus", "uci", "jshn", "ip", "wg"}

// files are what the handlers of upstream read.
var files = []string{netifdDir + "/netifd-proto.sh", "/lib/functions.sh", "/lib/config/uci.sh", "/usr/share/libubox/jshn.sh"}

// contestant is a handler.
type contestant struct {
	name   string
	file   string // its name in /lib/netifd/proto
	source string
	data   []byte
	failed string // how it failed, once it has
	// way is how a change of one peer gets live; unknown until it was tried.
	way way
}

// version tells handlers of the same name apart.
func (c *contestant) version() string {
	return fmt.Sprintf("sha256 %.8x", sha256.Sum256(c.data))
}

// place returns the value of an environment variable, or where a thing is usually.
func place(env, usual string) string {
	if path := os.Getenv(env); path != "" {
		return path
	}
	return usual
}

// ours returns the path of our program.
func ours() string {
	self, err := os.Executable()
	if err != nil {
		self = "."
	}
	return place(envProgram, filepath.Join(filepath.Dir(self), "wgnetifd"))
}

func upstream() (shell, ucode string) {
	return place(envShell, protoDir+"/wireguard.sh"), place(envUcode, protoDir+"/wireguard.uc")
}

// lookAround returns an error for each thing that is missing, root aside.
func lookAround() error {
	var errs []error
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			errs = append(errs, fmt.Errorf("  %s on PATH", name))
		}
	}
	for _, path := range files {
		if !exists(path) {
			errs = append(errs, fmt.Errorf("  %s", path))
		}
	}
	if path := ours(); !exists(path) {
		errs = append(errs, fmt.Errorf("  %s, our program (`make build`, or name it in %s)", path, envProgram))
	}
	shell, ucode := upstream()
	if !exists(shell) && !exists(ucode) {
		errs = append(errs, fmt.Errorf("  a handler of upstream, one at least: %s (or name it in %s), %s (or name it in %s)",
			shell, envShell, ucode, envUcode))
	}
	if !exists(configDir) {
		errs = append(errs, fmt.Errorf("  the folder %s, to mount one of its own there", configDir))
	}
	return errors.Join(errs...)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// contestants reads the handlers. It is called before file systems are covered.
func contestants() ([]*contestant, error) {
	shell, ucode := upstream()
	all := []*contestant{
		{name: "wgnetifd", file: "wgnetifd.sh", source: ours()},
		{name: "upstream, shell", file: "wireguard.sh", source: shell},
		{name: "upstream, ucode", file: "wireguard.uc", source: ucode},
	}
	var out []*contestant
	for _, c := range all {
		var err error
		switch c.data, err = os.ReadFile(c.source); {
		case errors.Is(err, fs.ErrNotExist) && c.file != "wgnetifd.sh":
			fmt.Fprintf(os.Stderr, "not in the race: %s: %s is not there\n", c.name, c.source)
		case err != nil:
			return nil, err
		case filepath.Ext(c.file) == ".uc" && !exists(netifdDir+"/proto-ucode.uc"):
			fmt.Fprintf(os.Stderr, "not in the race: %s: this netifd runs no such handlers (%s/proto-ucode.uc is not there)\n", c.name, netifdDir)
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

// furnish covers the folders that the handlers and netifd write to or read
// from: nothing of the machine is changed.
func furnish() error {
	lib, err := os.MkdirTemp("/run", "netifd")
	if err != nil {
		return err
	}
	if err := os.CopyFS(lib, os.DirFS(netifdDir)); err != nil {
		return fmt.Errorf("copy %s: %w", netifdDir, err)
	}
	if err := unix.Mount(lib, netifdDir, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount a copy on %s: %w", netifdDir, err)
	}
	for _, dir := range []string{configDir, "/tmp"} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("mount a tmpfs on %s: %w", dir, err)
		}
	}
	return os.MkdirAll("/var/run/ubus", 0o755)
}

// install makes c the only handler that netifd finds.
func (c *contestant) install() error {
	old, err := filepath.Glob(protoDir + "/*")
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(protoDir, c.file), c.data, 0o755)
}

// machine is what the numbers were measured on.
type machine struct {
	processor, kernel, system, program string
	wireguard                          string
}

// describe also sees whether a WireGuard device can be made the way the
// handlers of upstream do.
func describe(ctx context.Context) (machine, error) {
	m := machine{
		processor: fmt.Sprintf("%d × %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name", ":")),
		system:    strings.Trim(field("/etc/openwrt_release", "DISTRIB_DESCRIPTION", "="), `'"`),
	}
	if m.system == "" {
		m.system = strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `'"`)
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		m.kernel = unix.ByteSliceToString(u.Release[:])
	}
	out, err := exec.CommandContext(ctx, ours(), "version").Output()
	if err != nil {
		return m, fmt.Errorf("%s version: %w", ours(), err)
	}
	m.program = string(bytes.TrimSpace(out))
	if out, err := exec.CommandContext(ctx, "ip", "link", "add", "dev", "race0", "type", "wireguard").CombinedOutput(); err != nil {
		return m, fmt.Errorf("this machine lacks WireGuard: ip link add dev race0 type wireguard: %w: %s", err, bytes.TrimSpace(out))
	}
	m.wireguard = "the kernel's WireGuard"
	if exists("/var/run/wireguard/race0.sock") {
		m.wireguard = "userspace WireGuard (wireguard-go) for all contestants"
	}
	if out, err := exec.CommandContext(ctx, "ip", "link", "del", "dev", "race0").CombinedOutput(); err != nil {
		return m, fmt.Errorf("ip link del dev race0: %w: %s", err, bytes.TrimSpace(out))
	}
	return m, nil
}

// field returns the value of the first line of a file that starts with name.
func field(path, name, separator string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		key, value, ok := strings.Cut(line, separator)
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
