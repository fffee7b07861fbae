package support

import (
	"io/fs"
	"slices"
	"strings"
)

// places are where something stands that takes part, beside packages.
var places = []string{
	"lib/netifd/proto/*wg*", "lib/netifd/proto/*wireguard*",
	"usr/libexec/rpcd/*wireguard*", "usr/share/rpcd/ucode/*wireguard*",
	"etc/rc.d/*wgnetifd*", "etc/hotplug.d/wireguard/*", "var/run/wgnetifd/*",
}

// parts are in the names of the packages that take part.
var parts = []string{"wireguard", "wgnetifd", "netifd", "procd", "rpcd"}

func (s *Sources) installed(b *strings.Builder) error {
	packages := append(s.packages("usr/lib/opkg/status", "Package: ", "Version: "), s.packages("lib/apk/db/installed", "P:", "V:")...)
	slices.Sort(packages)
	for _, p := range packages {
		b.WriteString(p + "\n")
	}
	for _, pattern := range places {
		names, err := fs.Glob(s.Root, pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			b.WriteString("/" + name + "\n")
		}
	}
	return nil
}

// packages reads the database of a package manager: what name and version begin with.
func (s *Sources) packages(database, name, version string) (out []string) {
	data, err := fs.ReadFile(s.Root, database)
	if err != nil {
		return nil
	}
	current := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, name); ok {
			current = n
		}
		if v, ok := strings.CutPrefix(line, version); ok && takesPart(current) {
			out = append(out, current+" "+v)
		}
	}
	return out
}

func takesPart(name string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(name, part) })
}
