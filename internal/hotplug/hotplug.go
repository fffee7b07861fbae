// Package hotplug runs the scripts in /etc/hotplug.d/wireguard when the state of
// a peer or an interface changes, as OpenWrt's /sbin/hotplug-call runs those of
// the kernel's and netifd's events: every file that is not hidden, in the order
// of their names, executable or not, sourced by a shell of its own after
// /lib/functions.sh. What it has beyond that: a script ends after a time, its
// output is in the log, and whatever it does nobody waits for it.
package hotplug

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

const (
	// DefaultDir holds the scripts.
	DefaultDir = "/etc/hotplug.d/wireguard"
	// DefaultTimeout is how long one script may take for one change.
	DefaultTimeout = 30 * time.Second
	// DefaultLimit is how many changes wait at most.
	DefaultLimit = 256
)

// Action is what an event is about.
type Action string

// The values of ACTION.
const (
	Peer      Action = "peer"
	Interface Action = "interface"
)

// Event is a change of state. Its fields are the environment of the scripts; none
// is a secret.
type Event struct {
	Action    Action
	Interface string     // INTERFACE
	Peer      schema.Key // PEER: the public key; empty for an interface
	Name      string     // NAME: what people call the peer
	State     string     // STATE
	OldState  string     // OLDSTATE
	Reason    string     // REASON: a code, mostly empty
}

// Options says what to run and how. The zero value is right on a router.
type Options struct {
	// Dir holds the scripts: an absolute path, DefaultDir when empty. It need not
	// be there, and is looked at for each event.
	Dir string
	// Log takes what scripts write and what is wrong with them; nil: nothing.
	Log *logline.Logger
	// Timeout is how long one script may take, DefaultTimeout when 0. Then it and
	// all processes of its group are ended.
	Timeout time.Duration
	// Limit is how many events wait at most, DefaultLimit when 0.
	Limit int
}

// Runner runs scripts, one at a time. Make one with New.
type Runner struct {
	Options
	functions string
	// grace is between SIGTERM and SIGKILL, and after that until a process that
	// the kernel does not let go of is left alone.
	grace time.Duration
	// linger is for how long the output is read of what a script has left in the
	// background.
	linger time.Duration
	signal func(pid int, kill bool) error

	mu    sync.Mutex
	queue queue
	wake  chan struct{}
	// unreadable is the last thing that was wrong with Dir.
	unreadable string
}

// New returns a runner; its Run has to be started.
func New(o Options) *Runner {
	if o.Dir == "" {
		o.Dir = DefaultDir
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	return &Runner{
		Options: o, functions: "/lib/functions.sh",
		grace: 2 * time.Second, linger: 500 * time.Millisecond, signal: signalGroup,
		queue: queue{limit: o.Limit}, wake: make(chan struct{}, 1),
	}
}

// Put has the scripts run for an event some time and returns at once. When more
// than Limit events wait, those of the same peer become one, with its newest
// STATE and its oldest OLDSTATE; when that does not help the oldest is dropped,
// and the log says how many were.
func (r *Runner) Put(e Event) {
	r.mu.Lock()
	r.queue.put(e)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run runs scripts until the context ends; what runs then is ended, and what
// waits is forgotten.
func (r *Runner) Run(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		e, dropped, ok := r.queue.take()
		r.mu.Unlock()
		if !ok {
			select {
			case <-r.wake:
			case <-ctx.Done():
			}
			continue
		}
		scripts := r.scripts()
		if len(scripts) == 0 {
			continue // One that is installed right now gets the next event.
		}
		if dropped > 0 {
			r.Log.Warn("hotplug scripts are slower than changes come: the oldest changes were dropped", "dropped", dropped)
		}
		env := e.environ()
		for _, script := range scripts {
			if ctx.Err() != nil {
				return
			}
			r.run(ctx, script, env, r.Log.With(e.attributes(script)...))
		}
	}
}

// scripts returns the files that the shell finds for DIR/* and test -f.
func (r *Runner) scripts() (paths []string) {
	entries, err := os.ReadDir(r.Dir)
	unreadable := ""
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		unreadable = err.Error()
	}
	if unreadable != "" && unreadable != r.unreadable {
		r.Log.Warn("hotplug scripts cannot be read: " + unreadable)
	}
	r.unreadable = unreadable
	for _, entry := range entries {
		if r.isScript(entry.Name()) {
			paths = append(paths, filepath.Join(r.Dir, entry.Name()))
		}
	}
	return paths
}

func (r *Runner) isScript(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	info, err := os.Stat(filepath.Join(r.Dir, name))
	return err == nil && info.Mode().IsRegular()
}

// Any reports whether there are scripts. It costs a look into the folder.
func (r *Runner) Any() bool {
	entries, _ := os.ReadDir(r.Dir) // what is wrong with it is said when it matters
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return r.isScript(e.Name()) })
}

// attributes say in the log what ran for whom.
func (e Event) attributes(script string) []any {
	out := []any{"script", filepath.Base(script), "interface", e.Interface}
	switch {
	case e.Action == Peer && e.Name != "":
		out = append(out, "peer", e.Name)
	case e.Action == Peer:
		out = append(out, "peer", e.Peer.Short())
	}
	return out
}

// environ is all that a script finds in its environment: PATH, LOGNAME and USER
// are hotplug-call's, HOME is that of procd's children. The daemon's own
// environment is not passed on.
func (e Event) environ() []string {
	peer := ""
	if e.Action == Peer {
		peer = e.Peer.String()
	}
	return []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LOGNAME=root", "USER=root", "HOME=/",
		"HOTPLUG_TYPE=wireguard",
		"ACTION=" + value(string(e.Action)),
		"INTERFACE=" + value(e.Interface),
		"PEER=" + peer,
		"NAME=" + value(e.Name),
		"STATE=" + value(e.State),
		"OLDSTATE=" + value(e.OldState),
		"REASON=" + value(e.Reason),
	}
}

// value is text as the environment can hold it: no NUL, and far from the 128 KB
// above which no program starts.
func value(text string) string {
	const longest = 1024
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "")
	}
	return strings.ReplaceAll(text, "\x00", "")
}
