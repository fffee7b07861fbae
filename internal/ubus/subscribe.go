package ubus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// Subscription receives the notifications of an object.
type Subscription struct {
	c       *Conn
	path    string
	station station
	feed    feed
	kick    chan struct{} // the object was published or went
	stop    context.CancelFunc

	// target is the id of the object that we are subscribed to, 0 if none.
	// Only what holds the station's mutex sets it to anything but 0.
	target atomic.Uint32
}

// Subscribe calls handler for each notification of the object of a path. Calls
// come one at a time and in order; of more than 256 notifications or 1 MiB of
// them that wait for a slow handler the newest are dropped. A notification that
// wants an answer is answered with StatusOK after the handler returned.
//
// The object need not be there yet, and may go and come back, as when its
// program is restarted: the subscription follows it.
func (c *Conn) Subscribe(ctx context.Context, path string, handler func(method string, data blobmsg.Table)) (*Subscription, error) {
	s := &Subscription{c: c, path: path, kick: make(chan struct{}, 1)}
	s.feed = feed{handler: handler, log: c.opts.Log, name: "notifications of " + path}
	s.station.object = object{invoke: s.feed.invoke, targetGone: s.gone}
	c.watch.on(path, s.kick)
	var following context.Context
	following, s.stop = context.WithCancel(c.ctx)
	if err := c.register(ctx, s); err != nil {
		return nil, fmt.Errorf("ubus: subscribe to %s: %w", path, err)
	}
	go s.follow(following)
	return s, nil
}

// String names the subscription for the log.
func (s *Subscription) String() string { return s.feed.name }

// Active reports whether the object is there and we are subscribed to it.
func (s *Subscription) Active() bool {
	_, _, err := s.station.where()
	return err == nil && s.target.Load() != 0
}

func (s *Subscription) attach(ctx context.Context, l *link) error {
	// The watch first: an object that comes while we look is not missed.
	if err := s.c.watch.settle(ctx, l); err != nil {
		return err
	}
	return s.station.settle(ctx, l, func(id uint32) error {
		s.target.Store(0)
		return s.subscribe(ctx, l, id)
	})
}

func (s *Subscription) close(ctx context.Context) error {
	s.c.watch.off(s.path, s.kick)
	s.stop()
	s.feed.queue.close()
	return s.station.leave(ctx)
}

// Close ends the subscription. A handler that runs is not waited for; none is
// called afterwards.
func (s *Subscription) Close() error { return s.c.remove(context.Background(), s) }

// Dropped is how many notifications were lost because the handler was too slow.
func (s *Subscription) Dropped() uint64 { return s.feed.queue.drops() }

// subscribe subscribes our object of that id to the object of the path, if there
// is one that we are not subscribed to yet.
func (s *Subscription) subscribe(ctx context.Context, l *link, id uint32) error {
	target, _, err := l.find(ctx, s.path, false)
	if errors.Is(err, StatusNotFound) {
		s.target.Store(0)
		return nil // it will be told when it comes
	}
	if err != nil || target == s.target.Load() {
		return err
	}
	// Before the request, so that its end cannot be told before its beginning.
	s.target.Store(target)
	m := wire.New(wire.Header{Type: wire.Subscribe}).Uint32(wire.AttrObjID, id).Uint32(wire.AttrTarget, target)
	var a answers
	if err = l.exchange(ctx, m, maxBlob, a.exchange(0)); err == nil {
		err = a.err()
	}
	if err == nil {
		return nil
	}
	s.target.CompareAndSwap(target, 0)
	if errors.Is(err, StatusNotFound) {
		return nil // gone again
	}
	return err
}

// gone is called by the reader when the object we were subscribed to is gone.
func (s *Subscription) gone(_ *link, id uint32) {
	if s.target.CompareAndSwap(id, 0) {
		poke(s.kick) // another may have taken its place already
	}
}

// follow subscribes again when the object was published again.
func (s *Subscription) follow(ctx context.Context) {
	for {
		select {
		case <-s.kick:
		case <-ctx.Done():
			return
		}
		if err := s.renew(ctx); err != nil && !ended(err) {
			s.c.opts.Log.Warn("ubus: not subscribed", "object", s.path, "error", err)
		}
	}
}

func (s *Subscription) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	s.station.mu.Lock()
	defer s.station.mu.Unlock()
	if s.station.closed || s.station.link == nil || s.station.link.ctx.Err() != nil {
		return nil // nothing to renew: attach will do it
	}
	return s.subscribe(ctx, s.station.link, s.station.id)
}
