package state

import (
	"errors"
	"io/fs"
	"os"
)

// SetFailed notes that netifd was told that a setup of the interface failed, or
// that another one begins. It outlives the teardown that follows.
func (d Dir) SetFailed(iface string, failed bool) error {
	path, err := d.path(iface, ".failed")
	if err != nil {
		return err
	}
	if failed {
		return replace(path, nil)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Failed reports whether the last setup of the interface failed.
func (d Dir) Failed(iface string) bool {
	path, err := d.path(iface, ".failed")
	if err == nil {
		_, err = os.Stat(path)
	}
	return err == nil
}
