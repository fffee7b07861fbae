package netifd

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errStopped is what a caller gets who asks a loop that has ended.
var errStopped = errors.New("netifd: stopped")

// A loop runs functions one after the other, in the order in which they were
// posted. The queue has no bound: what posts may itself run on the loop.
type loop struct {
	mu      sync.Mutex
	queue   []func()
	stopped bool
	wake    chan struct{} // holds one token while the queue may be filled
	done    chan struct{} // closed when run has returned
}

func newLoop() *loop {
	return &loop{wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// post queues f. It is lost when the loop has been stopped.
func (l *loop) post(f func()) {
	l.mu.Lock()
	if !l.stopped {
		l.queue = append(l.queue, f)
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// do runs f on the loop and waits for its end. It must not be called on the
// loop itself.
func (l *loop) do(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	l.post(func() {
		f()
		close(ran)
	})
	select {
	case <-ran:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		select {
		case <-ran:
			return nil
		default:
			return errStopped
		}
	}
}

// run works until stop is called. Functions that are still queued are dropped.
func (l *loop) run() {
	defer close(l.done)
	for {
		l.mu.Lock()
		if l.stopped {
			l.mu.Unlock()
			return
		}
		var f func()
		if len(l.queue) > 0 {
			f = l.queue[0]
			l.queue[0] = nil
			l.queue = l.queue[1:]
		}
		l.mu.Unlock()
		if f == nil {
			<-l.wake
			continue
		}
		f()
	}
}

// stop ends run after the function that runs at the moment.
func (l *loop) stop() {
	l.mu.Lock()
	l.stopped = true
	l.queue = nil
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// A timer calls a function on its loop. It is used on the loop only.
type timer struct {
	loop  *loop
	f     func()
	armed *time.Timer // nil: not pending
}

func newTimer(l *loop, f func()) *timer { return &timer{loop: l, f: f} }

// set makes the timer fire once after d; an earlier time is forgotten.
func (t *timer) set(d time.Duration) {
	t.cancel()
	var mine *time.Timer
	ready := make(chan struct{}) // mine is written before the timer's function reads it
	mine = time.AfterFunc(d, func() {
		<-ready
		t.loop.post(func() {
			if t.armed == mine { // neither cancelled nor set anew meanwhile
				t.armed = nil
				t.f()
			}
		})
	})
	t.armed = mine
	close(ready)
}

func (t *timer) cancel() {
	if t.armed != nil {
		t.armed.Stop()
		t.armed = nil
	}
}

func (t *timer) pending() bool { return t.armed != nil }
