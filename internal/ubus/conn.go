package ubus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// DefaultSocket is where ubusd listens on the OpenWrt versions in scope.
const DefaultSocket = "/var/run/ubus/ubus.sock"

const (
	firstDelay = 100 * time.Millisecond // before the second attempt to connect
	maxDelay   = 5 * time.Second        // procd starts a dead ubusd again after that
)

// Conn is a client of ubusd and serves objects on it. All its methods may be
// called at the same time, from handlers too.
type Conn struct {
	opts  Options
	stays bool // connects again

	// ctx ends when the Conn is over for good; its cause says why.
	ctx context.Context
	end context.CancelCauseFunc

	mu      sync.Mutex
	link    *link         // nil while there is none
	changed chan struct{} // closed and made anew when link changes
	regs    []registration

	watch *watch
	calls queue // of Options.Connected
}

// Options are what [Open] can be told.
type Options struct {
	// Socket is ubusd's; "" is DefaultSocket.
	Socket string

	// Log gets what nobody is there to return an error to for: a connection
	// lost and regained, an object that cannot be published again, dropped
	// notifications, a handler's error. nil is silent.
	Log Logger

	// Connected, if not nil, is called each time there is a connection and
	// all objects, subscriptions and listeners have been made on it: what
	// was missed before can now be asked for. It may take its time.
	Connected func()
}

// registration is something that a Conn makes on each new link.
type registration interface {
	// attach makes it on l; it does nothing if it is there already, or if it
	// was closed.
	attach(ctx context.Context, l *link) error
	// close makes attach do nothing and takes it off the link it is on.
	close(ctx context.Context) error
	// String names it for the log.
	String() string
}

// Dial connects to ubusd; "" is DefaultSocket. A context without a deadline gets
// one of 30 s. When the connection is lost the Conn is over: Done is closed and
// everything fails with ErrDisconnected.
func Dial(ctx context.Context, socket string) (*Conn, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	c := newConn(Options{Socket: socket})
	l, err := connect(ctx, c.opts.Socket)
	if err != nil {
		return nil, fmt.Errorf("ubus: %w", err)
	}
	c.setLink(l)
	context.AfterFunc(l.ctx, func() { c.end(l.lost()) })
	return c, nil
}

// Open returns a Conn that connects in the background and, whenever ubusd goes
// away, connects again, after 0.1 s at first and then ever more slowly, up to
// 5 s. ubusd need not be there yet. Between two connections calls fail at once
// with ErrDisconnected, while Publish, Subscribe and Listen succeed and take
// effect later.
func Open(o Options) *Conn {
	c := newConn(o)
	c.stays = true
	go c.supervise()
	return c
}

func newConn(o Options) *Conn {
	if o.Socket == "" {
		o.Socket = DefaultSocket
	}
	if o.Log == nil {
		o.Log = silent{}
	}
	c := &Conn{opts: o, changed: make(chan struct{})}
	c.watch = newWatch()
	c.ctx, c.end = context.WithCancelCause(context.Background())
	context.AfterFunc(c.ctx, func() {
		if l := c.setLink(nil); l != nil {
			l.fail(c.over())
		}
	})
	return c
}

// Close ends the connection and everything on it; calls that wait fail with
// ErrClosed. Notifications and answers that were sent are delivered: Close waits
// for that, for up to a second. Handlers that run are not waited for.
func (c *Conn) Close() error {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l != nil {
		l.flush()
	}
	c.end(ErrClosed)
	if l != nil {
		l.fail(c.over()) // now, not when the goroutine for it gets its turn
	}
	return nil
}

// Done is closed when the Conn is over for good: by Close, or because a
// connection that Dial made was lost.
func (c *Conn) Done() <-chan struct{} { return c.ctx.Done() }

// Connected waits until there is a connection, or returns why there will be
// none.
func (c *Conn) Connected(ctx context.Context) error {
	_, err := c.wait(ctx)
	if err != nil {
		return fmt.Errorf("ubus: %w", err)
	}
	return nil
}

// over is why the Conn has ended.
func (c *Conn) over() error { return context.Cause(c.ctx) }

