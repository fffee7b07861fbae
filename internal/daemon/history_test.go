package daemon

import (
	"errors"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// slowDevices are devices that take their time to be read.
type slowDevices struct {
	*simDevices
	takes time.Duration
}

// Read implements wgdev.Devices.
func (s *slowDevices) Read(name string) (plan.Actual, error) {
	time.Sleep(s.takes)
	return s.simDevices.Read(name)
}

func secondsOf(iface string, key int) blobmsg.Table {
	args := blobmsg.Table{{Name: "interface", Value: iface}, {Name: "step", Value: "second"}}
	if key > 0 {
		args = append(args, blobmsg.Field{Name: "public_key", Value: keyOf(key).String()})
	}
	return args
}

// TestSecondsOfSlowDevice: whoever watches seconds sees them all, also of a device
// that takes long to be read.
func TestSecondsOfSlowDevice(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("192.0.2.1")+alive), func(t *testing.T, w *world) {
		w.sim.work("192.0.2.1:51820", true)
		w.system.Devices = &slowDevices{w.sim, 400 * time.Millisecond}
		w.run(func() {
			w.pass(time.Minute)
			var reply blobmsg.Table
			for range 6 {
				var err error
				if reply, err = w.daemon.callHistory(t.Context(), secondsOf("wg0", 1)); err != nil {
					t.Fatal(err)
				}
				w.pass(10 * time.Second)
			}
			tx, _ := reply.Array("tx")
			for n, v := range tx {
				if v == int64(-1) {
					t.Errorf("second %d of %d is not measured: %v", n, len(tx), tx)
					break
				}
			}
			if len(tx) < 40 {
				t.Errorf("%d seconds", len(tx))
			}
		})
	})
}

// TestTooManyWatch: whoever is one too many is told so, and not that nothing moved.
func TestTooManyWatch(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, ""), func(t *testing.T, w *world) {
		w.run(func() {
			watched := 0
			for n := range 100 {
				_, err := w.daemon.callHistory(t.Context(), secondsOf("wg0", 1+n))
				if errors.Is(err, errWatched) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				watched++
			}
			if watched == 0 || watched == 100 {
				t.Errorf("%d were watched", watched)
			}
			if _, err := w.daemon.callHistory(t.Context(), secondsOf("wg0", 1)); err != nil {
				t.Errorf("one of those that are: %v", err)
			}
		})
	})
}
