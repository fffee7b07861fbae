package support

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Sources is where the text comes from.
type Sources struct {
	// Version of this program.
	Version string
	// Root is the folder with the router's files: "/" on the router.
	Root    string
	Config  uci.Dir
	State   state.Dir
	Devices wgdev.Devices
	Kernel  rtnl.Kernel
	// Snapshot takes the state of all interfaces.
	Snapshot func(ctx context.Context) (*status.Snapshot, error)
	// Log returns the router's log.
	Log func(ctx context.Context) (string, error)
	Now func() time.Time
}

// maxLines is how much of one section is shown: with thousands of peers the first
// ones tell as much as all.
const maxLines = 400

const intro = `This is for somebody who helps you. Keys, public addresses, names of endpoints and
hardware addresses have numbers in their place; private addresses, names of peers
and the rest are as they are. Read it before you pass it on.
`

// Write writes the text. What cannot be found out is said in its place.
func (s *Sources) Write(ctx context.Context, w io.Writer) error {
	pkg, err := s.Config.Load(schema.PackageName)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w (run this as root)", err)
		}
		pkg = &uci.Package{Name: schema.PackageName}
	}
	mask := NewMask(sensitive(pkg))
	var t text
	t.b.WriteString("wgnetifd support\n\n" + intro)
	t.section("versions", s.versions)
	t.section("installed", s.installed)
	t.section("interfaces", func(b *strings.Builder) error { return s.interfaces(ctx, b) })
	t.section("plan", func(b *strings.Builder) error { return errors.Join(err, s.plans(b, pkg)) })
	t.section("default routes", s.uplinks)
	t.section("configuration", func(b *strings.Builder) error { return errors.Join(err, configuration(b, pkg)) })
	t.section("log", func(b *strings.Builder) error { return s.log(ctx, b, schema.Names(pkg)) })
	_, err = io.WriteString(w, mask.Text(t.b.String()))
	return err
}

type text struct{ b strings.Builder }

// section writes a section, and cuts it where it is long.
func (t *text) section(name string, write func(*strings.Builder) error) {
	var b strings.Builder
	if err := write(&b); err != nil {
		b.WriteString("not complete: " + err.Error() + "\n")
	}
	t.b.WriteString("\n## " + name + "\n\n")
	lines := strings.SplitAfter(strings.TrimRight(b.String(), "\n")+"\n", "\n")
	for _, line := range lines[:min(len(lines), maxLines)] {
		t.b.WriteString(line)
	}
	if more := len(lines) - 1 - maxLines; more > 0 { // the last is empty
		fmt.Fprintf(&t.b, "... and %d more lines\n", more)
	}
}

// sensitive returns what the configuration names: keys, whatever they look like, and
// the names of endpoints.
func sensitive(pkg *uci.Package) (secrets, names []string) {
	for _, section := range pkg.Sections {
		for _, o := range section.Options {
			for _, v := range o.Values {
				switch {
				case secretOptions[o.Name]:
					secrets = append(secrets, v)
				case o.Name == "endpoint_host" || o.Name == "endpoint" || o.Name == "client_endpoint":
					names = append(names, hostOf(v))
				case o.Name == "client_dns" && strings.Contains(v, "."): // `lan` is nobody's
					names = append(names, hostOf(v))
				}
			}
		}
	}
	return secrets, names
}

// hostOf is the name in HOST or HOST:PORT; an address is found by the mask itself.
func hostOf(v string) string {
	host, _, _ := strings.Cut(v, ":")
	if strings.Trim(host, "0123456789.") == "" || strings.Count(v, ":") > 1 {
		return ""
	}
	return host
}

// file returns a file of the router on one line, or the lines of it that begin with
// one of the words.
func (s *Sources) file(name string, words ...string) string {
	data, err := os.ReadFile(filepath.Join(s.Root, name))
	if err != nil {
		return "not known"
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		line = strings.Join(strings.Fields(line), " ")
		if line != "" && (len(words) == 0 || startsWith(line, words)) {
			out = append(out, line)
		}
	}
	return strings.Join(out, ", ")
}

func startsWith(line string, words []string) bool {
	for _, w := range words {
		if strings.HasPrefix(line, w) {
			return true
		}
	}
	return false
}

func (s *Sources) versions(b *strings.Builder) error {
	field(b, "wgnetifd", s.Version+", "+runtime.Version()+", "+runtime.GOARCH)
	field(b, "OpenWrt", s.file("etc/openwrt_release", "DISTRIB_RELEASE", "DISTRIB_REVISION", "DISTRIB_TARGET", "DISTRIB_ARCH"))
	field(b, "device", s.file("tmp/sysinfo/model"))
	field(b, "kernel", s.file("proc/version"))
	field(b, "wireguard", s.file("sys/module/wireguard/version"))
	field(b, "memory", s.file("proc/meminfo", "MemTotal", "MemAvailable"))
	field(b, "up since", s.file("proc/uptime")+" (seconds, and of all processors idle)")
	field(b, "time", s.Now().UTC().Format(time.RFC3339))
	return nil
}

func field(b *strings.Builder, name, value string) { fmt.Fprintf(b, "%-13s%s\n", name, value) }

// interfaces is what `wgnetifd status` shows.
func (s *Sources) interfaces(ctx context.Context, b *strings.Builder) error {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	return snap.WriteText(b)
}

// uplinks are the routes that encrypted packets may leave by.
func (s *Sources) uplinks(b *strings.Builder) error {
	routes, err := s.Kernel.Routes(0)
	if err != nil {
		return err
	}
	for n := range routes {
		if routes[n].Dst.Bits() == 0 {
			b.WriteString(routes[n].String() + "\n")
		}
	}
	if b.Len() == 0 {
		b.WriteString("none\n")
	}
	return nil
}
