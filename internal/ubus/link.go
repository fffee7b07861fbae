package ubus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

const (
	// maxBlob is the longest blob that is sent.
	maxBlob = wire.MaxBlob
	// addedByUbusd is room for the user and group that ubusd adds when it
	// hands a call or a notification on (two names of up to 32 bytes). A
	// libubus program that gets more than MaxBlob loses track of its stream.
	addedByUbusd = 96
	// readLimit takes what ubusd may deliver.
	readLimit = wire.MaxBlob + 1024

	// defaultTimeout of a request whose context has no deadline; it is that
	// of the ubus command.
	defaultTimeout = 30 * time.Second
	// flushTimeout is how long Close waits for ubusd to have read everything.
	flushTimeout = time.Second
)

// link is one connection: it sends messages, hands answers to the exchanges that
// wait for them and everything else to the objects it is for. It lasts as long
// as its socket.
type link struct {
	conn net.Conn
	id   uint32 // our client id

	// ctx ends when the link does; its cause says why.
	ctx  context.Context
	fail context.CancelCauseFunc

	writing chan struct{} // holds a token while someone writes
	loose   atomic.Bool   // something was sent that ubusd does not confirm

	mu        sync.Mutex
	seq       uint16
	exchanges map[uint16]*exchange
	abandoned []uint16 // sequence numbers nobody waits for any more, oldest first
	objects   map[uint32]*object
	ids       map[string]uint32 // object ids by path

	handlers budget // calls that are served
	refusals budget // calls that are answered without being served
}

// exchange is a request and what came back for it.
type exchange struct {
	peer uint32 // answers carry it
	// take is called, by the reader and under the link's mutex, with each
	// answer, and returns whether it was the last. nil: nobody waits.
	take func(h wire.Header, a wire.Attrs) (last bool)
	done chan struct{} // closed after the last answer
}

// object is the receiving end of an object that we added to the bus. The
// functions are called by the reader and must not wait for anything; a nil one
// ignores.
type object struct {
	invoke      func(l *link, h wire.Header, a wire.Attrs)
	subscribers func(l *link, some bool)
	targetGone  func(l *link, id uint32)
}

// maxAbandoned is how many numbers of unanswered requests are kept from being
// used again, so that a late answer is not taken for another's.
const maxAbandoned = 4096

// connect opens the socket and waits for ubusd's greeting.
func connect(ctx context.Context, socket string) (*link, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	// Ends a read that waits for a greeting when ctx ends.
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	r := bufio.NewReaderSize(conn, 16<<10)
	f, err := wire.Read(r, readLimit)
	switch {
	case !stop():
		err = context.Cause(ctx)
	case errors.Is(err, wire.ErrLength):
		err = fmt.Errorf("%s is no ubus socket: %w", socket, err)
	case err == nil && (f.Version != 0 || f.Type != wire.Hello || f.Peer <= 1): // libubus takes 1 for a channel between two programs
		err = fmt.Errorf("%s is no ubus socket: greeted with %v, version %d", socket, f.Type, f.Version)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: greeting: %w", ErrDisconnected, err)
	}
	l := &link{
		conn:      conn,
		id:        f.Peer,
		writing:   make(chan struct{}, 1),
		exchanges: make(map[uint16]*exchange),
		objects:   make(map[uint32]*object),
		ids:       make(map[string]uint32),
	}
	l.ctx, l.fail = context.WithCancelCause(context.Background())
	context.AfterFunc(l.ctx, func() { conn.Close() })
	go l.read(r)
	return l, nil
}

// lost describes why the link ended.
func (l *link) lost() error {
	cause := context.Cause(l.ctx)
	if errors.Is(cause, ErrClosed) {
		return cause
	}
	return fmt.Errorf("%w: connection lost: %w", ErrDisconnected, cause)
}

// read hands on messages until the link ends.
func (l *link) read(r *bufio.Reader) {
	for {
		f, err := wire.Read(r, readLimit)
		if err == nil && f.Version != 0 {
			err = fmt.Errorf("message of version %d", f.Version)
		}
		if err != nil {
			l.fail(err)
			return
		}
		switch f.Type {
		case wire.Status, wire.Data:
			l.answer(f.Header, wire.Parse(f.Blob))
		case wire.Invoke, wire.Notify, wire.Unsubscribe:
			l.deliver(f.Header, wire.Parse(f.Blob))
		default: // nothing else is meant for a client that is no monitor
		}
	}
}

func (l *link) answer(h wire.Header, a wire.Attrs) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.exchanges[h.Seq]
	if x == nil {
		return // late, or never asked for
	}
	if x.take == nil {
		if h.Type == wire.Status && h.Peer == x.peer {
			delete(l.exchanges, h.Seq)
		}
		return
	}
	if x.take(h, a) {
		delete(l.exchanges, h.Seq)
		close(x.done)
	}
}

