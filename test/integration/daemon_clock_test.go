package integration

import (
	"testing"
	"time"
)

// TestDaemonClock: a router that starts in the past. Far takes none of its
// handshakes, and the status says why; once the clock is set the tunnel is up within
// seconds. Both ways, and again (openwrt/openwrt#9408, openwrt/openwrt#24721).
func TestDaemonClock(t *testing.T) {
	c := newClock(t)
	c.wrong(0)
	l := newLab(t, simple("\toption persistent_keepalive '25'\n"))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	l.StartDaemon()
	state := func(p peerState) string { return p.State + " " + p.Reason }
	await := func(want string) {
		t.Helper()
		begin := time.Now()
		l.awaitPeer(them, want, func(p peerState) bool { return state(p) == want })
		t.Logf("%q after %v", want, time.Since(begin))
	}
	// The device is made anew, and far has seen a later time.
	restart := func() {
		t.Helper()
		l.Tell("wg0", "down")
		l.AwaitDown("wg0")
		l.farWaits()
		l.Tell("wg0", "up")
		l.AwaitUp("wg0")
	}
	await("connected ")

	c.wrong(-400 * day)
	mustPing(t, l.Host, "10.0.0.2") // The session has no date.
	await("connected ")
	restart()
	await("connecting clock")
	c.wrong(0)
	await("connected ")
	mustPing(t, l.Host, "10.0.0.2")

	// To the future, which far then has seen, and back to what is right.
	c.wrong(400 * day)
	await("connected ")
	mustPing(t, l.Host, "10.0.0.2")
	restart()
	await("connected ")
	mustPing(t, l.Host, "10.0.0.2") // The handshake is ours, and what was said not of before.
	c.wrong(0)
	await("connected ")
	mustPing(t, l.Host, "10.0.0.2")
	restart()
	await("connecting clock")
	synchronise(t)
	await("connecting no-answer") // It is far's that is wrong, as far as we can know.
	c.wrong(401 * day)
	await("connected ")
	mustPing(t, l.Host, "10.0.0.2")
	synchronise(t) // of what comes after
}
