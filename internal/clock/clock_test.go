package clock

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"
)

const day = 24 * time.Hour

func TestJudge(t *testing.T) {
	right := BuildDate().Add(100 * day)
	type step struct {
		wall         time.Time
		mono         time.Duration
		synchronised bool
		want         State
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a router that starts in the past", []step{
			{BuildDate().Add(-day), 0, false, State{Past: true}},
			{BuildDate().Add(-time.Second), day - time.Second, false, State{Past: true}},
			{right, day, false, State{}}, // ntpd has set it, and is not sure yet
			{right.Add(time.Minute), day + time.Minute, true, State{Set: true, Synchronised: true}},
		}},
		{"synchronised to a time that is certainly wrong", []step{
			{BuildDate().Add(-day), 0, true, State{Past: true, Synchronised: true}},
		}},
		{"on the build date", []step{
			{BuildDate(), 0, true, State{Set: true, Synchronised: true}},
		}},
		{"nobody answers ntpd any more", []step{
			{right, 0, true, State{Set: true, Synchronised: true}},
			{right.Add(9 * time.Hour), 9 * time.Hour, false, State{Set: true}},
			{right.Add(day), day, false, State{Set: true}},
		}},
		{"ntpd corrects it a little", []step{
			{right, 0, true, State{Set: true, Synchronised: true}},
			{right.Add(day + 20*time.Second), day, false, State{Set: true}},
			{right.Add(day + 21*time.Second), day + time.Second, true, State{Set: true, Synchronised: true}},
		}},
		{"somebody sets it back", []step{
			{right, 0, true, State{Set: true, Synchronised: true}},
			{right.Add(-day), time.Second, false, State{}},
			{right.Add(time.Hour), time.Hour, false, State{}},
			{right.Add(time.Hour + 1), time.Hour + 1, true, State{Set: true, Synchronised: true}},
		}},
		{"little by little", []step{
			{right, 0, true, State{Set: true, Synchronised: true}},
			{right.Add(time.Hour + 40*time.Second), time.Hour, false, State{Set: true}},
			{right.Add(2*time.Hour + 80*time.Second), 2 * time.Hour, false, State{}},
		}},
		{"back before the build date", []step{
			{right, 0, true, State{Set: true, Synchronised: true}},
			{BuildDate().Add(-day), time.Second, false, State{Past: true}},
			{right.Add(2 * time.Second), 2 * time.Second, false, State{}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSystem()
			for n, st := range tt.steps {
				if got := s.judge(reading{st.wall, st.mono}, st.synchronised); got != st.want {
					t.Errorf("step %d: %+v, want %+v", n, got, st.want)
				}
			}
		})
	}
}

func TestBuildDate(t *testing.T) {
	defer func(was string) { built = was }(built)
	later := floor.Add(day)
	for in, want := range map[string]time.Time{
		"":                                       floor,
		"unknown":                                floor,
		"0":                                      floor,
		strconv.FormatInt(later.Unix(), 10):      later,
		strconv.FormatInt(floor.Unix()-1, 10):    floor,
		"99999999999999999999999999999999999999": floor,
	} {
		built = in
		if got := BuildDate(); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

// TestState: the kernel answers, and says what adjtimex(2) says.
func TestState(t *testing.T) {
	var tx timex
	before := time.Now().Unix()
	state, err := adjtime(&tx)
	if err != nil || state < 0 || state > 5 {
		t.Fatalf("state %d, %v", state, err)
	}
	if tx.tick < 9000 || tx.tick > 11000 || tx.sec+1 < before {
		t.Errorf("the structure is not the kernel's: tick %d µs, time %d s", tx.tick, tx.sec)
	}
	s := NewSystem()
	if got := s.State(); got.Past || got.Set && !got.Synchronised {
		t.Errorf("%+v", got)
	}
}

// TestWatchEnds: a Watch ends with its ctx and leaves no file open.
func TestWatchEnds(t *testing.T) {
	files := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	once := func() {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- NewSystem().Watch(ctx, func() { t.Error("nobody set the clock") }) }()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
	}
	once() // Go's poller has files of its own.
	before := files()
	for range 100 {
		once()
	}
	if after := files(); after > before {
		t.Errorf("%d files are open, %d before", after, before)
	}
}

type told struct {
	State
	stepped bool
}

func TestFollow(t *testing.T) {
	f := &Fake{}
	ctx, cancel := context.WithCancel(t.Context())
	tells := make(chan told)
	ended := make(chan error, 1)
	go func() {
		ended <- follow(ctx, f, time.Millisecond, func(s State, stepped bool) {
			select {
			case tells <- told{s, stepped}:
			case <-ctx.Done():
			}
		})
	}()
	expect := func(want told) {
		t.Helper()
		if got := <-tells; got != want {
			t.Errorf("told of %+v, want %+v", got, want)
		}
	}
	expect(told{})
	for f.Watched() == 0 {
		time.Sleep(time.Millisecond)
	}
	f.Put(State{Past: true})
	expect(told{State{Past: true}, false})
	f.Step(State{})
	for got := range tells { // A poll can come before the step.
		if got.State != (State{}) {
			t.Errorf("told of %+v", got)
		}
		if got.stepped {
			break
		}
	}
	f.Put(State{Set: true, Synchronised: true})
	expect(told{State{Set: true, Synchronised: true}, false})
	f.Step(State{Set: true})
	expect(told{State{Set: true}, true})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := f.Watched(); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}
