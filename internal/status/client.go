package status

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// Object is the path of the daemon's object on ubus.
const Object = "wireguard"

// ErrNoDaemon: nobody on the bus answers for the daemon.
var ErrNoDaemon = errors.New("the daemon is not running: /etc/init.d/wgnetifd start")

// noDaemonError is an ErrNoDaemon that says more of it. What ubus said is for
// programs.
type noDaemonError struct {
	text string
	err  error
}

func (e *noDaemonError) Error() string        { return e.text }
func (e *noDaemonError) Is(target error) bool { return target == ErrNoDaemon }
func (e *noDaemonError) Unwrap() error        { return e.err }

// NoDaemon returns an error that matches ErrNoDaemon, for one of ubus.
func NoDaemon(err error) error { return &noDaemonError{ErrNoDaemon.Error(), err} }

// ErrOther is the ErrNoDaemon where another program has the object.
var ErrOther error = &noDaemonError{text: "the daemon is not running, or another program has the ubus object " + Object + ": remove rpcd-mod-wireguard if it is there, then /etc/init.d/rpcd reload"}

// daemonTime is how long the daemon may take to answer: whoever asks has something
// to say without it. A reload does work; rpcd waits for 30 s in all.
const (
	daemonTime = 5 * time.Second
	reloadTime = 25 * time.Second
)

// Bus is the part of a ubus connection that is needed here.
type Bus interface {
	Lookup(ctx context.Context, path string) ([]ubus.Object, error)
	Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error)
}

var _ Bus = (*ubus.Conn)(nil)

// Client asks the daemon.
type Client struct{ Bus Bus }

// Call calls a method of the daemon. The error matches ErrNoDaemon when there is no
// daemon, when the object is another program's (rpcd-mod-wireguard has one of the
// same path), or when no answer came in time. Other errors are the daemon's own
// ubus.Status.
func (c Client) Call(ctx context.Context, method string, args blobmsg.Table) (blobmsg.Table, error) {
	patience := daemonTime
	if method == "reload" {
		patience = reloadTime
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	objects, err := c.Bus.Lookup(ctx, Object)
	if err != nil {
		return nil, NoDaemon(err)
	}
	// Of all the methods that are ours alone.
	if !slices.ContainsFunc(objects, func(o ubus.Object) bool { return has(&o, "peers") && has(&o, method) }) {
		return nil, ErrOther
	}
	reply, err := c.Bus.Call(ctx, Object, method, args)
	switch {
	case errors.Is(err, ubus.StatusInvalidArgument), errors.Is(err, ubus.StatusNotFound),
		errors.Is(err, ubus.StatusNotSupported), errors.Is(err, ubus.StatusNoData):
		return nil, err
	case err != nil:
		return nil, &noDaemonError{"the daemon does not answer: /etc/init.d/wgnetifd restart", err}
	}
	return reply, nil
}

func has(o *ubus.Object, method string) bool {
	return slices.ContainsFunc(o.Methods, func(s ubus.Signature) bool { return s.Name == method })
}
