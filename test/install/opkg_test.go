package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/packager/ipk"
	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

// info is opkg's folder of scripts and of lists of files.
const info = "/usr/lib/opkg/info"

// present are packages that a router has, or gets with ours.
var present = []string{"libc", "kmod-wireguard", "luci-base", "luci-lib-uqr", "wireguard-tools", "rpcd", "netifd"}

// manager installs and removes packages; what it and its scripts print is collected.
type manager struct {
	t    *testing.T
	host *netns.Host
	arch string
	env  []string // of the scripts, beside this process's

	opkg      string // the real one, or ""
	installed map[string]*ipk.Package
	printed   strings.Builder
}

// newManager makes a manager for packages of an architecture. The real opkg is taken
// where there is one.
func newManager(t *testing.T, host *netns.Host, arch string, env ...string) *manager {
	t.Helper()
	m := &manager{t: t, host: host, arch: arch, env: env, installed: map[string]*ipk.Package{}}
	m.opkg, _ = exec.LookPath("opkg") // without it there is the stand-in
	var status strings.Builder
	for _, name := range present {
		fmt.Fprintf(&status, "Package: %s\nVersion: 2025.1-1\nStatus: install user installed\nArchitecture: all\n\n", name)
		m.write(filepath.Join(info, name+".list"), "", 0o644)
	}
	m.write("/usr/lib/opkg/status", status.String(), 0o644)
	m.write("/etc/opkg.conf", fmt.Sprintf("dest root /\nlists_dir ext /run/opkg-lists\narch all 1\narch noarch 1\narch %s 10\n", arch), 0o644)
	return m
}

func (m *manager) write(path, text string, mode fs.FileMode) {
	m.t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		m.t.Fatal(err)
	}
}

// run runs a command in the host, with the environment of scripts.
func (m *manager) run(env []string, name string, args ...string) {
	m.t.Helper()
	c := m.host.Command(name, args...)
	c.Env = slices.Concat(os.Environ(), m.env, env)
	// Services that scripts start outlive them, and keep no pipe of the test open.
	out, err := os.CreateTemp("/run", "printed")
	if err != nil {
		m.t.Fatal(err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	c.Stdout, c.Stderr = out, out
	err = c.Run()
	text, _ := os.ReadFile(out.Name()) // what is not read is not in the message
	m.printed.Write(text)
	if err != nil {
		m.t.Fatalf("%v: %v\n%s", c, err, text)
	}
}

// install installs package files, or upgrades to them.
func (m *manager) install(files ...string) {
	m.t.Helper()
	packages := make([]*ipk.Package, len(files))
	for n, file := range files {
		data, err := os.ReadFile(file)
		if err == nil {
			packages[n], err = ipk.Read(data)
		}
		if err != nil {
			m.t.Fatalf("%s: %v", file, err)
		}
		if got := packages[n].FileName(); got != filepath.Base(file) {
			m.t.Fatalf("%s: its control file names it %s", file, got)
		}
	}
	if m.opkg != "" {
		m.run(nil, m.opkg, append([]string{"install"}, files...)...)
		for _, p := range packages {
			m.installed[p.Control.Get("Package")] = p
		}
		return
	}
	for _, p := range packages {
		if err := m.check(p, packages); err != nil {
			m.t.Fatalf("%s: %v", p.FileName(), err)
		}
	}
	var upgrades []bool
	for _, p := range packages {
		upgrades = append(upgrades, m.unpack(p))
	}
	for n, p := range packages {
		m.script(p, "postinst", upgrades[n], "configure")
	}
}

func list(c ipk.Control, field string) []string {
	if c.Get(field) == "" {
		return nil
	}
	var out []string
	for _, name := range strings.Split(c.Get(field), ", ") {
		name, _, _ = strings.Cut(name, " (")
		out = append(out, name)
	}
	return out
}

// check reports what opkg refuses a package for.
func (m *manager) check(p *ipk.Package, with []*ipk.Package) error {
	c := p.Control
	if arch := c.Get("Architecture"); arch != "all" && arch != m.arch {
		return fmt.Errorf("it is for %s, the router is %s", arch, m.arch)
	}
	have := slices.Clone(present)
	for _, other := range m.installed {
		have = append(have, other.Control.Get("Package"))
		have = append(have, list(other.Control, "Provides")...)
	}
	for _, name := range list(c, "Conflicts") {
		if slices.Contains(have, name) && m.installed[c.Get("Package")] == nil {
			return fmt.Errorf("it conflicts with %s", name)
		}
	}
	for _, other := range with {
		have = append(have, other.Control.Get("Package"))
	}
	for _, name := range list(c, "Depends") {
		if !slices.Contains(have, name) {
			return fmt.Errorf("it depends on %s, which there is not", name)
		}
	}
	old := m.installed[c.Get("Package")]
	for n := range p.Files {
		e := &p.Files[n]
		st, err := os.Stat("/" + e.Path)
		if e.IsDir() {
			if err == nil && !st.IsDir() {
				return fmt.Errorf("/%s is no folder", e.Path)
			}
			continue
		}
		_, err = os.Lstat("/" + e.Path)
		if err == nil && (old == nil || old.Files.Find(e.Path) == nil) {
			return fmt.Errorf("/%s is somebody else's", e.Path)
		}
	}
	return nil
}

// unpack puts a package in, in place of an older one, and reports whether there was
// one.
func (m *manager) unpack(p *ipk.Package) (upgrade bool) {
	m.t.Helper()
	name := p.Control.Get("Package")
	old, upgrade := m.installed[name]
	if upgrade {
		m.script(old, "prerm", true, "upgrade", p.Control.Get("Version"))
		m.script(old, "postrm", true, "upgrade", p.Control.Get("Version"))
		m.take(old)
	}
	var files strings.Builder
	for n := range p.Files {
		e := &p.Files[n]
		path := "/" + e.Path
		var err error
		switch {
		case e.IsDir():
			if _, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				err = errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, 0o755))
			}
		case e.Mode == tree.Link:
			err = os.Symlink(e.Target, path)
		default:
			m.write(path, string(e.Data), e.Mode.Perm())
		}
		if err != nil {
			m.t.Fatalf("%s: %v", p.FileName(), err)
		}
		if !e.IsDir() {
			files.WriteString(path + "\n")
		}
	}
	m.write(filepath.Join(info, name+".list"), files.String(), 0o644)
	for script, text := range p.Scripts {
		m.write(filepath.Join(info, name+"."+script), text, 0o755)
	}
	m.installed[name] = p
	return upgrade
}

