package uci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// disk is the file operations that a file is replaced with. They can be changed
// so that tests see what happens when one of them fails.
type disk struct {
	create  func(dir, pattern string) (*os.File, error)
	write   func(f *os.File, data []byte) (int, error)
	chown   func(f *os.File, uid, gid int) error
	chmod   func(f *os.File, mode fs.FileMode) error
	sync    func(f *os.File) error
	rename  func(from, to string) error
	syncDir func(dir string) error
}

var realDisk = disk{
	create:  os.CreateTemp,
	write:   (*os.File).Write,
	chown:   (*os.File).Chown,
	chmod:   (*os.File).Chmod,
	sync:    (*os.File).Sync,
	rename:  os.Rename,
	syncDir: syncDir,
}

func (d Dir) operations() *disk {
	if d.disk == nil {
		return &realDisk
	}
	return d.disk
}

// syncDir makes a rename durable. Some file systems cannot, and need not.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

// newFile is a new version of a file, complete on disk but under another name.
type newFile struct {
	*os.File
	disk   *disk
	target string
	done   bool
}

// prepare writes the new version of the file that is open as old, beside the
// file itself and not beside a symbolic link to it, since rename does not cross
// file systems. It gets the mode and the owner of old; libuci makes it root's.
// It is locked, so that nobody who finds it under its later name reads it before
// it is closed.
func (k *disk) prepare(path, name string, data []byte, old *os.File) (_ *newFile, err error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	f, err := k.create(filepath.Dir(target), "."+name+".uci-*")
	if err != nil {
		return nil, err
	}
	n := &newFile{File: f, disk: k, target: target}
	defer func() {
		if err != nil {
			n.discard()
		}
	}()
	if err := flock(f, syscall.LOCK_EX); err != nil {
		return nil, err
	}
	if _, err := k.write(f, data); err != nil {
		return nil, err
	}
	if err := k.copyAttributes(f, old); err != nil {
		return nil, err
	}
	return n, k.sync(f)
}

// copyAttributes gives f the owner and the mode of old.
func (k *disk) copyAttributes(f, old *os.File) error {
	want, err := old.Stat()
	if err != nil {
		return err
	}
	have, err := f.Stat()
	if err != nil {
		return err
	}
	w, h := want.Sys().(*syscall.Stat_t), have.Sys().(*syscall.Stat_t)
	if w.Uid != h.Uid || w.Gid != h.Gid {
		if err := k.chown(f, int(w.Uid), int(w.Gid)); err != nil {
			return fmt.Errorf("keep the owner %d:%d: %w", w.Uid, w.Gid, err)
		}
	}
	return k.chmod(f, want.Mode()&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
}

// install puts the new version in the old one's place. The lock is still held.
func (n *newFile) install() error {
	if err := n.disk.rename(n.Name(), n.target); err != nil {
		return err
	}
	n.done = true
	return n.disk.syncDir(filepath.Dir(n.target))
}

// discard gives up the lock, and the file unless it was installed.
func (n *newFile) discard() {
	n.Close()
	if !n.done {
		os.Remove(n.Name())
	}
}

// linked reports whether an open file still has a name.
func linked(f *os.File) bool {
	st, err := f.Stat()
	return err != nil || st.Sys().(*syscall.Stat_t).Nlink > 0
}
