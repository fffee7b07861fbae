package integration

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	own "github.com/wgnetifd/wgnetifd/internal/clock" // clock is the tests' that is set
)

// synchronise tells the kernel what ntpd does when it trusts its servers.
func synchronise(t testing.TB) {
	t.Helper()
	tx := unix.Timex{Modes: unix.ADJ_STATUS | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR}
	if state, err := unix.Adjtimex(&tx); err != nil || state == unix.TIME_ERROR {
		t.Fatalf("the clock is not synchronised: state %d, %v", state, err)
	}
}

// TestClockSteps: steps are seen, forward and back, and the kernel takes back
// right after each that the clock is synchronised. A time that was right is
// remembered, one that was set to something else is not believed.
func TestClockSteps(t *testing.T) {
	machine := newClock(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := own.NewSystem()
	steps := make(chan struct{}, 100)
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx, func() { steps <- struct{}{} }) }()
	seen := func(by time.Duration, want own.State) {
		t.Helper()
		machine.wrong(by)
		if got := s.State(); got != want {
			t.Errorf("%v away: %+v, want %+v", by, got, want)
		}
		select {
		case <-steps:
		case <-time.After(patience):
			t.Fatalf("nothing was seen of the step to %v away", by)
		}
	}
	// Until the watch is under way.
	for n := 1; len(steps) == 0; n++ {
		machine.wrong(time.Duration(n) * time.Millisecond)
		time.Sleep(time.Millisecond)
	}
	for len(steps) > 0 {
		<-steps
		time.Sleep(10 * time.Millisecond)
	}

	synchronise(t)
	right := own.State{Set: true, Synchronised: true}
	if got := s.State(); got != right {
		t.Fatalf("%+v, want %+v", got, right)
	}
	seen(20*time.Second, own.State{Set: true})
	seen(-20*time.Second, own.State{Set: true})
	seen(400*day, own.State{})
	synchronise(t)
	if got := s.State(); got != right {
		t.Errorf("%+v, want %+v", got, right)
	}
	seen(-4000*day, own.State{Past: true})
	synchronise(t)
	if got, want := s.State(), (own.State{Synchronised: true, Past: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	seen(0, own.State{})
	synchronise(t)
	if got := s.State(); got != right {
		t.Errorf("%+v, want %+v", got, right)
	}
	// On 32 bits, times end in January 2038.
	seen(30*365*day, own.State{})
	seen(0, own.State{})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
