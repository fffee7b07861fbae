package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fill writes one file of each kind.
func fill(a *archive, from string) {
	a.program("init", []byte("first"))
	a.text("/etc/deep/hosts", "127.0.0.1 localhost\n")
	a.text("etc/empty", "")
	a.folder("/etc")
	a.device("dev/null", 1, 3)
	a.copy("/copied", from)
}

// source makes a folder to be copied.
func source(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"sub/text": 0o640, "sub/tool": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("sub/text", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestArchive(t *testing.T) {
	var b bytes.Buffer
	a := newArchive(&b)
	fill(a, source(t))
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	if b.Len()%512 != 0 {
		t.Errorf("%d bytes: another archive could not follow", b.Len())
	}
	want := []string{
		"init 100755 0,0 first",
		"etc 40755 0,0 ",
		"etc/deep 40755 0,0 ",
		"etc/deep/hosts 100644 0,0 127.0.0.1 localhost\n",
		"etc/empty 100644 0,0 ",
		"dev 40755 0,0 ",
		"dev/null 20600 1,3 ",
		"copied 40755 0,0 ",
		"copied/link 100640 0,0 sub/text",
		"copied/sub 40755 0,0 ",
		"copied/sub/text 100640 0,0 sub/text",
		"copied/sub/tool 100755 0,0 sub/tool",
		"TRAILER!!! 0 0,0 ",
	}
	if diff := cmp.Diff(want, list(t, b.Bytes())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// list reads an archive as Linux does (init/initramfs.c).
func list(t *testing.T, b []byte) (out []string) {
	t.Helper()
	inodes := map[uint64]bool{}
	align := func(n uint64) uint64 { return (n + 3) &^ 3 }
	for at := uint64(0); ; {
		header := b[at : at+110]
		if string(header[:6]) != "070701" {
			t.Fatalf("at %d: %q is no header", at, header)
		}
		var field [13]uint64
		for n := range field {
			if _, err := fmt.Sscanf(string(header[6+8*n:14+8*n]), "%X", &field[n]); err != nil {
				t.Fatalf("at %d: %v", at, err)
			}
		}
		inode, mode, links, size, major, minor, nameSize := field[0], field[1], field[4], field[6], field[9], field[10], field[11]
		name := string(b[at+110 : at+110+nameSize-1])
		data := align(at + 110 + nameSize)
		if inodes[inode] || links != 1 {
			t.Errorf("%s: inode %d with %d links would be a hard link", name, inode, links)
		}
		inodes[inode] = true
		out = append(out, fmt.Sprintf("%s %o %d,%d %s", name, mode, major, minor, b[data:data+size]))
		if name == "TRAILER!!!" {
			return out
		}
		at = align(data + size)
	}
}

func TestArchiveErrors(t *testing.T) {
	a := newArchive(&bytes.Buffer{})
	a.copy("x", filepath.Join(t.TempDir(), "nothing"))
	a.text("y", "z")
	if err := a.close(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	a = newArchive(full{})
	a.text("y", "z")
	if err := a.close(); !errors.Is(err, errFull) {
		t.Errorf("a disk that is full: %v", err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
