package rtnl

import (
	"context"
	"sync"
)

// fakeWatch is one Watch of a Fake.
type fakeWatch struct {
	mu     sync.Mutex
	events []Event
	wake   chan struct{} // has room for one
}

var _ Watcher = (*Fake)(nil)

// Emit hands an event to every Watch that is under way. It does not wait until it
// is handled. Changes of the Fake emit nothing by themselves.
func (f *Fake) Emit(events ...Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watches {
		w.put(events...)
	}
}

// Watch implements Watcher. Fail is asked first, with OpWatch.
func (f *Fake) Watch(ctx context.Context, handler func(Event)) error {
	w := &fakeWatch{events: []Event{{Kind: EventLost}}, wake: make(chan struct{}, 1)}
	f.mu.Lock()
	err := f.begin(Write{Op: OpWatch})
	if err == nil {
		if f.watches == nil {
			f.watches = map[*fakeWatch]struct{}{}
		}
		f.watches[w] = struct{}{}
	}
	f.mu.Unlock()
	if err != nil {
		return err
	}
	defer func() {
		f.mu.Lock()
		delete(f.watches, w)
		f.mu.Unlock()
	}()
	for ctx.Err() == nil {
		if e, ok := w.take(); ok {
			handler(e)
			continue
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

func (w *fakeWatch) put(events ...Event) {
	w.mu.Lock()
	w.events = append(w.events, events...)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default: // It is to look anyway.
	}
}

func (w *fakeWatch) take() (e Event, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) == 0 {
		return e, false
	}
	e, w.events = w.events[0], w.events[1:]
	return e, true
}
