package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// patience is how long something may take on a busy machine.
const patience = 20 * time.Second

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// rig is a daemon on a system of fakes.
type rig struct {
	t       testing.TB
	dir     string
	devices *wgdev.Fake
	kernel  *rtnl.Fake
	clock   *clock.Fake
	system  *apply.System
	journal *journal
	netifd  *standIn // nil: there is no ubus
	daemon  *Daemon
	network *heard // what the daemon hears of the kernel

	connected atomic.Int64               // how often the daemon has done what it does on a new bus
	failing   atomic.Pointer[wgdev.Op]   // the operation that fails
	refused   atomic.Pointer[schema.Key] // the peer that the kernel refuses
}

// fail has an operation on devices fail from now on; empty: none.
func (r *rig) fail(op wgdev.Op) { r.failing.Store(&op) }

// newRig makes one with a configuration; nothing runs yet, and there is no ubus.
func newRig(t testing.TB, network string) *rig {
	t.Helper()
	r := &rig{
		t: t, dir: t.TempDir(), devices: wgdev.NewFake(), kernel: rtnl.NewFake(),
		clock: &clock.Fake{}, journal: &journal{},
	}
	r.network = &heard{Fake: r.kernel}
	r.clock.Put(clock.State{Set: true, Synchronised: true})
	r.system = &apply.System{
		Dir:     uci.Dir{Config: r.dir, Save: filepath.Join(r.dir, ".uci")},
		Devices: r.devices,
		Kernel:  r.kernel,
		State:   state.Dir(filepath.Join(r.dir, "run")),
		Now:     time.Now,
		Log:     logline.New(r.journal),
	}
	r.devices.Fail = func(op wgdev.Op, _ string) error {
		if bad := r.failing.Load(); bad != nil && op == *bad {
			return errors.New("no memory")
		}
		return nil
	}
	r.devices.Refuse = func(_ string, c *plan.PeerChange) error {
		if bad := r.refused.Load(); bad != nil && c.PublicKey == *bad {
			return errors.New("no room")
		}
		return nil
	}
	r.configure(network)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log:\n%s", r.journal)
		}
	})
	return r
}

func (r *rig) file() string { return filepath.Join(r.dir, "network") }

