// Package state keeps in /var/run/wgnetifd (tmpfs) what the next run has to
// know and cannot see in the kernel or in UCI, and the lock that runs about one
// interface share.
package state

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// DefaultDir is where the state is kept.
const DefaultDir = "/var/run/wgnetifd"

// Dir is the folder that holds the state; the empty Dir is DefaultDir.
type Dir string

// State is what was done for one interface.
type State struct {
	// Applied are the endpoints that were written, as configured.
	Applied plan.Applied
	// HostRoutes were made by us and go with the interface.
	HostRoutes []plan.HostRoute
	// KernelRoutes: routes through the device were made by us, not by netifd.
	KernelRoutes bool
	// Met are the families in which somebody else's default route had the
	// interface's metric, which was MetMetric.
	Met       plan.Families
	MetMetric uint32
	// Alone: `wgnetifd up` made the interface, netifd has no part in it.
	Alone bool
	// Ousted: the tunnel took the uplink's default route away, as another handler makes
	// its own. Until there is one again, the host routes are all that is left of it.
	Ousted bool
	// Announced are sums of what netifd was told last; empty: nothing, or by a
	// version that did not note it.
	Announced Sums
	// Lost: the kernel may have lost addresses and routes that netifd made, as the
	// device was made anew, or was down.
	Lost bool
	// Turn tells one plan that was carried out from another; empty: none is known.
	Turn string
}

// Sums tell whether something differs from what netifd was told: one for the
// addresses and prefixes, one for the routes.
type Sums struct{ Addresses, Routes string }

func (d Dir) path(iface, ext string) (string, error) {
	if iface == "" || strings.ContainsAny(iface, "/\x00") || iface[0] == '.' {
		return "", fmt.Errorf("%q is no name of an interface", iface)
	}
	dir := string(d)
	if dir == "" {
		dir = DefaultDir
	}
	return filepath.Join(dir, iface+ext), nil
}

// Lock waits until no other process works on the interface and keeps others
// away until unlock is called. The kernel gives the lock back when a process
// that holds it is killed.
func (d Dir) Lock(iface string) (unlock func(), err error) {
	path, err := d.path(iface, ".lock")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// Closing gives the lock back. The file stays: removing it would let two
	// processes lock two files of one name.
	return func() { f.Close() }, nil
}

// Load returns what was saved of the interface; an empty State if nothing was.
// Lines that it does not understand, of another version or damaged, are left
// out: what is missing is found again.
func (d Dir) Load(iface string) (*State, error) {
	path, err := d.path(iface, ".state")
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &State{Applied: plan.Applied{}}, err
	}
	return parse(data), nil
}

func parse(data []byte) *State {
	s := &State{Applied: plan.Applied{}}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 1 && words[0] == "kernelroutes" {
			s.KernelRoutes = true
		}
		if len(words) == 2 {
			s.met(words[0], words[1])
		}
		if len(words) == 1 && words[0] == "alone" {
			s.Alone = true
		}
		if len(words) == 1 && words[0] == "ousted" {
			s.Ousted = true
		}
		if len(words) == 1 && words[0] == "lost" {
			s.Lost = true
		}
		if len(words) == 2 && words[0] == "turn" {
			s.Turn = words[1]
		}
		if len(words) == 3 && words[0] == "announced" {
			s.Announced = Sums{Addresses: words[1], Routes: words[2]}
		}
		if len(words) != 4 {
			continue
		}
		switch words[0] {
		case "endpoint":
			key, err := schema.ParseKey(words[1])
			port, err2 := strconv.ParseUint(words[3], 10, 16)
			if err == nil && err2 == nil {
				s.Applied[key] = plan.AppliedEndpoint{Host: words[2], Port: uint16(port)}
			}
		case "route":
			dst, err := netip.ParseAddr(words[1])
			if err != nil {
				continue
			}
			// "-": the destination is on the link.
			gateway, err := netip.ParseAddr(words[2])
			if err != nil && words[2] != "-" {
				continue
			}
			s.HostRoutes = append(s.HostRoutes, plan.HostRoute{Dst: dst, Gateway: gateway, Device: words[3]})
		}
	}
	return s
}

// met reads a line `met4 METRIC` or `met6 METRIC`.
func (s *State) met(word, text string) {
	metric, err := strconv.ParseUint(text, 10, 32)
	if err != nil || word != "met4" && word != "met6" {
		return
	}
	s.Met.IPv4 = s.Met.IPv4 || word == "met4"
	s.Met.IPv6 = s.Met.IPv6 || word == "met6"
	s.MetMetric = uint32(metric)
}

// bytes returns the state as text, the same for the same state.
func (s *State) bytes() []byte {
	lines := make([]string, 0, len(s.Applied)+len(s.HostRoutes)+3)
	for key, e := range s.Applied {
		lines = append(lines, "endpoint "+key.String()+" "+e.Host+" "+strconv.Itoa(int(e.Port))+"\n")
	}
	for _, r := range s.HostRoutes {
		gateway := "-"
		if r.Gateway.IsValid() {
			gateway = r.Gateway.String()
		}
		lines = append(lines, "route "+r.Dst.String()+" "+gateway+" "+r.Device+"\n")
	}
	if s.KernelRoutes {
		lines = append(lines, "kernelroutes\n")
	}
	if s.Alone {
		lines = append(lines, "alone\n")
	}
	if s.Ousted {
		lines = append(lines, "ousted\n")
	}
	if s.Lost {
		lines = append(lines, "lost\n")
	}
	if s.Turn != "" {
		lines = append(lines, "turn "+s.Turn+"\n")
	}
	if a := s.Announced; a.Addresses != "" && a.Routes != "" {
		lines = append(lines, "announced "+a.Addresses+" "+a.Routes+"\n")
	}
	metric := strconv.FormatUint(uint64(s.MetMetric), 10)
	if s.Met.IPv4 {
		lines = append(lines, "met4 "+metric+"\n")
	}
	if s.Met.IPv6 {
		lines = append(lines, "met6 "+metric+"\n")
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i] < lines[j] })
	return []byte(strings.Join(lines, ""))
}

// OtherHostRoutes returns the host routes of all other interfaces.
func (d Dir) OtherHostRoutes(iface string) []plan.HostRoute {
	own, err := d.path(iface, ".state")
	if err != nil {
		return nil
	}
	dir := filepath.Dir(own)
	files, _ := os.ReadDir(dir) // There is none before the first state.
	var out []plan.HostRoute
	for _, f := range files {
		file := filepath.Join(dir, f.Name())
		if file == own || filepath.Ext(file) != ".state" {
			continue
		}
		if data, err := os.ReadFile(file); err == nil {
			out = append(out, parse(data).HostRoutes...)
		}
	}
	return out
}

// Save writes what is known of the interface, whole or not at all. What is saved
// already is not written again.
func (d Dir) Save(iface string, s *State) error {
	path, err := d.path(iface, ".state")
	if err != nil {
		return err
	}
	return replace(path, s.bytes())
}

// replace makes text the content of a file, whole or not at all, and leaves the
// file alone where it is so already.
func replace(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	// The lock that the caller holds makes the name safe.
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return os.Rename(tmp, path)
}

// Remove forgets the interface, but for its Names.
func (d Dir) Remove(iface string) error {
	path, err := d.path(iface, ".state")
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
