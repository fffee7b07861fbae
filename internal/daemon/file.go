package daemon

import (
	"os"
	"time"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Between tries of a configuration that cannot be read.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// retryReload reads the configuration again after a while.
func (d *Daemon) retryReload() {
	q := &d.reloads
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.again != nil || q.ended {
		return
	}
	q.delay = min(max(2*q.delay, firstRetry), lastRetry)
	q.again = time.AfterFunc(q.delay, func() {
		q.mu.Lock()
		q.again = nil
		q.mu.Unlock()
		d.Reload(d.root, "")
	})
}

func (d *Daemon) calmRetry() {
	q := &d.reloads
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.again != nil {
		q.again.Stop()
	}
	q.again, q.delay = nil, 0
}

// freshTime is for how long a file that is written may stand still before the next
// piece of it comes.
const freshTime = 2 * time.Second

// mistrust is to be called before the configuration is read: if the file has been
// written so lately that more may follow, it looks later whether more did. What a
// half file has is right as far as it goes, and nobody tells of the rest. A file
// that was put in the place of the old one, as uci does, is whole.
func (d *Daemon) mistrust() {
	was, err := d.o.System.Dir.Stat(schema.PackageName)
	if err != nil {
		return // Reading says why.
	}
	if age := time.Since(was.ModTime()); age.Abs() > freshTime {
		return
	}
	q := &d.reloads
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return
	}
	if q.settled != nil {
		q.settled.Stop()
	}
	q.settled = time.AfterFunc(freshTime, func() {
		now, err := d.o.System.Dir.Stat(schema.PackageName)
		if err == nil && os.SameFile(was, now) && (now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime())) {
			d.Reload(d.root, "")
		}
	})
}

// endReloads refuses reloads from now on.
func (d *Daemon) endReloads() {
	q := &d.reloads
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	for _, t := range []*time.Timer{q.again, q.settled} {
		if t != nil {
			t.Stop()
		}
	}
}
