package recipe

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
	"github.com/wgnetifd/wgnetifd/test/need"
)

// open opens a package of this project, with an empty program in place of the one
// that OpenWrt's build would make.
func open(t *testing.T, dir string, variables ...string) *Makefile {
	t.Helper()
	need.Command(t, "make")
	dir, err := filepath.Abs(filepath.Join("../../..", dir))
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	binaries := filepath.Join(scratch, "binaries")
	if err := os.MkdirAll(binaries, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(binaries, "wgnetifd"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	m, err := Open(dir, scratch, append([]string{"BINARIES=" + binaries, "PKG_VERSION=1.2.3", "PKG_RELEASE=4"}, variables...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func only(t *testing.T, m *Makefile) *Package {
	t.Helper()
	packages, err := m.Packages()
	if err != nil || len(packages) != 1 {
		t.Fatalf("got %d packages, %v", len(packages), err)
	}
	return packages[0]
}

// TestFeed: what a router gets of the package, file by file.
func TestFeed(t *testing.T) {
	p := only(t, open(t, "openwrt-feed/wgnetifd"))
	files, err := p.Stage()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-rw-r--r-- /etc/capabilities/wgnetifd.json",
		"-rwxr-xr-x /etc/init.d/wgnetifd",
		"Lrwxrwxrwx /lib/netifd/proto/wgnetifd.sh -> /usr/sbin/wgnetifd",
		"-rw-r--r-- /lib/upgrade/keep.d/wgnetifd",
		"-rwxr-xr-x /usr/sbin/wgnetifd",
	}
	if diff := cmp.Diff(want, files.Lines()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	p.makefile, p.Scripts, p.Description = nil, nil, ""
	wantPackage := &Package{
		Name: "wgnetifd", Version: "1.2.3-r4", Section: "net", SourceName: "wgnetifd",
		Title: "WireGuard for netifd in one static binary", License: "Apache-2.0",
		URL:        "https://github.com/wgnetifd/wgnetifd",
		Maintainer: "The wgnetifd authors <wgnetifd@users.noreply.github.com>",
		Depends:    []string{"kmod-wireguard"}, Suggests: []string{"wireguard-tools"},
		Conflicts: []string{"rpcd-mod-wireguard"}, Provides: []string{"rpcd-mod-wireguard"},
		Replaces: []string{"rpcd-mod-wireguard"}, Conffiles: []string{}, Recommends: []string{},
	}
	if diff := cmp.Diff(wantPackage, p, cmp.AllowUnexported(Package{})); diff != "" {
		t.Errorf("package (-want +got):\n%s", diff)
	}
}

// TestCapabilities: the jail leaves each of its sets the same. What is missing in one
// is missing.
func TestCapabilities(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("../../..", "openwrt-feed/wgnetifd/files/capabilities.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string][]string
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	capabilities := []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", // the configuration, and files of scripts, whoever owns them
		"CAP_KILL", // scripts
		"CAP_NET_ADMIN", "CAP_NET_RAW",
	}
	want := map[string][]string{}
	for _, set := range []string{"bounding", "effective", "ambient", "permitted", "inheritable"} {
		want[set] = capabilities
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLuci: the package of the pages holds whatever is in htdocs and root, and each
// language in po is a package.
func TestLuci(t *testing.T) {
	m := open(t, "luci-app")
	packages, err := m.Packages()
	if err != nil {
		t.Fatal(err)
	}
	languages, err := filepath.Glob(filepath.Join(m.dir, "po/*/*.po"))
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) != 1+len(languages) {
		t.Errorf("%d packages, and %d languages", len(packages), len(languages))
	}
	for _, p := range packages {
		files, err := p.Stage()
		if err != nil {
			t.Fatal(err)
		}
		if lang, ok := strings.CutPrefix(p.Name, "luci-i18n-wgnetifd-"); ok {
			want := []string{
				"-rw-r--r-- /etc/uci-defaults/luci-i18n-wgnetifd-" + lang,
				"-rw-r--r-- /usr/lib/lua/luci/i18n/wgnetifd." + lang + ".lmo",
			}
			if diff := cmp.Diff(want, files.Lines()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", p.Name, diff)
			}
			continue
		}
		var want tree.Tree
		for dir, to := range map[string]string{"htdocs": "www", "root": ""} {
			part, err := tree.Read(filepath.Join(m.dir, dir))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range part {
				e.Path = path.Join(to, e.Path)
				want = append(want, e)
			}
		}
		want.Sort()
		if diff := cmp.Diff(want.Lines(), files.Lines()); diff != "" {
			t.Errorf("%s (-checkout +package):\n%s", p.Name, diff)
		}
		if link := files.Find("usr/libexec/rpcd/luci.wireguard"); link == nil || link.Target != "/usr/sbin/wgnetifd" {
			t.Errorf("%s: the backend of the pages is %v", p.Name, link)
		}
		if diff := cmp.Diff([]string{"luci-proto-wireguard"}, p.Conflicts); diff != "" {
			t.Errorf("%s conflicts (-want +got):\n%s", p.Name, diff)
		}
	}
}

// TestFeedCommand: golang-package.mk of the packages feed turns cgo on and links
// with the C compiler; the package's Makefile has the last word.
func TestFeedCommand(t *testing.T) {
	command, err := open(t, "openwrt-feed/wgnetifd").Run("go-command", "TARGET_CC=mips-gcc", "TARGET_LDFLAGS=-znow")
	if err != nil {
		t.Fatal(err)
	}
	environment, args, ok := strings.Cut(strings.TrimSpace(command), " go install ")
	if !ok {
		t.Fatalf("no command: %s", command)
	}
	last := map[string]string{}
	for _, v := range strings.Fields(environment) {
		name, value, _ := strings.Cut(v, "=")
		last[name] = value
	}
	for name, want := range map[string]string{"CGO_ENABLED": "0", "GOMIPS": "softfloat", "GOMIPS64": "softfloat"} {
		if last[name] != want {
			t.Errorf("%s=%s, want %s", name, last[name], want)
		}
	}
	for _, bad := range []string{"external", "-buildmode"} {
		if strings.Contains(args, bad) {
			t.Errorf("%s stands in %s", bad, args)
		}
	}
	for _, good := range []string{
		"-trimpath", "-s -w -buildid= -X main.version=1.2.3-r4", "-gcflags=net=-l",
		"github.com/wgnetifd/wgnetifd/cmd/wgnetifd",
	} {
		if !strings.Contains(args, good) {
			t.Errorf("%s does not stand in %s", good, args)
		}
	}
}

// TestLikeMakefile: the Makefile of the project compiles with the same flags.
func TestLikeMakefile(t *testing.T) {
	root := open(t, "openwrt-feed/wgnetifd")
	feed, err := root.Run("go-command")
	if err != nil {
		t.Fatal(err)
	}
	project := &Makefile{dir: filepath.Join(root.dir, "../.."), scratch: root.scratch}
	ours, err := project.Run("build", "--dry-run")
	if err != nil {
		t.Fatal(err)
	}
	flags := func(command string) (out []string) {
		for _, word := range strings.Fields(command) {
			if strings.HasPrefix(word, "-gcflags=") {
				out = append(out, word)
			}
		}
		return out
	}
	if diff := cmp.Diff(flags(ours), flags(feed)); diff != "" || len(flags(feed)) == 0 {
		t.Errorf("flags of the compiler (-Makefile +feed):\n%s", diff)
	}
}

func TestDependencies(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"@(arm||mips) +kmod-x  +y z": "kmod-x y z",
		"+IPV6:kmod-x":               "error",
	} {
		got, err := dependencies(text)
		switch {
		case want == "error" && err == nil:
			t.Errorf("%q: no error", text)
		case want != "error" && strings.Join(got, " ") != want:
			t.Errorf("%q: got %q, want %q (%v)", text, got, want, err)
		}
	}
}

func TestCheck(t *testing.T) {
	good := func() *Package {
		return &Package{Name: "x", Version: "1.0-r1", Title: "t", License: "l", Section: "s", Maintainer: "m"}
	}
	if err := good().check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Package){
		"name":       func(p *Package) { p.Name = "A b" },
		"version":    func(p *Package) { p.Version = "1.0-1-gabcdef" },
		"dependency": func(p *Package) { p.Depends = []string{"x(>1)"} },
		"license":    func(p *Package) { p.License = "" },
	} {
		p := good()
		spoil(p)
		if p.check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
