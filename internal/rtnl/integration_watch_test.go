package rtnl_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

// patience is how long something may take on a machine that is busy.
const patience = 30 * time.Second

// watcher is a Watch of a host under way.
type watcher struct {
	t      testing.TB
	events chan rtnl.Event
	end    func() error
}

// startWatch watches a host until the test ends.
func startWatch(t testing.TB, h *netns.Host) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{t: t, events: make(chan rtnl.Event)}
	done := make(chan error, 1)
	// Watch opens its socket in the namespace of its thread.
	go h.Do(func() {
		k := rtnl.NewSystem()
		defer k.Close()
		done <- k.Watch(ctx, func(e rtnl.Event) {
			select {
			case w.events <- e:
			case <-ctx.Done():
			}
		})
	})
	w.end = func() error {
		cancel()
		return <-done
	}
	return w
}

// await takes events until one is the wanted.
func (w *watcher) await(want rtnl.Event) {
	w.t.Helper()
	var got []string
	timeout := time.After(patience)
	for {
		select {
		case e := <-w.events:
			if e.Index <= 0 && e.Kind != rtnl.EventLost {
				w.t.Errorf("%+v has no index", e)
			}
			e.Index = 0
			if e == want {
				return
			}
			got = append(got, fmt.Sprintf("%+v", e))
		case <-timeout:
			w.t.Fatalf("no event %+v came, but %d others\n%s", want, len(got), strings.Join(got[max(0, len(got)-30):], "\n"))
		}
	}
}

func TestWatch(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		w := startWatch(t, h)
		w.await(rtnl.Event{Kind: rtnl.EventLost})

		h.AddAddress("lan", "10.7.0.1/16", "fd07::1/64")
		w.await(rtnl.Event{Kind: rtnl.EventAddress, Device: "lan", Dst: prefix("10.7.0.1/16")})
		w.await(rtnl.Event{Kind: rtnl.EventAddress, Device: "lan", Dst: prefix("fd07::1/64")})
		if err := k.DeleteAddress("lan", prefix("10.7.0.1/16")); err != nil {
			t.Fatal(err)
		}
		w.await(rtnl.Event{Kind: rtnl.EventAddress, Device: "lan", Dst: prefix("10.7.0.1/16"), Removed: true})

		const static = 4
		h.AddRoute("::/0", "2001:db8::9", "lan")
		w.await(rtnl.Event{Kind: rtnl.EventRoute, Device: "lan", Dst: prefix("::/0"), Table: rtnl.TableMain, Protocol: static})
		for _, r := range []rtnl.Route{
			{Dst: prefix("10.0.0.0/8"), Device: "lan", Gateway: addr("192.0.2.9"), Table: 8787},
			{Dst: prefix("fd00::/8"), Device: "lan", Table: 8787},
		} {
			if err := errors.Join(k.ReplaceRoute(r), k.DeleteRoute(r)); err != nil {
				t.Fatal(err)
			}
			want := rtnl.Event{Kind: rtnl.EventRoute, Device: "lan", Dst: r.Dst, Table: 8787, Protocol: rtnl.Protocol}
			w.await(want)
			want.Removed = true
			w.await(want)
		}

		h.AddStub("new")
		w.await(rtnl.Event{Kind: rtnl.EventLink, Device: "new"})
		if err := h.Links().LinkSetDown(h.Link("new")); err != nil {
			t.Fatal(err)
		}
		if err := h.Links().LinkSetName(h.Link("new"), "newer"); err != nil {
			t.Fatal(err)
		}
		w.await(rtnl.Event{Kind: rtnl.EventLink, Device: "newer", Down: true})
		h.SetUp("newer")
		h.AddAddress("newer", "10.8.0.1/16")
		w.await(rtnl.Event{Kind: rtnl.EventAddress, Device: "newer", Dst: prefix("10.8.0.1/16")})
		h.Delete("newer")
		w.await(rtnl.Event{Kind: rtnl.EventLink, Device: "newer", Removed: true})

		if err := w.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
	})
}

// TestWatchBridge: a port that leaves its bridge is not gone.
func TestWatchBridge(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "br-lan"
		bridge := &netlink.Bridge{LinkAttrs: attrs}
		if err := h.Links().LinkAdd(bridge); err != nil {
			t.Fatal(err)
		}
		if err := h.Links().LinkSetMaster(h.Link("lan"), bridge); err != nil {
			t.Fatal(err)
		}
		w := startWatch(t, h)
		w.await(rtnl.Event{Kind: rtnl.EventLost})
		if err := h.Links().LinkSetNoMaster(h.Link("lan")); err != nil {
			t.Fatal(err)
		}
		h.AddAddress("lan", "10.7.0.1/16")
		for {
			e := <-w.events
			if e.Kind == rtnl.EventLink && e.Removed {
				t.Errorf("%+v", e)
			}
			// Not just any: the link's own comes when the kernel finds the time.
			if e.Kind == rtnl.EventAddress && e.Dst == prefix("10.7.0.1/16") {
				break
			}
		}
		if err := w.end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestWatchTooMuch: while nobody listens more happens than the kernel keeps. That
// is told of, and what happens afterwards too.
func TestWatchTooMuch(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		w := startWatch(t, h)
		w.await(rtnl.Event{Kind: rtnl.EventLost})
		// The handler waits with the first event until somebody takes it.
		routes := make([]rtnl.Route, 10000)
		for n := range routes {
			routes[n] = rtnl.Route{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24), Device: "lan"}
		}
		if err := k.ReplaceRoute(routes...); err != nil {
			t.Fatal(err)
		}
		w.await(rtnl.Event{Kind: rtnl.EventLost})
		h.AddAddress("lan", "10.7.0.1/16")
		w.await(rtnl.Event{Kind: rtnl.EventAddress, Device: "lan", Dst: prefix("10.7.0.1/16")})
		if err := w.end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestWatchEnds: a Watch leaves neither files nor goroutines behind.
func TestWatchEnds(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		files := func() int {
			list, err := os.ReadDir("/proc/self/fd")
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		once := func() {
			ctx, cancel := context.WithCancel(t.Context())
			// Some end before they began, some when they wait.
			err := k.Watch(ctx, func(rtnl.Event) { go cancel() })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want %v", err, context.Canceled)
			}
		}
		once() // Go's poller has files of its own.
		openBefore, before := files(), runtime.NumGoroutine()
		for range 100 {
			once()
		}
		// Fewer is no leak: what an earlier test left to the collector may be closed by now.
		if after := files(); after > openBefore {
			t.Errorf("%d files are open, %d before", after, openBefore)
		}
		deadline := time.Now().Add(patience)
		for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%d goroutines, %d before", after, before)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := k.Watch(ended, func(rtnl.Event) {}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
