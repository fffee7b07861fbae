package daemon

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

// heard is a network that counts how often a daemon has heard that anything may have
// changed. Each watch begins with that.
type heard struct {
	*rtnl.Fake
	lost atomic.Int64
}

// Watch implements rtnl.Watcher.
func (h *heard) Watch(ctx context.Context, handler func(rtnl.Event)) error {
	return h.Fake.Watch(ctx, func(e rtnl.Event) {
		handler(e)
		if e.Kind == rtnl.EventLost {
			h.lost.Add(1)
		}
	})
}

// lookAtAll has the daemon look at everything, and waits until it does.
func (r *rig) lookAtAll() {
	r.t.Helper()
	before := r.network.lost.Load()
	r.kernel.Emit(rtnl.Event{Kind: rtnl.EventLost})
	r.awaitLook(before)
}

// awaitLook waits until the daemon has heard once more that anything may have changed
// and its keepers have been told to look.
func (r *rig) awaitLook(before int64) {
	r.t.Helper()
	r.await("that anything may have changed", func() bool { return r.network.lost.Load() > before })
	// Whoever follows the network is woken once more. It takes notice when it is done
	// with what came before, and finds nothing new.
	wake := r.daemon.dirty.wake
	r.await("the beginning of a look", func() bool {
		select {
		case wake <- struct{}{}:
			return true
		default:
			return false
		}
	})
	r.await("the end of a look", func() bool { return len(wake) == 0 })
}

// crew are goroutines that others wait for. Unlike those of a sync.WaitGroup, they may
// begin while somebody waits for the last one.
type crew struct {
	mu   sync.Mutex
	idle *sync.Cond // nil until somebody waits
	n    int
}

func (c *crew) Go(do func()) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	go func() {
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.n--; c.n == 0 && c.idle != nil {
				c.idle.Broadcast()
			}
		}()
		do()
	}()
}

// Wait waits until there are none.
func (c *crew) Wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == nil {
		c.idle = sync.NewCond(&c.mu)
	}
	for c.n > 0 {
		c.idle.Wait()
	}
}
