package rpcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
)

// DefaultTimeout is what OpenWrt's init script sets; rpcd itself has 120 s.
const DefaultTimeout = 30 * time.Second

// Config is how the daemon is started.
type Config struct {
	// Socket is the broker's; "" is [ubus.DefaultSocket].
	Socket string
	// PluginDir holds the plugins, on a router /usr/libexec/rpcd. It is the
	// first part of their argv[0]. A folder that is not there has no plugins.
	PluginDir string
	// Timeout ends a call (rpcd -t); 0 is DefaultTimeout.
	Timeout time.Duration
	// Env is the daemon's environment, which plugins inherit; nil is the
	// environment of this process.
	Env []string
	// Dir is the daemon's working directory, which plugins inherit; "" is "/".
	Dir string
	// Without names built-in objects that are left out: whoever wants one that
	// does more publishes it.
	Without []string

	// order replaces the order of the files in the folder, which depends on
	// its file system.
	order func(names []string)
}

// Rpcd is a running daemon. Its methods may be called from many goroutines.
type Rpcd struct {
	config   Config
	sessions *sessions
	fds      fdTable

	// ctx ends when the daemon does; it kills the plugins that still run.
	ctx    context.Context
	cancel context.CancelFunc
	runs   sync.WaitGroup

	mu        sync.Mutex
	life      *life
	hangup    bool // reloaded once
	processes int
	spinning  int
	closed    bool
}

// life is the daemon between its start, or a reload, and the next one.
type life struct {
	conn  *ubus.Conn
	ready chan struct{} // closed when all plugins are listed

	objects []*ubus.Published // boot's alone until ready
}

// Start connects to the broker, publishes the built-in objects, lists the
// plugins and publishes theirs. It returns when this is done, as late as the
// slowest plugin makes it, and fails when there is no broker or when ctx ends
// first. The daemon lives until ctx ends or Close is called.
func Start(ctx context.Context, config Config) (*Rpcd, error) {
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Env == nil {
		config.Env = os.Environ()
	}
	if config.Dir == "" {
		config.Dir = "/"
	}
	if info, err := os.Stat(config.Dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("rpcd: the working directory %s is no folder (%w)", config.Dir, cmp.Or(err, error(unix.ENOTDIR)))
	}
	signal.Ignore(unix.SIGPIPE)

	r := &Rpcd{config: config, sessions: newSessions(), processes: 1}
	r.ctx, r.cancel = context.WithCancel(ctx)
	if err := r.boot(); err != nil {
		r.cancel()
		r.runs.Wait()
		return nil, err
	}
	context.AfterFunc(r.ctx, func() { _ = r.closeConn() })
	return r, nil
}

// Close ends the daemon and, other than rpcd's end does, the plugins that it
// runs, and waits for them.
func (r *Rpcd) Close() error {
	err := r.leave()
	r.cancel()
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.runs.Wait()
	return err
}

// begin counts a call among those that Close waits for.
func (r *Rpcd) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.runs.Add(1)
	}
	return !r.closed
}

// Done is closed when the daemon ends. Losing the bus does not end it.
func (r *Rpcd) Done() <-chan struct{} { return r.ctx.Done() }

// Reload does what SIGHUP makes rpcd do: it leaves the bus and starts itself
// anew, with RPC_HANGUP=1 in its environment. Sessions survive, but only with
// their data: rights come back by the login's name, and there are no logins
// here. Nobody waits any more for plugins that run; their callers get no answer.
func (r *Rpcd) Reload() error {
	if err := r.leave(); err != nil {
		return err
	}
	r.mu.Lock()
	if !r.hangup {
		r.hangup = true
		r.config.Env = setenv(r.config.Env, "RPC_HANGUP", "1")
	}
	r.mu.Unlock()
	r.sessions.thaw()
	return r.boot()
}

// OnBus tells whether the daemon has a connection to the broker.
func (r *Rpcd) OnBus() bool {
	select {
	case <-r.current().conn.Done():
		return false
	default:
		return true
	}
}

// Processes is the number of daemon processes that rpcd would now be: more than
// one after a file that could not be executed.
func (r *Rpcd) Processes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.processes
}

// Spinning is how many of these processes would be in an endless loop.
func (r *Rpcd) Spinning() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spinning
}

func (r *Rpcd) current() *life {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.life
}

// leave takes the objects off the bus and leaves it. Who comes next finds their
// names free, which after the end of a connection takes the broker a moment.
func (r *Rpcd) leave() error {
	for _, o := range r.current().objects {
		_ = o.Remove(r.ctx) // fails if the bus is lost
	}
	return r.closeConn()
}

func (r *Rpcd) closeConn() error {
	err := r.current().conn.Close()
	if errors.Is(err, ubus.ErrClosed) {
		return nil
	}
	return err
}

// boot is rpcd's start: everything in one row, and nobody is served before the
// end of it.
func (r *Rpcd) boot() error {
	conn, err := ubus.Dial(r.ctx, r.config.Socket)
	if err != nil {
		return fmt.Errorf("rpcd: %w", err)
	}
	l := &life{conn: conn, ready: make(chan struct{})}
	r.mu.Lock()
	r.life = l
	r.mu.Unlock()

	if err := r.publishBuiltins(l); err != nil {
		return errors.Join(fmt.Errorf("rpcd: publish the built-in objects: %w", err), conn.Close())
	}
	if err := r.listAll(l); err != nil {
		return errors.Join(err, conn.Close())
	}
	close(l.ready)
	return nil
}

// whenReady waits as a caller does whose message lies in the socket of a daemon
// that is still starting.
func (r *Rpcd) whenReady(ctx context.Context, l *life) error {
	select {
	case <-l.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// forked counts a second daemon process: one in an endless loop for some time,
// or, with 0, one that serves for ever.
func (r *Rpcd) forked(life time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.processes++
	if life == 0 {
		return
	}
	r.spinning++
	time.AfterFunc(life, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.processes--
		r.spinning--
	})
}

// setenv replaces a variable where it stands, or appends it, as C's does.
func setenv(env []string, name, value string) []string {
	env = append([]string(nil), env...)
	for i, e := range env {
		if len(e) > len(name) && e[:len(name)+1] == name+"=" {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}
