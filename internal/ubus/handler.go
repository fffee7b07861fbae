package ubus

import (
	"sync"
)

const (
	// maxHandlers and maxHandled bound the calls that are served at a time
	// on one link, by number and by the bytes of their arguments.
	maxHandlers = 64
	maxHandled  = 4 << 20

	// maxQueued and maxQueuedBytes bound what waits for one subscription's
	// or listener's handler; ubusd keeps 1 MiB for a client.
	maxQueued      = 256
	maxQueuedBytes = 1 << 20
)

// budget counts the handlers that run.
type budget struct {
	mu    sync.Mutex
	count int
	bytes int
}

// take enters one handler of that many bytes and reports whether it may run.
// One may always run, however large.
func (b *budget) take(bytes int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count >= maxHandlers || b.count > 0 && b.bytes+bytes > maxHandled {
		return false
	}
	b.count++
	b.bytes += bytes
	return true
}

func (b *budget) release(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count--
	b.bytes -= bytes
}

// queue runs functions one after another, in a goroutine that exists as long as
// there are any. The zero value is ready.
type queue struct {
	mu      sync.Mutex
	waiting []job
	bytes   int
	running bool
	closed  bool
	dropped uint64
}

type job struct {
	run   func()
	bytes int
}

// add appends a function that holds that many bytes, unless too much waits
// already or the queue is closed.
func (q *queue) add(bytes int, run func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if len(q.waiting) >= maxQueued || len(q.waiting) > 0 && q.bytes+bytes > maxQueuedBytes {
		q.dropped++
		return false
	}
	q.waiting = append(q.waiting, job{run, bytes})
	q.bytes += bytes
	if !q.running {
		q.running = true
		go q.work()
	}
	return true
}

func (q *queue) work() {
	for {
		q.mu.Lock()
		if q.closed || len(q.waiting) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		j := q.waiting[0]
		q.waiting[0] = job{}
		q.waiting = q.waiting[1:]
		q.bytes -= j.bytes
		q.mu.Unlock()
		j.run()
	}
}

// close forgets what waits and takes nothing any more. A function that runs is
// not waited for.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.waiting = nil
}

// drops is how many functions were not taken because too much was waiting.
func (q *queue) drops() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
