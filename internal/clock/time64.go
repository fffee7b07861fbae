package clock

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's calls are made here with times of 64 bits on all machines: those of
// 32 bits end in January 2038, and a kernel may be built without them. Both kinds
// of machine then take the same structures. The 64-bit calls of 32-bit machines
// came with Linux 5.1.

// timex is struct __kernel_timex of linux/timex.h. Only status is read.
type timex struct {
	modes                                     uint32
	_                                         int32
	offset, freq, maxerror, esterror          int64
	status                                    int32
	_                                         int32
	constant, precision, tolerance, sec, usec int64
	tick, ppsfreq, jitter                     int64
	shift                                     int32
	_                                         int32
	stabil, jitcnt, calcnt, errcnt, stbcnt    int64
	tai                                       int32
	_                                         [11]int32
}

// timespec is struct __kernel_timespec of linux/time_types.h.
type timespec struct {
	seconds int64
	_       int64 // nanoseconds
}

// adjtime is clock_adjtime(2) for the machine's clock. The state is TIME_OK,
// TIME_ERROR, or one around a leap second.
func adjtime(t *timex) (state int, err error) {
	r, _, errno := syscall.Syscall(sysClockAdjtime, unix.CLOCK_REALTIME, uintptr(unsafe.Pointer(t)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}

// arm is timerfd_settime(2) for one expiry at a time of the clock, which a step of
// the clock cancels.
func arm(fd uintptr, at timespec) error {
	value := [2]timespec{{}, at} // interval, first
	_, _, errno := syscall.Syscall6(sysTimerfdSettime, fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET,
		uintptr(unsafe.Pointer(&value)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
