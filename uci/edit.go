package uci

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// Edit changes a file. It runs change on what the file says, without anything
// that is staged, and writes the result back when change returned nil and there
// is a difference. What is staged stays staged, to be merged with the new file.
//
// All of it happens under libuci's lock: of several Edits none is lost, and a
// "uci commit" that has to wait sees what was written. (uci itself gives the lock
// back before it has renamed its file, so in a race of three it can lose one.)
//
// The new file is complete and on disk before it takes the place of the old one,
// whose mode and owner it keeps; a symbolic link stays one. When anything fails
// the old file is as it was. As with any commit by uci, comments are lost and
// spacing and quoting become libuci's.
//
// A result that could not be read again is refused, see [Package.Check]. The
// error wraps [io/fs.ErrNotExist] when there is no such file, is a [*ParseError]
// when it cannot be read, and is change's own when that failed. change may be
// called again, on a new Package, when a program without the lock has replaced
// the file meanwhile.
func (d Dir) Edit(name string, change func(*Package) error) error {
	path, err := d.file(name)
	if err != nil {
		return err
	}
	for range 10 {
		err := d.edit(name, path, change)
		if !errors.Is(err, errReplaced) {
			return err
		}
	}
	return fmt.Errorf("uci: write %s: %w", path, errReplaced)
}

// errReplaced: libuci gives its lock back just before it renames its new file, so
// the file can change under one who has the lock.
var errReplaced = errors.New("another program keeps replacing the file")

func (d Dir) edit(name, path string, change func(*Package) error) error {
	f, err := lockFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("uci: %w", err)
	}
	defer f.Close()
	p, err := readPackage(name, path, f, false)
	if err != nil {
		return err
	}
	before := p.Bytes()
	if err := change(p); err != nil {
		return err
	}
	after := p.Bytes()
	if bytes.Equal(before, after) {
		return nil
	}
	if err := p.Check(); err != nil {
		return fmt.Errorf("uci: %s is left as it was, the change could not be read back: %w", path, err)
	}
	return d.replace(path, name, after, f, nil)
}

// replace puts a new version in the place of the file that is open, locked, as f.
// When it is there, then is called, before anybody can read it.
func (d Dir) replace(path, name string, data []byte, f *os.File, then func() error) error {
	n, err := d.operations().prepare(path, name, data, f)
	if err != nil {
		return fmt.Errorf("uci: %s is left as it was: %w", path, err)
	}
	defer n.discard()
	if !isAt(f, path) {
		return errReplaced
	}
	if err := n.install(); err != nil {
		if n.done {
			return fmt.Errorf("uci: %s was written, but may not survive a power failure: %w", path, err)
		}
		return fmt.Errorf("uci: %s is left as it was: %w", path, err)
	}
	if then != nil {
		err = then()
	}
	refresh(f, data)
	return err
}

// refresh writes the new version into the old file, too, when that has no name
// any more. A libuci that waits for the lock has opened the old file, does not
// look whether it is still the one, and would write what it reads there back over
// the change. Nothing depends on it, so errors do not count.
func refresh(f *os.File, data []byte) {
	if linked(f) {
		return
	}
	if err := f.Truncate(int64(len(data))); err == nil {
		_, _ = f.WriteAt(data, 0)
	}
}
