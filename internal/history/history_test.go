package history

import (
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// start is a full minute.
var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// whole is the key that stands for the interface.
var whole schema.Key

func key(n int) (k schema.Key) {
	k[0], k[1], k[2], k[31] = byte(n), byte(n>>8), byte(n>>16), 1
	return k
}

// reading is one call of Record for the peer 1 of wg0.
type reading struct {
	at     time.Duration
	rx, tx uint64
	absent bool
}

// play records readings and returns the store.
func play(from time.Time, readings []reading) *Store {
	s := New(from)
	for _, r := range readings {
		var peers []Sample
		if !r.absent {
			peers = []Sample{{key(1), r.rx, r.tx}}
		}
		s.Record(from.Add(r.at), "wg0", peers)
	}
	return s
}

func TestMinutes(t *testing.T) {
	const m = time.Minute
	for _, c := range []struct {
		name     string
		from     time.Duration // after start
		readings []reading
		start    time.Duration // after start
		rx, tx   []int64
	}{
		{
			name:     "first sight is a base",
			readings: []reading{{0, 5000, 7000, false}, {m, 5100, 7010, false}},
			rx:       []int64{100}, tx: []int64{10},
		},
		{
			name:     "the running minute is left out",
			readings: []reading{{0, 0, 0, false}, {m, 60, 60, false}, {m + 30*time.Second, 90, 90, false}},
			rx:       []int64{60}, tx: []int64{60},
		},
		{
			name:     "over a boundary by time",
			readings: []reading{{30 * time.Second, 0, 0, false}, {90 * time.Second, 1001, 1, false}, {2 * m, 1001, 1, false}},
			rx:       []int64{500, 501}, tx: []int64{0, 1},
		},
		{
			name:     "started within a minute",
			from:     20 * time.Second,
			readings: []reading{{0, 0, 0, false}, {40 * time.Second, 40, 0, false}, {100 * time.Second, 100, 0, false}},
			rx:       []int64{40, 60}, tx: []int64{0, 0},
		},
		{
			name:     "a missed minute is spread",
			readings: []reading{{0, 0, 0, false}, {3 * m, 300, 3, false}},
			rx:       []int64{100, 100, 100}, tx: []int64{1, 1, 1},
		},
		{
			name:     "many missed minutes are not measured",
			readings: []reading{{0, 0, 0, false}, {m, 1, 1, false}, {7 * m, 300, 3, false}, {8 * m, 305, 3, false}},
			rx:       []int64{1, -1, -1, -1, -1, -1, -1, 5}, tx: []int64{1, -1, -1, -1, -1, -1, -1, 0},
		},
		{
			name:     "many missed minutes without traffic are zero",
			readings: []reading{{0, 0, 0, false}, {m, 1, 1, false}, {7 * m, 1, 1, false}, {8 * m, 6, 1, false}},
			rx:       []int64{1, 0, 0, 0, 0, 0, 0, 5}, tx: []int64{1, 0, 0, 0, 0, 0, 0, 0},
		},
		{
			name:     "device made anew",
			readings: []reading{{0, 1 << 40, 1 << 41, false}, {m, 1<<40 + 5, 1<<41 + 5, false}, {2 * m, 30, 40, false}, {3 * m, 31, 41, false}},
			rx:       []int64{5, 30, 1}, tx: []int64{5, 40, 1},
		},
		{
			name:     "one counter reset",
			readings: []reading{{0, 1000, 1000, false}, {m, 10, 1007, false}},
			rx:       []int64{10}, tx: []int64{7},
		},
		{
			name: "a peer that was away",
			readings: []reading{
				{0, 0, 0, false},
				{m, 10, 20, false},
				{2 * m, 0, 0, true},
				{3 * m, 500, 500, false},
				{4 * m, 501, 502, false},
			},
			rx: []int64{10, -1, -1, 1}, tx: []int64{20, -1, -1, 2},
		},
		{
			name:     "less than 200 ms later is left to the next",
			readings: []reading{{0, 0, 0, false}, {100 * time.Millisecond, 50, 50, false}, {m, 60, 60, false}},
			rx:       []int64{60}, tx: []int64{60},
		},
		{
			name:     "a minute at 10 Gbit/s",
			readings: []reading{{0, 0, 0, false}, {m, 75_000_000_000, 75_000_000_000, false}},
			// Rounded down to a multiple of 2048.
			rx: []int64{75_000_000_000 / 2048 * 2048}, tx: []int64{75_000_000_000 / 2048 * 2048},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := start.Add(c.from)
			s := play(from, c.readings)
			now := from.Add(c.readings[len(c.readings)-1].at)
			got, ok := s.Minutes(now, "wg0", key(1))
			want := Series{Start: start.Add(c.start), Step: m, Rx: c.rx, Tx: c.tx}
			if diff := cmp.Diff(want, got); diff != "" || !ok {
				t.Errorf("ok %v (-want +got)\n%s", ok, diff)
			}
		})
	}
}

// The interface is the sum of its peers, and is measured while it has none.
func TestInterface(t *testing.T) {
	s := New(start)
	at := func(m int, peers ...Sample) { s.Record(start.Add(time.Duration(m)*time.Minute), "wg0", peers) }
	at(0)
	at(1)
	at(2, Sample{key(1), 1000, 1000}, Sample{key(2), 1000, 1000})
	at(3, Sample{key(2), 1006, 1000}, Sample{key(1), 1003, 1001}) // another order
	at(4, Sample{key(2), 1008, 1000})
	now := start.Add(4*time.Minute + 10*time.Second)
	got, ok := s.Minutes(now, "wg0", whole)
	want := Series{Start: start, Step: time.Minute, Rx: []int64{0, 0, 9, 2}, Tx: []int64{0, 0, 1, 0}}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("ok %v (-want +got)\n%s", ok, diff)
	}
	if got, ok := s.Minutes(now, "wg1", whole); ok {
		t.Errorf("wg1: %v", got)
	}
	s.Remove("wg0")
	if got, ok := s.Minutes(now, "wg0", key(2)); ok {
		t.Errorf("after Remove: %v", got)
	}
	if s.rings != 0 {
		t.Errorf("%d rings after Remove", s.rings)
	}
}

