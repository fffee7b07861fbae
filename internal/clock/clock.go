// Package clock knows whether the router's clock is set, and tells of its steps.
//
// A router without a clock of its own starts in the past, and the other sides
// refuse its handshakes, for they have seen later ones. Everything else in the
// program sees the interface Clock: System is the real one, Fake is set by tests.
package clock

import (
	"context"
	"time"
)

// State is what is known of the clock.
type State struct {
	// Set: the time is right, as far as can be known. The kernel said so once, it is
	// not before the build date, and nobody has set it to another since.
	Set bool
	// Synchronised: the kernel says at this moment that somebody, such as ntpd, keeps
	// the time right. It stops saying so about nine hours after it last heard of them,
	// and at once when the clock is set; Set goes by the latter alone.
	Synchronised bool
	// Past: the time is before the program was built, and so certainly wrong.
	Past bool
}

// Clock is the machine's clock. The methods may be called at the same time.
type Clock interface {
	// State returns the state now. It costs a system call.
	State() State
	// Watch calls stepped whenever the clock was set, forward or back, until ctx
	// ends or it cannot go on; it never returns nil. Nobody tells when the time
	// becomes synchronised: who waits for that has to ask again (Follow does).
	Watch(ctx context.Context, stepped func()) error
}

// PollInterval is how often Follow asks whether the clock is set by now.
const PollInterval = 5 * time.Second

// Follow calls handler with the state at the beginning, after every step of the
// clock, and when the state changed while it is not Set: that is asked for every
// PollInterval, and once after the beginning. As soon as it is Set nothing is done
// but wait for a step. Follow returns when ctx ends, or with what keeps it from
// seeing steps.
func Follow(ctx context.Context, c Clock, handler func(now State, stepped bool)) error {
	return follow(ctx, c, PollInterval, handler)
}

func follow(ctx context.Context, c Clock, every time.Duration, handler func(now State, stepped bool)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	steps := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- c.Watch(ctx, func() {
			select {
			case steps <- struct{}{}:
			default: // There is one to be told of.
			}
		})
	}()
	last := c.State()
	handler(last, false)
	for first := true; ; {
		var poll <-chan time.Time
		if !last.Set || first { // It may have been set before Watch was there to see it.
			poll = time.After(every)
		}
		select {
		case err := <-ended:
			return err
		case <-steps:
			last = c.State()
			handler(last, true)
		case <-poll:
			first = false
			if now := c.State(); now != last {
				last = now
				handler(now, false)
			}
		}
	}
}
