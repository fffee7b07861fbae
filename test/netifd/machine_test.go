package netifd

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// The recordings are full of times, and a machine may be busy with other things
// for as long as they are. A case that fails while the machine is late says
// nothing, and is tried again, without the others; one that fails on a machine
// that is not has failed.

const (
	// lateMachine is how late, in seconds, a machine has to be for another try.
	lateMachine = 0.05
	maxTries    = 4
)

// alone is held by cases that run beside others, and wholly by one that has to
// have the machine for itself.
var alone sync.RWMutex

// runCase runs a case as a test of its own, beside others.
func runCase(t *testing.T, f func(t testing.TB, m *machine)) {
	t.Parallel()
	for try := 1; ; try++ {
		unlock := alone.RUnlock
		if try == 1 {
			alone.RLock()
		} else {
			alone.Lock()
			unlock = alone.Unlock
		}
		m := watchMachine()
		problems := attempt(t, func(t testing.TB) { f(t, m) })
		m.stop()
		unlock()
		if problems == "" {
			return
		}
		if late := m.late(); late < lateMachine || try == maxTries {
			t.Errorf("%s(the machine was up to %.2f s late)", problems, late)
			return
		}
	}
}

// A machine tells how late it is.
type machine struct {
	mu      sync.Mutex
	latest  float64
	stopped chan struct{}
	done    chan struct{}
}

// watchMachine looks, again and again, how long it takes to wake up and to run a
// shell that does nothing.
func watchMachine() *machine {
	const pause = 50 * time.Millisecond
	m := &machine{stopped: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for begun := time.Now(); ; begun = time.Now() {
			select {
			case <-m.stopped:
				return
			case <-time.After(pause):
			}
			_ = exec.Command("/bin/sh", "-c", ":").Run() // only its time counts
			m.mu.Lock()
			m.latest = max(m.latest, (time.Since(begun) - pause).Seconds())
			m.mu.Unlock()
		}
	}()
	return m
}

// late is by how many seconds at most.
func (m *machine) late() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.latest
}

func (m *machine) stop() {
	close(m.stopped)
	<-m.done
}

// A trial is a test of which the failure is not yet one.
type trial struct {
	testing.TB // nil: what is not replaced here panics

	name     string
	problems strings.Builder
	cleanups []func()
}

// attempt runs f as a test in a goroutine of its own, and returns what failed.
func attempt(t *testing.T, f func(t testing.TB)) (problems string) {
	tr := &trial{name: t.Name()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for k := len(tr.cleanups) - 1; k >= 0; k-- {
				tr.cleanups[k]()
			}
		}()
		f(tr)
	}()
	<-done
	return tr.problems.String()
}

func (t *trial) Helper()          {}
func (t *trial) Name() string     { return t.name }
func (t *trial) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }
func (t *trial) Failed() bool     { return t.problems.Len() > 0 }

// Errorf and its like add to the problems; logs are only written of a failure.
func (t *trial) Errorf(format string, args ...any) { fmt.Fprintf(&t.problems, format+"\n", args...) }
func (t *trial) Error(args ...any)                 { fmt.Fprintln(&t.problems, args...) }
func (t *trial) Logf(format string, args ...any)   { t.Errorf(format, args...) }

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) Fatal(args ...any) {
	t.Error(args...)
	runtime.Goexit()
}
