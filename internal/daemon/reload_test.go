package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
)

// steady is a peer that no test changes.
var steady = wgPeer("wg0", "steady", 1, "\tlist allowed_ips '10.0.0.2/32'\n\toption endpoint_host '192.0.2.2'\n\toption persistent_keepalive '25'\n")

// changes is everything that a reload can change, each from what the one before
// left.
var changes = []struct {
	name   string
	iface  string // options
	peer   string
	want   Change
	told   int // how often netifd was
	writes int // to the device
}{
	{name: "nothing"},
	{name: "a peer added", peer: wgPeer("wg0", "other", 2, ""), want: Change{Added: []string{"other"}}, writes: 1},
	{name: "an allowed IP added", peer: wgPeer("wg0", "other", 2, "\tlist allowed_ips '10.7.0.0/16'\n"), want: Change{Changed: []string{"other"}}, writes: 1},
	{
		name: "its routes", peer: wgPeer("wg0", "other", 2, "\tlist allowed_ips '10.7.0.0/16'\n\toption route_allowed_ips '1'\n"),
		want: Change{Device: []string{"routes"}}, told: 1,
	},
	{
		name: "another allowed IP", peer: wgPeer("wg0", "other", 2, "\tlist allowed_ips 'fd00:7::/64'\n\toption route_allowed_ips '1'\n"),
		want: Change{Changed: []string{"other"}, Device: []string{"routes"}}, told: 1, writes: 1,
	},
	{
		name: "neither route nor allowed IP", peer: wgPeer("wg0", "other", 2, ""),
		want: Change{Changed: []string{"other"}, Device: []string{"routes"}}, told: 1, writes: 1,
	},
	{name: "its name", peer: wgPeer("wg0", "another", 2, "")},
	{name: "an endpoint", peer: wgPeer("wg0", "other", 2, "\toption endpoint_host '192.0.2.77'\n"), want: Change{Changed: []string{"other"}}, writes: 1},
	{name: "another endpoint", peer: wgPeer("wg0", "other", 2, "\toption endpoint_host '2001:db8::77'\n\toption endpoint_port '7'\n"), want: Change{Changed: []string{"other"}}, writes: 1},
	{
		name: "a keepalive", peer: wgPeer("wg0", "other", 2, "\toption endpoint_host '2001:db8::77'\n\toption endpoint_port '7'\n\toption persistent_keepalive '9'\n"),
		want: Change{Changed: []string{"other"}}, writes: 1,
	},
	{
		name: "neither endpoint nor keepalive, a preshared key", peer: wgPeer("wg0", "other", 2, fmt.Sprintf("\toption preshared_key '%s'\n", keyOf(77))),
		want: Change{Changed: []string{"other"}}, writes: 1,
	},
	{name: "another public key", peer: wgPeer("wg0", "other", 3, ""), want: Change{Added: []string{"other"}, Removed: []string{"other"}}, writes: 1},
	{name: "switched off", peer: wgPeer("wg0", "other", 3, "\toption disabled '1'\n"), want: Change{Removed: []string{"other"}}, writes: 1},
	{name: "switched on", peer: wgPeer("wg0", "other", 3, ""), want: Change{Added: []string{"other"}}, writes: 1},
	{name: "removed", want: Change{Removed: []string{"other"}}, writes: 1},
	{name: "fwmark", iface: "\toption fwmark '0x10'\n", want: Change{Device: []string{"fwmark"}}, writes: 1},
	{name: "listen port", iface: "\toption fwmark '0x10'\n\toption listen_port '51820'\n", want: Change{Device: []string{"listen_port"}}, writes: 1},
	{name: "no fwmark", iface: "\toption listen_port '51820'\n", want: Change{Device: []string{"fwmark"}}, writes: 1},
	{name: "mtu", iface: "\toption listen_port '51820'\n\toption mtu '1300'\n", want: Change{Device: []string{"mtu"}}, writes: 1},
	{name: "an address", iface: "\toption mtu '1300'\n\tlist addresses 'fd00::1/64'\n", want: Change{Device: []string{"addresses"}}, told: 1},
	{name: "no such address", iface: "\toption mtu '1300'\n", want: Change{Device: []string{"addresses"}}, told: 1},
	{name: "the private key", iface: fmt.Sprintf("\toption mtu '1300'\n\toption private_key '%s'\n", keyOf(55)), want: Change{Device: []string{"private_key"}}, writes: 1},
}

