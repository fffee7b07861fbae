package packager

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/packager/apk"
	"github.com/wgnetifd/wgnetifd/internal/packager/ipk"
	"github.com/wgnetifd/wgnetifd/internal/packager/usign"
	"github.com/wgnetifd/wgnetifd/test/need"
)

const (
	checkout = "../.."
	epoch    = 1_700_000_000
)

// options of a build whose program is a few bytes that say what it is for.
func options(t *testing.T, out string, keys *Keys) Options {
	t.Helper()
	need.Command(t, "make")
	source, err := filepath.Abs(checkout)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := ReadTable(filepath.Join(source, "scripts/openwrt-arch.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if groups, err = Select(groups, []string{"mipsel_24kc", "mipsel_74kc", "x86_64"}); err != nil {
		t.Fatal(err)
	}
	return Options{
		Source: source, Out: out, Scratch: t.TempDir(), Groups: groups,
		Version: "1.2.3", Release: "4", Epoch: epoch, Keys: keys,
		Compile: func(arch, version, dir string) error {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "wgnetifd"), []byte("\x7fELF "+arch+" "+version), 0o755)
		},
	}
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		out[rel], err = os.ReadFile(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func build(t *testing.T, keys *Keys) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	if _, err := Build(options(t, dir, keys)); err != nil {
		t.Fatal(err)
	}
	return files(t, dir)
}

func keys(t *testing.T) *Keys {
	t.Helper()
	k, err := NewKeys(filepath.Join(t.TempDir(), "keys"), checkout)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestFeeds: what is in the folders, and that it is signed.
func TestFeeds(t *testing.T) {
	k := keys(t)
	got := build(t, k)
	for _, arch := range []string{"mipsel_24kc", "mipsel_74kc", "x86_64"} {
		opkg, apkDir := "opkg/"+arch+"/", "apk/"+arch+"/"
		if err := k.Opkg.Public().Verify(got[opkg+"Packages"], got[opkg+"Packages.sig"]); err != nil {
			t.Errorf("%s: Packages.sig: %v", arch, err)
		}
		list, err := ipk.ParseIndex(string(got[opkg+"Packages"]))
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, c := range list {
			file, ok := got[opkg+c.Get("Filename")]
			if !ok || c.Get("Size") != fmt.Sprint(len(file)) {
				t.Errorf("%s: %s is not there, or not of its size", arch, c.Get("Filename"))
			}
			if a := c.Get("Architecture"); a != arch && a != all {
				t.Errorf("%s: %s is for %s", arch, c.Get("Package"), a)
			}
			names[c.Get("Package")] = true
		}
		apks, err := apk.ReadIndex(got[apkDir+"packages.adb"], k.Apk.Public())
		if err != nil {
			t.Errorf("%s: packages.adb: %v", arch, err)
		}
		for _, p := range apks {
			if _, err := apk.Read(got[apkDir+p.FileName()], k.Apk.Public()); err != nil {
				t.Errorf("%s: %s: %v", arch, p.FileName(), err)
			}
			if !names[p.Name] || (p.Arch != arch && p.Arch != noarch) {
				t.Errorf("%s: %s for %s is in one feed alone", arch, p.Name, p.Arch)
			}
		}
		if len(apks) != len(list) || !names["wgnetifd"] || !names["luci-app-wgnetifd"] {
			t.Errorf("%s: %d packages for opkg, %d for apk: %v", arch, len(list), len(apks), names)
		}
	}
	a, err := ipk.Read(got["opkg/mipsel_24kc/wgnetifd_1.2.3-r4_mipsel_24kc.ipk"])
	if err != nil {
		t.Fatal(err)
	}
	if program := a.Files.Find("usr/sbin/wgnetifd"); string(program.Data) != "\x7fELF mipsel_24kc 1.2.3-r4" {
		t.Errorf("the program is %q", program.Data)
	}
	if _, ok := got["keys/"+k.Opkg.Number.String()]; !ok {
		t.Error("opkg's public key is not there")
	}
}

// TestReproducible: the same bytes again, signatures and all; without keys
// nothing is signed.
func TestReproducible(t *testing.T) {
	k := keys(t)
	first, second := build(t, k), build(t, k)
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs", name)
		}
	}
	if len(first) != len(second) {
		t.Errorf("%d and %d files", len(first), len(second))
	}
	for name := range build(t, nil) {
		if strings.HasSuffix(name, ".sig") || strings.HasPrefix(name, "keys/") {
			t.Errorf("%s without a key", name)
		}
	}
}

