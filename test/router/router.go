package router

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/test/netifd"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// patience is how long something may take that does not depend on anybody else.
// It is long: machines that run tests are slow at times.
const patience = 90 * time.Second

// Router is a host with an /etc/config/network. Its methods end the test when
// something fails, unless they return an error.
type Router struct {
	*netns.Host
	// Broker and Netifd are there after Start.
	Broker *ubusd.Broker
	Netifd *netifd.Netifd

	t    netns.TB
	conn *ubus.Conn
	left atomic.Int64

	mu      sync.Mutex
	logged  []string
	onLog   func(line string)
	hotplug []netifd.HotplugEvent
	daemons map[uint32]bool // clients of the bus
	strays  []string
}

// New makes a host a router, with network for its /etc/config/network. Nothing
// runs on it yet. The process has to be in namespaces of its own (package netns);
// the router before this one, if any, exists no more.
func New(t netns.TB, host *netns.Host, network string) *Router {
	t.Helper()
	if err := furnish(); err != nil {
		t.Fatalf("furnish a router: %v", err)
	}
	if err := tidy(); err != nil {
		t.Fatalf("clean up behind the last router: %v", err)
	}
	r := &Router{Host: host, t: t, daemons: map[uint32]bool{}}
	r.Configure(network)
	t.Cleanup(func() {
		removeDevices(t, host)
		r.showLog()
		r.noRaces()
	})
	return r
}

// Configure puts a /etc/config/network in the place of the one before, as `uci
// commit` does: nobody reads half a file. Nobody is told.
func (r *Router) Configure(network string) {
	r.t.Helper()
	file := r.File("network")
	err := os.WriteFile(file+".new", []byte(network), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		r.t.Fatalf("configure: %v", err)
	}
}

// File returns the path of a configuration file.
func (r *Router) File(name string) string { return filepath.Join(ConfigDir, name) }

// Start starts ubusd and then netifd, which brings up what the configuration has.
func (r *Router) Start() {
	r.t.Helper()
	r.StartBroker()
	r.StartNetifd()
}

// StartNetifd starts netifd alone: the first one, or one in place of another that
// was closed.
func (r *Router) StartNetifd() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// ubusd may not have noticed yet that the one before has gone.
	for taken := true; taken && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		_, taken = r.Broker.Owner("network")
	}
	var err error
	r.Do(func() {
		r.Netifd, err = netifd.Start(ctx, netifd.Config{
			ProtoDir: protoDir,
			Log:      r.log,
			Hotplug: func(e netifd.HotplugEvent) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.hotplug = append(r.hotplug, e)
			},
		})
	})
	if err != nil {
		r.t.Fatalf("start netifd: %v", err)
	}
	n := r.Netifd
	r.t.Cleanup(func() { _ = n.Close() }) // A test may have closed it.
}

// StartBroker starts ubusd alone.
func (r *Router) StartBroker() {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(ubus.DefaultSocket), 0o755); err != nil {
		r.t.Fatalf("start ubusd: %v", err)
	}
	var err error
	if r.Broker, err = ubusd.Start(ubus.DefaultSocket, ubusd.WithTrace(r.trace)); err != nil {
		r.t.Fatalf("start ubusd: %v", err)
	}
	broker := r.Broker
	r.t.Cleanup(func() { _ = broker.Close() }) // A test may have closed it.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r.conn, err = ubus.Dial(ctx, ubus.DefaultSocket); err != nil {
		r.t.Fatalf("start ubusd: %v", err)
	}
	conn := r.conn
	r.t.Cleanup(func() { _ = conn.Close() })
}

func (r *Router) trace(e ubusd.Event) {
	switch e.Kind {
	case ubusd.Gone:
		r.left.Add(1)
		r.mu.Lock()
		delete(r.daemons, e.Client)
		r.mu.Unlock()
	case ubusd.Received:
		r.noteStray(e)
	}
}

// Left returns how many programs have left the bus so far, as a handler does when
// it ends.
func (r *Router) Left() int64 { return r.left.Load() }

// Wgnetifd returns wgnetifd as a command for people, to be run on the router.
func (r *Router) Wgnetifd(args ...string) *netns.Cmd { return r.Command(program, args...) }

// Handler returns wgnetifd called as netifd calls it: with an empty argument and
// dump, or with wireguard, setup, the interface and {}.
func (r *Router) Handler(args ...string) *netns.Cmd {
	c := r.Command(filepath.Join(protoDir, "wgnetifd.sh"), args...)
	c.Args[0], c.Dir = "./wgnetifd.sh", protoDir
	return c
}

func (r *Router) log(line string) {
	r.mu.Lock()
	r.logged = append(r.logged, line)
	f := r.onLog
	r.mu.Unlock()
	if f != nil {
		f(line)
	}
}

// OnLog has f called with each line that netifd logs from now on. Netifd goes on when
// f returns: who waits for its answer waits.
func (r *Router) OnLog(f func(line string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onLog = f
}

// Log returns the lines that netifd has logged so far, among them those of the
// handlers as "INTERFACE (PID): LINE".
func (r *Router) Log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.logged)
}

// Hotplug returns the hotplug events so far.
func (r *Router) Hotplug() []netifd.HotplugEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.hotplug)
}

// Runs returns how many runs of the handler for an interface have logged
// something so far.
func (r *Router) Runs(iface string) int {
	seen := map[int]bool{}
	for _, line := range r.Log() {
		rest, ok := strings.CutPrefix(line, iface+" (")
		number, _, ok2 := strings.Cut(rest, "): ")
		if pid, err := strconv.Atoi(number); ok && ok2 && err == nil {
			seen[pid] = true
		}
	}
	return len(seen)
}

// showLog shows the log with a failure.
func (r *Router) showLog() {
	t, ok := r.t.(interface {
		Failed() bool
		Logf(format string, args ...any)
	})
	if ok && t.Failed() {
		lines := r.Log()
		t.Logf("netifd's log:\n%s", strings.Join(lines[max(0, len(lines)-100):], "\n"))
	}
}
