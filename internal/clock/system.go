package clock

import (
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// built is when the program's source was committed, in seconds of Unix time. The
// linker sets it; see the Makefile.
var built string

// floor is the build date where the linker was told none: the project's first
// days.
var floor = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// BuildDate returns the date that no right time is before.
func BuildDate() time.Time {
	seconds, err := strconv.ParseInt(built, 10, 64)
	if err != nil || time.Unix(seconds, 0).Before(floor) {
		return floor
	}
	return time.Unix(seconds, 0)
}

// tolerance is how far a clock that was right may be set without counting as
// wrong: what ntpd corrects after hours without an answer. The kernel allows for
// 0.5 ms a second (NTP's MAXFREQ), which makes it after more than a day.
const tolerance = time.Minute

// System is the Clock of the machine. Make one with NewSystem and keep it: it
// remembers that the time was right.
type System struct {
	start time.Time

	mu    sync.Mutex
	right *reading // the last of a time that was right; nil: none
}

// reading is what the clock and one that nobody sets show at the same time.
type reading struct {
	wall time.Time
	mono time.Duration // since some start
}

var _ Clock = (*System)(nil)

// NewSystem returns the machine's clock.
func NewSystem() *System { return &System{start: time.Now()} }

// State implements Clock.
func (s *System) State() State {
	synchronised := synchronised()
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge(reading{wall: now.Round(0), mono: now.Sub(s.start)}, synchronised)
}

// judge returns the state, and remembers whether the time is right.
func (s *System) judge(now reading, synchronised bool) State {
	past := now.wall.Before(BuildDate())
	switch {
	case past:
		s.right = nil
	case synchronised:
		s.right = &now
	case s.right != nil && now.stepSince(*s.right).Abs() > tolerance:
		s.right = nil
	}
	return State{Set: s.right != nil, Synchronised: synchronised, Past: past}
}

// stepSince returns by how much the clock was set since an earlier reading.
func (r reading) stepSince(before reading) time.Duration {
	return r.wall.Sub(before.wall) - (r.mono - before.mono)
}

// synchronised asks the kernel. Where it does not answer, as in some containers,
// nobody knows of anyone who keeps the time right.
func synchronised() bool {
	var t timex // modes is 0: nothing is changed
	state, err := adjtime(&t)
	return err == nil && state != unix.TIME_ERROR && t.status&unix.STA_UNSYNC == 0
}
