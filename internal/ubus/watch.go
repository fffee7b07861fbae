package ubus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// objectAdded is the event that ubusd sends when an object is published.
const objectAdded = "ubus.object.add"

// watch tells those who wait for objects when one of that path is published. It
// loses no event: it works in the reader.
type watch struct {
	station station

	mu    sync.Mutex
	kicks map[string]map[chan struct{}]bool // by path; channels hold one token
}

func newWatch() *watch {
	w := &watch{kicks: make(map[string]map[chan struct{}]bool)}
	w.station.object.invoke = w.invoke
	return w
}

// settle starts the watching on l.
func (w *watch) settle(ctx context.Context, l *link) error {
	return w.station.settle(ctx, l, func(id uint32) error { return l.listen(ctx, id, objectAdded) })
}

// on has a token put into kick whenever an object of that path is published.
func (w *watch) on(path string, kick chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kicks[path] == nil {
		w.kicks[path] = make(map[chan struct{}]bool)
	}
	w.kicks[path][kick] = true
}

func (w *watch) off(path string, kick chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.kicks[path], kick)
	if len(w.kicks[path]) == 0 {
		delete(w.kicks, path)
	}
}

// invoke is called by the reader.
func (w *watch) invoke(_ *link, _ wire.Header, a wire.Attrs) {
	if name, _ := a.String(wire.AttrMethod); name != objectAdded {
		return
	}
	data, err := blobmsg.DecodeUnnamed(a.Bytes(wire.AttrData))
	if err != nil {
		return
	}
	path, _ := data.String("path")
	w.mu.Lock()
	defer w.mu.Unlock()
	for kick := range w.kicks[path] {
		poke(kick)
	}
}

// poke puts a token into a channel that holds one, unless there is one.
func poke(kick chan struct{}) {
	select {
	case kick <- struct{}{}:
	default:
	}
}

// WaitFor waits until objects of all these paths are on the bus. On a Conn that
// [Open] made it waits for ubusd, too. A context without a deadline gets one of
// 30 s.
func (c *Conn) WaitFor(ctx context.Context, paths ...string) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	kick := make(chan struct{}, 1)
	for _, path := range paths {
		c.watch.on(path, kick)
		defer c.watch.off(path, kick)
	}
	for {
		l, missing, err := c.missing(ctx, paths)
		switch {
		case err == nil && missing == "":
			return nil
		case err != nil && c.stays && c.ctx.Err() == nil && ctx.Err() == nil && errors.Is(err, ErrDisconnected):
			continue // on the next link
		case err != nil:
			return fmt.Errorf("ubus: wait for %q: %w", paths, err)
		}
		select {
		case <-kick:
		case <-l.ctx.Done():
		case <-ctx.Done():
			return fmt.Errorf("ubus: wait for %q: %w", missing, noAnswer(context.Cause(ctx)))
		}
	}
}

// missing returns the first of the paths that no object has, and the link that
// was asked and is watched.
func (c *Conn) missing(ctx context.Context, paths []string) (*link, string, error) {
	l, err := c.wait(ctx)
	if err != nil {
		return nil, "", err
	}
	if err := c.watch.settle(ctx, l); err != nil {
		return nil, "", err
	}
	for _, path := range paths {
		_, _, err := l.find(ctx, path, false)
		if errors.Is(err, StatusNotFound) {
			return l, path, nil
		}
		if err != nil {
			return nil, path, err
		}
	}
	return l, "", nil
}
