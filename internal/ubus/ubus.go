// Package ubus is a client of ubusd, OpenWrt's message bus, and an object
// server on it: calls, notifications and events over the native socket.
package ubus

import (
	"context"
	"errors"
	"log/slog"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// DefaultSocket is where ubusd listens on OpenWrt 21.02 and later.
const DefaultSocket = "/var/run/ubus/ubus.sock"

// MaxMessage is the longest message in bytes that ubusd takes.
const MaxMessage = 1 << 20

var (
	// ErrDisconnected: there is no connection to ubusd, or it was lost before the answer came.
	ErrDisconnected = errors.New("not connected to ubusd")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("connection closed")
	// ErrTooLarge: the message is larger than MaxMessage and was not sent.
	ErrTooLarge = errors.New("message larger than 1,048,576 bytes")
)

var errSkeleton = errors.New("ubus: not there yet")

// Status is the result code of a request; it is an error, 0 is StatusOK.
type Status int

// The codes of ubusmsg.h.
const (
	StatusOK Status = iota
	StatusInvalidCommand
	StatusInvalidArgument
	StatusMethodNotFound
	StatusNotFound
	StatusNoData
	StatusPermissionDenied
	StatusTimeout
	StatusNotSupported
	StatusUnknownError
	StatusConnectionFailed
	StatusNoMemory
	StatusParseError
	StatusSystemError
)

// Error is the text libubus has for the code.
func (s Status) Error() string { return "" }

// Conn talks to ubusd. All methods may be called from many goroutines at once.
type Conn struct{}

// Dial connects once: when the connection ends, so does the Conn.
func Dial(ctx context.Context, socket string) (*Conn, error) { return nil, errSkeleton }

// Options of Open.
type Options struct {
	Socket string       // "" is DefaultSocket
	Log    *slog.Logger // connection lost and regained, messages dropped; nil is silent
}

// Open returns a Conn that connects in the background and, when ubusd goes, connects again with back-off; objects,
// subscriptions and listeners are made again. ubusd need not be there yet.
func Open(o Options) *Conn { return &Conn{} }

// Connected waits until there is a connection.
func (c *Conn) Connected(ctx context.Context) error { return errSkeleton }

// Close ends the connection; pending calls fail with ErrClosed.
func (c *Conn) Close() error { return nil }

// Done is closed when the Conn is over for good.
func (c *Conn) Done() <-chan struct{} { return nil }

// Object is what Lookup tells of an object.
type Object struct {
	Path    string
	ID      uint32
	TypeID  uint32
	Methods []Signature
}

// Signature is a method's name and arguments.
type Signature struct {
	Name string
	Args []Arg
}

// Arg is one argument in a signature.
type Arg struct {
	Name string
	Type blobmsg.Type
}

// Lookup lists the object of that path; a trailing * matches many, "" lists all. StatusNotFound if there is none.
func (c *Conn) Lookup(ctx context.Context, path string) ([]Object, error) { return nil, errSkeleton }

// Call calls a method. errors.Is(err, StatusNotFound) etc. nil table: a status without data.
func (c *Conn) Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error) {
	return nil, errSkeleton
}

// CallEach is Call for methods that answer with several data messages.
func (c *Conn) CallEach(ctx context.Context, path, method string, args blobmsg.Table, each func(blobmsg.Table)) error {
	return errSkeleton
}

// WaitFor waits until all these objects exist.
func (c *Conn) WaitFor(ctx context.Context, paths ...string) error { return errSkeleton }

// Subscription is a running Subscribe.
type Subscription struct{}

// Subscribe calls handler, in order and one at a time, for each notification of the object. It goes on when the object is
// gone and comes back, and need not find it present.
func (c *Conn) Subscribe(ctx context.Context, path string, handler func(method string, data blobmsg.Table)) (*Subscription, error) {
	return nil, errSkeleton
}

// Close ends the subscription.
func (s *Subscription) Close() error { return nil }

// Listener is a running Listen.
type Listener struct{}

// Listen calls handler, in order and one at a time, for each event whose id matches pattern (a trailing * matches many).
func (c *Conn) Listen(ctx context.Context, pattern string, handler func(event string, data blobmsg.Table)) (*Listener, error) {
	return nil, errSkeleton
}

// Close ends the listening.
func (l *Listener) Close() error { return nil }

// SendEvent sends an event.
func (c *Conn) SendEvent(ctx context.Context, id string, data blobmsg.Table) error { return errSkeleton }

// Request is one call of a published method.
type Request struct {
	Object string // path
	Method string
	Args   blobmsg.Table
	Peer   uint32 // client id of the caller
	User   string // user and group of the calling process, as ubusd knows them
	Group  string
}

// Send sends a data message before the one that the handler returns.
func (r *Request) Send(data blobmsg.Table) error { return errSkeleton }

// Method of a published object. Handlers run in goroutines of their own.
type Method struct {
	Name string
	Args []Arg
	// Call serves a call. nil, nil answers with a status only. An error that is (wraps) a Status is sent as that status,
	// any other as StatusUnknownError.
	Call func(ctx context.Context, req *Request) (blobmsg.Table, error)
}

// Published is an object of ours on the bus.
type Published struct{}

// Publish puts an object on the bus. StatusInvalidArgument if the path is taken.
func (c *Conn) Publish(ctx context.Context, path string, methods []Method) (*Published, error) {
	return nil, errSkeleton
}

// Notify sends a notification to all subscribers and wants no reply.
func (p *Published) Notify(ctx context.Context, typ string, data blobmsg.Table) error { return errSkeleton }

// NotifyReply is one subscriber's answer.
type NotifyReply struct {
	Subscriber uint32
	Status     Status
	Data       []blobmsg.Table
}

// NotifyWait sends a notification and waits until all subscribers have answered.
func (p *Published) NotifyWait(ctx context.Context, typ string, data blobmsg.Table) ([]NotifyReply, error) {
	return nil, errSkeleton
}

// HasSubscribers tells whether anyone is subscribed: the bus tells no number.
func (p *Published) HasSubscribers() bool { return false }

// Remove takes the object off the bus.
func (p *Published) Remove(ctx context.Context) error { return errSkeleton }
