package router

import (
	"bufio"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// Daemon is a `wgnetifd daemon` that runs on the router.
type Daemon struct {
	r    *Router
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	lines []string
}

// StartDaemon starts `wgnetifd daemon` with more arguments, if any, and waits
// until its object is on the bus, if there is one.
func (r *Router) StartDaemon(args ...string) *Daemon {
	r.t.Helper()
	d := r.LaunchDaemon(args...)
	if r.Broker != nil && len(args) == 0 {
		d.AwaitObject()
	}
	return d
}

// LaunchDaemon starts `wgnetifd daemon` and waits for nothing.
func (r *Router) LaunchDaemon(args ...string) *Daemon {
	r.t.Helper()
	d := &Daemon{r: r, done: make(chan struct{})}
	out, in, err := os.Pipe()
	if err != nil {
		r.t.Fatalf("start the daemon: %v", err)
	}
	c := r.Wgnetifd(append([]string{"daemon"}, args...)...)
	c.Stderr = in
	if err := c.Start(); err != nil {
		r.t.Fatalf("start the daemon: %v", err)
	}
	in.Close()
	d.cmd = c.Cmd
	go func() {
		defer close(d.done)
		for s := bufio.NewScanner(out); s.Scan(); {
			d.mu.Lock()
			d.lines = append(d.lines, s.Text())
			d.mu.Unlock()
		}
		out.Close()
		_ = d.cmd.Wait() // how it ended is in its state
	}()
	r.t.Cleanup(func() {
		d.Kill()
		if t, ok := r.t.(interface {
			Failed() bool
			Logf(format string, args ...any)
		}); ok && t.Failed() {
			lines := d.Log()
			t.Logf("the daemon's log:\n%s", strings.Join(lines[max(0, len(lines)-100):], "\n"))
		}
	})
	return d
}

// AwaitObject waits until the daemon answers on the bus.
func (d *Daemon) AwaitObject() {
	d.r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := d.r.Call("wireguard", "peers", blobmsg.Table{{Name: "limit", Value: 1}}); err == nil {
			return
		}
	}
	d.r.t.Fatalf("the daemon does not answer; its log:\n%s", strings.Join(d.Log(), "\n"))
}

// Log returns the lines that the daemon has logged so far.
func (d *Daemon) Log() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// Logged reports whether a line of the log holds a text.
func (d *Daemon) Logged(text string) bool {
	return slices.ContainsFunc(d.Log(), func(line string) bool { return strings.Contains(line, text) })
}

// Pid returns the process id.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Signal sends a signal, such as unix.SIGHUP.
func (d *Daemon) Signal(s unix.Signal) {
	d.r.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.r.t.Fatalf("signal %v to the daemon: %v", s, err)
	}
}

// Kill ends the daemon with SIGKILL, if it runs still, and waits for its end.
func (d *Daemon) Kill() {
	_ = d.cmd.Process.Kill() // It may have ended.
	<-d.done
}

// Stop ends the daemon with SIGTERM and waits for its end.
func (d *Daemon) Stop() {
	d.r.t.Helper()
	d.Signal(unix.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(patience):
		d.r.t.Fatalf("the daemon does not end on SIGTERM")
	}
}

// Ended is closed when the daemon has ended.
func (d *Daemon) Ended() <-chan struct{} { return d.done }
