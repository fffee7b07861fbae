package uci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDirDefaults(t *testing.T) {
	if got := (Dir{}).staged("network"); got != "/tmp/.uci/network" {
		t.Errorf("staged changes in %s", got)
	}
	if _, err := os.Stat("/var/run/uci/no-such-package"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if got, _ := (Dir{}).file("no-such-package"); got != "/etc/config/no-such-package" {
		t.Errorf("file %s", got)
	}
}

func TestLoad(t *testing.T) {
	d, path := testDir(t, "config interface wg0\n\toption mtu 1400\n\tlist l a\n")
	write := func(path, text string) {
		t.Helper()
		mkdir(t, filepath.Dir(path))
		writeFile(t, path, []byte(text), "0600")
	}
	get := func(option string) string {
		t.Helper()
		p, err := d.Load("network")
		if err != nil {
			t.Fatal(err)
		}
		value, _ := p.Section("wg0").Get(option)
		return value
	}
	if got := get("mtu"); got != "1400" {
		t.Errorf("mtu = %q", got)
	}
	write(d.staged("network"), "network.wg0.mtu='1300'\ngarbage\n|network.wg0.l='b'\n")
	if got := get("mtu"); got != "1300" {
		t.Errorf("mtu = %q, want what is staged", got)
	}
	d.Search = []string{filepath.Join(d.Save, "..", "search")}
	write(filepath.Join(d.Search[0], "network"), "network.wg0.mtu='1200'\n|network.wg0.l='c'\n")
	if got := get("mtu") + " " + get("l"); got != "1300 a c b" {
		t.Errorf("got %q, want the search folder before the save folder", got)
	}
	d.Override = filepath.Join(d.Save, "..", "override")
	if got := get("l"); got != "a c b" {
		t.Errorf("l = %q, there is no override yet", got)
	}
	write(filepath.Join(d.Override, "network"), "config interface wg0\n\tlist l over\n")
	if got := get("l"); got != "over c b" {
		t.Errorf("l = %q, want the override with the staged changes", got)
	}
	if err := d.Edit("network", setKey); err != nil {
		t.Fatal(err)
	}
	wantText(t, path, "config interface wg0\n\toption mtu 1400\n\tlist l a\n")
	wantText(t, filepath.Join(d.Override, "network"), "\nconfig interface 'wg0'\n\tlist l 'over'\n\toption private_key 'new'\n\n")
}

func TestLoadErrors(t *testing.T) {
	d, path := testDir(t, "config t\n\toption a 'x' y\n")
	_, err := d.Load("network")
	var perr *ParseError
	if !errors.As(err, &perr) || !strings.HasPrefix(err.Error(), path+":2: ") {
		t.Errorf("Load of a damaged file = %v, want its path and line", err)
	}
	if _, err := d.Load("nope"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a missing file = %v", err)
	}
	if err := os.Mkdir(filepath.Join(d.Config, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load("folder"); !errors.Is(err, errNotRegular) {
		t.Errorf("Load of a folder = %v", err)
	}
	if err := syscall.Mkfifo(filepath.Join(d.Config, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load("pipe"); !errors.Is(err, errNotRegular) {
		t.Errorf("Load of a pipe = %v", err)
	}
	if _, err := d.Load("../config/network"); !errors.Is(err, ErrInvalid) {
		t.Errorf("Load of a path = %v", err)
	}
	// libuci passes over staged changes that are no file.
	writeFile(t, path, []byte(wg0), "0600")
	mkdir(t, d.staged("network"))
	if _, err := d.Load("network"); err != nil {
		t.Errorf("Load with a folder in place of the staged changes = %v", err)
	}
}

func TestCursor(t *testing.T) {
	d, path := testDir(t, someConfig)
	c, err := d.Open("network")
	if err != nil {
		t.Fatal(err)
	}
	id, err := c.Add("wireguard_wg0")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		c.Set(id, "public_key", "k"),
		c.Set("new", "", "t"),
		c.AddList("@t[0]", "l", "it's"),
		c.DelList("s", "l", "x"),
		c.DeleteValue("@t[-2]", "a", "0"),
		c.Delete("s", "b"),
		c.Rename("@t[1]", "", "named"),
		c.Reorder("s", 9),
	); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		c.Set("nope", "a", "1"),
		c.Set("s", "a", "\x01"),
		c.Delete("s", "nope"),
		c.Reorder("nope", 1),
		c.DeleteValue("s", "l", "x"),
		c.AddList("@t[9]", "l", "1"),
		c.Rename("s", "bad-name", "x"),
	} {
		if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrSyntax) {
			t.Errorf("error %v", err)
		}
	}
	if s, o, err := c.Get("@t[-1]", "a"); err != nil || s.Name != "s" || o.Values[0] != "one" {
		t.Errorf("Get(@t[-1].a) = %v, %v, %v; want that of s, which is last now", s, o, err)
	}
	if _, _, err := c.Get("s", "b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get(s.b) = %v, it was deleted", err)
	}
	if _, err := os.Stat(d.Save); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was staged before Save")
	}
	if err := errors.Join(c.Save(), c.Save()); err != nil {
		t.Fatal(err)
	}
	wantText(t, d.staged("network"), "+network.cfg0596fc='wireguard_wg0'\nnetwork.cfg0596fc.public_key='k'\nnetwork.new='t'\n"+
		"|network.s.l='it'\\''s'\n~network.s.l='x'\n-network.cfg04b619.a='0'\n-network.s.b\n@network.cfg02b619='named'\n^network.s='9'\n")
	wantText(t, path, someConfig)

	merged, err := d.Load("network")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(c.Package.Bytes()), string(merged.Bytes())); diff != "" {
		t.Errorf("loaded again (-cursor +file):\n%s", diff)
	}
	changes, err := d.Changes("network")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	if diff := cmp.Diff([]string{
		"cfg0596fc=", "cfg0596fc.public_key=", "new=", "s.l+=", "s.l-=", "-cfg04b619.a", "-s.b", "cfg02b619=", "s=",
	}, lines); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if err := d.Commit("network"); err != nil {
		t.Fatal(err)
	}
	wantText(t, path, string(merged.Bytes()))
	wantText(t, d.staged("network"), "")
}