// TestBothAlike: opkg and apk install the same files, apk its lists besides, and
// run the same scripts.
func TestBothAlike(t *testing.T) {
	got := build(t, nil)
	for _, name := range []string{"wgnetifd", "luci-app-wgnetifd"} {
		arch := "x86_64"
		if name != "wgnetifd" {
			arch = all
		}
		forOpkg, err := ipk.Read(got[fmt.Sprintf("opkg/x86_64/%s_1.2.3-r4_%s.ipk", name, arch)])
		if err != nil {
			t.Fatal(err)
		}
		forApk, err := apk.Read(got[fmt.Sprintf("apk/x86_64/%s-1.2.3-r4.apk", name)], nil)
		if err != nil {
			t.Fatal(err)
		}
		want := append([]string{"-rw-r--r-- /lib/apk/packages/" + name + ".list"}, forOpkg.Files.Lines()...)
		sorted := map[string]bool{}
		for _, line := range want {
			sorted[line] = true
		}
		gotLines := map[string]bool{}
		for _, line := range forApk.Files.Lines() {
			gotLines[line] = true
		}
		if diff := cmp.Diff(sorted, gotLines); diff != "" {
			t.Errorf("%s: files (-opkg +apk):\n%s", name, diff)
		}
		for script, text := range map[string]string{"post-install": forOpkg.Scripts["postinst-pkg"], "pre-deinstall": forOpkg.Scripts["prerm-pkg"]} {
			if !strings.HasSuffix(forApk.Scripts[script], body(text)) {
				t.Errorf("%s: %s lacks the package's own part", name, script)
			}
		}
		if !strings.Contains(forApk.Scripts["post-upgrade"], "PKG_UPGRADE=1\n") {
			t.Errorf("%s: post-upgrade does not say that it is one", name)
		}
	}
}

func TestKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "keys")
	k, err := NewKeys(dir, checkout)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadKeys(dir)
	if err != nil || again.Opkg.Number != k.Opkg.Number {
		t.Fatalf("%v, %v", again, err)
	}
	for _, name := range []string{opkgSecret, apkSecret} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, k.Opkg.Number.String()))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := usign.ParsePublic(public); err != nil || p.Verify([]byte("x"), k.Opkg.Sign([]byte("x"), "")) != nil {
		t.Errorf("the public key does not fit: %v", err)
	}
	if _, err := NewKeys(dir, checkout); err == nil {
		t.Error("keys were written over")
	}
	if _, err := NewKeys(filepath.Join(checkout, "openwrt-feed/keys"), checkout); err == nil {
		t.Error("keys were made in the checkout")
	}
	if k, err := ReadKeys(t.TempDir()); k != nil || err != nil {
		t.Errorf("a folder without keys: %v, %v", k, err)
	}
	if err := os.Remove(filepath.Join(dir, apkSecret)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeys(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half of the keys: %v", err)
	}
}

// TestTable: each architecture stands there once, and those with one environment
// stand together.
func TestTable(t *testing.T) {
	groups, err := ReadTable(filepath.Join(checkout, "scripts/openwrt-arch.txt"))
	if err != nil {
		t.Fatal(err)
	}
	names, environments := map[string]bool{}, map[string]bool{}
	for _, g := range groups {
		if environments[g.Environment] {
			t.Errorf("%s: twice", g.Environment)
		}
		environments[g.Environment] = true
		for _, name := range g.Names {
			if names[name] {
				t.Errorf("%s: twice", name)
			}
			names[name] = true
		}
	}
	for _, name := range []string{"x86_64", "mips_24kc", "mipsel_24kc", "mipsel_74kc", "aarch64_generic", "arm_arm926ej-s", "riscv64_generic", "loongarch64_generic"} {
		if !names[name] {
			t.Errorf("no %s", name)
		}
	}
	if _, err := Select(groups, []string{"x86_64", "pdp11"}); err == nil {
		t.Error("an architecture that there is not was taken")
	}
}
