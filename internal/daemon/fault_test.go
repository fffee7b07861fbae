package daemon

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
)

// TestGaveUp: an interface that netifd gave up on, because its configuration was
// bad, comes up with the first reload that finds it good.
func TestGaveUp(t *testing.T) {
	r := newRig(t, wg(0, "\toption private_key 'hush'\n")+steady)
	r.withNetifd("wg0")
	r.netifd.up("wg0")
	r.netifd.handlers.Wait()
	if s := r.netifd.stateOf("wg0"); s != "down" {
		t.Fatalf("wg0 is %s", s)
	}
	r.start()
	got := r.reload()
	if len(got.Interfaces) > 0 || len(got.Refused) != 1 || got.Refused[0].Option != "network.wg0.private_key" {
		t.Errorf("a reload while it is bad: %+v", got)
	}
	if s := r.netifd.stateOf("wg0"); s != "down" {
		t.Errorf("wg0 is %s", s)
	}
	r.configure(wg(0, "") + steady)
	r.want("a reload", r.reload(), Result{Interfaces: []Change{{Name: "wg0", Device: []string{"up"}}}})
	r.awaitKept("wg0")
	r.isAsConfigured("wg0")

	// Whoever takes it down by hand has it down.
	r.netifd.down("wg0")
	r.netifd.handlers.Wait()
	r.want("a reload of an interface that is down", r.reload(), Result{})
	if s := r.netifd.stateOf("wg0"); s != "down" {
		t.Errorf("wg0 is %s", s)
	}
}

// TestTakenDownByHand: netifd shows errors of an interface that came up and was
// taken down by hand. It stays down, whatever is reloaded.
func TestTakenDownByHand(t *testing.T) {
	r := newRig(t, wg(0, "\toption private_key 'hush'\n")+steady)
	r.withNetifd("wg0")
	r.start()
	r.netifd.up("wg0")
	r.netifd.handlers.Wait() // That failed.
	r.configure(wg(0, "\toption listen_port '70000'\n") + steady)
	r.reload()
	r.awaitKept("wg0")
	r.netifd.handlers.Wait()
	r.configure(wg(0, "\toption listen_port '80000'\n") + steady) // tells netifd
	r.reload()
	r.netifd.down("wg0")
	r.netifd.handlers.Wait()
	if !strings.Contains(string(blobmsg.AppendJSON(nil, r.netifd.status("wg0"))), "INVALID_OPTION") {
		t.Error("netifd shows no errors: this is not the case that is meant")
	}
	r.configure(wg(0, "") + steady)
	r.want("a reload", r.reload(), Result{})
	r.netifd.handlers.Wait()
	if s := r.netifd.stateOf("wg0"); s != "down" {
		t.Errorf("wg0 is %s", s)
	}
}

// TestGaveUpForAWhile: what was in the way of a setup and goes by itself, such as
// a full disk, takes nobody to say so.
func TestGaveUpForAWhile(t *testing.T) {
	r := newRig(t, wg(0, "")+steady)
	r.withNetifd("wg0")
	r.fail(wgdev.OpCreate)
	r.start()
	r.netifd.up("wg0")
	r.await("netifd giving up", func() bool {
		return r.netifd.stateOf("wg0") == "down" && strings.Contains(r.journal.String(), "stays down")
	})
	r.netifd.handlers.Wait()
	r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLink, Device: "wg0"})
	time.Sleep(10 * time.Millisecond) // nothing to wait for: that it does not start at once
	r.fail("")
	r.awaitKept("wg0")
	r.isAsConfigured("wg0")
}

