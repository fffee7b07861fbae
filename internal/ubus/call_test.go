package ubus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

func TestCall(t *testing.T) {
	methods := []Method{
		echo,
		{Name: "nothing", Call: func(context.Context, *Request) (blobmsg.Table, error) { return nil, nil }},
		{Name: "empty", Call: func(context.Context, *Request) (blobmsg.Table, error) { return blobmsg.Table{}, nil }},
		{Name: "fail", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) {
			n, _ := r.Args.Int("status")
			return nil, fmt.Errorf("as wanted: %w", Status(n))
		}},
		{Name: "broken", Call: func(context.Context, *Request) (blobmsg.Table, error) { return nil, errors.New("no status") }},
		{Name: "parts", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) {
			for n := range 2 {
				if err := r.Send(blobmsg.Table{{Name: "part", Value: n + 1}}); err != nil {
					return nil, err
				}
			}
			return blobmsg.Table{{Name: "part", Value: 3}}, nil
		}},
		{Name: "partsfail", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) {
			return nil, errors.Join(r.Send(blobmsg.Table{{Name: "partial", Value: "yes"}}), StatusUnknownError)
		}},
		{Name: "who", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) {
			return blobmsg.Table{{Name: "object", Value: r.Object}, {Name: "method", Value: r.Method}, {Name: "user", Value: r.User}, {Name: "group", Value: r.Group}, {Name: "peer", Value: r.Caller != 0}}, nil
		}},
	}
	tests := []struct {
		name, path, method string
		args               blobmsg.Table
		want               string
		status             Status
	}{
		{"arguments and reply", "t.obj", "echo", blobmsg.Table{{Name: "a", Value: 1}, {Name: "b", Value: blobmsg.Array{"x", nil, true}}}, `{"a":1,"b":["x",null,true]}`, 0},
		{"no arguments", "t.obj", "echo", nil, "{}", 0},
		{"status only", "t.obj", "nothing", nil, "nothing", 0},
		{"empty reply", "t.obj", "empty", nil, "{}", 0},
		{"error without a status", "t.obj", "broken", nil, "nothing", StatusUnknownError},
		{"several parts", "t.obj", "parts", nil, `{"part":3}`, 0},
		{"data, then an error", "t.obj", "partsfail", nil, `{"partial":"yes"}`, StatusUnknownError},
		{"the caller", "t.obj", "who", nil, `{"object":"t.obj","method":"who","user":"root","group":"root","peer":true}`, 0},
		{"missing method", "t.obj", "nope", nil, "nothing", StatusMethodNotFound},
		{"missing object", "t.nope", "echo", nil, "nothing", StatusNotFound},
		{"pattern", "t.*", "echo", nil, "nothing", StatusInvalidArgument},
		{"no path", "", "echo", nil, "nothing", StatusInvalidArgument},
	}
	for n := StatusInvalidCommand; n <= StatusSystemError; n++ {
		tests = append(tests, struct {
			name, path, method string
			args               blobmsg.Table
			want               string
			status             Status
		}{"status " + n.Error(), "t.obj", "fail", blobmsg.Table{{Name: "status", Value: int32(n)}}, "nothing", n})
	}
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		publish(t, server, "t.obj", methods...)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				got, err := client.Call(t.Context(), tt.path, tt.method, tt.args)
				if tt.status != StatusOK {
					wantStatus(t, err, tt.status)
				} else if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, show(got)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
		var parts []string
		if err := client.CallEach(t.Context(), "t.obj", "parts", nil, func(d blobmsg.Table) { parts = append(parts, show(d)) }); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{`{"part":1}`, `{"part":2}`, `{"part":3}`}, parts); diff != "" {
			t.Errorf("CallEach (-want +got):\n%s", diff)
		}
	})
}

func TestCallErrorNamesTheCallAndNoArgument(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		_, err := b.dial(t).Call(t.Context(), "t.nope", "method", blobmsg.Table{{Name: "private_key", Value: "secret"}})
		if got := fmt.Sprint(err); got != "ubus: call t.nope method: Not found" {
			t.Error(got)
		}
	})
}

