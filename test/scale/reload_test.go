package scale

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/internal/daemon"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/wggo"
)

// timed are devices that say how long their reading takes.
type timed struct {
	wgdev.Devices
	reading atomic.Int64 // nanoseconds, in all
}

func (t *timed) Read(name string) (plan.Actual, error) {
	begin := time.Now()
	defer func() { t.reading.Add(int64(time.Since(begin))) }()
	return t.Devices.Read(name)
}

// BenchmarkReload is the daemon's reload when one of many peers was changed, from the
// call to its answer, when the device has the new value. `read-ms` is what of it is
// the reading of the device, and `rest-ms` all else; medians both.
func BenchmarkReload(b *testing.B) {
	netns.Require(b)
	wggo.Require(b)
	warm(b)
	for _, peers := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) { newLab(b).reload(peers) })
	}
}

func (l *lab) reload(peers int) {
	texts := changes(peers, 1)
	l.write(texts[1])
	l.up()
	defer l.down()
	devices := &timed{Devices: l.sys.Devices}
	l.sys.Devices = devices
	d := daemon.New(daemon.Options{
		System: l.sys, Names: &resolve.Names{DNS: resolve.System()}, Network: rtnl.NewSystem(), Clock: clock.NewSystem(),
		Random: func() float64 { return 0.5 }, Log: logline.New(io.Discard),
	})
	ctx, cancel := context.WithCancel(l.b.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	reload := func(n, changed int) {
		r := d.Reload(ctx, "")
		if r.Err != nil || changed > 0 && (len(r.Interfaces) != 1 || len(r.Interfaces[0].Changed) != changed) {
			l.b.Fatalf("reload %d: %+v", n, r)
		}
	}
	reload(0, 0) // it has begun
	var reading, rest []float64
	for n := 0; l.b.Loop(); n++ {
		l.untimed(func() {
			l.write(texts[n%2])
			time.Sleep(time.Second) // what comes after an answer is over
			runtime.GC()            // and the garbage of it gone
		})
		before, begin := devices.reading.Load(), time.Now()
		reload(n, 1)
		total, read := time.Since(begin), time.Duration(devices.reading.Load()-before)
		reading, rest = append(reading, 1000*read.Seconds()), append(rest, 1000*(total-read).Seconds())
	}
	slices.Sort(reading)
	slices.Sort(rest)
	l.b.ReportMetric(reading[len(reading)/2], "read-ms")
	l.b.ReportMetric(rest[len(rest)/2], "rest-ms")
	cancel()
	if err := <-done; err != nil {
		l.b.Error(err)
	}
}