// TestPathTaken: where somebody else has the daemon's path on the bus the log says
// so, everything else works, and it is published when the other one goes.
func TestPathTaken(t *testing.T) {
	r := newRig(t, wg(0, ""))
	r.withNetifd("wg0")
	other, err := ubus.Dial(t.Context(), r.netifd.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Publish(t.Context(), Object, []ubus.Method{{
		Name: "status", Call: func(context.Context, *ubus.Request) (blobmsg.Table, error) { return nil, nil },
	}}); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.await("a line in the log", func() bool { return strings.Contains(r.journal.String(), "rpcd-mod-wireguard") })
	r.awaitUp("wg0")
	r.configure(wg(0, "\toption fwmark '3'\n"))
	r.want("a reload", r.reload(), Result{Interfaces: []Change{{Name: "wg0", Device: []string{"fwmark"}}}})
	r.daemon.awaitNoObject(t)
	_ = other.Close()
	r.await("the object", func() bool {
		// The one who is closing may take a call along.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.netifd.conn.Call(ctx, Object, "peers", nil)
		return err == nil
	})
	if n := strings.Count(r.journal.String(), "rpcd-mod-wireguard"); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
}

func (d *Daemon) awaitNoObject(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.object != nil {
		t.Error("the object is there although the path is taken")
	}
}

// TestBusRestarts: a new ubusd, and a new netifd, find everything as it was. Netifd is
// back on it up to two seconds after the daemon, which gives up nothing meanwhile.
func TestBusRestarts(t *testing.T) {
	r := newRig(t, wg(0, "")+steady)
	r.withNetifd("wg0")
	r.start()
	r.awaitUp("wg0")
	r.settled()
	for round := range 3 {
		_ = r.netifd.broker.Close()
		r.configure(wg(0, "") + steady)
		if got := r.reload(); len(got.Refused) != 1 || !strings.Contains(got.Refused[0].Text, "netifd was not asked") {
			t.Errorf("a reload without ubus: %+v", got)
		}
		r.netifd.disconnect()
		r.netifd.startBus()
		if round > 0 {
			r.withoutNetifd()
		}
		r.netifd.connect()
		r.await("the object", func() bool {
			_, err := r.netifd.conn.Call(t.Context(), Object, "peers", nil)
			return err == nil
		})
		r.awaitKept("wg0")
		r.await("a reload that refuses nothing", func() bool { return len(r.reload().Refused) == 0 })
	}
	if log := r.journal.String(); strings.Contains(log, "is down") {
		t.Errorf("a peer was given up:\n%s", log)
	}
	if w, k, told := r.devices.Writes(), r.kernel.Writes(), r.netifd.take(); len(w)+len(k)+len(told) > 0 {
		t.Errorf("wrote %+v, %+v, told netifd %q", w, k, told)
	}
	// What changed while there was no bus is applied when it is back.
	_ = r.netifd.broker.Close()
	r.configure(wg(0, "\tlist addresses 'fd00::1/64'\n") + steady)
	r.reload()
	r.netifd.disconnect()
	r.netifd.startBus()
	r.netifd.connect()
	r.await("the address", func() bool { return len(r.addresses("wg0")) == 2 })
	r.isAsConfigured("wg0")
	r.netifd.disconnect() // so that it is not taken for one of the daemon's
}

// withoutNetifd has the daemon look at wg0 on a bus that netifd is not on.
func (r *rig) withoutNetifd() {
	r.t.Helper()
	r.await("the daemon on the bus", func() bool {
		got := r.reload()
		return len(got.Refused) == 1 && strings.HasPrefix(got.Refused[0].Text, "netifd is not on ubus")
	})
	r.awaitKept("wg0")
	if w, k := r.devices.Writes(), r.kernel.Writes(); len(w)+len(k) > 0 {
		r.t.Errorf("without netifd were written %+v, %+v", w, k)
	}
}

// TestRaces: reloads, setups, teardowns, changed files, deleted devices and links
// that are set down, all at once. Afterwards everything is as configured, and
// netifd was never told of an interface that it had taken down.
func TestRaces(t *testing.T) {
	r := newRig(t, wg(0, "")+steady+wg(1, ""))
	r.withNetifd("wg0", "wg1")
	r.start()
	const many = 2 * time.Second
	random := rand.New(rand.NewPCG(1, 2))
	seed := random.Uint64()
	t.Logf("seed %d", seed)
	ctx, cancel := context.WithTimeout(t.Context(), many)
	defer cancel()
	var busy sync.WaitGroup
	each := func(stream uint64, pause time.Duration, do func(random *rand.Rand, iface string)) {
		busy.Go(func() {
			random := rand.New(rand.NewPCG(seed, stream))
			for ctx.Err() == nil {
				do(random, []string{"wg0", "wg1"}[random.IntN(2)])
				time.Sleep(time.Duration(random.Int64N(int64(pause))))
			}
		})
	}
	each(1, 40*time.Millisecond, func(random *rand.Rand, iface string) {
		if random.IntN(2) == 0 {
			r.netifd.down(iface)
		} else {
			r.netifd.up(iface)
		}
	})
	each(2, 10*time.Millisecond, func(random *rand.Rand, iface string) {
		r.daemon.Reload(ctx, []string{"", iface}[random.IntN(2)])
	})
	each(3, 10*time.Millisecond, func(*rand.Rand, string) { r.daemon.Reload(ctx, "") })
	each(4, 15*time.Millisecond, func(random *rand.Rand, iface string) {
		bad := ""
		if random.IntN(2) == 0 { // netifd is told of it
			bad = wgPeer(iface, "bad"+string(rune('a'+random.IntN(26))), 7, "\tlist allowed_ips '10.7.0.0/33'\n")
		}
		r.configure(anyConfiguration(random) + bad)
	})
	each(5, 60*time.Millisecond, func(random *rand.Rand, iface string) {
		if random.IntN(2) == 0 {
			_ = r.devices.SetUp(iface, false)
		} else {
			_ = r.devices.Delete(iface)
		}
		r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLink, Device: iface})
	})
	each(6, 20*time.Millisecond, func(random *rand.Rand, iface string) {
		r.kernel.Emit(rtnl.Event{Kind: rtnl.EventRoute, Dst: netip.MustParsePrefix("192.0.2.0/24")})
		_, _ = r.daemon.snapshot(ctx, "")
	})
	busy.Wait()

	r.configure(anyConfiguration(random))
	for _, iface := range []string{"wg0", "wg1"} {
		r.netifd.up(iface)
		r.await(iface+" up", func() bool { return r.netifd.stateOf(iface) == "up" })
	}
	r.netifd.handlers.Wait()
	// A device may have been deleted a moment ago.
	r.lookAtAll()
	for _, iface := range []string{"wg0", "wg1"} {
		r.awaitKept(iface)
	}
	r.reload()
	for _, iface := range []string{"wg0", "wg1"} {
		r.isAsConfigured(iface)
	}
	r.devices.Forget()
	r.want("a last reload", r.reload(), Result{})
	if w := r.devices.Writes(); len(w) > 0 {
		t.Errorf("it wrote %+v", w)
	}
	for _, iface := range []string{"wg0", "wg1"} {
		r.netifd.down(iface)
	}
	r.netifd.handlers.Wait()
	r.reload()
	for _, iface := range []string{"wg0", "wg1"} {
		if r.devices.Device(iface).Exists {
			t.Errorf("%s is there after its teardown", iface)
		}
	}
}

