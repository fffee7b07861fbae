package history

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSeconds(t *testing.T) {
	s := New(start)
	at := func(d time.Duration, rx, tx uint64) {
		s.Record(start.Add(d), "wg0", []Sample{{key(1), rx, tx}, {key(2), 1, 1}})
	}
	at(0, 0, 0)
	now := start.Add(40 * time.Second)
	if s.Watched(now, "wg0") {
		t.Error("watched")
	}
	for _, k := range []int{1, 2} {
		if !s.Watch(now, "wg0", key(k)) {
			t.Error("no watch")
		}
	}
	s.Watch(now, "wg0", whole)
	if !s.Watched(now, "wg0") || s.Watched(now, "wg1") {
		t.Error("wg0 is not watched, or wg1 is")
	}
	at(41*time.Second, 4100, 41) // since the start: nobody knows when
	at(42*time.Second, 4200, 42)
	at(43500*time.Millisecond, 4350, 42)
	at(44*time.Second, 4350, 50)
	at(45*time.Second, 10, 5) // reset
	want := Series{Start: start.Add(41 * time.Second), Step: time.Second, Rx: []int64{100, 100, 50, 10}, Tx: []int64{1, 0, 8, 5}}
	check := func(name string, got Series, ok bool, want Series) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s: ok %v (-want +got)\n%s", name, ok, diff)
		}
	}
	now = start.Add(45 * time.Second)
	got, ok := s.Seconds(now, "wg0", key(1))
	check("peer", got, ok, want)
	got, ok = s.Seconds(now, "wg0", whole)
	check("interface", got, ok, want)
	got, ok = s.Seconds(now, "wg0", key(2)) // never moved: zero since ever
	check("idle peer", got, ok, Series{Start: start, Step: time.Second, Rx: make([]int64, 45), Tx: make([]int64, 45)})

	// The minutes have the same bytes.
	at(60*time.Second, 10, 5)
	got, ok = s.Minutes(start.Add(time.Minute), "wg0", key(1))
	check("minute", got, ok, Series{Start: start, Step: time.Minute, Rx: []int64{4360}, Tx: []int64{55}})
}

func TestWatchEnds(t *testing.T) {
	s := New(start)
	after := func(d time.Duration) time.Time { return start.Add(d) }
	s.Watch(start, "wg0", whole)
	s.Watch(after(20*time.Second), "wg0", whole)
	if !s.Watched(after(49*time.Second), "wg0") || s.Watched(after(50*time.Second), "wg0") {
		t.Error("not watched for 30 s after the last Watch")
	}
	for n := range 60 {
		s.Record(after(time.Duration(n)*time.Second), "wg0", nil)
	}
	if got, ok := s.Seconds(after(time.Minute), "wg0", whole); ok {
		t.Errorf("unwatched: %v", got)
	}
	if len(s.watched) != 0 {
		t.Errorf("%d watched", len(s.watched))
	}
	for n := range maxWatched {
		if !s.Watch(after(time.Minute), fmt.Sprint("wg", n), whole) {
			t.Fatalf("watch %d refused", n)
		}
	}
	if s.Watch(after(time.Minute), "more", whole) {
		t.Error("one too many")
	}
	if !s.Watch(after(time.Minute), "wg3", whole) {
		t.Error("what is watched cannot be watched on")
	}
	s.Remove("wg4") // never recorded
	if s.Watched(after(time.Minute), "wg4") || !s.Watch(after(time.Minute), "wg4", whole) {
		t.Error("an interface that was removed before it was read is watched")
	}
	s.Record(after(time.Minute), "wg3", nil)
	s.Remove("wg3")
	if s.Watched(after(time.Minute), "wg3") || !s.Watch(after(time.Minute), "more", whole) {
		t.Error("a removed interface is watched")
	}
	if !s.Watch(after(91*time.Second), "again", whole) || len(s.watched) != 1 {
		t.Errorf("%d watched when all have ended", len(s.watched))
	}
}

func TestTwoMinutesOfSeconds(t *testing.T) {
	s := New(start)
	var now time.Time
	for n := range 500 {
		now = start.Add(time.Duration(n) * time.Second)
		s.Watch(now, "wg0", whole)
		s.Record(now, "wg0", []Sample{{key(1), uint64(n) * 8, uint64(n)}})
	}
	got, ok := s.Seconds(now, "wg0", whole)
	if !ok || len(got.Rx) != 120 || !got.Start.Equal(now.Add(-2*time.Minute)) {
		t.Fatalf("%d steps from %v", len(got.Rx), got.Start)
	}
	for n := range got.Rx {
		if got.Rx[n] != 8 || got.Tx[n] != 1 {
			t.Fatalf("step %d: %d %d", n, got.Rx[n], got.Tx[n])
		}
	}
}
