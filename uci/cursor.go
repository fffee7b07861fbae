package uci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Cursor is one configuration file with its staged changes, for making more of
// them. What its methods do takes effect on Package at once, is staged by Save,
// and reaches the file by [Dir.Commit].
//
// Where a method takes a section, that is a name, a generated id, or @TYPE[N]
// with N counted from 0, or from the end and -1 when negative. The methods check
// and fail exactly as the commands of uci do, and like those let some things pass
// that cannot be read back; [Dir.Edit] does not.
type Cursor struct {
	// Package is the file with all changes so far. Change it through the
	// methods only.
	Package *Package

	dir     Dir
	changes []Change
}

// Open loads a file and what is staged for it. Errors are those of [Dir.Load].
func (d Dir) Open(name string) (*Cursor, error) {
	p, done, err := d.load(name, false, nil)
	if err != nil {
		return nil, err
	}
	return &Cursor{Package: p, dir: d, changes: done.implied}, nil
}

func (c *Cursor) note(made Change, err error) error {
	c.Package.compact()
	if err == nil && !made.isNothing() {
		c.changes = append(c.changes, made)
	}
	return err
}

// change finds the target and notes what do has made of it.
func (c *Cursor) change(section, option string, do func(*target) (Change, error)) error {
	if option != "" && !ValidName(option) {
		return fmt.Errorf("%s.%s: option name: %w", c.Package.Name, section, ErrSyntax)
	}
	t, err := c.Package.target(section, option)
	if err != nil {
		return err
	}
	return c.note(do(&t))
}

// valued is change for operations with a value, which may be staged only when it
// has no control characters.
func (c *Cursor) valued(section, option, value string, do func(*target, string) (Change, error)) error {
	if !validText(value) {
		return fmt.Errorf("%s.%s.%s: control character in the value: %w", c.Package.Name, section, option, ErrSyntax)
	}
	return c.change(section, option, func(t *target) (Change, error) { return do(t, value) })
}

// Get finds a section, and in it an option unless that is empty. A missing one
// is ErrNotFound.
func (c *Cursor) Get(section, option string) (*Section, *Option, error) {
	t, err := c.Package.target(section, option)
	if err == nil && (!t.complete || t.s == nil) {
		err = c.Package.failed(t, ErrNotFound)
	}
	return t.s, t.o, err
}

// Set sets an option, or, when option is empty, makes a section of type value or
// gives it that type. An empty value deletes what is there.
func (c *Cursor) Set(section, option, value string) error {
	return c.valued(section, option, value, c.Package.set)
}

// Add appends an anonymous section and returns its generated id.
func (c *Cursor) Add(typ string) (id string, err error) {
	s := c.Package.AddSection(typ, "")
	return s.Name, c.note(Change{op: opAdd, Section: s.Name, value: typ, hasValue: true}, nil)
}

// AddList appends a value to a list. An option becomes a list first.
func (c *Cursor) AddList(section, option, value string) error {
	return c.valued(section, option, value, c.Package.addList)
}

// DelList deletes all values of a list that are equal to value. It is no error
// when there is none, no list or no option.
func (c *Cursor) DelList(section, option, value string) error {
	return c.valued(section, option, value, c.Package.delList)
}

// Delete deletes an option, or the section when option is empty.
func (c *Cursor) Delete(section, option string) error {
	return c.change(section, option, func(t *target) (Change, error) {
		return c.Package.delete(t, "", false)
	})
}

// DeleteValue deletes the value of a list at an index, a decimal number counted
// from 0. Of anything but a list it deletes the whole, whatever the index is.
func (c *Cursor) DeleteValue(section, option, index string) error {
	return c.valued(section, option, index, func(t *target, index string) (Change, error) {
		if _, _, ok := leadingInt(index); !ok && index != "" {
			return nothing, c.Package.failed(*t, fmt.Errorf("%w: %w", ErrInvalid, errIndex))
		}
		return c.Package.delete(t, index, true)
	})
}

