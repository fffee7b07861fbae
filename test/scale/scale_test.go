// Package scale measures how the work grows with peers and allowed IPs, from the
// configuration to the device, without netifd: `make bench-scale` runs it on
// Debian's kernels. What netifd adds is measured in test/integration.
package scale

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/wggo"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

func TestMain(m *testing.M) { netns.Main(m) }

const iface = "wgscale"

// shapes are the devices that are measured.
var shapes = []struct{ peers, ips int }{
	{1, 1},
	{10, 1},
	{100, 1},
	{1000, 1},
	{10000, 1},
	{1, 50},
	{10, 50},
	{100, 50},
	{1000, 50},
	{10000, 50},
	{1, 20000},
}

// config returns a configuration; edit may change the lines of a peer's section.
func config(peers, ips int, edit func(peer int) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "config interface '%s'\n\toption proto 'wireguard'\n\toption private_key '%s'\n\tlist addresses '10.0.0.1/8'\n",
		iface, schema.Key{0: 8, 31: 64})
	next := uint32(11<<24) + 1
	for n := range peers {
		fmt.Fprintf(&b, "\nconfig wireguard_%s\n\toption public_key '%s'\n", iface, schema.Key{byte(n), byte(n >> 8), 2: 7, 31: 1})
		if edit != nil {
			b.WriteString(edit(n))
		}
		for range ips {
			fmt.Fprintf(&b, "\tlist allowed_ips '%d.%d.%d.%d/32'\n", next>>24, next>>16&255, next>>8&255, next&255)
			next++
		}
	}
	return b.String()
}

type lab struct {
	b   *testing.B
	dir string
	sys *apply.System
}

func newLab(b *testing.B) *lab {
	dir := b.TempDir()
	return &lab{b: b, dir: dir, sys: &apply.System{
		Dir:     uci.Dir{Config: dir, Save: filepath.Join(dir, "save")},
		Devices: wgdev.NewSystem(), Kernel: rtnl.NewSystem(), Names: &resolve.Names{DNS: resolve.System()}, ResolveTime: apply.ResolveTime,
		State: state.Dir(filepath.Join(dir, "run")), Now: time.Now, Log: logline.New(io.Discard),
	}}
}

func (l *lab) write(text string) {
	if err := os.WriteFile(filepath.Join(l.dir, "network"), []byte(text), 0o600); err != nil {
		l.b.Fatal(err)
	}
}

func (l *lab) up() *apply.Run {
	r, err := l.sys.Up(context.Background(), iface, apply.Kernel{})
	if err != nil {
		l.b.Fatal(err)
	}
	return r
}

func (l *lab) down() {
	if err := l.sys.Down(iface); err != nil {
		l.b.Fatal(err)
	}
}

// untimed runs f with the clock stopped.
func (l *lab) untimed(f func()) {
	l.b.StopTimer()
	f()
	l.b.StartTimer()
}

// BenchmarkScale has for each shape what people do with it, and beside it
// `floor`: the same link, address and messages about peers, sent by a loop that knows
// them already, which no setup can be faster than; `read`: one reading of the
// device, which every run that finds a device needs; and `message`: what a change
// sends.
func BenchmarkScale(b *testing.B) {
	netns.Require(b)
	wggo.Require(b)
	warm(b)
	for _, s := range shapes {
		b.Run(fmt.Sprintf("peers=%d/ips=%d", s.peers, s.ips), func(b *testing.B) {
			l := newLab(b)
			plain := config(s.peers, s.ips, nil)
			l.write(plain)
			b.Run("setup", func(b *testing.B) { l.on(b).setup() })
			b.Run("floor", func(b *testing.B) { l.on(b).floor() })
			l.up()
			b.Run("renew", func(b *testing.B) { l.on(b).renew() })
			b.Run("read", func(b *testing.B) { l.on(b).read() })
			b.Run("change", func(b *testing.B) { l.on(b).change(s.peers, s.ips) })
			b.Run("message", func(b *testing.B) { l.on(b).message(s.peers, s.ips) })
			b.Run("remove", func(b *testing.B) { l.on(b).remove(s.peers, s.ips) })
			b.Run("status", func(b *testing.B) { l.on(b).status((*status.Snapshot).All) })
			b.Run("page", func(b *testing.B) {
				l.on(b).status(func(s *status.Snapshot) blobmsg.Table {
					t, err := s.PeersTable(status.Query{})
					if err != nil {
						b.Fatal(err)
					}
					return t
				})
			})
			l.write(plain)
			b.Run("teardown", func(b *testing.B) { l.on(b).teardown() })
			l.down()
		})
	}
}

