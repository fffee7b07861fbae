package netifd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// ownNamespace is the network namespace of the thread that opens it.
const ownNamespace = "/proc/thread-self/ns/net"

// Where netifd looks when it is told nothing else.
const (
	DefaultProtoDir  = "/lib/netifd/proto"
	DefaultConfigDir = "/etc/config"
)

// Config says what a netifd works with. The zero value is that of a router,
// except that there are no hotplug scripts.
type Config struct {
	// Socket is ubusd's; "" is ubus.DefaultSocket.
	Socket string
	// ProtoDir is the folder of the protocol handlers; "" is
	// DefaultProtoDir. Handlers are asked what they are at the start only.
	ProtoDir string
	// ConfigDir is the folder of the UCI file network; "" is
	// DefaultConfigDir.
	ConfigDir string
	// StagedDir is the folder of staged changes, which netifd acts on as
	// well; "" is /tmp/.uci.
	StagedDir string
	// Env is the environment of the handlers, as NAME=VALUE; nil is that of
	// this process.
	Env []string
	// ResolvConf is the file that name servers are written to; "" is none.
	ResolvConf string

	// Log gets what netifd logs, a line at a time, among it the output of
	// handlers as "INTERFACE (PID): LINE". It is called from several
	// goroutines.
	Log func(line string)
	// Hotplug is called for each event of an interface, one after the
	// other. The next waits for its end, and events replace one another
	// while they wait, as with the scripts that it stands for.
	Hotplug func(HotplugEvent)
	// HotplugCommand is run with the argument iface and the event in its
	// environment; "" is none.
	HotplugCommand string
}

// ErrCrashed is what ends a Netifd that was made to do what kills the real one.
var ErrCrashed = errors.New("netifd crashes here")

// Netifd is a running stand-in for netifd.
type Netifd struct {
	cfg Config
	ns  *os.File

	mu     sync.Mutex
	engine *engine // nil: closed, or between two lives
	closed bool
	done   chan struct{}
	err    error
}

// Start starts a netifd in the network namespace of the calling thread: a
// goroutine that has changed it must be locked to its thread. It returns when the
// handlers have been asked, the configuration has been read and the interfaces
// have been started, which is not to say that they are up. Without a
// configuration netifd waits for a reload; without an ubusd it fails when ctx
// ends.
func Start(ctx context.Context, c Config) (*Netifd, error) {
	// netifd ignores this signal, and so do the programs that it starts.
	// For a Go process it changes nothing else: only writes to a closed
	// stdout would be deadly.
	signal.Ignore(unix.SIGPIPE)
	if c.ProtoDir == "" {
		c.ProtoDir = DefaultProtoDir
	}
	if c.ConfigDir == "" {
		c.ConfigDir = DefaultConfigDir
	}
	if c.Env == nil {
		c.Env = os.Environ()
	}
	ns, err := os.Open(ownNamespace)
	if err != nil {
		return nil, fmt.Errorf("netifd: %w", err)
	}
	n := &Netifd{cfg: c, ns: ns, done: make(chan struct{})}
	if n.engine, err = newEngine(ctx, c, ns, n.afterlife()); err != nil {
		ns.Close()
		return nil, fmt.Errorf("netifd: %w", err)
	}
	return n, nil
}

func (n *Netifd) afterlife() afterlife { return afterlife{restart: n.relive, crashed: n.crashed} }

// relive ends the present life and begins another, in which the handlers are
// asked anew.
func (n *Netifd) relive() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.engine == nil {
		return
	}
	old := n.engine
	n.engine = nil
	old.end(false)
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	e, err := newEngine(ctx, n.cfg, n.ns, n.afterlife())
	if err != nil {
		old.logf("Failed to restart netifd: %v", err)
		n.err = fmt.Errorf("netifd: restart: %w", err)
		close(n.done)
		return
	}
	n.engine = e
}

// crashed cleans up after a life that ended in the middle.
func (n *Netifd) crashed(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.engine == nil {
		return
	}
	n.engine.end(false)
	n.engine = nil
	n.err = fmt.Errorf("netifd: %w", err)
	close(n.done)
}

// Done is closed when the netifd has ended: by Close, or because it crashed.
func (n *Netifd) Done() <-chan struct{} { return n.done }

// Err is why the netifd has ended without Close; nil while it runs.
func (n *Netifd) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// Reload reads the configuration again, as the method reload of the object
// network does.
func (n *Netifd) Reload(ctx context.Context) error {
	n.mu.Lock()
	e := n.engine
	n.mu.Unlock()
	if e == nil {
		return errors.New("netifd: reload: not running")
	}
	var err error
	if doErr := e.loop.do(ctx, func() { err = e.configure() }); doErr != nil {
		return doErr
	}
	return err
}

// Close ends netifd as SIGTERM does: handlers that run are killed, none is run
// for teardown, and devices and addresses stay.
func (n *Netifd) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	if n.engine != nil {
		n.engine.end(true)
		n.engine = nil
		close(n.done)
	}
	return n.ns.Close()
}