// Rename gives an option another name, or the section when option is empty.
func (c *Cursor) Rename(section, option, name string) error {
	return c.valued(section, option, name, c.Package.renameTo)
}

// Reorder moves a section so that position others stand before it. A position
// beyond the last is the end, a negative one the start.
func (c *Cursor) Reorder(section string, position int) error {
	return c.change(section, "", func(t *target) (Change, error) {
		if t.s == nil {
			return nothing, c.Package.failed(*t, ErrNotFound)
		}
		if !c.Package.reorder(t.s, int64(position)) {
			return nothing, nil
		}
		return Change{op: opReorder, Section: t.section, value: strconv.Itoa(position), hasValue: true}, nil
	})
}

// Save appends the changes to the file of staged changes, which it makes with the
// mode of the configuration file, and its folder with that of the folder of
// configuration files. When it fails, nothing was staged.
func (c *Cursor) Save() error {
	if len(c.changes) == 0 {
		return nil
	}
	if err := c.dir.stage(c.Package.Name, c.changes); err != nil {
		return fmt.Errorf("uci: stage changes: %w", err)
	}
	c.changes = nil
	return nil
}

// stage appends changes to the staged file of a package.
func (d Dir) stage(name string, changes []Change) error {
	path := d.staged(name)
	if err := d.makeSave(filepath.Dir(path)); err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	if st, err := os.Stat(filepath.Join(d.config(), name)); err == nil {
		mode = st.Mode().Perm()
	}
	f, err := lockFile(path, os.O_RDWR|os.O_CREATE, mode)
	if err != nil {
		return err
	}
	defer f.Close()
	return appendFile(f, appendChanges(nil, name, changes))
}

// makeSave makes the folder of staged changes.
func (d Dir) makeSave(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	mode := fs.FileMode(0o700)
	if st, err := os.Stat(d.config()); err == nil {
		mode = st.Mode().Perm()
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func appendChanges(out []byte, name string, changes []Change) []byte {
	for _, c := range changes {
		out = c.appendTo(out, name)
	}
	return out
}

// appendFile appends to a file, or leaves it as it was when the disk is full.
func appendFile(f *os.File, data []byte) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(data, st.Size()); err != nil {
		return errors.Join(err, f.Truncate(st.Size()))
	}
	return nil
}

// Revert takes back what is staged for an option, for a section when option is
// empty, and for the whole file when section is empty too. Names are compared
// as they stand in the staged changes. When one of those cannot be read nothing
// is taken back, and the error wraps ErrSyntax or ErrInvalid.
func (d Dir) Revert(name, section, option string) error {
	c, err := d.Open(name)
	if err != nil {
		return err
	}
	if section != "" {
		t, err := c.Package.target(section, option)
		if err != nil {
			return err
		}
		section = t.section
	}
	if err := c.Save(); err != nil {
		return err
	}
	f, err := lockFile(d.staged(name), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("uci: revert: %w", err)
	}
	defer f.Close()
	text, err := readText(f)
	if err != nil {
		return fmt.Errorf("uci: revert: %w", err)
	}
	var kept []Change
	readChanges(text, func(_ string, c Change, lineErr error) {
		// Like libuci this takes lines of other packages for this one's.
		err = errors.Join(err, lineErr)
		if section == "" || c.Section == section && (option == "" || c.Option == option) {
			return
		}
		kept = append(kept, c)
	})
	if err != nil {
		return fmt.Errorf("uci: revert: %s: %w", f.Name(), err)
	}
	// In place, as all have to write who lock a file that is never replaced.
	left := appendChanges(nil, name, kept)
	if _, err = f.WriteAt(left, 0); err == nil {
		err = f.Truncate(int64(len(left)))
	}
	if err != nil {
		return fmt.Errorf("uci: revert: %w", err)
	}
	return nil
}

// Changes gives what is staged for a file, in order.
func (d Dir) Changes(name string) ([]Change, error) {
	_, done, err := d.load(name, false, nil)
	return slices.Clip(done.read), err
}
