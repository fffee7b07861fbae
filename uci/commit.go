package uci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Commit writes what is staged into the file and empties the staged changes,
// those in Search not. When nothing is staged that can be applied, everything
// stays as it is.
//
// It writes what "uci commit" writes, also what cannot be read back, and differs
// from it in three things that it keeps: the owner of the file, a file that is a
// symbolic link to another file system, and the staged changes when writing fails.
func (d Dir) Commit(name string) error {
	path, err := d.file(name)
	if err != nil {
		return err
	}
	for range 10 {
		err := d.commit(name, path)
		if !errors.Is(err, errReplaced) {
			return err
		}
	}
	return fmt.Errorf("uci: write %s: %w", path, errReplaced)
}

func (d Dir) commit(name, path string) error {
	f, err := lockFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("uci: %w", err)
	}
	defer f.Close()
	// Held until the changes are in the file, so that one that is staged
	// meanwhile is not thrown away with them.
	staged, err := lockFile(d.staged(name), os.O_RDWR, 0)
	if err == nil {
		defer staged.Close()
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotRegular) {
		return fmt.Errorf("uci: staged changes: %w", err)
	}
	p, done, err := d.merge(name, path, f, staged, nil)
	if err == nil && len(done.implied) > 0 {
		// libuci stages these now, behind all others, and reads it all again.
		p, done, err = d.merge(name, path, f, staged, done.implied)
	}
	if err != nil || done.applied == 0 {
		return err
	}
	return d.replace(path, name, p.Bytes(), f, func() error {
		if staged == nil {
			return nil
		}
		if err := staged.Truncate(0); err != nil {
			return fmt.Errorf("uci: %s was written, but its changes are still staged: %w", path, err)
		}
		return nil
	})
}

// Import makes data, which must be a valid configuration file, the content of a
// file, as "uci import NAME" does. What is staged stays staged. A file that does
// not exist is made, readable by its owner only.
func (d Dir) Import(name string, data []byte) error {
	path, err := d.file(name)
	if err != nil {
		return err
	}
	p, err := Parse(name, data)
	if err != nil {
		return err
	}
	if err := p.Check(); err != nil {
		return fmt.Errorf("uci: import %s: %w", name, err)
	}
	_, err = os.Stat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	f, err := lockFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("uci: %w", err)
	}
	defer f.Close()
	err = d.replace(path, name, p.Bytes(), f, nil)
	if err != nil && missing && isAt(f, path) {
		os.Remove(path)
	}
	return err
}

// merge is load for files that are open and locked, with more changes at the end.
func (d Dir) merge(name, path string, f, staged *os.File, more []Change) (*Package, replayed, error) {
	var done replayed
	if _, err := f.Seek(0, 0); err != nil {
		return nil, done, fmt.Errorf("uci: %w", err)
	}
	p, err := readPackage(name, path, f, false)
	if err != nil {
		return nil, done, err
	}
	for _, dir := range d.Search {
		text, err := readStaged(filepath.Join(dir, name))
		if err != nil {
			return nil, done, err
		}
		done.add(p.replay(text))
	}
	if staged != nil {
		_, err := staged.Seek(0, 0)
		text := ""
		if err == nil {
			text, err = readText(staged)
		}
		if err != nil {
			return nil, done, fmt.Errorf("uci: staged changes: %w", err)
		}
		done.add(p.replay(text))
	}
	done.applied += p.replay(string(appendChanges(nil, name, more))).applied
	return p, done, nil
}
