package uci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Where libuci looks when it is told nothing else.
const (
	DefaultConfig   = "/etc/config"
	DefaultOverride = "/var/run/uci"
	DefaultSave     = "/tmp/.uci"
)

// Dir says where configuration lives. The zero value is that of the system, as
// netifd and uci see it.
type Dir struct {
	// Config is the folder of the files, DefaultConfig when empty.
	Config string
	// Override is a folder whose files take the place of those in Config.
	// When it is empty, it is DefaultOverride where Config is empty as well, and
	// otherwise there is none. libuci has this since OpenWrt 25.12.
	Override string
	// Save is the folder of staged changes, DefaultSave when empty.
	Save string
	// Search are further folders of staged changes. They are merged before
	// those in Save and never emptied.
	Search []string

	// disk is what new files are written with, nil for the real thing.
	disk *disk
}

func (d Dir) config() string {
	if d.Config == "" {
		return DefaultConfig
	}
	return d.Config
}

// file is the file that is read and written for a package.
func (d Dir) file(name string) (string, error) {
	if err := checkPackageName(name); err != nil {
		return "", err
	}
	override := d.Override
	if override == "" && d.Config == "" {
		override = DefaultOverride
	}
	if override != "" {
		path := filepath.Join(override, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return filepath.Join(d.config(), name), nil
}

// staged is the file of staged changes that is written to.
func (d Dir) staged(name string) string {
	if d.Save == "" {
		return filepath.Join(DefaultSave, name)
	}
	return filepath.Join(d.Save, name)
}

// Load reads a file and merges what is staged for it, as netifd and "uci show"
// do. Staged lines that cannot be applied are left out as libuci leaves them out.
//
// The error wraps [io/fs.ErrNotExist] when there is no such file, and is a
// [*ParseError] when it cannot be read as configuration.
func (d Dir) Load(name string) (*Package, error) {
	p, _, err := d.load(name, false, nil)
	return p, err
}

// Stat says what the file system knows of the file that Load reads first.
func (d Dir) Stat(name string) (fs.FileInfo, error) {
	path, err := d.file(name)
	if err != nil {
		return nil, err
	}
	return os.Stat(path)
}

// load is Load, or LoadAgain, and gives what the staged changes were.
func (d Dir) load(name string, again bool, last *Package) (*Package, replayed, error) {
	var done replayed
	path, err := d.file(name)
	if err != nil {
		return nil, done, err
	}
	// The lock on the file is held until the staged changes are read: a commit
	// between the two would move changes from one to the other.
	f, err := lockFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, done, fmt.Errorf("uci: %w", err)
	}
	defer f.Close()
	var p *Package
	if Shares && again {
		if st, err := f.Stat(); err == nil {
			p = parseAgain(last, f.ReadAt, st.Size())
		}
	}
	shared := p != nil
	if !shared {
		if p, err = readPackage(name, path, f, again); err != nil {
			return nil, done, err
		}
	}
	for _, staged := range d.stagedFiles(name) {
		changes, err := readStaged(staged)
		if err != nil {
			return nil, done, err
		}
		if shared && changes != "" {
			// What others have too must not change.
			if p, err = readPackage(name, path, f, false); err != nil {
				return nil, done, err
			}
			shared = false
		}
		done.add(p.replay(changes))
	}
	return p, done, nil
}

// stagedFiles are the files that hold staged changes, in the order in which they are
// merged.
func (d Dir) stagedFiles(name string) (files []string) {
	for _, dir := range d.Search {
		files = append(files, filepath.Join(dir, name))
	}
	return append(files, d.staged(name))
}

// readPackage reads a file from its beginning; again: as a basis for the next time.
func readPackage(name, path string, f *os.File, again bool) (*Package, error) {
	text, err := readText(f)
	if err != nil {
		return nil, fmt.Errorf("uci: %w", err)
	}
	if Shares && again {
		return parse(name, path, text, &basis{})
	}
	return parse(name, path, text, nil)
}

// readStaged reads a file of staged changes, empty if there is none.
func readStaged(path string) (string, error) {
	f, err := lockFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) {
		return "", nil
	}
	if err == nil {
		defer f.Close()
		var text string
		if text, err = readText(f); err == nil {
			return text, nil
		}
	}
	return "", fmt.Errorf("uci: staged changes: %w", err)
}

// readText reads a file without holding it twice in memory.
func readText(f *os.File) (string, error) {
	var b strings.Builder
	if st, err := f.Stat(); err == nil && st.Size() < 1<<26 {
		b.Grow(int(st.Size()))
	}
	_, err := io.Copy(&b, f)
	return b.String(), err
}

var errNotRegular = errors.New("not a regular file")

// lockFile opens a file and waits for the lock that libuci takes on it: a shared
// one for reading only, else an exclusive one. Closing the file gives it back.
//
// The lock is on the file that was opened, and whoever held it before may have
// put another one in its place: then the new one is opened and locked. libuci
// does not look, and so can lose a change.
func lockFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	how := syscall.LOCK_EX
	if flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		how = syscall.LOCK_SH
	}
	for {
		if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
			// Opening a pipe could wait for ever.
			return nil, &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
		}
		f, err := os.OpenFile(path, flag, perm)
		if err != nil {
			return nil, err
		}
		if err := flock(f, how); err != nil {
			f.Close()
			return nil, err
		}
		if isAt(f, path) {
			return f, nil
		}
		f.Close()
	}
}

// isAt reports whether path leads to the open file.
func isAt(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(open, there)
}

func flock(f *os.File, how int) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), how); err {
		case nil, syscall.ENOSYS: // libuci goes on without locks, too
			return nil
		case syscall.EINTR:
		default:
			return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}