// setLink makes l the current link and returns the one before it. A Conn that is
// over takes none: l is ended.
func (c *Conn) setLink(l *link) (before *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l != nil && c.ctx.Err() != nil {
		l.fail(c.over())
		l = nil
	}
	before, c.link = c.link, l
	close(c.changed)
	c.changed = make(chan struct{})
	return before
}

// current returns the link that there is now.
func (c *Conn) current() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ctx.Err() != nil:
		return nil, c.over()
	case c.link == nil:
		return nil, ErrDisconnected
	case c.link.ctx.Err() != nil:
		return nil, c.link.lost()
	}
	return c.link, nil
}

// wait returns the link as soon as there is one.
func (c *Conn) wait(ctx context.Context) (*link, error) {
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		l, err := c.current()
		if err == nil || c.ctx.Err() != nil {
			return l, err
		}
		select {
		case <-changed:
		case <-c.ctx.Done():
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// supervise keeps a link until the Conn is closed.
func (c *Conn) supervise() {
	delay := firstDelay
	for c.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(c.ctx, defaultTimeout)
		l, err := connect(ctx, c.opts.Socket)
		cancel()
		if err != nil {
			c.opts.Log.Debug("ubus: no connection", "socket", c.opts.Socket, "error", err, "again", delay)
			c.sleep(delay)
			delay = min(2*delay, maxDelay)
			continue
		}
		began := time.Now()
		c.setLink(l)
		go c.restore(l)
		<-l.ctx.Done()
		c.setLink(nil)
		if c.ctx.Err() != nil {
			return
		}
		c.opts.Log.Warn("ubus: connection lost", "socket", c.opts.Socket, "error", context.Cause(l.ctx))
		if time.Since(began) > maxDelay {
			delay = firstDelay
		}
		c.sleep(delay)
		delay = min(2*delay, maxDelay)
	}
}

// sleep waits, or until the Conn is closed.
func (c *Conn) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	}
}

// restore makes all registrations on a new link, and goes on trying those that
// fail: a path may be taken by our own predecessor for a while.
func (c *Conn) restore(l *link) {
	c.mu.Lock()
	todo := append([]registration(nil), c.regs...)
	c.mu.Unlock()
	for delay := firstDelay; ; delay = min(2*delay, maxDelay) {
		var failed []registration
		for _, r := range todo {
			ctx, cancel := context.WithTimeout(l.ctx, defaultTimeout)
			err := r.attach(ctx, l)
			cancel()
			if l.ctx.Err() != nil {
				return
			}
			if err != nil {
				say := c.opts.Log.Debug
				if delay == firstDelay {
					say = c.opts.Log.Warn // once: it may stay so for ever
				}
				say("ubus: not made again", "what", r.String(), "error", err, "again", delay)
				failed = append(failed, r)
			}
		}
		if first := delay == firstDelay; first {
			c.opts.Log.Info("ubus: connected", "socket", c.opts.Socket)
			if c.opts.Connected != nil {
				c.calls.add(0, c.opts.Connected)
			}
		}
		if todo = failed; len(todo) == 0 {
			return
		}
		c.sleep(delay)
		if l.ctx.Err() != nil {
			return
		}
	}
}

// register makes r on the link that there is, if any, and on all later ones.
func (c *Conn) register(ctx context.Context, r registration) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	c.mu.Lock()
	c.regs = append(c.regs, r)
	c.mu.Unlock()
	l, err := c.current()
	if err == nil {
		err = r.attach(ctx, l)
	}
	if err != nil && c.stays && c.ctx.Err() == nil && errors.Is(err, ErrDisconnected) {
		return nil // it will be made on the next link
	}
	if err != nil {
		c.unregister(r)
		r.close(ctx)
	}
	return err
}

// remove takes r off the bus for good.
func (c *Conn) remove(ctx context.Context, r registration) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	c.unregister(r)
	return r.close(ctx)
}

func (c *Conn) unregister(r registration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.regs {
		if c.regs[i] == r {
			c.regs = append(c.regs[:i], c.regs[i+1:]...)
			return
		}
	}
}
