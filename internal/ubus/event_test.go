package ubus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// listen writes events to a channel as a line each.
func listen(t *testing.T, c *Conn, pattern string, to chan<- string) *Listener {
	t.Helper()
	l, err := c.Listen(t.Context(), pattern, func(event string, data blobmsg.Table) {
		to <- pattern + ": " + event + " " + show(data)
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestListen(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		c, sender := b.dial(t), b.dial(t)
		got := make(chan string, 100)
		closed := listen(t, c, "a*", got)
		listen(t, c, "ab", got)
		listen(t, c, "b", got)
		listen(t, c, "end", got)
		if err := closed.Close(); err != nil {
			t.Error(err)
		}
		if err := closed.Close(); !errors.Is(err, ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
		listen(t, c, "a*", got)
		for n, id := range []string{"a", "ab", "abc", "b", "bc", "end"} {
			if err := sender.SendEvent(t.Context(), id, blobmsg.Table{{Name: "n", Value: n}}); err != nil {
				t.Error(err)
			}
		}
		want := []string{`a*: a {"n":0}`, `a*: ab {"n":1}`, `a*: abc {"n":2}`, `ab: ab {"n":1}`, `b: b {"n":3}`, `end: end {"n":5}`}
		var lines []string
		for range want {
			lines = append(lines, receive(t, got))
		}
		slices.Sort(lines) // each listener has its own order
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		wantStatus(t, sender.SendEvent(t.Context(), "ubus.object.add", nil), StatusPermissionDenied)
		if _, err := c.Listen(t.Context(), "", func(string, blobmsg.Table) {}); !errors.Is(err, StatusPermissionDenied) {
			t.Errorf("an empty pattern: %v", err)
		}
	})
}

// A handler that does not return holds up nothing but itself, and what it misses
// is counted, not kept.
func TestSlowHandler(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		c, sender := b.dial(t), b.dial(t)
		publish(t, sender, "t.obj", echo)
		started, release := make(chan struct{}), make(chan struct{})
		start := sync.OnceFunc(func() { close(started) })
		var seen []int64
		done := make(chan struct{})
		const last = maxQueued + 49
		l, err := c.Listen(t.Context(), "e", func(_ string, data blobmsg.Table) {
			start()
			<-release
			n, _ := data.Int("n")
			if seen = append(seen, n); n == last {
				close(done)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for n := range last {
			if err := sender.SendEvent(t.Context(), "e", blobmsg.Table{{Name: "n", Value: n}}); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				receive(t, started) // It waits no more, and makes no room later.
			}
		}
		if _, err := c.Call(t.Context(), "t.obj", "echo", nil); err != nil {
			t.Errorf("a call meanwhile: %v", err)
		}
		// The first is with the handler, 256 wait.
		eventually(t, "the rest is dropped", func() bool { return l.Dropped() == last-maxQueued-1 })
		close(release)
		eventually(t, "the queue is empty", func() bool {
			l.feed.queue.mu.Lock()
			defer l.feed.queue.mu.Unlock()
			return !l.feed.queue.running
		})
		if err := sender.SendEvent(t.Context(), "e", blobmsg.Table{{Name: "n", Value: last}}); err != nil {
			t.Fatal(err)
		}
		receive(t, done)
		if len(seen) != maxQueued+2 || !slices.IsSorted(seen) {
			t.Errorf("%d events came, in order: %v", len(seen), slices.IsSorted(seen))
		}
	})
}

func TestQueueBoundsBytes(t *testing.T) {
	var q queue
	block := make(chan struct{})
	started := make(chan struct{})
	q.add(0, func() { close(started); <-block })
	<-started
	if !q.add(2*maxQueuedBytes, func() {}) {
		t.Error("one may always wait")
	}
	if q.add(1, func() {}) {
		t.Error("another one waits beside it")
	}
	q.close()
	close(block)
	if q.add(0, func() {}) || q.drops() != 1 {
		t.Errorf("a closed queue; %d dropped", q.drops())
	}
}

func TestWaitFor(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		publish(t, server, "t.a")
		if err := client.WaitFor(t.Context(), "t.a"); err != nil {
			t.Error(err)
		}
		if err := client.WaitFor(t.Context()); err != nil {
			t.Errorf("nothing to wait for: %v", err)
		}
		waited := make(chan error, 2)
		ctx, pass := deadline(t)
		go func() { waited <- client.WaitFor(ctx, "t.a", "t.b") }()
		awaitWaitFor(t)
		pass()
		err := receive(t, waited)
		wantStatus(t, err, StatusTimeout)
		if !errors.Is(err, context.DeadlineExceeded) || fmt.Sprint(err) != `ubus: wait for "t.b": no answer: context deadline exceeded (Request timed out)` {
			t.Errorf("error %v", err)
		}
		for range 2 {
			go func() { waited <- client.WaitFor(t.Context(), "t.b", "t.a", "t.c") }()
		}
		time.Sleep(20 * time.Millisecond)
		publish(t, server, "t.c")
		select {
		case err := <-waited:
			t.Fatalf("one of two objects is there: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		publish(t, b.dial(t), "t.b")
		for range 2 {
			if err := receive(t, waited); err != nil {
				t.Error(err)
			}
		}
		go func() { waited <- client.WaitFor(t.Context(), "t.never") }()
		time.Sleep(20 * time.Millisecond)
		client.Close()
		if err := receive(t, waited); !errors.Is(err, ErrClosed) {
			t.Errorf("closed while waiting: %v", err)
		}
	})
}

// awaitWaitFor waits until a WaitFor has found something missing.
func awaitWaitFor(t *testing.T) {
	t.Helper()
	eventually(t, "it waits", func() bool {
		return somebody("[select", "]:\ngithub.com/wgnetifd/wgnetifd/internal/ubus.(*Conn).WaitFor(")
	})
}

func TestSubscribeFollowsTheObject(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		client := b.dial(t)
		got := make(chan string, 10)
		s := subscribe(t, client, "t.obj", got)
		if s.Active() {
			t.Error("active without an object")
		}
		for round := range 5 {
			server := b.dial(t)
			p := publish(t, server, "t.obj")
			eventually(t, "subscribed", func() bool { return p.HasSubscribers() && s.Active() })
			if err := p.Notify(t.Context(), "n", blobmsg.Table{{Name: "round", Value: round}}); err != nil {
				t.Fatal(err)
			}
			if line := receive(t, got); line != fmt.Sprintf(`n {"round":%d}`, round) {
				t.Error(line)
			}
			if round%2 == 0 {
				server.Close()
			} else if err := p.Remove(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, "not subscribed", func() bool { return !s.Active() })
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		p := publish(t, b.dial(t), "t.obj")
		time.Sleep(20 * time.Millisecond)
		if p.HasSubscribers() || s.Active() {
			t.Error("a closed subscription came back")
		}
	})
}

// Two programs that follow one another at once: not a notification is lost or
// doubled between the objects.
func TestSubscribeOnce(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		got := make(chan string, 100)
		subscribe(t, client, "t.obj", got)
		for round := range 30 {
			p := publish(t, server, "t.obj")
			eventually(t, "subscribed", p.HasSubscribers)
			replies, err := p.NotifyWait(t.Context(), "n", blobmsg.Table{{Name: "round", Value: round}})
			if err != nil || len(replies) != 1 {
				t.Fatalf("%d replies, %v", len(replies), err)
			}
			if err := p.Remove(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for round := range 30 {
			if line := receive(t, got); line != fmt.Sprintf(`n {"round":%d}`, round) {
				t.Error(line)
			}
		}
	})
}
