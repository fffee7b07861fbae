package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Types of files, as cpio has them (S_IFMT of st_mode).
const (
	typeMask    = 0o170000
	typeChar    = 0o020000
	typeFolder  = 0o040000
	typeRegular = 0o100000
)

// archive writes what a kernel unpacks as its first file system: the format newc
// of cpio (Documentation/driver-api/early-userspace/buffer-format.rst in Linux).
// All files are root's. The first error stays, and is what close returns.
type archive struct {
	w       io.Writer
	written int64
	inode   int
	folders map[string]bool
	err     error

	libraries map[string]bool // what addLibraries has written
}

func newArchive(w io.Writer) *archive {
	return &archive{w: w, folders: map[string]bool{".": true, "": true}, libraries: map[string]bool{}}
}

// entry writes a file with the folders that it is in. The name is that in the
// guest, with or without a slash before it.
func (a *archive) entry(name string, mode, major, minor int, data []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	if mode&typeMask == typeFolder {
		if a.folders[name] {
			return
		}
		a.folders[name] = true
	}
	if dir := path.Dir(name); !a.folders[dir] {
		a.folder(dir)
	}
	a.record(name, mode, major, minor, data)
}

func (a *archive) record(name string, mode, major, minor int, data []byte) {
	a.inode++
	links := 1
	a.write(fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		a.inode, mode, 0, 0, links, 0, len(data), 0, 0, major, minor, len(name)+1, 0, name))
	a.align(4)
	a.write(data)
	a.align(4)
}

func (a *archive) write(b []byte) {
	if a.err != nil {
		return
	}
	var n int
	n, a.err = a.w.Write(b)
	a.written += int64(n)
}

func (a *archive) align(to int64) {
	if rest := a.written % to; rest != 0 {
		a.write(make([]byte, to-rest))
	}
}

func (a *archive) folder(name string) { a.entry(name, typeFolder|0o755, 0, 0, nil) }

func (a *archive) text(name, content string) { a.entry(name, typeRegular|0o644, 0, 0, []byte(content)) }

func (a *archive) program(name string, content []byte) {
	a.entry(name, typeRegular|0o755, 0, 0, content)
}

// device writes a character device.
func (a *archive) device(name string, major, minor int) {
	a.entry(name, typeChar|0o600, major, minor, nil)
}

// copy puts a file, or a folder with all that is in it, into the archive.
func (a *archive) copy(name, from string) {
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			a.folder(path.Join(name, rel))
			return nil
		}
		info, err := os.Stat(p) // of what a link leads to
		if err != nil {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		a.entry(path.Join(name, rel), typeRegular|int(info.Mode().Perm()), 0, 0, data)
		return nil
	})
	if a.err == nil {
		a.err = err
	}
}

// close ends the archive, such that another one can follow in the same file.
func (a *archive) close() error {
	a.record("TRAILER!!!", 0, 0, 0, nil)
	a.align(512)
	return a.err
}
