package daemon

import (
	"sync"
	"time"
)

// maxLookups is how many names are looked up at a time: each holds two sockets,
// of the 1,024 that a process on OpenWrt may have.
const maxLookups = 128

// lookupTime is how long one may take: Go's resolver asks each server for 5 s, and
// all of them twice.
const lookupTime = 15 * time.Second

// lookups runs look-ups, as many at a time as there may be. The zero value is
// ready.
type lookups struct {
	mu      sync.Mutex
	queue   []func()
	running int
}

// put has a look-up run as soon as there is room.
func (l *lookups) put(job func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, job)
	if l.running < maxLookups {
		l.running++
		go l.work()
	}
}

func (l *lookups) work() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.running--
			l.queue = nil // and the memory that a burst took
			l.mu.Unlock()
			return
		}
		job := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()
		job()
	}
}
