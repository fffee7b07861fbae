package ubus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// station is the place on the bus of an object of ours: the same object on one
// link after another.
type station struct {
	path      string // "" for what only receives
	signature []byte // blobmsg
	object    object

	mu     sync.Mutex // held while requests about the object are under way
	link   *link      // where it is, or was last
	id     uint32
	closed bool
}

// settle puts the object on l, then calls more, if not nil, for what else makes
// it complete. It does nothing if that is done or the station is closed.
func (s *station) settle(ctx context.Context, l *link, more func(id uint32) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.link == l {
		return nil
	}
	id, err := l.addObject(ctx, s.path, s.signature, &s.object)
	if err != nil {
		return err
	}
	if more != nil {
		if err := more(id); err != nil {
			// Without the rest the object is of no use; if this fails the
			// link is about to end or ubusd has forgotten it.
			l.removeObject(ctx, id)
			return err
		}
	}
	s.link, s.id = l, id
	return nil
}

// leave takes the object off the bus for good.
func (s *station) leave(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.closed = true
	if s.link == nil || s.link.ctx.Err() != nil {
		return nil // it went with its link
	}
	return s.link.removeObject(ctx, s.id)
}

// where returns the link and id that the object has now.
func (s *station) where() (*link, uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, 0, ErrClosed
	case s.link == nil:
		return nil, 0, ErrDisconnected
	case s.link.ctx.Err() != nil:
		return nil, 0, s.link.lost()
	}
	return s.link, s.id, nil
}

// addObject puts an object on the bus. ubusd may send it calls right behind the
// answer: it is known to the reader by then.
func (l *link) addObject(ctx context.Context, path string, signature []byte, o *object) (uint32, error) {
	m := wire.New(wire.Header{Type: wire.AddObject})
	if path != "" {
		m.String(wire.AttrObjPath, path)
		m.Bytes(wire.AttrSignature, signature)
	}
	var (
		id     uint32
		status Status
	)
	x := &exchange{take: func(h wire.Header, a wire.Attrs) bool {
		if h.Peer != 0 {
			return false
		}
		if h.Type == wire.Data {
			if id, _ = a.Uint32(wire.AttrObjID); id != 0 {
				l.objects[id] = o // the caller of take holds l.mu
			}
			return false
		}
		status = statusIn(a)
		return true
	}}
	// A request given up halfway could leave an object behind that nobody
	// knows the id of. ubusd answers this one by itself, without asking
	// anyone, so that it is waited for whatever the caller's context does.
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultTimeout)
	defer cancel()
	if err := l.exchange(own, m, maxBlob, x); err != nil {
		if errors.Is(err, StatusTimeout) {
			l.fail(errors.New("ubusd does not answer"))
		}
		return 0, err
	}
	if status == StatusOK && id == 0 {
		status = StatusNoData
	}
	if status != StatusOK {
		return 0, status
	}
	return id, nil
}

// removeObject takes an object off the bus.
func (l *link) removeObject(ctx context.Context, id uint32) error {
	var a answers
	m := wire.New(wire.Header{Type: wire.RemoveObject}).Uint32(wire.AttrObjID, id)
	// As above: the caller's context is no reason to leave it there.
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := l.exchange(own, m, maxBlob, a.exchange(0)); err != nil {
		return err
	}
	l.mu.Lock()
	delete(l.objects, id)
	l.mu.Unlock()
	return a.err()
}
