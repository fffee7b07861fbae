package daemon

import (
	"runtime/debug"
	"sync"
	"time"
)

// restTime is after how much rest memory is given back: what a reload or a status
// of thousands of peers took is not needed until the next one.
const restTime = 5 * time.Second

// heavyFrom is from how many peers on work counts as heavy. Fewer take less than
// the runtime keeps anyway.
const heavyFrom = 512

// thrift gives memory back to the system when heavy work is over. The zero value
// is ready.
type thrift struct {
	mu    sync.Mutex
	timer *time.Timer
}

// heavy notes that work on so many peers was done.
func (t *thrift) heavy(peers int) {
	if peers < heavyFrom {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer == nil {
		t.timer = time.AfterFunc(restTime, debug.FreeOSMemory)
		return
	}
	t.timer.Reset(restTime)
}

// stop ends it.
func (t *thrift) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
}