// Whoever does not answer costs a call its time and nothing more: the number of
// the request is not used again, and a late answer is nobody's.
func TestCallWithoutAnswer(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		asked, release := make(chan struct{}, 2), make(chan struct{})
		publish(t, server, "t.obj", echo, Method{Name: "late", Call: func(context.Context, *Request) (blobmsg.Table, error) {
			asked <- struct{}{}
			<-release
			return blobmsg.Table{{Name: "late", Value: true}}, nil
		}})
		ended := make(chan error, 1)
		call := func(ctx context.Context) {
			_, err := client.Call(ctx, "t.obj", "late", nil)
			ended <- err
		}
		ctx, pass := deadline(t)
		go call(ctx)
		receive(t, asked) // A request that was not sent yet would be forgotten.
		pass()
		err := receive(t, ended)
		wantStatus(t, err, StatusTimeout)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("not a deadline: %v", err)
		}
		canceled, cancel := context.WithCancel(t.Context())
		defer cancel()
		go call(canceled)
		receive(t, asked)
		cancel()
		if err := receive(t, ended); !errors.Is(err, context.Canceled) {
			t.Errorf("not canceled: %v", err)
		}
		if n := unanswered(client); n != 2 {
			t.Errorf("%d requests are remembered, want the two abandoned", n)
		}
		close(release)
		eventually(t, "the late answers are dropped", func() bool { return unanswered(client) == 0 })
		if got, err := client.Call(t.Context(), "t.obj", "echo", blobmsg.Table{{Name: "n", Value: 1}}); err != nil || show(got) != `{"n":1}` {
			t.Errorf("afterwards: %v, %v", show(got), err)
		}
	})
}

// unanswered counts the requests that a client remembers.
func unanswered(c *Conn) int {
	l, err := c.current()
	if err != nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.exchanges)
}

// A callee that dies gives no answer, and ubusd none for it.
func TestCalleeDies(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		publish(t, server, "t.obj", Method{Name: "die", Call: func(context.Context, *Request) (blobmsg.Table, error) {
			server.Close()
			return nil, nil
		}})
		ctx, pass := deadline(t)
		ended := make(chan error, 1)
		go func() {
			_, err := client.Call(ctx, "t.obj", "die", nil)
			ended <- err
		}()
		eventually(t, "the object is gone", func() bool {
			_, err := client.Lookup(t.Context(), "t.obj")
			return errors.Is(err, StatusNotFound)
		})
		pass()
		wantStatus(t, receive(t, ended), StatusTimeout)
		_, err := client.Call(t.Context(), "t.obj", "die", nil)
		wantStatus(t, err, StatusNotFound)
	})
}

func TestConcurrentCalls(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		publish(t, server, "t.obj", Method{Name: "wait", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) {
			ms, _ := r.Args.Int("ms")
			time.Sleep(time.Duration(ms) * time.Millisecond)
			return r.Args, nil
		}})
		var group sync.WaitGroup
		for n := range 60 {
			group.Go(func() {
				args := blobmsg.Table{{Name: "n", Value: n}, {Name: "ms", Value: 30 - n/2}, {Name: "pad", Value: strings.Repeat("x", 200*n)}}
				got, err := client.Call(t.Context(), "t.obj", "wait", args)
				if err != nil || show(got) != show(args) {
					t.Errorf("call %d: %v, %v", n, show(got), err)
				}
			})
		}
		group.Wait()
		if n := unanswered(client); n != 0 {
			t.Errorf("%d requests are still remembered", n)
		}
	})
}

// Sequence numbers come round after 65,536 requests: one of a call that still
// waits must not be given to another.
func TestSequenceNumbersComeRound(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		release := make(chan struct{})
		publish(t, server, "t.obj", echo, Method{Name: "wait", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) {
			<-release
			return blobmsg.Table{{Name: "waited", Value: true}}, nil
		}})
		if _, err := client.Call(t.Context(), "t.obj", "echo", nil); err != nil { // remembers the id
			t.Fatal(err)
		}
		l, err := client.current()
		if err != nil {
			t.Fatal(err)
		}
		setSeq := func(n uint16) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.seq = n
		}
		setSeq(2)
		slow := make(chan string, 1)
		go func() {
			got, err := client.Call(t.Context(), "t.obj", "wait", nil)
			slow <- fmt.Sprint(show(got), err)
		}()
		eventually(t, "the slow call is under way", func() bool { return unanswered(client) == 1 })
		setSeq(65533)
		for n := range 10 {
			if got, err := client.Call(t.Context(), "t.obj", "echo", blobmsg.Table{{Name: "n", Value: n}}); err != nil || show(got) != fmt.Sprintf(`{"n":%d}`, n) {
				t.Errorf("call %d: %v, %v", n, show(got), err)
			}
		}
		close(release)
		if got := receive(t, slow); got != `{"waited":true}<nil>` {
			t.Errorf("the slow call got %s", got)
		}
	})
}

