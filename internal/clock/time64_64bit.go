//go:build !386 && !arm && !mips && !mipsle

package clock

import "golang.org/x/sys/unix"

const (
	sysClockAdjtime   = unix.SYS_CLOCK_ADJTIME
	sysTimerfdSettime = unix.SYS_TIMERFD_SETTIME
)