func TestRevert(t *testing.T) {
	const staged = "network.s.a='x'\nnetwork.s.b='y'\nnetwork.r='t'\n-network.s.l='0'\n"
	tests := []struct {
		section, option, want string
	}{
		{"", "", ""},
		{"s", "", "network.r='t'\n"},
		{"s", "b", "network.s.a='x'\nnetwork.r='t'\n-network.s.l='0'\n"},
		{"@t[0]", "l", "network.s.a='x'\nnetwork.s.b='y'\nnetwork.r='t'\n"},
		{"nope", "", staged},
	}
	for _, tt := range tests {
		d, path := testDir(t, someConfig)
		mkdir(t, d.Save)
		writeFile(t, d.staged("network"), []byte(staged), "0600")
		if err := d.Revert("network", tt.section, tt.option); err != nil {
			t.Errorf("Revert(%q, %q): %v", tt.section, tt.option, err)
		}
		wantText(t, d.staged("network"), tt.want)
		wantText(t, path, someConfig)
	}
	d, _ := testDir(t, someConfig)
	if err := d.Revert("network", "", ""); err != nil {
		t.Errorf("with nothing staged: %v", err)
	}
	mkdir(t, d.Save)
	writeFile(t, d.staged("network"), []byte(staged+"damaged\n"), "0600")
	if err := d.Revert("network", "s", ""); !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrInvalid) {
		t.Errorf("with a damaged line: %v", err)
	}
	wantText(t, d.staged("network"), staged+"damaged\n")
}

func TestImportAndExport(t *testing.T) {
	d, path := testDir(t, wg0)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"network", "fresh"} {
		if err := d.Import(name, []byte("package ignored\nconfig t 's' # comment\n option a 1\n")); err != nil {
			t.Fatal(err)
		}
		wantText(t, filepath.Join(d.Config, name), "\nconfig t 's'\n\toption a '1'\n\n")
	}
	if got := mode(t, path); got != "0640" {
		t.Errorf("mode of the old file %s", got)
	}
	if got := mode(t, filepath.Join(d.Config, "fresh")); got != "0600" {
		t.Errorf("mode of the new file %s", got)
	}
	var perr *ParseError
	if err := d.Import("network", []byte("config\n")); !errors.As(err, &perr) {
		t.Errorf("Import of a damaged file = %v", err)
	}
	p, err := d.Load("fresh")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(p.Export()); got != "package fresh\n\nconfig t 's'\n\toption a '1'\n\n" {
		t.Errorf("Export = %q", got)
	}
	if err := d.Import("../x", nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("Import to a path = %v", err)
	}
}

// A change that is staged while another process commits is committed later, not
// lost: nothing can be staged between reading the changes and emptying them.
func TestCommitKeepsWhatIsStagedMeanwhile(t *testing.T) {
	d, _ := testDir(t, "config t 's'\n")
	const n = 100
	done := make(chan error)
	go func() {
		var err error
		for i := range n {
			var c *Cursor
			if c, err = d.Open("network"); err == nil {
				err = errors.Join(c.Set("s", "o"+strings.Repeat("x", i), "1"), c.Save())
			}
			if err != nil {
				break
			}
		}
		done <- err
	}()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		if err := d.Commit("network"); err != nil {
			t.Fatal(err)
		}
	}
	p, err := d.Load("network")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(p.Section("s").Options); got != n {
		t.Errorf("%d of %d changes were committed", got, n)
	}
}