// TestReload: of each change exactly that is written, the answer says what, and
// netifd is told only of addresses and routes.
func TestReload(t *testing.T) {
	r := newRig(t, wg(0, "")+steady)
	r.withNetifd("wg0")
	r.start()
	r.awaitUp("wg0")
	for _, c := range changes {
		r.settled()
		r.configure(wg(0, c.iface) + steady + c.peer)
		want := Result{}
		if !c.want.empty() {
			c.want.Name = "wg0"
			want.Interfaces = []Change{c.want}
		}
		r.want(c.name, r.reload(), want)
		if told := r.netifd.take(); len(told) != c.told {
			t.Errorf("%s: netifd was told %d times:\n%s", c.name, len(told), strings.Join(told, "\n"))
		}
		writes := r.devices.Writes()
		if len(writes) != c.writes {
			t.Errorf("%s: the device was written %d times: %+v", c.name, len(writes), writes)
		}
		for _, w := range writes {
			for _, p := range w.Changes.Peers {
				if p.PublicKey == keyOf(1) {
					t.Errorf("%s: the steady peer was written: %+v", c.name, p)
				}
			}
		}
		r.isAsConfigured("wg0")
		r.want(c.name+", again", r.reload(), Result{})
		r.nothingWritten(c.name + ", again")
	}
}

// settled forgets what was written so far.
func (r *rig) settled() {
	r.t.Helper()
	r.devices.Forget()
	r.kernel.Forget()
	r.netifd.take()
}

// nothingWritten fails if anything was written since a reload began that wrote
// something, beside what that wrote.
func (r *rig) nothingWritten(when string) {
	r.t.Helper()
	before := len(r.devices.Writes()) + len(r.kernel.Writes())
	r.reload()
	if now := len(r.devices.Writes()) + len(r.kernel.Writes()); now != before {
		r.t.Errorf("%s: %d writes", when, now-before)
	}
	if told := r.netifd.take(); len(told) > 0 {
		r.t.Errorf("%s: netifd was told:\n%s", when, strings.Join(told, "\n"))
	}
}

// TestReloadNothing: ten thousand reloads with nothing changed write nothing, and
// nothing grows.
func TestReloadNothing(t *testing.T) {
	count := 10_000
	if testing.Short() {
		count = 1000
	}
	for _, bus := range []bool{false, true} {
		t.Run(map[bool]string{false: "alone", true: "netifd"}[bus], func(t *testing.T) {
			count := count
			r := newRig(t, wg(0, "")+steady+wgPeer("wg0", "other", 2, "\tlist allowed_ips '10.9.0.0/16'\n\toption route_allowed_ips '1'\n"))
			if bus {
				count /= 10
				r.withNetifd("wg0")
				r.start()
				r.awaitUp("wg0")
			} else {
				r.alone("wg0")
				r.start()
			}
			r.reload()
			r.devices.Forget()
			r.kernel.Forget()
			if bus {
				r.netifd.take()
			}
			heap, routines, files, open := heapInUse(), runtime.NumGoroutine(), r.files(), openFiles(t)
			for range count {
				if got := r.reload(); got.Err != nil || len(got.Interfaces)+len(got.Refused) > 0 {
					t.Fatalf("got %+v", got)
				}
			}
			if d, k := r.devices.Writes(), r.kernel.Writes(); len(d)+len(k) > 0 {
				t.Errorf("wrote %+v, %+v", d, k)
			}
			if bus {
				if told := r.netifd.take(); len(told) > 0 {
					t.Errorf("netifd was told:\n%s", strings.Join(told, "\n"))
				}
			}
			if diff := cmp.Diff(files, r.files()); diff != "" {
				t.Errorf("files were written (-before +after):\n%s", diff)
			}
			if now := openFiles(t); now > open+5 { // other tests' may be closed late, or those of the runtime opened
				t.Errorf("%d files are open, before %d", now, open)
			}
			// The log holds what a reload says; it says nothing.
			if now := heapInUse(); now > heap+1<<20 {
				t.Errorf("the heap has grown from %d to %d bytes", heap, now)
			}
			r.await("goroutines as before", func() bool { return runtime.NumGoroutine() <= routines+2 })
		})
	}
}

