package hotplug

import (
	"os"
	"path/filepath"
	"strings"
)

// Any reports whether there are scripts. It costs a look into the folder.
func (r *Runner) Any() bool {
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if info, err := os.Stat(filepath.Join(r.Dir, e.Name())); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}
