package ubus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// Method is a method of an object of ours.
type Method struct {
	Name string
	Args []Arg // told to others; calls are not checked against it

	// Call serves one call in a goroutine of its own. ctx ends when the
	// answer could not be delivered any more. The table is the answer; nil
	// answers with StatusOK and no data, an empty one with an empty table.
	// An error that is or wraps a Status is answered as that, a deadline
	// that passed as StatusTimeout, any other as StatusUnknownError, and
	// logged. At most 64 calls run at a time; others are refused with
	// StatusNoMemory.
	Call func(ctx context.Context, req *Request) (blobmsg.Table, error)
}

// Request is a call of one of our methods.
type Request struct {
	Object string // path that was called
	Method string
	Args   blobmsg.Table
	Caller uint32 // the caller's client id

	// User and Group are the caller's, by name, as ubusd knows them.
	User, Group string

	link *link
	head wire.Header
	id   uint32
}

// Send answers with data before the answer that the handler returns, for methods
// that answer in several parts.
func (r *Request) Send(data blobmsg.Table) error {
	return r.link.reply(wire.New(wire.Header{Type: wire.Data, Seq: r.head.Seq, Peer: r.head.Peer}).
		Uint32(wire.AttrObjID, r.id).
		Bytes(wire.AttrData, blobmsg.Append(nil, data)))
}

// Published is an object of ours on the bus.
type Published struct {
	c          *Conn
	station    station
	methods    map[string]*Method
	subscribed atomic.Pointer[link] // where there are subscribers
	busy       atomic.Bool          // the last call was refused: said already
}

// Publish puts an object on the bus. StatusInvalidArgument says that the path is
// taken or that ubusd's ACL does not allow it.
//
// On a Conn that [Open] made, the object is published again on each new
// connection, and tried for again and again should its path be taken then.
func (c *Conn) Publish(ctx context.Context, path string, methods []Method) (*Published, error) {
	p := &Published{c: c, methods: make(map[string]*Method, len(methods))}
	var signature blobmsg.Table
	for _, m := range methods {
		if m.Name == "" || m.Call == nil || p.methods[m.Name] != nil {
			return nil, fmt.Errorf("ubus: publish %s: method %q: needs a name of its own and a function", path, m.Name)
		}
		var args blobmsg.Table
		for _, a := range m.Args {
			args = append(args, blobmsg.Field{Name: a.Name, Value: int32(a.Type)})
		}
		signature = append(signature, blobmsg.Field{Name: m.Name, Value: args})
		p.methods[m.Name] = &m
	}
	if path == "" {
		return nil, errors.New("ubus: publish: an object needs a path")
	}
	p.station.path = path
	p.station.signature = blobmsg.Append(nil, signature)
	p.station.object = object{invoke: p.invoke, subscribers: p.active}
	if err := c.register(ctx, p); err != nil {
		return nil, fmt.Errorf("ubus: publish %s: %w", path, err)
	}
	return p, nil
}

// String returns the path.
func (p *Published) String() string { return p.station.path }

func (p *Published) attach(ctx context.Context, l *link) error {
	return p.station.settle(ctx, l, nil)
}

func (p *Published) close(ctx context.Context) error { return p.station.leave(ctx) }

// Remove takes the object off the bus for good. Calls that are being served are
// still answered as far as ubusd passes it on.
func (p *Published) Remove(ctx context.Context) error {
	if err := p.c.remove(ctx, p); err != nil {
		return fmt.Errorf("ubus: remove %s: %w", p, err)
	}
	return nil
}

// HasSubscribers reports whether anyone follows our notifications. ubusd tells
// when the first comes and the last goes, not how many there are.
func (p *Published) HasSubscribers() bool {
	l := p.subscribed.Load()
	return l != nil && l.ctx.Err() == nil
}

func (p *Published) active(l *link, some bool) {
	if some {
		p.subscribed.Store(l)
	} else {
		p.subscribed.Store(nil)
	}
}

// invoke is called by the reader.
func (p *Published) invoke(l *link, h wire.Header, a wire.Attrs) {
	id, _ := a.Uint32(wire.AttrObjID)
	size := len(a.Bytes(wire.AttrData))
	if !l.handlers.take(size) {
		if !p.busy.Swap(true) {
			p.c.opts.Log.Warn("ubus: too many calls at a time", "object", p.String())
		}
		l.respond(h, id, StatusNoMemory)
		return
	}
	p.busy.Store(false)
	go func() {
		defer l.handlers.release(size)
		p.serve(l, h, a, id)
	}()
}

// serve handles one call and answers it.
func (p *Published) serve(l *link, h wire.Header, a wire.Attrs, id uint32) {
	req := &Request{Object: p.String(), Caller: h.Peer, link: l, head: h, id: id}
	req.Method, _ = a.String(wire.AttrMethod)
	req.User, _ = a.String(wire.AttrUser)
	req.Group, _ = a.String(wire.AttrGroup)

	answer, err := p.call(l.ctx, req, a)
	if err == nil && answer != nil {
		if err = req.Send(answer); errors.Is(err, ErrTooLarge) {
			p.c.opts.Log.Error("ubus: answer not sent", "object", req.Object, "method", req.Method, "error", err)
		}
	}
	if noReply, _ := a.Uint8(wire.AttrNoReply); noReply != 0 {
		return
	}
	l.reply(statusMessage(h, id, p.statusFor(req, err)))
}

func (p *Published) call(ctx context.Context, req *Request, a wire.Attrs) (blobmsg.Table, error) {
	if !a.Has(wire.AttrMethod) {
		return nil, StatusInvalidArgument
	}
	m := p.methods[req.Method]
	if m == nil {
		return nil, StatusMethodNotFound
	}
	if !a.Has(wire.AttrData) {
		return nil, StatusInvalidArgument
	}
	var err error
	if req.Args, err = blobmsg.DecodeUnnamed(a.Bytes(wire.AttrData)); err != nil {
		return nil, StatusInvalidArgument
	}
	return m.Call(ctx, req)
}

// statusFor turns a handler's error into a status; what callers cannot see of it
// is logged.
func (p *Published) statusFor(req *Request, err error) Status {
	var s Status
	switch {
	case err == nil:
		return StatusOK
	case errors.As(err, &s):
		return s
	case errors.Is(err, context.DeadlineExceeded):
		s = StatusTimeout
	default:
		s = StatusUnknownError
	}
	p.c.opts.Log.Warn("ubus: method failed", "object", req.Object, "method", req.Method, "error", err)
	return s
}