// files tells when each of the files was written that we read or keep.
func (r *rig) files() (list []string) {
	r.t.Helper()
	err := filepath.WalkDir(r.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Stat(path)
		if err == nil {
			list = append(list, fmt.Sprint(path, " ", st.Sys().(*syscall.Stat_t).Ino, " ", st.ModTime()))
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestReloadBurst: of a thousand reloads that are asked for while the file changes
// no change is lost, and few are done.
func TestReloadBurst(t *testing.T) {
	r := newRig(t, wg(0, "")+steady)
	r.alone("wg0")
	r.start()
	var askers sync.WaitGroup
	for n := range 10 {
		askers.Go(func() {
			for range 100 {
				if got := r.daemon.Reload(t.Context(), []string{"", "wg0"}[n%2]); got.Err != nil {
					t.Error(got.Err)
				}
			}
		})
	}
	last := ""
	for n := range 20 {
		last = wg(0, "") + steady + wgPeer("wg0", "other", 10+n, "")
		r.configure(last)
		r.reload()
		r.isAsConfigured("wg0")
	}
	askers.Wait()
	r.isAsConfigured("wg0")
}

// TestReloadRefuses: what cannot be applied is named, and costs nobody else
// anything.
func TestReloadRefuses(t *testing.T) {
	r := newRig(t, wg(0, "")+steady+wg(1, ""))
	r.withNetifd("wg0", "wg1")
	r.start()
	r.awaitUp("wg0")
	r.awaitUp("wg1")
	r.settled()

	bad := Refusal{Option: "network.bad.allowed_ips", Value: "10.7.0.0/33"}
	r.configure(wg(0, "") + steady + wgPeer("wg0", "bad", 2, "\tlist allowed_ips '10.7.0.0/33'\n") + wgPeer("wg0", "good", 3, "") + wg(1, ""))
	got := r.reload()
	if len(got.Refused) == 1 {
		bad.Text = got.Refused[0].Text // the schema's
	}
	r.want("a bad peer", got, Result{Interfaces: []Change{{Name: "wg0", Added: []string{"good"}}}, Refused: []Refusal{bad}})
	r.want("of the interface", r.daemon.Reload(t.Context(), "wg0"), Result{Refused: []Refusal{bad}})
	r.want("of another", r.daemon.Reload(t.Context(), "wg1"), Result{})
	r.want("of none", r.daemon.Reload(t.Context(), "wg2"), Result{Err: status.ErrNoInterface})
	if told := r.netifd.take(); len(told) != 1 || !strings.Contains(told[0], "network.bad.allowed_ips") {
		t.Errorf("netifd was told:\n%s", strings.Join(told, "\n"))
	}

	// A key that is none, of an interface that runs: it goes on as it was.
	hush := "\toption private_key 'hush'\n"
	r.configure(wg(0, hush) + wg(1, ""))
	got = r.reload()
	if len(got.Refused) != 1 || got.Refused[0].Option != "network.wg0.private_key" || got.Refused[0].Value != "" || len(got.Interfaces) > 0 {
		t.Errorf("a bad private key: %+v", got)
	}
	if n := len(r.devices.Device("wg0").Peers); n != 2 {
		t.Errorf("wg0 has %d peers", n)
	}
	if strings.Contains(r.journal.String()+strings.Join(r.netifd.take(), ""), "hush") {
		t.Error("the key is in the log or was told")
	}

	// A peer that the kernel does not take.
	odd := keyOf(4)
	r.refused.Store(&odd)
	r.configure(wg(0, "") + steady + wgPeer("wg0", "odd", 4, "") + wgPeer("wg0", "good", 3, "\toption persistent_keepalive '5'\n") + wg(1, ""))
	want := Result{
		Interfaces: []Change{{Name: "wg0", Changed: []string{"good"}}},
		Refused:    []Refusal{{Option: "network.odd", Text: "the kernel refused the peer " + keyOf(4).Short() + ": no room"}},
	}
	r.want("a peer that the kernel refuses", r.reload(), want)

	// A device that cannot be written: the answer says so, and it is tried again
	// without anybody asking for it.
	r.fail(wgdev.OpConfigure)
	r.configure(wg(0, "\toption fwmark '7'\n") + steady + wg(1, ""))
	got = r.reload()
	if len(got.Interfaces) > 0 || len(got.Refused) != 1 || got.Refused[0].Option != "network.wg0" || !strings.Contains(got.Refused[0].Text, "no memory") {
		t.Errorf("a device that cannot be written: %+v", got)
	}
	r.fail("")
	r.await("another try", func() bool { return r.devices.Device("wg0").FwMark == 7 })
	r.isAsConfigured("wg0")
}

// TestReloadAnswerIsBounded: a list has 100 entries, and the totals count all.
func TestReloadAnswerIsBounded(t *testing.T) {
	names := make([]string, 250)
	refusals := make([]Refusal, 120)
	r := Result{Interfaces: []Change{{Name: "wg0", Added: names}}, Refused: refusals}
	table := r.Table()
	changed, _ := table.Table("changed")
	c, _ := changed.Table("wg0")
	added, _ := c.Array("added")
	total, _ := c.Int("added_total")
	refused, _ := table.Array("refused")
	all, _ := table.Int("refused_total")
	if len(added) != 100 || total != 250 || len(refused) != 100 || all != 120 {
		t.Errorf("%d of %d added, %d of %d refused", len(added), total, len(refused), all)
	}
	text := ResultText(table)
	for _, want := range []string{" and 150 more", "refused: 20 more"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%.300s", want, text)
		}
	}
}

// TestInterfacesComeAndGo: interfaces that the configuration gains and loses.
func TestInterfacesComeAndGo(t *testing.T) {
	r := newRig(t, wg(0, ""))
	r.withNetifd("wg0", "wg1")
	r.start()
	r.awaitUp("wg0")
	names := func() (list []string) {
		for _, k := range r.daemon.all() {
			list = append(list, k.name)
		}
		return list
	}
	r.configure(wg(1, "") + wg(0, ""))
	r.netifd.up("wg1") // The daemon does not know of it yet.
	r.netifd.handlers.Wait()
	r.awaitKept("wg1")
	r.want("a reload of another interface", r.daemon.Reload(t.Context(), "wg0"), Result{})
	if diff := cmp.Diff([]string{"wg1", "wg0"}, names()); diff != "" {
		t.Error(diff)
	}
	r.configure(wg(1, ""))
	r.reload()
	if diff := cmp.Diff([]string{"wg1"}, names()); diff != "" {
		t.Error(diff)
	}
	if !r.devices.Device("wg0").Up {
		t.Error("wg0, which is netifd's to take down, is gone")
	}
}

// TestLostRoutes: a device that was set down behind netifd's back has lost its
// routes. It is told of them again.
func TestLostRoutes(t *testing.T) {
	r := newRig(t, wg(0, "")+steady)
	r.withNetifd("wg0")
	r.start()
	r.awaitUp("wg0")
	r.settled()
	if err := r.devices.SetUp("wg0", false); err != nil {
		t.Fatal(err)
	}
	r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLink, Device: "wg0"})
	r.await("the device up", func() bool { return r.devices.Device("wg0").Up })
	r.awaitKept("wg0")
	if told := r.netifd.take(); len(told) != 2 || strings.Contains(told[0], "10.0.0.1") || !strings.Contains(told[1], "10.0.0.1") {
		t.Errorf("netifd was told:\n%s", strings.Join(told, "\n"))
	}
}