// A day is kept, what is older goes, also when nobody reads any more.
func TestDay(t *testing.T) {
	s := New(start)
	const last = 2000
	for m := range last + 1 {
		n := uint64(m) * uint64(m+1) / 2 // m bytes in step m-1
		s.Record(start.Add(time.Duration(m)*time.Minute), "wg0", []Sample{{key(1), n, 0}})
	}
	for _, c := range []struct{ later, steps, first int }{
		{0, 1440, last - 1440},
		{1, 1439, last - 1439},
		{1439, 1, last - 1},
		{1440, 0, 0},
		{5000, 0, 0},
	} {
		now := start.Add(time.Duration(last+c.later) * time.Minute)
		got, ok := s.Minutes(now, "wg0", key(1))
		if len(got.Rx) != c.steps || ok != (c.steps > 0) {
			t.Errorf("%d minutes later: %d steps (%v), want %d", c.later, len(got.Rx), ok, c.steps)
			continue
		}
		if !ok {
			continue
		}
		if want := start.Add(time.Duration(c.first) * time.Minute); !got.Start.Equal(want) {
			t.Errorf("%d minutes later: starts %v, want %v", c.later, got.Start, want)
		}
		for n, rx := range got.Rx {
			if rx != int64(c.first+n+1) {
				t.Fatalf("%d minutes later: step %d is %d, want %d", c.later, n, rx, c.first+n+1)
			}
		}
	}
}

func TestRate(t *testing.T) {
	s := New(start)
	none := func(name string, k schema.Key) {
		t.Helper()
		if rx, tx, ok := s.Rate(name, k); ok {
			t.Errorf("%s: %d %d", name, rx, tx)
		}
	}
	want := func(k schema.Key, rx, tx int64) {
		t.Helper()
		if gotRx, gotTx, ok := s.Rate("wg0", k); gotRx != rx || gotTx != tx || !ok {
			t.Errorf("%d %d %v, want %d %d", gotRx, gotTx, ok, rx, tx)
		}
	}
	none("wg0", whole)
	s.Record(start, "wg0", []Sample{{key(1), 100, 100}})
	none("wg0", whole)
	none("wg0", key(1))
	s.Record(start.Add(2*time.Second), "wg0", []Sample{{key(1), 300, 100}, {key(2), 1e9, 1e9}})
	want(whole, 100, 0)
	want(key(1), 100, 0)
	none("wg0", key(2))
	s.Record(start.Add(2*time.Second+time.Millisecond), "wg0", []Sample{{key(1), 900, 900}}) // too soon
	want(key(1), 100, 0)
	s.Record(start.Add(12*time.Second), "wg0", []Sample{{key(2), 1e9 + 75, 1e9 + 5}})
	want(whole, 7, 0)
	want(key(2), 7, 0)
	none("wg0", key(1))
}

// stepped returns a time as time.Now returns it after the wall clock was set: the
// monotonic reading has not moved with it. There is no way to make one without a
// clock that is really set, hence the look into time.Time, which is checked.
func stepped(t *testing.T, now time.Time, step time.Duration) time.Time {
	t.Helper()
	const hasMonotonic, seconds = 1 << 63, 1 << 30
	got := now
	fields := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&got))
	if fields.wall&hasMonotonic == 0 {
		t.Fatal("no monotonic reading")
	}
	fields.wall += uint64(step/time.Second) * seconds
	if want := now.Round(0).Add(step); !got.Round(0).Equal(want) || got.Sub(now) != 0 {
		t.Fatalf("time.Time is not what it was: %v, want %v with the reading of %v", got, want, now)
	}
	return got
}

// A router without a clock of its own starts in the past, and its clock is set
// later: the history goes on, under the right labels.
func TestClockStep(t *testing.T) {
	for _, step := range []time.Duration{400 * 24 * time.Hour, -3 * time.Hour, time.Second} {
		from := time.Now()
		s := New(from)
		// The first minute may have begun before.
		into := time.Duration(from.Unix()%60)*time.Second + time.Duration(from.Nanosecond())
		minute := func(n int) time.Time { return from.Add(time.Duration(n)*time.Minute - into) }
		s.Watch(minute(3), "wg0", whole)
		for n := 1; n <= 6; n++ {
			now := minute(n)
			if n > 3 {
				now = stepped(t, now, step)
			}
			s.Record(now, "wg0", []Sample{{key(1), uint64(n * 10), uint64(n)}})
		}
		now := stepped(t, minute(6).Add(20*time.Second), step)
		got, ok := s.Minutes(now, "wg0", key(1))
		want := Series{Start: minute(1).Round(0).Add(step), Step: time.Minute, Rx: []int64{10, 10, 10, 10, 10}, Tx: []int64{1, 1, 1, 1, 1}}
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("step %v: ok %v (-want +got)\n%s", step, ok, diff)
		}
		if rx, _, _ := s.Rate("wg0", key(1)); rx != 0 { // 10 bytes in 60 s
			t.Errorf("step %v: rate %d", step, rx)
		}
	}
}