// script runs a script of an installed package, as opkg does.
func (m *manager) script(p *ipk.Package, script string, upgrade bool, args ...string) {
	m.t.Helper()
	path := filepath.Join(info, p.Control.Get("Package")+"."+script)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return
	}
	env := []string{"PKG_ROOT=/", "PKG_UPGRADE=0"}
	if upgrade {
		env[1] = "PKG_UPGRADE=1"
	}
	m.run(env, "/bin/sh", "-c", path+" "+strings.Join(args, " "))
}

// take takes the files of a package away, and folders that are empty then.
func (m *manager) take(p *ipk.Package) {
	m.t.Helper()
	for n := len(p.Files) - 1; n >= 0; n-- {
		path := "/" + p.Files[n].Path
		if p.Files[n].IsDir() {
			_ = unix.Rmdir(path) // others have files in it, or it is a link
			continue
		}
		if err := os.Remove(path); err != nil {
			m.t.Errorf("take %s away: %v", p.FileName(), err)
		}
	}
	found, err := filepath.Glob(filepath.Join(info, p.Control.Get("Package")+".*"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range found {
		// The last script is run from there; opkg keeps it that long, too.
		if filepath.Ext(f) != ".postrm" {
			err = errors.Join(err, os.Remove(f))
		}
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// remove removes packages, in this order.
func (m *manager) remove(names ...string) {
	m.t.Helper()
	if m.opkg != "" {
		m.run(nil, m.opkg, append([]string{"remove"}, names...)...)
	}
	for _, name := range names {
		p := m.installed[name]
		if p == nil {
			m.t.Fatalf("%s is not installed", name)
		}
		delete(m.installed, name)
		if m.opkg != "" {
			continue
		}
		for _, other := range m.installed {
			if slices.Contains(list(other.Control, "Depends"), name) {
				m.t.Fatalf("%s depends on %s", other.FileName(), name)
			}
		}
		m.script(p, "prerm", false, "remove")
		m.take(p)
		m.script(p, "postrm", false, "remove")
		if err := os.RemoveAll(filepath.Join(info, name+".postrm")); err != nil {
			m.t.Fatal(err)
		}
	}
}

// left is a snapshot of what is left of the packages. OpenWrt's opkg keeps no list of
// folders, and leaves them behind empty: they do not count there.
func (m *manager) left(before map[string]string) map[string]string {
	m.t.Helper()
	now := snapshot(m.t)
	for path, line := range now {
		if _, was := before[path]; m.opkg != "" && !was && strings.HasPrefix(line, "d") {
			delete(now, path)
		}
	}
	return now
}

// TestStandIn: what the stand-in for opkg refuses.
func TestStandIn(t *testing.T) {
	start(t)
	const files = "/usr/libexec/rpcd/other" // somebody else's
	sample := func(fields ...ipk.Field) *ipk.Package {
		p := &ipk.Package{}
		for _, f := range append([]ipk.Field{{Name: "Package", Value: "sample"}, {Name: "Architecture", Value: native}}, fields...) {
			p.Control.Set(f.Name, f.Value)
		}
		p.Files.Add(tree.Entry{Path: "usr/bin-of-sample/sample", Mode: tree.File})
		return p
	}
	clash := sample()
	clash.Files.Add(tree.Entry{Path: files[1:], Mode: tree.File})
	folder := sample()
	folder.Files.Add(tree.Entry{Path: files[1:] + "/sample", Mode: tree.File})
	for _, c := range []struct {
		name string
		p    *ipk.Package
		want string
	}{
		{"good", sample(ipk.Field{Name: "Depends", Value: "luci-base, kmod-wireguard (>= 1)"}), ""},
		{"architecture", sample(ipk.Field{Name: "Architecture", Value: "pdp11"}), "it is for pdp11"},
		{"dependency", sample(ipk.Field{Name: "Depends", Value: "luci-base, nothing"}), "it depends on nothing"},
		{"conflict", sample(ipk.Field{Name: "Conflicts", Value: "rpcd"}), "it conflicts with rpcd"},
		{"file of another", clash, files + " is somebody else's"},
		{"folder", folder, files + " is no folder"},
	} {
		m := &manager{t: t, arch: native, installed: map[string]*ipk.Package{}}
		err := m.check(c.p, []*ipk.Package{c.p})
		if got := fmt.Sprint(err); (err == nil) != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
