package uci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/test/need"
)

// testDir makes a folder of configuration with a file "network" in it.
func testDir(t testing.TB, text string) (d Dir, path string) {
	t.Helper()
	root := t.TempDir()
	d = Dir{Config: filepath.Join(root, "config"), Save: filepath.Join(root, "save")}
	path = filepath.Join(d.Config, "network")
	if err := os.Mkdir(d.Config, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d, path
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	wantFile(t, path, path, &want, nil)
}

func setKey(p *Package) error {
	p.Section("wg0").Set("private_key", "new")
	return nil
}

const (
	wg0 = "# my tunnel\nconfig interface wg0\n\toption proto wireguard\n"
	// wg0 after setKey.
	wg0WithKey = "\nconfig interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key 'new'\n\n"
)

func TestEditKeepsModeOwnerAndLink(t *testing.T) {
	tests := []struct {
		name string
		mode fs.FileMode
		uid  int
		link func(t *testing.T, path string)
	}{
		{name: "0600", mode: 0o600},
		{name: "0644", mode: 0o644},
		{name: "0444", mode: 0o444},
		{name: "setgid", mode: 0o640 | fs.ModeSetgid},
		{name: "other owner", mode: 0o640, uid: 1234},
		{name: "other owner, set-user-id", mode: 0o750 | fs.ModeSetuid, uid: 1234},
		{name: "relative link", mode: 0o600, link: func(t *testing.T, path string) { linkTo(t, path, "../real") }},
		{name: "absolute link", mode: 0o644, uid: 1234, link: func(t *testing.T, path string) {
			linkTo(t, path, filepath.Join(filepath.Dir(filepath.Dir(path)), "real"))
		}},
		{name: "other file system", mode: 0o600, link: func(t *testing.T, path string) {
			linkTo(t, path, filepath.Join(otherFileSystem(t, filepath.Dir(path)), "real"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, path := testDir(t, wg0)
			if tt.link != nil {
				tt.link(t, path)
			}
			if os.Geteuid() != 0 && tt.mode&0o200 == 0 || tt.uid != 0 {
				need.Root(t)
				if err := os.Chown(path, tt.uid, tt.uid); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			before, linkBefore := stat(t, path)
			if err := d.Edit("network", setKey); err != nil {
				t.Fatal(err)
			}
			wantText(t, path, wg0WithKey)
			after, linkAfter := stat(t, path)
			if before.Mode() != after.Mode() || linkBefore.Mode() != linkAfter.Mode() {
				t.Errorf("mode %v %v, want %v %v", after.Mode(), linkAfter.Mode(), before.Mode(), linkBefore.Mode())
			}
			if want := []int{tt.uid, tt.uid}; tt.uid != 0 && !slices.Equal(owner(t, path), want) {
				t.Errorf("owner %v, want %v", owner(t, path), want)
			}
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				t.Fatal(err)
			}
			noTemporary(t, d.Config, filepath.Dir(real))
		})
	}
}

// Another name of the file goes on showing the old one, as it does with libuci.
func TestEditBreaksHardLinks(t *testing.T) {
	d, path := testDir(t, wg0)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.Link(path, other); err != nil {
		t.Fatal(err)
	}
	if err := d.Edit("network", setKey); err != nil {
		t.Fatal(err)
	}
	wantText(t, path, wg0WithKey)
	wantText(t, other, wg0)
}

// linkTo moves a file and leaves a symbolic link in its place.
func linkTo(t *testing.T, path, target string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := target
	if !filepath.IsAbs(at) {
		at = filepath.Join(filepath.Dir(path), target)
	}
	if err := errors.Join(os.Remove(path), os.WriteFile(at, data, 0o600), os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
}

func stat(t *testing.T, path string) (file, link fs.FileInfo) {
	t.Helper()
	file, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if link, err = os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	return file, link
}

// A change that changes nothing does not touch the file: flash wears out, and
// comments stay.
func TestEditWithoutDifference(t *testing.T) {
	d, path := testDir(t, wg0)
	before, _ := stat(t, path)
	for _, change := range []func(*Package) error{
		func(*Package) error { return nil },
		func(p *Package) error { p.Section("wg0").Set("proto", "wireguard"); return nil },
		func(p *Package) error { p.DeleteSection(p.AddSection("t", "")); return nil },
	} {
		if err := d.Edit("network", change); err != nil {
			t.Fatal(err)
		}
	}
	wantText(t, path, wg0)
	if after, _ := stat(t, path); !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("the file was written")
	}
}

func TestEditRefuses(t *testing.T) {
	errChange := errors.New("no")
	tests := []struct {
		name, file string
		change     func(*Package) error
		want       func(error) bool
	}{
		{"change fails", wg0, func(p *Package) error { _ = setKey(p); return errChange }, func(err error) bool { return err == errChange }},
		{"file is damaged", "config interface 'wg0\n", setKey, func(err error) bool {
			var perr *ParseError
			return errors.As(err, &perr) && perr.Line == 1 && strings.HasSuffix(perr.File, "/config/network")
		}},
		{"type is injected", wg0, func(p *Package) error { p.AddSection("x\n\toption a", "s"); return nil }, says("section type")},
		{"type with quotes", wg0, func(p *Package) error { p.AddSection("it's", "s"); return nil }, says("section type")},
		{"type in the file", "config \"it's\" s\n\nconfig interface wg0\n", setKey, says("network.s: section type")},
		{"option is injected", wg0, func(p *Package) error { p.Section("wg0").Set("a '1'\n\toption b", "2"); return nil }, says("option name")},
		{"name is taken", wg0, func(p *Package) error { p.AddSection("interface", "wg0"); return nil }, says("network.wg0")},
		{"NUL", wg0, func(p *Package) error { p.Section("wg0").Set("a", "\x00"); return nil }, says("network.wg0.a")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, path := testDir(t, tt.file)
			if err := d.Edit("network", tt.change); err == nil || !tt.want(err) {
				t.Errorf("Edit = %v", err)
			}
			wantText(t, path, tt.file)
			noTemporary(t, d.Config)
		})
	}
	d, _ := testDir(t, wg0)
	if err := d.Edit("nope", setKey); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Edit of a missing file = %v", err)
	}
	for _, name := range []string{"", "../config/network", "/etc/passwd", ".network", "a b"} {
		if err := d.Edit(name, setKey); !errors.Is(err, ErrInvalid) {
			t.Errorf("Edit(%q) = %v, want ErrInvalid", name, err)
		}
	}
}

func says(part string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), part) }
}

