package ubus

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// Everything that a daemon has on the bus comes back with ubusd, and calls that
// waited fail at once instead of at their deadline.
func TestOpenOutlivesUbusd(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		var connected atomic.Int32
		daemon := b.open(t, Options{Connected: func() { connected.Add(1) }})
		if err := daemon.Connected(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := publish(t, daemon, "t.daemon", echo, Method{Name: "hang", Call: func(ctx context.Context, _ *Request) (blobmsg.Table, error) {
			<-ctx.Done() // the link is lost: nobody to answer
			return nil, ctx.Err()
		}})
		got := make(chan string, 100)
		subscription := subscribe(t, daemon, "t.netifd", got)
		listen(t, daemon, "network.*", got)

		for round := range 3 {
			want := int32(round + 1)
			eventually(t, "connected, and told so once", func() bool { return connected.Load() == want })
			client := b.dial(t)
			if err := client.WaitFor(t.Context(), "t.daemon"); err != nil {
				t.Fatal(err)
			}
			netifd := publish(t, client, "t.netifd", Method{Name: "never", Call: func(ctx context.Context, _ *Request) (blobmsg.Table, error) {
				<-ctx.Done()
				return nil, nil
			}})
			eventually(t, "subscribed", func() bool { return netifd.HasSubscribers() && subscription.Active() })
			if reply, err := client.Call(t.Context(), "t.daemon", "echo", blobmsg.Table{{Name: "r", Value: round}}); err != nil || show(reply) != `{"r":`+string(rune('0'+round))+`}` {
				t.Errorf("round %d: %s, %v", round, show(reply), err)
			}
			if err := netifd.Notify(t.Context(), "n", nil); err != nil {
				t.Error(err)
			}
			if line := receive(t, got); line != "n {}" {
				t.Error(line)
			}
			if err := client.SendEvent(t.Context(), "network.interface", nil); err != nil {
				t.Error(err)
			}
			if line := receive(t, got); line != "network.*: network.interface {}" {
				t.Error(line)
			}

			pending := make(chan error, 1)
			go func() {
				_, err := daemon.Call(t.Context(), "t.netifd", "never", nil)
				pending <- err
			}()
			eventually(t, "the call is under way", func() bool { return unanswered(daemon) == 1 })
			b.stop()
			err := receive(t, pending)
			wantStatus(t, err, StatusConnectionFailed)
			if !errors.Is(err, ErrDisconnected) {
				t.Errorf("not ErrDisconnected: %v", err)
			}
			receive(t, client.Done())
			if _, err := client.Call(t.Context(), "t.daemon", "echo", nil); !errors.Is(err, ErrDisconnected) {
				t.Errorf("the other client: %v", err)
			}
			// While there is no ubusd.
			if _, err := daemon.Call(t.Context(), "t.netifd", "never", nil); !errors.Is(err, ErrDisconnected) {
				t.Errorf("call without ubusd: %v", err)
			}
			if err := p.Notify(t.Context(), "n", nil); !errors.Is(err, ErrDisconnected) {
				t.Errorf("notify without ubusd: %v", err)
			}
			if subscription.Active() || p.HasSubscribers() {
				t.Error("active without ubusd")
			}
			b.start(t)
		}
	})
}

