package state

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"sort"
	"strings"
)

const (
	// maxNames is how many names of one interface are kept, and maxNamesSize how
	// many bytes of their file are read: more peers than that no router has, and
	// the folder is in memory.
	maxNames     = 16384
	maxNamesSize = 4 << 20
	// maxNameLength is that of a name of the DNS (RFC 1035) with its last dot.
	maxNameLength = 254
)

// Names holds the last good address of each name that an interface's endpoints
// have: the one that the peer answered at, or, where that is not known, the one
// that a name server gave last. It outlives the interface, so that one that comes
// up while no name server answers has endpoints at once.
type Names map[string]netip.Addr

// LoadNames returns the addresses that were saved for the interface. As in Load,
// lines that are not understood are left out; the map is never nil.
func (d Dir) LoadNames(iface string) (Names, error) {
	path, err := d.path(iface, ".names")
	if err != nil {
		return Names{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return Names{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNamesSize))
	if err != nil {
		return Names{}, err
	}
	return parseNames(data), nil
}

// SaveNames writes all names of the interface, whole or not at all, and nothing
// where they are saved already. Names that are not in it are forgotten: give it
// those of the configuration and the file stays small. The caller holds the lock.
func (d Dir) SaveNames(iface string, names Names) error {
	path, err := d.path(iface, ".names")
	if err != nil {
		return err
	}
	text := names.bytes()
	if len(text) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return replace(path, text)
}

// parseNames reads lines `NAME ADDRESS`.
func parseNames(data []byte) Names {
	names := Names{}
	for line := range bytes.Lines(data) {
		if len(names) == maxNames {
			break
		}
		words := bytes.Fields(line)
		if len(words) != 2 || len(words[0]) > maxNameLength {
			continue
		}
		if addr, err := netip.ParseAddr(string(words[1])); err == nil {
			names.put(string(words[0]), addr)
		}
	}
	return names
}

// put enters an address that an endpoint may have.
func (n Names) put(name string, addr netip.Addr) {
	if addr = addr.Unmap(); !addr.IsUnspecified() && !addr.IsMulticast() {
		n[name] = addr
	}
}

// bytes returns the names as text, the same for the same names.
func (n Names) bytes() []byte {
	lines := make([]string, 0, len(n))
	for name, addr := range n {
		// What would not be read again is not written.
		if addr.IsValid() && name != "" && len(name) <= maxNameLength && len(strings.Fields(name+addr.Zone())) == 1 {
			lines = append(lines, name+" "+addr.String()+"\n")
		}
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i] < lines[j] })
	lines = lines[:min(len(lines), maxNames)]
	return []byte(strings.Join(lines, ""))
}
