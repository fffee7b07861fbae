package ubus

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// patience is how long something that must happen may take on a busy machine.
const patience = 30 * time.Second

// bus is a ubusd that a test can stop and start again at the same socket.
type bus struct {
	socket string
	start  func(t *testing.T)
	stop   func()
}

// eachBus runs a test with the stand-in and with the real ubusd.
func eachBus(t *testing.T, test func(t *testing.T, b *bus)) {
	t.Run("stand-in", func(t *testing.T) {
		checkLeaks(t)
		b := newStandIn(t)
		b.start(t)
		test(t, b)
	})
	t.Run("real", func(t *testing.T) {
		path := need.OpenWrt(t, "ubusd")[0]
		checkLeaks(t)
		b := newReal(t, path)
		b.start(t)
		test(t, b)
	})
}

func newStandIn(t *testing.T) *bus {
	var broker *ubusd.Broker
	b := &bus{socket: filepath.Join(t.TempDir(), "ubus.sock")}
	b.start = func(t *testing.T) {
		t.Helper()
		var err error
		if broker, err = ubusd.Start(b.socket); err != nil {
			t.Fatal(err)
		}
	}
	b.stop = func() {
		if broker != nil {
			broker.Close()
			broker = nil
		}
	}
	t.Cleanup(func() { b.stop() })
	return b
}

func newReal(t *testing.T, path string) *bus {
	var cmd *exec.Cmd
	dir := t.TempDir()
	b := &bus{socket: filepath.Join(dir, "ubus.sock")}
	b.start = func(t *testing.T) {
		t.Helper()
		cmd = exec.Command(path, "-s", b.socket, "-A", filepath.Join(dir, "acl.d"))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "ubusd listens", func() bool {
			conn, err := net.Dial("unix", b.socket)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	b.stop = func() {
		if cmd != nil {
			cmd.Process.Kill()
			cmd.Wait()
			cmd = nil
		}
	}
	t.Cleanup(func() { b.stop() })
	return b
}

// dial connects a client for the length of the test.
func (b *bus) dial(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), b.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// open opens a lasting client for the length of the test.
func (b *bus) open(t *testing.T, o Options) *Conn {
	t.Helper()
	o.Socket = b.socket
	c := Open(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// publish puts an object on the bus that must be taken.
func publish(t *testing.T, c *Conn, path string, methods ...Method) *Published {
	t.Helper()
	p, err := c.Publish(t.Context(), path, methods)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// echo is a method that answers with its arguments.
var echo = Method{Name: "echo", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) { return r.Args, nil }}

// eventually waits for something that must become so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !so(); {
		if time.Now().After(limit) {
			t.Fatalf("not after %v: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// receive takes a value that must come.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came in %v", patience)
		panic("unreachable")
	}
}

// deadline returns a context, and what makes its deadline pass. One of real time can
// pass on a busy machine before anybody waits for it.
func deadline(t *testing.T) (ctx context.Context, pass func()) {
	ctx, cancel := context.WithCancelCause(t.Context())
	return ctx, func() { cancel(context.DeadlineExceeded) }
}

// show writes a table as `ubus -S call` does, for comparing.
func show(t blobmsg.Table) string {
	if t == nil {
		return "nothing"
	}
	return string(blobmsg.AppendJSON(nil, t))
}

// checkLeaks fails the test if goroutines of this package are left at its end.
func checkLeaks(t *testing.T) {
	t.Cleanup(func() {
		var stacks string
		for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
			stacks = ""
			for _, s := range goroutines() {
				if strings.Contains(s, "internal/ubus.(*") || strings.Contains(s, "test/ubusd.(*") {
					stacks += s + "\n\n"
				}
			}
			if stacks == "" {
				return
			}
		}
		t.Errorf("goroutines are left:\n%s", stacks)
	})
}

// goroutines returns the stacks of all of them.
func goroutines() []string {
	buf := make([]byte, 1<<20)
	return strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
}

// somebody reports whether there is a goroutine whose stack has all these texts.
func somebody(texts ...string) bool {
	return slices.ContainsFunc(goroutines(), func(stack string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(stack, text) })
	})
}

// wantStatus checks that an error carries a status.
func wantStatus(t *testing.T, err error, want Status) {
	t.Helper()
	if !errors.Is(err, want) || StatusOf(err) != want {
		t.Errorf("error %v (status %v), want status %v", err, StatusOf(err), want)
	}
}