// A daemon may be there before ubusd is.
func TestOpenBeforeUbusd(t *testing.T) {
	checkLeaks(t)
	b := newStandIn(t)
	daemon := b.open(t, Options{})
	if _, err := daemon.Lookup(t.Context(), ""); !errors.Is(err, ErrDisconnected) {
		t.Errorf("lookup: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := daemon.Connected(ctx); !errors.Is(err, ErrDisconnected) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Connected: %v", err)
	}
	got := make(chan string, 10_000)
	publish(t, daemon, "t.daemon", echo)
	listen(t, daemon, "e", got)
	waited := make(chan error, 1)
	go func() { waited <- daemon.WaitFor(t.Context(), "t.other") }()
	b.start(t)
	client := b.dial(t)
	if err := client.WaitFor(t.Context(), "t.daemon"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Call(t.Context(), "t.daemon", "echo", nil); err != nil {
		t.Error(err)
	}
	eventually(t, "the listener is there", func() bool {
		if err := client.SendEvent(t.Context(), "e", nil); err != nil {
			t.Fatal(err)
		}
		return len(got) > 0
	})
	b.stop() // while it waits
	b.start(t)
	publish(t, b.dial(t), "t.other")
	if err := receive(t, waited); err != nil {
		t.Error(err)
	}
}

// The path may be taken by our own predecessor when we come back.
func TestOpenPublishesWhenThePathIsFree(t *testing.T) {
	checkLeaks(t)
	b := newStandIn(t)
	b.start(t)
	var log lockedBuffer
	daemon := b.open(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	publish(t, daemon, "t.daemon", echo)
	b.stop()
	b.start(t)
	// Whoever is first: if it is the daemon, its connection is cut again.
	other := b.dial(t)
	var p *Published
	eventually(t, "the other has the path", func() bool {
		var err error
		if p, err = other.Publish(t.Context(), "t.daemon", nil); err != nil {
			b.stop()
			b.start(t)
			other = b.dial(t)
		}
		return err == nil
	})
	eventually(t, "the daemon says that it has not", func() bool { return strings.Contains(log.String(), "not made again") })
	if !strings.Contains(log.String(), "what=t.daemon") || !strings.Contains(log.String(), "Invalid argument") {
		t.Errorf("log:\n%s", log.String())
	}
	if err := p.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.WaitFor(t.Context(), "t.daemon"); err != nil {
		t.Error(err)
	}
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// An attempt to publish that fails is not repeated behind the caller's back.
func TestOpenPublishFails(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		other, daemon := b.dial(t), b.open(t, Options{})
		if err := daemon.Connected(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := publish(t, other, "t.obj")
		_, err := daemon.Publish(t.Context(), "t.obj", nil)
		wantStatus(t, err, StatusInvalidArgument)
		if err := p.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * firstDelay)
		_, err = other.Lookup(t.Context(), "t.obj")
		wantStatus(t, err, StatusNotFound)
	})
}

func TestClose(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		for name, c := range map[string]*Conn{"dialed": b.dial(t), "opened": b.open(t, Options{})} {
			if err := c.Connected(t.Context()); err != nil {
				t.Fatal(name, err)
			}
			publish(t, c, "t."+name, Method{Name: "hang", Call: func(ctx context.Context, _ *Request) (blobmsg.Table, error) {
				<-ctx.Done()
				return nil, nil
			}})
			caller := b.dial(t)
			pending := make(chan error, 1)
			go func() {
				_, err := caller.Call(t.Context(), "t."+name, "hang", nil)
				pending <- err
			}()
			eventually(t, "the call is under way", func() bool { return unanswered(caller) == 1 })
			caller.Close()
			if err := receive(t, pending); !errors.Is(err, ErrClosed) || errors.Is(err, ErrDisconnected) {
				t.Errorf("%s: pending call: %v", name, err)
			}
			c.Close()
			c.Close()
			receive(t, c.Done())
			if _, err := c.Lookup(t.Context(), ""); !errors.Is(err, ErrClosed) {
				t.Errorf("%s: lookup: %v", name, err)
			}
			if _, err := c.Publish(t.Context(), "t.x", nil); !errors.Is(err, ErrClosed) {
				t.Errorf("%s: publish: %v", name, err)
			}
			if err := c.Connected(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("%s: Connected: %v", name, err)
			}
		}
	})
}

// Connections that come and go while everything is used at once.
func TestOpenUnderStress(t *testing.T) {
	checkLeaks(t)
	b := newStandIn(t)
	b.start(t)
	daemon := b.open(t, Options{})
	publish(t, daemon, "t.daemon", echo)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				c, err := Dial(ctx, b.socket)
				if err != nil {
					time.Sleep(time.Millisecond)
					continue
				}
				s, _ := c.Subscribe(ctx, "t.daemon", func(string, blobmsg.Table) {})
				for range 20 {
					_, err = c.Call(ctx, "t.daemon", "echo", nil)
					if errors.Is(err, ErrDisconnected) {
						break
					}
				}
				if s != nil {
					s.Close()
				}
				c.Close()
			}
		})
	}
	for range 5 {
		time.Sleep(50 * time.Millisecond)
		b.stop()
		b.start(t)
	}
	cancel()
	group.Wait()
	client := b.dial(t)
	if err := client.WaitFor(t.Context(), "t.daemon"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Call(t.Context(), "t.daemon", "echo", nil); err != nil {
		t.Error(err)
	}
}
