package clock

import (
	"context"
	"sync"
)

// Fake is a Clock that tests set. The zero Fake has not been set yet.
type Fake struct {
	mu      sync.Mutex
	state   State
	watches map[chan struct{}]struct{}
}

var _ Clock = (*Fake)(nil)

// Put changes the state without a step.
func (f *Fake) Put(s State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
}

// Step changes the state by a step of the clock, of which every Watch that is
// under way tells. It does not wait until they did; those that they have not told
// of become one.
func (f *Fake) Step(s State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
	for w := range f.watches {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Watched returns how many Watches are under way.
func (f *Fake) Watched() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watches)
}

// State implements Clock.
func (f *Fake) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Watch implements Clock.
func (f *Fake) Watch(ctx context.Context, stepped func()) error {
	w := make(chan struct{}, 1)
	f.mu.Lock()
	if f.watches == nil {
		f.watches = map[chan struct{}]struct{}{}
	}
	f.watches[w] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.watches, w)
		f.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w:
			stepped()
		}
	}
}
