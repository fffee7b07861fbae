package daemon

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// noNames finds no name.
type noNames struct{}

func (noNames) Candidates(context.Context, string, resolve.Family) ([]netip.Addr, error) {
	return nil, os.ErrNotExist
}

func manyPeers(n int, one string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "config interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key '%s'\n\tlist addresses '10.0.0.1/8'\n", schema.Key{1, 31: 64})
	for i := range n {
		key := schema.Key{2, byte(i), byte(i >> 8)}
		fmt.Fprintf(&b, "\nconfig wireguard_wg0 'p%d'\n\toption public_key '%s'\n\toption description 'peer number %d'\n\tlist allowed_ips '10.%d.%d.%d/32'\n", i, key, i, 1+i>>16, i>>8&255, i&255)
	}
	return b.String() + one
}

// fakeSystem is a system of fakes, with wg0 up and alone as configured.
func fakeSystem(tb testing.TB, network string) (*apply.System, *rtnl.Fake) {
	tb.Helper()
	dir := tb.TempDir()
	kernel := rtnl.NewFake()
	s := &apply.System{
		Dir:     uci.Dir{Config: dir, Save: filepath.Join(dir, ".uci")},
		Devices: wgdev.NewFake(),
		Kernel:  kernel,
		State:   state.Dir(filepath.Join(dir, "run")),
		Now:     time.Now,
		Log:     logline.New(os.Stderr),
	}
	if err := os.WriteFile(filepath.Join(dir, "network"), []byte(network), 0o600); err != nil {
		tb.Fatal(err)
	}
	if _, err := s.Up(tb.Context(), "wg0", apply.Kernel{}); err != nil {
		tb.Fatal(err)
	}
	return s, kernel
}

// BenchmarkMemory shows what the daemon holds for its peers, in bytes of heap.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{10, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, kernel := fakeSystem(b, manyPeers(n, ""))
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d := New(Options{System: s, Names: noNames{}, Network: kernel, Clock: &clock.Fake{}, Random: func() float64 { return 0 }, Log: logline.New(os.Stderr)})
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error)
			go func() { done <- d.Run(ctx) }()
			awaitKeeper(ctx, b, d)
			for b.Loop() {
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc)-float64(before.HeapAlloc), "heap-B")
			cancel()
			<-done
		})
	}
}

// awaitKeeper waits until the daemon has looked at wg0 for the first time.
func awaitKeeper(ctx context.Context, b *testing.B, d *Daemon) {
	b.Helper()
	for d.keeper("wg0") == nil {
		time.Sleep(time.Millisecond)
	}
	if err := d.keeper("wg0").ask(ctx, anyAge, func(time.Time) {}); err != nil {
		b.Fatal(err)
	}
}

// readOnce are devices whose reading takes no time where nothing was written since.
type readOnce struct {
	*wgdev.Fake
	last map[string]plan.Actual
}

func (r *readOnce) Read(name string) (plan.Actual, error) {
	if have, ok := r.last[name]; ok {
		return have, nil
	}
	have, err := r.Fake.Read(name)
	r.last[name] = have
	return have, err
}

func (r *readOnce) Configure(name string, c plan.Changes) error {
	delete(r.last, name)
	return r.Fake.Configure(name, c)
}

// BenchmarkReload is a reload when one of many peers was changed, until its answer,
// without the device: that is a fake, whose reading is not counted. Whole is with the
// look at the device and at all states that follows, which reads it.
func BenchmarkReload(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		for _, whole := range []bool{false, true} {
			b.Run(fmt.Sprintf("peers=%d/whole=%v", n, whole), func(b *testing.B) { benchReload(b, n, whole) })
		}
	}
}

func benchReload(b *testing.B, peers int, whole bool) {
	s, kernel := fakeSystem(b, manyPeers(peers, ""))
	s.Devices = &readOnce{s.Devices.(*wgdev.Fake), map[string]plan.Actual{}}
	d := New(Options{System: s, Names: noNames{}, Network: kernel, Clock: &clock.Fake{}, Random: func() float64 { return 0 }, Log: logline.New(io.Discard)})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	awaitKeeper(ctx, b, d)
	file := filepath.Join(s.Dir.Config, "network")
	for n := range 2 {
		one := fmt.Sprintf("\toption persistent_keepalive '%d'\n", 7+n)
		if err := os.WriteFile(fmt.Sprint(file, n), []byte(manyPeers(peers, one)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		_ = os.Remove(file) // the first is a file of its own
		if err := os.Link(fmt.Sprint(file, round%2), file); err != nil {
			b.Fatal(err)
		}
		awaitKeeper(ctx, b, d)
		b.StartTimer()
		if r := d.Reload(ctx, ""); r.Err != nil || len(r.Interfaces) != 1 || len(r.Interfaces[0].Changed) != 1 {
			b.Fatalf("%+v", r)
		}
		if whole {
			awaitKeeper(ctx, b, d)
		}
	}
	cancel()
	<-done
}
