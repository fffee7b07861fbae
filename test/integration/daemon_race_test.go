package integration

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// TestDaemonRaces: reloads of the daemon and of netifd, setups, teardowns, renews,
// changed configurations and deleted devices, all at once and each by the program
// that does it on a router. No change is lost or applied by half, netifd is told of
// nothing that it has taken down, and nothing is left when all is over.
func TestDaemonRaces(t *testing.T) {
	const many = 3 * time.Second
	random := newRandom(t)
	seed := random.Uint64()
	l := newLab(t, anyDraft(random).text)
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	d := l.StartDaemon()
	ctx, cancel := context.WithTimeout(t.Context(), many)
	defer cancel()
	var busy sync.WaitGroup
	each := func(stream uint64, pause time.Duration, do func(random *rand.Rand)) {
		busy.Go(func() {
			random := rand.New(rand.NewPCG(seed, stream))
			for ctx.Err() == nil {
				do(random)
				time.Sleep(time.Duration(random.Int64N(int64(pause))))
			}
		})
	}
	// What comes between two of the others may be refused or find nothing.
	call := func(object, method string) { _, _ = l.Call(object, method, nil) }
	each(1, 30*time.Millisecond, func(random *rand.Rand) {
		text := anyDraft(random).text
		if random.IntN(2) == 0 { // netifd itself has something to do then
			text = strings.Replace(text, "'wireguard'", "'wireguard'\n\toption metric '7'", 1)
		}
		l.Configure(text)
	})
	each(2, 20*time.Millisecond, func(*rand.Rand) { call("wireguard", "reload") })
	each(3, 20*time.Millisecond, func(*rand.Rand) { d.Signal(unix.SIGHUP) })
	each(4, 200*time.Millisecond, func(*rand.Rand) { call("network", "reload") })
	each(5, 300*time.Millisecond, func(random *rand.Rand) {
		call("network.interface.wg0", []string{"up", "down", "up", "renew"}[random.IntN(4)])
	})
	each(6, time.Second, func(*rand.Rand) {
		// As `ip link delete`; wireguard-go sees it and ends.
		if link, err := l.Links().LinkByName("wg0"); err == nil {
			_ = l.Links().LinkDel(link)
		}
	})
	busy.Wait()

	last := anyDraft(random)
	l.Configure(last.text)
	l.Reload()
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	l.awaitHandlers()
	await(t, "a reload that finds nothing to do", func() bool {
		got := l.reloadDaemon()
		return got.Error == "" && len(got.Refused)+len(got.Changed) == 0 && l.Status("wg0").Up
	})
	l.isAs(last)
	mustPing(t, l.Host, "10.0.0.2")

	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	for range 5 {
		l.reloadDaemon()
	}
	if _, err := router.TryDevice(l.Host, "wg0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the device after teardown: %v", err)
	}
	equal(t, "told of an interface that is down", l.Strays(), nil)
	for _, line := range d.Log() {
		if strings.Contains(line, "panic") || strings.Contains(line, "still under way") {
			t.Errorf("the log has: %s", line)
		}
	}
}