// configure puts a configuration in the place of the one before, as uci does.
func (r *rig) configure(network string) {
	r.t.Helper()
	if err := os.WriteFile(r.file()+".new", []byte(network), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(r.file()+".new", r.file()); err != nil {
		r.t.Fatal(err)
	}
}

// alone brings an interface up as `wgnetifd up` does.
func (r *rig) alone(iface string) {
	r.t.Helper()
	if _, err := r.system.Up(r.t.Context(), iface, apply.Kernel{}); err != nil {
		r.t.Fatal(err)
	}
}

// start runs the daemon, and returns when it has looked at the interfaces for every
// reason that its beginning gives: nothing is under way then, and a test may change
// the configuration without anybody taking it over before the test asks for that.
func (r *rig) start() {
	r.t.Helper()
	lost := r.network.lost.Load()
	stop := r.run()
	r.t.Cleanup(stop)
	r.await("the first reload", func() bool {
		q := &r.daemon.reloads
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(r.daemon.all()) > 0 && !q.running
	})
	if r.netifd != nil {
		r.await("the bus", func() bool { return r.connected.Load() > 0 })
	}
	r.awaitLook(lost)
	for _, k := range r.daemon.all() {
		if err := k.ask(r.t.Context(), anyAge, func(time.Time) {}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// run runs the daemon until stop is called. Nothing of it may be left then.
func (r *rig) run() (stop func()) {
	r.t.Helper()
	before := goroutines()
	o := Options{
		System: r.system, Names: noNames{}, Network: r.network, Clock: r.clock,
		Random: func() float64 { return 0.5 }, Log: logline.New(r.journal),
	}
	if r.netifd != nil {
		var d *Daemon
		ready := make(chan struct{})
		o.Bus = ubus.Open(ubus.Options{Socket: r.netifd.socket, Log: o.Log, Connected: func() {
			<-ready
			d.Connected()
			r.connected.Add(1)
		}})
		d = New(o)
		r.daemon = d
		close(ready)
	} else {
		r.daemon = New(o)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- r.daemon.Run(ctx) }()
	return sync.OnceFunc(func() {
		r.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("Run: %v", err)
		}
		if o.Bus != nil {
			_ = o.Bus.Close()
		}
		noMore(r.t, before)
	})
}

// goroutines returns the stacks of this program's goroutines by their ids.
func goroutines() map[string]string {
	buf := make([]byte, 1<<22)
	out := map[string]string{}
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		id, _, _ := strings.Cut(g, " [")
		if strings.Contains(g, "wgnetifd/") && !strings.Contains(g, "daemon.goroutines") {
			out[id] = g
		}
	}
	return out
}

// noMore fails when there are goroutines that were not there before. Those that
// are about to end are given the time.
func noMore(t testing.TB, before map[string]string) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		left = nil
		for id, stack := range goroutines() {
			// The handlers of netifd and its bus go on.
			if _, old := before[id]; !old && !strings.Contains(stack, "test/ubusd") && !strings.Contains(stack, "standIn") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
}

func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	r.t.Fatalf("it never came: %s; the log:\n%s", what, r.journal)
}

// reload has the daemon apply the configuration.
func (r *rig) reload() *Result {
	r.t.Helper()
	return r.daemon.Reload(r.t.Context(), "")
}

// want compares the answer of a reload.
func (r *rig) want(what string, got *Result, want Result) {
	r.t.Helper()
	if diff := cmp.Diff(want, *got, cmpopts.EquateEmpty(), cmpopts.EquateErrors(),
		cmpopts.IgnoreUnexported(Result{}, Refusal{})); diff != "" {
		r.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// isAsConfigured compares the device with the plan of the configuration.
func (r *rig) isAsConfigured(iface string) {
	r.t.Helper()
	pkg, err := r.system.Dir.Load(schema.PackageName)
	if err != nil {
		r.t.Fatal(err)
	}
	conf, err := schema.Load(pkg, iface)
	if err != nil {
		r.t.Fatal(err)
	}
	have := r.devices.Device(iface)
	if !have.Exists || !have.Up {
		r.t.Errorf("%s is not up", iface)
	}
	want := plan.For(conf, plan.Facts{})
	if c := plan.Diff(want, &have, nil, time.Now()); !c.Empty() {
		r.t.Errorf("%s is not as configured: %+v", iface, c)
	}
	if len(have.Peers) != len(want.Peers) {
		r.t.Errorf("%s has %d peers, want %d", iface, len(have.Peers), len(want.Peers))
	}
	for _, net := range []struct{ have, want []string }{{r.addresses(iface), texts(conf.Addresses)}} {
		if diff := cmp.Diff(net.want, net.have, cmpopts.EquateEmpty()); diff != "" {
			r.t.Errorf("addresses of %s (-want +got):\n%s", iface, diff)
		}
	}
}

func (r *rig) addresses(iface string) []string {
	r.t.Helper()
	have, err := r.kernel.Addresses(iface)
	if err != nil {
		r.t.Fatal(err)
	}
	return texts(have)
}

func texts[T fmt.Stringer](list []T) (out []string) {
	for _, v := range list {
		out = append(out, v.String())
	}
	slices.Sort(out)
	return out
}

// keyOf returns the n-th of keys that are all different; as private keys they are
// as wg makes them.
func keyOf(n int) schema.Key { return schema.Key{0: byte(n) << 3, 1: byte(n >> 5), 7: 9, 31: 64} }

// wg is the section of an interface with 10.0.0.N/24 for wgN, wgPeer that of a peer.
func wg(n int, options string) string {
	return fmt.Sprintf("config interface 'wg%d'\n\toption proto 'wireguard'\n\toption private_key '%s'\n\tlist addresses '10.0.%d.1/24'\n%s\n", n, keyOf(900+n), n, options)
}

func wgPeer(iface, name string, key int, options string) string {
	return fmt.Sprintf("config wireguard_%s '%s'\n\toption public_key '%s'\n%s\n", iface, name, keyOf(key), options)
}
