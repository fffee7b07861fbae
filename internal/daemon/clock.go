package daemon

import (
	"context"
	"sync/atomic"

	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/internal/status"
)

// clockState is what is known of the router's clock.
type clockState struct{ now atomic.Pointer[clock.State] }

func (c *clockState) status() status.Clock {
	return status.Clock(*c.now.Load())
}

// readClock asks for the clock once.
func (d *Daemon) readClock() {
	s := d.o.Clock.State()
	d.clock.now.Store(&s)
}

// watchClock follows the clock until ctx ends. When it is set, handshakes that the
// other sides refused for being from the past are tried again at once.
func (d *Daemon) watchClock(ctx context.Context) {
	err := clock.Follow(ctx, d.o.Clock, func(now clock.State, stepped bool) {
		before := d.clock.now.Swap(&now)
		if now.Set != before.Set {
			d.log.Info("the clock of the router", "set", now.Set)
			d.bypass.sync(d)
		}
		if now != *before {
			for _, k := range d.all() {
				k.post(func(in *inbox) { in.clock = true })
			}
		}
		if stepped || now.Set && !before.Set {
			for _, k := range d.all() {
				k.post(func(in *inbox) { in.kick, in.look = true, true })
			}
		}
	})
	if ctx.Err() == nil {
		d.log.Error("cannot follow the clock", "error", err)
	}
}
