package ubus

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

func TestPublish(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, other := b.dial(t), b.dial(t)
		p := publish(t, server, "t.obj", echo)
		_, err := other.Publish(t.Context(), "t.obj", []Method{echo})
		wantStatus(t, err, StatusInvalidArgument)
		if err := p.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Remove(t.Context()); err == nil {
			t.Error("removed twice")
		}
		_, err = server.Lookup(t.Context(), "t.obj")
		wantStatus(t, err, StatusNotFound)
		publish(t, other, "t.obj", echo)
		if err := p.Notify(t.Context(), "x", nil); err == nil {
			t.Error("a removed object notifies")
		}
	})
}

func TestPublishRefusesMistakes(t *testing.T) {
	b := newStandIn(t)
	b.start(t)
	c := b.dial(t)
	for name, methods := range map[string][]Method{
		"no name":     {{Call: echo.Call}},
		"no function": {{Name: "x"}},
		"twice":       {echo, echo},
	} {
		if _, err := c.Publish(t.Context(), "t.obj", methods); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := c.Publish(t.Context(), "", nil); err == nil {
		t.Error("no path: taken")
	}
	publish(t, c, "t.obj", echo)
}

// Handlers of one connection run side by side, up to a number; what comes then is
// refused instead of kept.
func TestHandlersAreBounded(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		release := make(chan struct{})
		var running atomic.Int32
		publish(t, server, "t.obj", Method{Name: "wait", Call: func(context.Context, *Request) (blobmsg.Table, error) {
			running.Add(1)
			<-release
			return nil, nil
		}})
		var group sync.WaitGroup
		for range maxHandlers {
			group.Go(func() {
				if _, err := client.Call(t.Context(), "t.obj", "wait", nil); err != nil {
					t.Error(err)
				}
			})
		}
		eventually(t, "all handlers run", func() bool { return running.Load() == maxHandlers })
		_, err := client.Call(t.Context(), "t.obj", "wait", nil)
		wantStatus(t, err, StatusNoMemory)
		close(release)
		group.Wait()
		eventually(t, "a handler has ended", func() bool { // It answers before that.
			l, err := server.current()
			if err != nil {
				t.Fatal(err)
			}
			l.handlers.mu.Lock()
			defer l.handlers.mu.Unlock()
			return l.handlers.count < maxHandlers
		})
		if _, err := client.Call(t.Context(), "t.obj", "wait", nil); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestBudgetBoundsBytes(t *testing.T) {
	var b budget
	if !b.take(2 * maxHandled) {
		t.Error("one may always run")
	}
	if b.take(1) {
		t.Error("another one runs beside it")
	}
	b.release(2 * maxHandled)
	if !b.take(maxHandled/2) || !b.take(maxHandled-maxHandled/2) {
		t.Error("two that fit do not run")
	}
	if b.take(1) {
		t.Error("one too many runs")
	}
}

func TestNotify(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server := b.dial(t)
		p := publish(t, server, "t.obj")
		if p.HasSubscribers() {
			t.Error("there are subscribers")
		}
		got := make(chan string, 10)
		s1 := subscribe(t, b.dial(t), "t.obj", got)
		eventually(t, "a subscriber is known", p.HasSubscribers)
		s2 := subscribe(t, b.dial(t), "t.obj", got)
		if err := p.Notify(t.Context(), "peer.up", blobmsg.Table{{Name: "peer", Value: "laptop"}}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if line := receive(t, got); line != `peer.up {"peer":"laptop"}` {
				t.Error(line)
			}
		}
		replies, err := p.NotifyWait(t.Context(), "ask", nil)
		if err != nil || len(replies) != 2 || replies[0].Status != StatusOK || replies[0].Subscriber == replies[1].Subscriber {
			t.Errorf("replies %v, %v", replies, err)
		}
		for range 2 {
			if line := receive(t, got); line != "ask {}" {
				t.Error(line)
			}
		}
		if err := s1.Close(); err != nil {
			t.Error(err)
		}
		if err := s2.Close(); err != nil {
			t.Error(err)
		}
		eventually(t, "no subscriber is left", func() bool { return !p.HasSubscribers() })
		if replies, err := p.NotifyWait(t.Context(), "ask", nil); err != nil || len(replies) != 0 {
			t.Errorf("replies of nobody: %v, %v", replies, err)
		}
	})
}

// subscribe writes what is notified to a channel as a line each.
func subscribe(t *testing.T, c *Conn, path string, to chan<- string) *Subscription {
	t.Helper()
	s, err := c.Subscribe(t.Context(), path, func(method string, data blobmsg.Table) { to <- method + " " + show(data) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A subscriber that dies does not answer; the others' answers are kept.
func TestNotifyWaitForTheDead(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, answers := b.dial(t), b.dial(t)
		p := publish(t, server, "t.obj")
		got := make(chan string, 10)
		subscribe(t, answers, "t.obj", got)
		dies := b.dial(t)
		if _, err := dies.Subscribe(t.Context(), "t.obj", func(string, blobmsg.Table) { dies.Close() }); err != nil {
			t.Fatal(err)
		}
		ctx, pass := deadline(t)
		var replies []NotifyReply
		ended := make(chan error, 1)
		go func() {
			var err error
			replies, err = p.NotifyWait(ctx, "ask", nil)
			ended <- err
		}()
		receive(t, got)
		eventually(t, "the answer is sent", func() bool {
			l, err := answers.current()
			if err != nil {
				t.Fatal(err)
			}
			l.refusals.mu.Lock()
			defer l.refusals.mu.Unlock()
			return l.loose.Load() && l.refusals.count == 0
		})
		receive(t, dies.Done())
		// What is answered to these comes behind it, to ubusd and from there.
		for _, c := range []*Conn{answers, server} {
			if _, err := c.Lookup(t.Context(), "t.obj"); err != nil {
				t.Error(err)
			}
		}
		pass()
		wantStatus(t, receive(t, ended), StatusTimeout)
		if len(replies) != 1 {
			t.Errorf("%d replies", len(replies))
		}
	})
}

// ubusd reads nothing more from a client that has closed: Close has to wait.
func TestCloseDelivers(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		got := make(chan string, 1)
		s := subscribe(t, b.open(t, Options{}), "t.obj", got)
		for range 50 {
			server, err := Dial(t.Context(), b.socket)
			if err != nil {
				t.Fatal(err)
			}
			p := publish(t, server, "t.obj")
			eventually(t, "subscribed", p.HasSubscribers)
			if err := p.Notify(t.Context(), "last", nil); err != nil {
				t.Fatal(err)
			}
			server.Close()
			if line := receive(t, got); line != "last {}" {
				t.Error(line)
			}
			eventually(t, "the object is gone", func() bool { return !s.Active() })
		}
	})
}

func TestRequestSendOrder(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		publish(t, server, "t.obj", Method{Name: "count", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) {
			for n := range 100 {
				if err := r.Send(blobmsg.Table{{Name: "n", Value: n}}); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}})
		var got []int64
		if err := client.CallEach(t.Context(), "t.obj", "count", nil, func(d blobmsg.Table) {
			n, _ := d.Int("n")
			got = append(got, n)
		}); err != nil {
			t.Fatal(err)
		}
		var want []int64
		for n := range 100 {
			want = append(want, int64(n))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
