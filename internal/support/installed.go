package support

import (
	"os"
	"path/filepath"
	"strings"
)

// places are where something stands that takes part, beside packages: of the files
// of a folder those with one of the parts in their names, or all.
var places = []struct {
	dir string
	all bool
}{
	{"lib/netifd/proto", false},
	{"usr/libexec/rpcd", false},
	{"usr/share/rpcd/ucode", false},
	{"etc/rc.d", false},
	{"etc/hotplug.d/wireguard", true},
	{"var/run/wgnetifd", true},
}

// parts are in the names of the packages and files that take part.
var parts = []string{"wireguard", "wgnetifd", "netifd", "procd", "rpcd"}

func (s *Sources) installed(b *strings.Builder) error {
	s.packages(b, "usr/lib/opkg/status", "Package: ", "Version: ")
	s.packages(b, "lib/apk/db/installed", "P:", "V:")
	for _, p := range places {
		entries, err := os.ReadDir(filepath.Join(s.Root, p.dir))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if p.all || takesPart(e.Name()) {
				b.WriteString("/" + p.dir + "/" + e.Name() + "\n")
			}
		}
	}
	return nil
}

// packages reads the database of a package manager: what name and version begin with.
func (s *Sources) packages(b *strings.Builder, database, name, version string) {
	data, err := os.ReadFile(filepath.Join(s.Root, database))
	if err != nil {
		return
	}
	current := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, name); ok {
			current = n
		}
		if v, ok := strings.CutPrefix(line, version); ok && takesPart(current) {
			b.WriteString(current + " " + v + "\n")
		}
	}
}

func takesPart(name string) bool {
	for _, part := range parts {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
