package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// patience is how long what has nothing to do with peers may take.
const patience = 30 * time.Second

// router is a ubusd and a netifd that serve one run.
type router struct {
	netifd *daemon
	ubusd  *daemon
	bus    *ubus.Conn

	events chan event
}

// event is what netifd says of the interface: ifup or ifdown.
type event struct {
	action string
	at     time.Time
}

// daemon is a process that is ended by us.
type daemon struct {
	*exec.Cmd
	log  log
	done chan struct{}
}

// log keeps what a process writes.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// lines returns what was written.
func (l *log) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.text.String()), "\n")
}

func start(name string, args ...string) (*daemon, error) {
	d := &daemon{Cmd: exec.Command(name, args...), done: make(chan struct{})}
	d.Stdout, d.Stderr = &d.log, &d.log
	// What handlers leave behind holds the pipe; nobody waits for that.
	d.WaitDelay = time.Second
	if err := d.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = d.Wait() // However it ended, it is the log that says why.
		close(d.done)
	}()
	return d, nil
}

// end ends the process, the hard way if need be.
func (d *daemon) end() {
	if d == nil {
		return
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = d.Process.Signal(s) // It may have ended before.
		select {
		case <-d.done:
			return
		case <-time.After(3 * time.Second):
		}
	}
}

// boot starts ubusd and netifd with the configuration that is in the files, and
// waits for netifd to know the interface.
func boot(ctx context.Context) (*router, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r := &router{events: make(chan event, 64)}
	if err := r.boot(ctx); err != nil {
		r.end()
		return nil, fmt.Errorf("%w: %w", errBoot, err)
	}
	return r, nil
}

// errBoot: it was no contestant's fault.
var errBoot = errors.New("ubusd and netifd do not start")

func (r *router) boot(ctx context.Context) (err error) {
	if r.ubusd, err = start("ubusd"); err != nil {
		return err
	}
	// The socket is there a moment before somebody listens.
	err = await(ctx, func() bool {
		r.bus, err = ubus.Dial(ctx, "")
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("ubusd: %w: %s", err, strings.Join(r.ubusd.log.lines(), " "))
	}
	if _, err := r.bus.Listen(ctx, "network.interface", r.heard); err != nil {
		return err
	}
	// No hotplug scripts: they are the machine's, not the handler's.
	if r.netifd, err = start("netifd", "-S", "-h", "/bin/true"); err != nil {
		return err
	}
	err = await(ctx, func() bool {
		_, err := r.status(ctx)
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("netifd: %w: %s", err, strings.Join(r.netifd.log.lines(), " "))
	}
	return nil
}

func (r *router) heard(_ string, data blobmsg.Table) {
	now := time.Now()
	action, _ := data.String("action")
	if name, _ := data.String("interface"); name == iface {
		r.events <- event{action, now}
	}
}

// end ends both daemons. The interface was taken down before, or goes with the
// next run's start.
func (r *router) end() {
	if r.bus != nil {
		_ = r.bus.Close() // Its peer is ended anyway.
	}
	r.netifd.end()
	r.ubusd.end()
	_ = os.Remove(ubus.DefaultSocket) // ubusd may have done so.
}

func (r *router) call(ctx context.Context, path, method string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := r.bus.Call(ctx, path, method, nil)
	return err
}

func (r *router) status(ctx context.Context) (blobmsg.Table, error) {
	return r.bus.Call(ctx, "network.interface."+iface, "status", nil)
}

// errLimit: the time is up.
var errLimit = errors.New("the time is up")

// await waits for something, and looks every millisecond at first: later more
// rarely, by 2 % of what it has waited, because on a single processor it is the
// handler that a look holds up.
func await(ctx context.Context, there func() bool) error {
	for begin := time.Now(); !there(); {
		select {
		case <-ctx.Done():
			return errLimit
		case <-time.After(max(time.Millisecond, time.Since(begin)/50)):
		}
	}
	return nil
}

// until waits for netifd to announce action and returns when it did. It gives up
// early where nothing can come any more: netifd is dead, or no handler runs and
// the interface stays pending.
func (r *router) until(ctx context.Context, action string) (time.Time, error) {
	idle := 0
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case e := <-r.events:
			if e.action == action {
				return e.at, nil
			}
		case <-r.netifd.done:
			return time.Time{}, fmt.Errorf("netifd died (%v)", r.netifd.ProcessState)
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("no %s: %w%s", action, errLimit, r.lastWords())
		case <-look.C:
			if r.handler("") != 0 {
				idle = 0
			} else if idle++; idle == 5 {
				return time.Time{}, fmt.Errorf("no %s, and for 5 s no handler runs that could bring it%s", action, r.lastWords())
			}
		}
	}
}

// lastWords returns the last line that the handler has logged, or else the last
// of netifd about the interface.
func (r *router) lastWords() string {
	lines := r.netifd.log.lines()
	slices.Reverse(lines)
	for _, sign := range []string{iface + " (", iface} { // the handler's are "wg0 (PID): …"
		for _, line := range lines {
			if strings.Contains(line, sign) {
				return fmt.Sprintf(" (log: %q)", line)
			}
		}
	}
	return " (nothing in the log)"
}

// configure writes the configuration in one piece, as uci does.
func configure(text string) error {
	temporary := filepath.Join(configDir, ".network")
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(configDir, "network"))
}
