package install

import (
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	// The modules that the program is built of come with the tests that way. In a
	// namespace without a network they could not be fetched any more.
	_ "github.com/wgnetifd/wgnetifd/internal/packager"
	_ "github.com/wgnetifd/wgnetifd/proto"
	_ "github.com/wgnetifd/wgnetifd/rpcd"

	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/wggo"
)

func TestMain(m *testing.M) { netns.Main(m) }

// EnvPackages names a folder of `make packages`.
const envPackages = "WGNETIFD_PACKAGES"

// The two versions that are built.
const (
	older = "1.2.3-r4"
	newer = "1.2.3-r5"
)

// emulators are what runs the programs of other architectures.
var emulators = map[string][]string{
	"mips_24kc":       {"qemu-mips-static", "-cpu", "24Kc", "-E", "GOMAXPROCS=1"}, // see package arch
	"aarch64_generic": {"qemu-aarch64-static", "-cpu", "cortex-a53"},
}

// native is this machine's architecture, as OpenWrt names it.
var native = map[string]string{"amd64": "x86_64", "arm64": "aarch64_generic"}[runtime.GOARCH]

// feeds is where the packages are: feeds.old has the older version for this machine
// and those that are emulated, feeds.new the newer one for this machine.
type feeds struct{ old, new, keys string }

// enter builds the packages and changes the root of the process to a folder that is
// a router's. It is done once: there is no way back.
var enter = sync.OnceValues(func() (f feeds, err error) {
	scratch, err := os.MkdirTemp("/run", "packages")
	if err != nil {
		return f, err
	}
	if f, err = buildFeeds(scratch); err != nil {
		return f, err
	}
	if kernel, err := wggo.Kernel(); err != nil || !kernel {
		if _, err := wggo.Program(); err != nil { // it is built here, while Go can be found
			return f, err
		}
	}
	root := "/run/router"
	if err := errors.Join(lookalike(root), furnish(root)); err != nil {
		return f, err
	}
	return f, errors.Join(unix.Chroot(root), os.Chdir("/"))
})

// start makes sure that the test runs in a router's root.
func start(t *testing.T) feeds {
	t.Helper()
	netns.Require(t)
	need.Command(t, "make")
	need.Command(t, "go")
	if native == "" {
		t.Fatalf("%s: there is no name of OpenWrt's for this machine", runtime.GOARCH)
	}
	f, err := enter()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func buildFeeds(scratch string) (f feeds, err error) {
	f = feeds{filepath.Join(scratch, "old"), filepath.Join(scratch, "new"), filepath.Join(scratch, "keys")}
	source, err := filepath.Abs("../..")
	if err != nil {
		return f, err
	}
	archs := []string{native}
	for arch := range emulators {
		if arch != native {
			archs = append(archs, arch)
		}
	}
	program := filepath.Join(scratch, "mkpackages")
	if err := run(source, "go", "build", "-o", program, "./openwrt-feed/mkpackages"); err != nil {
		return f, err
	}
	flags := []string{"-quick", "-keys", f.keys, "-version", "1.2.3"}
	return f, errors.Join(
		run(source, program, append(flags, "key")...),
		run(source, program, slices.Concat(flags, []string{"-out", f.old, "-release", "4", "build"}, archs)...),
		run(source, program, append(flags, "-out", f.new, "-release", "5", "build", native)...),
	)
}

// run runs a command in a folder, which fetches nothing from anywhere.
func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "MAKEFLAGS=", "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return nil
}

// The folders that are the router's own, and what of the machine's is left out of
// them: OpenWrt has other things there.
var own = map[string][]string{
	"":            {"host", "run"},
	"etc":         {"config", "init.d", "rc.d", "resolv.conf", "opkg", "opkg.conf"},
	"usr":         nil,
	"usr/lib":     {"opkg", "netifd"},
	"usr/libexec": {"rpcd"},
	"usr/sbin":    {"wgnetifd"},
	"usr/share":   {"rpcd", "luci"},
	"var":         {"run", "lock"},
}

// lookalike makes a folder that looks like the machine's root: the machine is at
// /host, and links lead there. (Overlayfs would be less work, and some kernels and
// containers have none.)
func lookalike(root string) error {
	host := filepath.Join(root, "host")
	if err := os.MkdirAll(host, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/", host, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("show / at %s: %w", host, err)
	}
	for dir, without := range own {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
		entries, err := os.ReadDir(filepath.Join("/", dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			if _, real := own[name]; real || slices.Contains(without, e.Name()) {
				continue
			}
			target := filepath.Join("/host", name)
			if e.Type() == fs.ModeSymlink { // such as lib to usr/lib
				if target, err = os.Readlink(filepath.Join("/", name)); err != nil {
					return err
				}
			}
			if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
				return err
			}
		}
	}
	// Sockets and processes are the namespace's.
	return os.Symlink("/host/run", filepath.Join(root, "run"))
}

//go:embed testdata/functions.sh
var functions string

//go:embed testdata/rc.common
var rcCommon string

// rpcdCalls gets a line each time that rpcd's init script is called.
const rpcdCalls = "/run/rpcd.calls"

// furnish puts in what a router has before a package comes.
func furnish(root string) error {
	var err error
	for name, text := range map[string]string{
		"lib/functions.sh":                functions,
		"etc/rc.common":                   rcCommon,
		"etc/config/network":              "",
		"etc/init.d/network":              "#!/bin/sh /etc/rc.common\nSTART=20\n",
		"etc/init.d/rpcd":                 "#!/bin/sh\necho \"$1\" >>" + rpcdCalls + "\nexit 7\n",
		"lib/netifd/proto/dhcp.sh":        "#!/bin/sh\n",
		"lib/upgrade/keep.d/base-files":   "/etc/config/\n",
		"usr/libexec/rpcd/other":          "#!/bin/sh\n",
		"usr/share/rpcd/acl.d/other.json": "{}\n",
		"usr/lib/opkg/status":             "",
		"usr/lib/opkg/info/.keep":         "",
		"var/lock/.keep":                  "",
	} {
		path := filepath.Join(root, name)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755))
	}
	return errors.Join(err,
		os.MkdirAll(filepath.Join(root, "etc/rc.d"), 0o755),
		os.Symlink("../init.d/network", filepath.Join(root, "etc/rc.d/S20network")),
		os.Symlink("/run", filepath.Join(root, "var/run")))
}

// snapshot returns what is in the router's own folders, by path: mode, owner, and
// where a link leads to, or a hash. The database of opkg is left out.
func snapshot(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains([]string{"/host", "/usr/lib/opkg", "/var/lock", "/etc/opkg.conf"}, path):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%s %d:%d", info.Mode(), st.Uid, st.Gid)
		switch {
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		out[path] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// resolved is a path of a package as the snapshot has it: on this machine, /lib may
// be a link.
func resolved(t *testing.T, path string) string {
	t.Helper()
	dir := filepath.Dir(path)
	for rest := ""; ; dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest) {
		real, err := filepath.EvalSymlinks(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(real, rest, filepath.Base(path))
	}
}

// packagesOf are the package files of a folder whose names begin with a word.
func packagesOf(t *testing.T, dir string, begin ...string) (files []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".ipk")
		if ok && (len(begin) == 0 || slices.ContainsFunc(begin, func(b string) bool { return strings.HasPrefix(name, b) })) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files
}