// An object that is published again has another id; a status that the callee
// itself gives is no reason to look.
func TestCallFindsARepublishedObject(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		client := b.dial(t)
		calls := 0
		for round := range 3 {
			server := b.dial(t)
			p := publish(t, server, "t.obj", echo, Method{Name: "missing", Call: func(context.Context, *Request) (blobmsg.Table, error) {
				calls++
				return nil, StatusNotFound
			}})
			if _, err := client.Call(t.Context(), "t.obj", "echo", nil); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			_, err := client.Call(t.Context(), "t.obj", "missing", nil)
			wantStatus(t, err, StatusNotFound)
			if calls != round+1 {
				t.Errorf("round %d: the method was called %d times", round, calls)
			}
			if err := p.Remove(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// Above 1 MiB ubusd would end the connection: nothing is sent.
func TestTooLarge(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		p := publish(t, server, "t.obj", echo,
			Method{Name: "length", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) {
				s, _ := r.Args.String("s")
				return blobmsg.Table{{Name: "length", Value: len(s)}}, nil
			}},
			Method{Name: "large", Call: func(_ context.Context, r *Request) (blobmsg.Table, error) {
				n, _ := r.Args.Int("size")
				return blobmsg.Table{{Name: "s", Value: strings.Repeat("r", int(n))}}, nil
			}})
		text := func(n int) blobmsg.Table { return blobmsg.Table{{Name: "s", Value: strings.Repeat("q", n)}} }
		if _, err := client.Call(t.Context(), "t.obj", "length", text(1<<20)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("call: error %v", err)
		}
		if err := p.Notify(t.Context(), "n", text(1<<20)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("notification: error %v", err)
		}
		if err := client.SendEvent(t.Context(), "e", text(1<<20)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("event: error %v", err)
		}
		_, err := client.Call(t.Context(), "t.obj", "large", blobmsg.Table{{Name: "size", Value: 3 << 19}})
		wantStatus(t, err, StatusUnknownError)
		// Blob, object id, method, data, name: 4+8+12+4+8; 96 for what ubusd adds.
		largest := 1<<20 - 36 - 1 - 96
		got, err := client.Call(t.Context(), "t.obj", "length", text(largest))
		if err != nil || show(got) != fmt.Sprintf(`{"length":%d}`, largest) {
			t.Errorf("the largest call: %v, %v", show(got), err)
		}
		if _, err := client.Call(t.Context(), "t.obj", "length", text(largest+1)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("one byte more: error %v", err)
		}
		reply := 1<<20 - 4 - 8 - 4 - 8 - 1
		got, err = client.Call(t.Context(), "t.obj", "large", blobmsg.Table{{Name: "size", Value: reply}})
		if s, _ := got.String("s"); err != nil || len(s) != reply {
			t.Errorf("the largest reply: %d bytes, %v", len(s), err)
		}
	})
}

func TestLookup(t *testing.T) {
	eachBus(t, func(t *testing.T, b *bus) {
		server, client := b.dial(t), b.dial(t)
		if list, err := client.Lookup(t.Context(), ""); err != nil || len(list) != 0 {
			t.Errorf("an empty bus: %v, %v", list, err)
		}
		get := Method{Name: "get", Args: []Arg{{Name: "name", Type: blobmsg.TypeString}, {Name: "any", Type: blobmsg.TypeUnspec}}, Call: echo.Call}
		publish(t, server, "t.b", get, echo)
		publish(t, server, "t.a", echo)
		publish(t, server, "u")
		tests := []struct {
			path string
			want []string
		}{
			{"", []string{"t.a", "t.b", "u"}},
			{"*", []string{"t.a", "t.b", "u"}},
			{"t.*", []string{"t.a", "t.b"}},
			{"t.b", []string{"t.b"}},
			{"u*", []string{"u"}},
		}
		for _, tt := range tests {
			list, err := client.Lookup(t.Context(), tt.path)
			if err != nil {
				t.Error(err)
			}
			var got []string
			for _, o := range list {
				got = append(got, o.Path)
				if o.ID == 0 || o.TypeID == 0 {
					t.Errorf("%s has id %d, type %d", o.Path, o.ID, o.TypeID)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tt.path, diff)
			}
		}
		for _, path := range []string{"t", "v*", "t.bb"} {
			_, err := client.Lookup(t.Context(), path)
			wantStatus(t, err, StatusNotFound)
		}
		list, err := client.Lookup(t.Context(), "t.b")
		if err != nil {
			t.Fatal(err)
		}
		want := []Signature{{Name: "get", Args: get.Args}, {Name: "echo"}}
		if diff := cmp.Diff(want, list[0].Methods); diff != "" {
			t.Errorf("methods (-want +got):\n%s", diff)
		}
	})
}

func TestStatusTexts(t *testing.T) {
	for s, want := range map[Status]string{StatusOK: "Success", StatusNotFound: "Not found", StatusSystemError: "System error", 14: "Unknown error: 14", -1: "Unknown error: -1"} {
		if got := s.Error(); got != want {
			t.Errorf("%d: %q, want %q", int32(s), got, want)
		}
	}
	if StatusOf(nil) != StatusOK || StatusOf(errors.New("x")) != StatusUnknownError || StatusOf(ErrDisconnected) != StatusConnectionFailed {
		t.Error("StatusOf does not find what is there")
	}
}
