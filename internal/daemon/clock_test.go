package daemon

import (
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// starts returns how often handshakes were started with peers, by what that takes:
// their keepalive is switched. The keepalive has to be what it was.
func (w *world) starts() map[schema.Key]int {
	w.t.Helper()
	found := map[schema.Key]int{}
	for _, write := range w.sim.Writes() {
		for _, p := range write.Changes.Peers {
			if p.Keepalive != nil {
				found[p.PublicKey]++
			}
		}
	}
	for key, n := range found {
		if n%2 != 0 {
			w.t.Errorf("the keepalive of %s was switched %d times", key.Short(), n)
		}
		found[key] = n / 2
	}
	w.sim.Forget()
	return found
}

// TestClockIsSet: when the clock is set, or somebody says that it is right,
// handshakes start at once with all peers that have waited for it, and with no
// others (openwrt/openwrt#9408).
func TestClockIsSet(t *testing.T) {
	network := wg(0, "") + wgPeer("wg0", "refuses", 1, endpointHost("192.0.2.1")+alive) +
		wgPeer("wg0", "works", 2, endpointHost("192.0.2.2")+alive) +
		wgPeer("wg0", "idle", 3, endpointHost("192.0.2.3")) + wgPeer("wg0", "wanted", 4, endpointHost("192.0.2.4")) +
		wgPeer("wg0", "waiting", 5, "")
	inWorld(t, network, func(t *testing.T, w *world) {
		machine := &clock.Fake{}
		w.options.Clock = machine
		w.sim.work("192.0.2.2:51820", true)
		w.sim.work("192.0.2.3:51820", true)
		keepalives := func() (list []uint16) {
			for _, p := range w.sim.Device("wg0").Peers {
				list = append(list, p.Keepalive)
			}
			return list
		}
		w.run(func() {
			w.pass(time.Minute)
			w.sim.quiet(keyOf(3), true)
			w.pass(10 * time.Minute)
			w.is(3, "idle", "192.0.2.3:51820")
			keepalive := keepalives()
			w.sim.Forget()
			want := map[schema.Key]int{keyOf(1): 1, keyOf(4): 1}
			for what, change := range map[string]func(){
				"a step forward": func() { machine.Step(clock.State{}) },
				"a step back":    func() { machine.Step(clock.State{Past: true}) },
				"the kernel says that it is right": func() {
					machine.Put(clock.State{})
					w.pass(clock.PollInterval)
					w.starts()
					machine.Put(clock.State{Set: true, Synchronised: true})
					w.pass(clock.PollInterval)
				},
			} {
				change()
				w.pass(time.Second)
				same(t, "handshakes started after: "+what, w.starts(), want)
				same(t, "keepalives after: "+what, keepalives(), keepalive)
				machine.Step(clock.State{})
				w.pass(time.Minute)
				w.starts()
			}
			machine.Step(clock.State{Set: true, Synchronised: true})
			w.pass(time.Minute)
			w.starts()
			machine.Put(clock.State{Set: true})
			w.pass(24 * time.Hour)
			same(t, "handshakes started in a day without a step", w.starts(), map[schema.Key]int{})
		})
	})
}
