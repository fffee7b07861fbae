package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// never is a time that no clock comes to: the kernel takes what is more than it
// can count for as much as it can (KTIME_MAX, in the year 2262).
var never = timespec{seconds: math.MaxInt64}

// Watch implements Clock. The error is that of ctx when that ended.
func (s *System) Watch(ctx context.Context, stepped func()) error {
	timer, err := openTimer()
	if err != nil {
		return fmt.Errorf("watch the clock: %w", err)
	}
	defer timer.Close()
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = timer.SetReadDeadline(time.Unix(1, 0)) // The reader wakes up.
	})
	defer func() {
		if !stop() {
			<-stopped
		}
	}()
	err = watchTimer(timer, stepped)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("watch the clock: %w", err)
}

// openTimer opens a timer that Go's runtime waits for: no thread is spent on it.
func openTimer() (*os.File, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return os.NewFile(uintptr(fd), "timerfd"), nil
}

// watchTimer calls stepped for every step that the timer tells of, until it fails.
func watchTimer(timer *os.File, stepped func()) error {
	conn, err := timer.SyscallConn()
	if err != nil {
		return err
	}
	var armed error
	if err := conn.Control(func(fd uintptr) { armed = arm(fd, never) }); err != nil {
		return err
	}
	if armed != nil {
		return os.NewSyscallError("timerfd_settime", armed)
	}
	var expirations [8]byte
	for {
		// A timer that was cancelled once tells of the next step too: it need not be
		// armed again, and no step falls between.
		if _, err := timer.Read(expirations[:]); !errors.Is(err, unix.ECANCELED) {
			return err
		}
		stepped()
	}
}
