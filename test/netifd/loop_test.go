package netifd

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestLoopKeepsTheOrder(t *testing.T) {
	l := newLoop()
	var got []int
	l.post(func() {
		got = append(got, 1)
		l.post(func() { got = append(got, 3) }) // a function may post
	})
	l.post(func() { got = append(got, 2) })
	go l.run() // not before: 3 is posted when 1 runs
	defer l.stop()
	for range 2 {
		if err := l.do(t.Context(), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("order: %v", got)
	}
}

func TestLoopStopped(t *testing.T) {
	l := newLoop()
	go l.run()
	l.post(l.stop)
	if err := l.do(t.Context(), func() { t.Error("ran after stop") }); !errors.Is(err, errStopped) {
		t.Errorf("do: %v, want %v", err, errStopped)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newLoop().do(ctx, func() {}); !errors.Is(err, context.Canceled) {
		t.Errorf("do on a loop that does not run: %v", err)
	}
}

func TestTimer(t *testing.T) {
	l := newLoop()
	go l.run()
	defer l.stop()
	fired := make(chan string, 8)
	do := func(f func()) {
		t.Helper()
		if err := l.do(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	once := newTimer(l, func() { fired <- "once" })
	again := newTimer(l, func() { fired <- "again" })
	never := newTimer(l, func() { fired <- "never" })
	do(func() {
		once.set(time.Millisecond)
		again.set(time.Hour)
		never.set(0)
		// It has expired by now, and its function waits for the loop.
		time.Sleep(10 * time.Millisecond)
		never.cancel()
		if !once.pending() || never.pending() {
			t.Error("pending: a timer that is set, not one that was cancelled")
		}
	})
	if first := <-fired; first != "once" {
		t.Errorf("fired: %s", first)
	}
	do(func() { again.set(time.Millisecond) }) // in place of the hour
	if second := <-fired; second != "again" {
		t.Errorf("fired: %s", second)
	}
	do(func() {
		if once.pending() || again.pending() {
			t.Error("timers that have fired are pending")
		}
	})
	select {
	case name := <-fired:
		t.Errorf("fired too: %s", name)
	default:
	}
}