// TestDeviceDeleted: a device that was deleted behind everybody's back is made
// again, with what belongs to it.
func TestDeviceDeleted(t *testing.T) {
	r := newRig(t, wg(0, "")+steady)
	r.withNetifd("wg0")
	r.start()
	r.awaitUp("wg0")
	r.settled()
	if err := r.devices.Delete("wg0"); err != nil {
		t.Fatal(err)
	}
	if err := r.kernel.DeleteAddress("wg0", netip.MustParsePrefix("10.0.0.1/24")); err != nil {
		t.Fatal(err)
	}
	r.netifd.mu.Lock()
	r.netifd.ifaces["wg0"].addresses = nil // it would not notice; so that it adds it again
	r.netifd.mu.Unlock()
	r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLink, Device: "wg0", Removed: true})
	r.await("the device", func() bool { return r.devices.Device("wg0").Up })
	r.awaitKept("wg0")
	r.isAsConfigured("wg0")

	// The same where netifd has taken the interface down: there is nothing to mend.
	r.netifd.down("wg0")
	r.netifd.handlers.Wait()
	r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLink, Device: "wg0", Removed: true})
	r.reload()
	if r.devices.Device("wg0").Exists {
		t.Error("the device was made while netifd says that the interface is down")
	}
}

// TestWithoutBus: without ubus the daemon keeps what `wgnetifd up` made, and does
// nothing about the rest.
func TestWithoutBus(t *testing.T) {
	r := newRig(t, wg(0, "")+steady+wg(1, ""))
	r.start()
	r.want("nothing is up", r.reload(), Result{})
	if w := r.devices.Writes(); len(w) > 0 {
		t.Fatalf("wrote %+v", w)
	}
	r.alone("wg0")
	r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLink, Device: "wg0"})
	r.awaitKept("wg0")
	r.configure(wg(0, "") + wgPeer("wg0", "other", 2, "") + wg(1, ""))
	r.want("a reload", r.reload(), Result{Interfaces: []Change{{Name: "wg0", Added: []string{"other"}, Removed: []string{"steady"}}}})
	r.isAsConfigured("wg0")
	if err := r.system.Down("wg0"); err != nil {
		t.Fatal(err)
	}
	r.reload()
	if r.devices.Device("wg0").Exists {
		t.Error("the daemon made what `wgnetifd down` took down")
	}
}

// TestResultText: names come from the configuration and go to a terminal.
func TestResultText(t *testing.T) {
	r := Result{
		Interfaces: []Change{{Name: "wg0", Added: []string{"a\x1b[2J", "b"}, Device: []string{"mtu", "routes"}}},
		Refused:    []Refusal{{Option: "network.x.allowed_ips", Value: "y", Text: "z"}},
	}
	want := "wg0: added: a?[2J, b\nwg0: changed of the interface: mtu, routes\nrefused: network.x.allowed_ips: \"y\": z\n"
	if diff := cmp.Diff(want, ResultText(r.Table())); diff != "" {
		t.Error(diff)
	}
	if got := ResultText((&Result{}).Table()); got != "nothing changed\n" {
		t.Errorf("got %q", got)
	}
	if got := ResultText((&Result{Err: errors.New("broken")}).Table()); got != "" {
		t.Errorf("got %q", got)
	}
}