func (l *link) deliver(h wire.Header, a wire.Attrs) {
	id, ok := a.Uint32(wire.AttrObjID)
	if !ok {
		return
	}
	l.mu.Lock()
	o := l.objects[id]
	l.mu.Unlock()
	if o == nil {
		o = &object{}
	}
	switch h.Type {
	case wire.Invoke:
		if o.invoke != nil {
			o.invoke(l, h, a)
		} else {
			l.respond(h, id, StatusNotFound)
		}
	case wire.Notify:
		if active, ok := a.Uint8(wire.AttrActive); ok && o.subscribers != nil {
			o.subscribers(l, active != 0)
		}
	case wire.Unsubscribe:
		if target, ok := a.Uint32(wire.AttrTarget); ok && o.targetGone != nil {
			o.targetGone(l, target)
		}
	}
}

// begin gives an exchange a sequence number that no other has.
func (l *link) begin(x *exchange) (seq uint16, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return 0, l.lost()
	}
	for range 1 << 16 {
		l.seq++
		// Notifications that want no answer go out under 0.
		if l.seq != 0 && l.exchanges[l.seq] == nil {
			l.exchanges[l.seq] = x
			return l.seq, nil
		}
	}
	return 0, errors.New("65,535 requests are waiting for answers")
}

// abandon ends an exchange without an answer, unless that has just come. Its
// number is kept from use until the answer comes after all or many others have
// been abandoned since.
func (l *link) abandon(seq uint16, x *exchange) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.exchanges[seq] != x {
		return false
	}
	l.exchanges[seq] = &exchange{peer: x.peer}
	l.abandoned = append(l.abandoned, seq)
	if len(l.abandoned) > maxAbandoned {
		oldest := l.abandoned[0]
		l.abandoned = append(l.abandoned[:0], l.abandoned[1:]...)
		if y := l.exchanges[oldest]; y != nil && y.take == nil {
			delete(l.exchanges, oldest)
		}
	}
	return true
}

// withTimeout gives a context without a deadline the default one.
func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, defaultTimeout)
}

// send writes a whole message. Where ctx ends before its first byte went out
// nothing has happened; where it ends later, the link is over.
func (l *link) send(ctx context.Context, msg []byte) error {
	select {
	case l.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ctx.Done():
		return l.lost()
	}
	defer func() { <-l.writing }()
	if l.ctx.Err() != nil {
		return l.lost()
	}

	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		l.conn.SetWriteDeadline(time.Unix(1, 0))
		close(ended)
	})
	n, err := l.conn.Write(msg)
	if !stop() {
		<-ended
		l.conn.SetWriteDeadline(time.Time{})
	}
	switch {
	case err == nil:
		return nil
	case n == 0 && ctx.Err() != nil && l.ctx.Err() == nil:
		return context.Cause(ctx)
	default:
		l.fail(fmt.Errorf("writing: %w", err))
		return l.lost()
	}
}

// exchange sends a request and waits until its answers are complete, the context
// ends or the link does. limit is for the blob, x has peer and take.
func (l *link) exchange(ctx context.Context, m *wire.Message, limit int, x *exchange) error {
	msg, err := m.Encode(limit)
	if err != nil {
		return err
	}
	x.done = make(chan struct{})
	seq, err := l.begin(x)
	if err != nil {
		return err
	}
	wire.SetSeq(msg, seq)
	if err := l.send(ctx, msg); err != nil {
		l.forget(seq, x)
		return err
	}
	select {
	case <-x.done:
		return nil
	case <-ctx.Done():
		err = noAnswer(context.Cause(ctx))
	case <-l.ctx.Done():
		err = l.lost()
	}
	if l.abandon(seq, x) {
		return err
	}
	return nil // it came at the same moment
}

// forget ends an exchange whose request was not sent.
func (l *link) forget(seq uint16, x *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.exchanges[seq] == x {
		delete(l.exchanges, seq)
	}
}

// flush waits until ubusd has dealt with all that was sent. It does not read any
// more from a client that has closed, so that a notification or an answer right
// before that would be lost.
func (l *link) flush() {
	if !l.loose.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, flushTimeout)
	defer cancel()
	var a answers
	// If it fails, there is nothing more that could be done.
	_ = l.exchange(ctx, wire.New(wire.Header{Type: wire.Ping}), maxBlob, a.exchange(0))
}

// reply answers a call that came to us. There is nobody to tell if it fails.
func (l *link) reply(m *wire.Message) error {
	msg, err := m.Encode(maxBlob)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(l.ctx, defaultTimeout)
	defer cancel()
	l.loose.Store(true)
	return l.send(ctx, msg)
}

// respond ends a call that came to us, without holding up the reader.
func (l *link) respond(h wire.Header, id uint32, s Status) {
	if h.Peer == 0 { // an event: nobody waits
		return
	}
	if !l.refusals.take(0) {
		return // ubusd reads nothing from us, it seems; the caller has a deadline
	}
	go func() {
		defer l.refusals.release(0)
		l.reply(statusMessage(h, id, s))
	}()
}

// statusMessage is the end of a call that came to us.
func statusMessage(h wire.Header, id uint32, s Status) *wire.Message {
	return wire.New(wire.Header{Type: wire.Status, Seq: h.Seq, Peer: h.Peer}).
		Uint32(wire.AttrStatus, uint32(s)).
		Uint32(wire.AttrObjID, id)
}
