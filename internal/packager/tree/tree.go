// Package tree holds the files of a package: where they go, with which mode, and
// what is in them. Everything belongs to root; the modes are those of a package,
// not those of the checkout that the files come from.
package tree

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Modes that the entries of a package have, and no other.
const (
	Dir     fs.FileMode = fs.ModeDir | 0o755
	Program fs.FileMode = 0o755
	File    fs.FileMode = 0o644
	Link    fs.FileMode = fs.ModeSymlink | 0o777
)

// Entry is a folder, a file or a symbolic link.
type Entry struct {
	// Path below the root of the router, without a slash at either end, such as
	// usr/sbin/wgnetifd.
	Path string
	// Mode is one of those above.
	Mode fs.FileMode
	// Data of a file.
	Data []byte
	// Target of a symbolic link.
	Target string
}

// IsDir reports whether the entry is a folder.
func (e *Entry) IsDir() bool { return e.Mode.IsDir() }

// String prints an entry as the tests compare them, without what is in it.
func (e *Entry) String() string {
	switch {
	case e.Target != "":
		return fmt.Sprintf("%s /%s -> %s", e.Mode, e.Path, e.Target)
	case e.IsDir():
		return fmt.Sprintf("%s /%s/", e.Mode, e.Path)
	}
	return fmt.Sprintf("%s /%s", e.Mode, e.Path)
}

// Tree is the entries of a package, folders before what is in them, sorted by
// path.
type Tree []Entry

// Read reads a folder that a package is to be made of. Of a file's mode only counts
// whether it is a program: the rest is the umask of whoever checked the sources out.
// Folders with nothing in them are left out, as a checkout has none either.
func Read(root string) (Tree, error) {
	var t Tree
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		e, err := read(name, filepath.ToSlash(rel), d)
		if err != nil {
			return err
		}
		t = append(t, e)
		return nil
	})
	t.Sort()
	// From the end: a folder whose last one was left out is empty too.
	for n := len(t) - 1; n >= 0; n-- {
		if t[n].IsDir() && (n+1 == len(t) || !strings.HasPrefix(t[n+1].Path, t[n].Path+"/")) {
			t = slices.Delete(t, n, n+1)
		}
	}
	return t, err
}

func read(name, rel string, d fs.DirEntry) (e Entry, err error) {
	e.Path = rel
	info, err := d.Info()
	if err != nil {
		return e, err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		e.Mode = Dir
	case mode.IsRegular():
		e.Mode = File
		if mode.Perm()&0o111 != 0 {
			e.Mode = Program
		}
		e.Data, err = os.ReadFile(name)
	case mode.Type() == fs.ModeSymlink:
		e.Mode = Link
		e.Target, err = os.Readlink(name)
	default:
		err = fmt.Errorf("%s: a package holds folders, files and symbolic links, this is %s", name, mode)
	}
	return e, err
}

// Sort puts the entries into the order of their paths, name by name, so that what
// is in a folder follows it at once.
func (t Tree) Sort() {
	slices.SortFunc(t, func(a, b Entry) int {
		return slices.Compare(strings.Split(a.Path, "/"), strings.Split(b.Path, "/"))
	})
}

// Add puts a file in, with the folders that lead to it.
func (t *Tree) Add(e Entry) {
	for dir := path.Dir(e.Path); dir != "."; dir = path.Dir(dir) {
		if t.Find(dir) == nil {
			*t = append(*t, Entry{Path: dir, Mode: Dir})
		}
	}
	*t = append(*t, e)
	t.Sort()
}

// Find returns the entry with that path, or nil.
func (t Tree) Find(path string) *Entry {
	for n := range t {
		if t[n].Path == path {
			return &t[n]
		}
	}
	return nil
}

// Lines lists the entries, one a line, folders left out: what a package installs.
func (t Tree) Lines() []string {
	var out []string
	for n := range t {
		if !t[n].IsDir() {
			out = append(out, t[n].String())
		}
	}
	return out
}
