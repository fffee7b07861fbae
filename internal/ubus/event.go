package ubus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// Listener receives events.
type Listener struct {
	c       *Conn
	pattern string
	station station
	feed    feed
}

// Listen calls handler for each event whose id is pattern, or begins like it if
// it ends in *. Calls come one at a time and in order; of more than 256 events or
// 1 MiB of them that wait for a slow handler the newest are dropped. Events that
// this Conn sends itself do not come back to it.
func (c *Conn) Listen(ctx context.Context, pattern string, handler func(event string, data blobmsg.Table)) (*Listener, error) {
	r := &Listener{c: c, pattern: pattern, feed: feed{handler: handler, log: c.opts.Log, name: "events " + pattern}}
	r.station.object.invoke = r.feed.invoke
	if err := c.register(ctx, r); err != nil {
		return nil, fmt.Errorf("ubus: listen to %q: %w", pattern, err)
	}
	return r, nil
}

// String names the listener for the log.
func (r *Listener) String() string { return r.feed.name }

func (r *Listener) attach(ctx context.Context, l *link) error {
	return r.station.settle(ctx, l, func(id uint32) error { return l.listen(ctx, id, r.pattern) })
}

func (r *Listener) close(ctx context.Context) error {
	r.feed.queue.close()
	return r.station.leave(ctx)
}

// Close ends the listening. A handler that runs is not waited for; none is
// called afterwards.
func (r *Listener) Close() error { return r.c.remove(context.Background(), r) }

// Dropped is how many events were lost because the handler was too slow.
func (r *Listener) Dropped() uint64 { return r.feed.queue.drops() }

// listen registers one of our objects for the events of a pattern.
func (l *link) listen(ctx context.Context, id uint32, pattern string) error {
	a, err := l.invoke(ctx, wire.ObjectEvent, "register", blobmsg.Table{
		{Name: "object", Value: int32(id)},
		{Name: "pattern", Value: pattern},
	})
	if err != nil {
		return err
	}
	return a.err()
}

// SendEvent sends an event to all who listen to its id. Ids that begin with
// "ubus." are ubusd's own: StatusPermissionDenied.
func (c *Conn) SendEvent(ctx context.Context, id string, data blobmsg.Table) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if data == nil {
		data = blobmsg.Table{}
	}
	l, err := c.current()
	if err == nil {
		var a answers
		if a, err = l.invoke(ctx, wire.ObjectEvent, "send", blobmsg.Table{
			{Name: "id", Value: id},
			{Name: "data", Value: data},
		}); err == nil {
			err = a.err()
		}
	}
	if err != nil {
		return fmt.Errorf("ubus: send event %s: %w", id, err)
	}
	return nil
}

// feed hands what arrives for a listener or a subscriber to its handler.
type feed struct {
	handler func(name string, data blobmsg.Table)
	log     Logger
	name    string
	queue   queue
	full    atomic.Bool // the last one was dropped: said already
}

// invoke is called by the reader.
func (f *feed) invoke(l *link, h wire.Header, a wire.Attrs) {
	id, _ := a.Uint32(wire.AttrObjID)
	noReply, _ := a.Uint8(wire.AttrNoReply)
	answer := func(s Status) {
		if noReply == 0 {
			l.respond(h, id, s)
		}
	}
	name, ok := a.String(wire.AttrMethod)
	if !ok || !a.Has(wire.AttrData) {
		answer(StatusInvalidArgument)
		return
	}
	taken := f.queue.add(len(a.Bytes(wire.AttrData))+256, func() {
		data, err := blobmsg.DecodeUnnamed(a.Bytes(wire.AttrData))
		if err != nil {
			f.log.Warn("ubus: not understood", "what", f.name, "name", name, "error", err)
			answer(StatusInvalidArgument)
			return
		}
		f.handler(name, data)
		answer(StatusOK)
	})
	if taken {
		f.full.Store(false)
		return
	}
	if !f.full.Swap(true) {
		f.log.Warn("ubus: dropped, the handler is too slow", "what", f.name, "name", name)
	}
	answer(StatusNoMemory)
}

// ended reports whether an error only says that something is over.
func ended(err error) bool {
	return errors.Is(err, ErrDisconnected) || errors.Is(err, ErrClosed)
}