// warm goes through what is measured a few times: an emulator translates code when
// it runs first, which whatever stands first would be charged with.
func warm(b *testing.B) {
	l := newLab(b)
	l.write(config(10, 1, nil))
	for range 5 {
		l.up()
		l.up()
		l.down()
	}
}

// on returns the lab for another benchmark.
func (l *lab) on(b *testing.B) *lab {
	out := *l
	out.b = b
	b.ReportAllocs()
	return &out
}

func (l *lab) setup() {
	for l.b.Loop() {
		l.up()
		l.untimed(l.down)
	}
}

func (l *lab) teardown() {
	for l.b.Loop() {
		l.untimed(func() { l.up() })
		l.down()
	}
}

func (l *lab) floor() {
	run := l.up()
	changes, addresses := run.Changes, run.Want.Addresses
	l.down()
	d := l.sys.Devices
	for l.b.Loop() {
		if err := d.Create(iface); err != nil {
			l.b.Fatal(err)
		}
		if err := d.Configure(iface, changes); err != nil {
			l.b.Fatal(err)
		}
		for _, a := range addresses {
			if err := l.sys.Kernel.AddAddress(iface, a); err != nil {
				l.b.Fatal(err)
			}
		}
		if err := d.SetUp(iface, true); err != nil {
			l.b.Fatal(err)
		}
		l.untimed(l.down)
	}
}

func (l *lab) renew() {
	for l.b.Loop() {
		if r := l.up(); r.Wrote != 0 {
			l.b.Fatalf("a renew without a change wrote %d times", r.Wrote)
		}
	}
}

func (l *lab) read() {
	for l.b.Loop() {
		if _, err := l.sys.Devices.Read(iface); err != nil {
			l.b.Fatal(err)
		}
	}
}

// changes returns two configurations, of which the first peer has another keepalive.
func changes(peers, ips int) (texts [2]string) {
	for n, keepalive := range []string{"7", "8"} {
		texts[n] = config(peers, ips, func(peer int) string {
			if peer == 0 {
				return "\toption persistent_keepalive '" + keepalive + "'\n"
			}
			return ""
		})
	}
	return texts
}

// change gives the first peer another keepalive and back.
func (l *lab) change(peers, ips int) {
	texts := changes(peers, ips)
	for n := 0; l.b.Loop(); n++ {
		l.untimed(func() { l.write(texts[n%2]) })
		l.one(l.up().Changes)
	}
}

// message sends what change does to the device, without all that leads to it.
func (l *lab) message(peers, ips int) {
	texts := changes(peers, ips)
	var list [2]plan.Changes
	l.write(texts[1])
	l.up()
	for n := range list {
		l.write(texts[n])
		list[n] = l.up().Changes
		l.one(list[n])
	}
	for n := 0; l.b.Loop(); n++ {
		if err := l.sys.Devices.Configure(iface, list[n%2]); err != nil {
			l.b.Fatal(err)
		}
	}
}

// remove switches the last peer off, and on again with the clock stopped.
func (l *lab) remove(peers, ips int) {
	whole := config(peers, ips, nil)
	less := config(peers, ips, func(peer int) string {
		if peer == peers-1 {
			return "\toption disabled '1'\n"
		}
		return ""
	})
	for l.b.Loop() {
		l.untimed(func() {
			l.write(whole)
			l.up()
			l.write(less)
		})
		l.one(l.up().Changes)
	}
}

// one fails unless exactly one peer was written.
func (l *lab) one(c plan.Changes) {
	if len(c.Peers) != 1 {
		l.b.Fatalf("%d peers were written", len(c.Peers))
	}
}

func (l *lab) status(show func(*status.Snapshot) blobmsg.Table) {
	src := status.Sources{Config: l.sys.Dir, Devices: l.sys.Devices, Kernel: l.sys.Kernel, Now: time.Now}
	for l.b.Loop() {
		snap, err := src.Collect(context.Background(), iface)
		if err != nil {
			l.b.Fatal(err)
		}
		if text := blobmsg.AppendJSON(nil, show(snap)); len(text) == 0 {
			l.b.Fatal("nothing")
		}
	}
}