// Values may be anything but NUL, and stay what they are.
func TestEditQuotes(t *testing.T) {
	value := "it's\n\nconfig t 'evil'\n\toption a '1' # \\ ; \" \x01\xff"
	d, _ := testDir(t, wg0)
	if err := d.Edit("network", func(p *Package) error {
		p.Section("wg0").Set("description", value)
		p.Section("wg0").AddList("l", value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p, err := d.Load("network")
	if err != nil {
		t.Fatal(err)
	}
	s := p.Section("wg0")
	if got, _ := s.Get("description"); got != value || len(p.Sections) != 1 {
		t.Errorf("read %q and %d sections", got, len(p.Sections))
	}
	if diff := cmp.Diff([]string{value}, s.Values("l")); diff != "" {
		t.Error(diff)
	}
}

// What others have staged is neither in the file afterwards nor lost.
func TestEditLeavesStagedChanges(t *testing.T) {
	d, path := testDir(t, wg0)
	const staged = "network.wg0.mtu='1400'\nnetwork.wg0.proto='none'\n"
	if err := errors.Join(os.Mkdir(d.Save, 0o700), os.WriteFile(d.staged("network"), []byte(staged), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := d.Edit("network", setKey); err != nil {
		t.Fatal(err)
	}
	wantText(t, path, wg0WithKey)
	wantText(t, d.staged("network"), staged)
	p, err := d.Load("network")
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]string{"mtu": "1400", "proto": "none", "private_key": "new"} {
		if got, _ := p.Section("wg0").Get(option); got != want {
			t.Errorf("%s = %q, want %q", option, got, want)
		}
	}
}