// anyConfiguration returns one of wg0 and wg1 that is right.
func anyConfiguration(random *rand.Rand) string {
	var b strings.Builder
	for n, iface := range []string{"wg0", "wg1"} {
		options := ""
		if random.IntN(3) == 0 {
			options += "\tlist addresses 'fd00::1/64'\n"
		}
		if random.IntN(3) == 0 {
			options += "\toption fwmark '0x20'\n"
		}
		b.WriteString(wg(n, options))
		for p := range random.IntN(6) {
			peer := "\tlist allowed_ips '10." + string(rune('1'+p)) + ".0.0/16'\n"
			if random.IntN(2) == 0 {
				peer += "\toption route_allowed_ips '1'\n"
			}
			if random.IntN(4) == 0 {
				peer += "\toption disabled '1'\n"
			}
			if random.IntN(3) == 0 {
				peer += "\toption endpoint_host '192.0.2.9'\n"
			}
			b.WriteString(wgPeer(iface, iface+"p"+string(rune('0'+p)), 100*n+p, peer))
		}
	}
	return b.String()
}

// TestStops: the daemon ends while it is busy, and leaves nothing behind that
// runs; what is asked of it afterwards is refused.
func TestStops(t *testing.T) {
	r := newRig(t, wg(0, "")+steady)
	r.alone("wg0")
	for range 20 {
		stop := r.run()
		var busy sync.WaitGroup
		for range 4 {
			busy.Go(func() {
				for r.daemon.Reload(t.Context(), "").Err == nil {
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		stop()
		busy.Wait()
		if got := r.daemon.Reload(t.Context(), ""); got.Err == nil {
			t.Error("a reload after the end has no error")
		}
	}
	r.isAsConfigured("wg0")
}

// TestLocked: somebody holds the lock of one interface. Others are served, the
// answer says so, and the end does not wait for it.
func TestLocked(t *testing.T) {
	r := newRig(t, wg(0, "")+wg(1, ""))
	r.alone("wg0")
	r.alone("wg1")
	r.start()
	unlock, err := r.system.State.Lock("wg0")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	r.configure(wg(0, "\toption fwmark '1'\n") + wg(1, "\toption fwmark '1'\n"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan *Result, 1)
	go func() { done <- r.daemon.Reload(ctx, "") }()
	r.await("wg1 changed", func() bool { return r.devices.Device("wg1").FwMark == 1 })
	if r.devices.Device("wg0").FwMark == 1 {
		t.Error("wg0 was changed under somebody else's lock")
	}
	// Nobody can say now that there is no such peer.
	_, err = r.daemon.callPeer(ctx, blobmsg.Table{{Name: "interface", Value: "wg0"}, {Name: "section", Value: "any"}})
	if err == nil || statusOf(err) != err || !strings.Contains(err.Error(), errBusy.Error()) {
		t.Errorf("a peer of wg0: %v", err)
	}
	unlock()
	r.want("the answer", <-done, Result{Interfaces: []Change{
		{Name: "wg0", Device: []string{"fwmark"}}, {Name: "wg1", Device: []string{"fwmark"}},
	}})
}
