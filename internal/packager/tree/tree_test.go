package tree

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRead: modes are those of a package, whatever the umask of the checkout was.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"usr/sbin/x": 0o700, "usr/sbin-x/y": 0o600, "etc/z": 0o666} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/usr/sbin/x", filepath.Join(dir, "usr/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "usr/a/b/c"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Tree{
		{Path: "etc", Mode: Dir},
		{Path: "etc/z", Mode: File, Data: []byte("etc/z")},
		{Path: "usr", Mode: Dir},
		{Path: "usr/link", Mode: Link, Target: "/usr/sbin/x"},
		{Path: "usr/sbin", Mode: Dir},
		{Path: "usr/sbin/x", Mode: Program, Data: []byte("usr/sbin/x")},
		{Path: "usr/sbin-x", Mode: Dir},
		{Path: "usr/sbin-x/y", Mode: File, Data: []byte("usr/sbin-x/y")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a pipe was taken into a package")
	}
}

func TestAdd(t *testing.T) {
	var tr Tree
	tr.Add(Entry{Path: "lib/apk/packages/x.list", Mode: File})
	tr.Add(Entry{Path: "lib/a", Mode: File})
	want := []string{"drwxr-xr-x /lib/", "-rw-r--r-- /lib/a", "drwxr-xr-x /lib/apk/", "drwxr-xr-x /lib/apk/packages/", "-rw-r--r-- /lib/apk/packages/x.list"}
	var got []string
	for n := range tr {
		got = append(got, tr[n].String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
