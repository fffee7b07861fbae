package integration

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// clock is the machine's. The end of the test sets it right.
type clock struct {
	t     testing.TB
	start time.Time
}

func newClock(t testing.TB) *clock {
	t.Helper()
	need.VM(t)
	c := &clock{t, time.Now()}
	t.Cleanup(func() { c.wrong(0) })
	return c
}

// wrong sets the clock, as far from what is right.
func (c *clock) wrong(by time.Duration) {
	c.t.Helper()
	// What has passed is measured by another clock, which nobody sets.
	now := c.start.Add(time.Since(c.start)).Add(by)
	ts := unix.NsecToTimespec(now.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		c.t.Fatalf("set the clock: %v", err)
	}
}

const day = 24 * time.Hour

// farWaits has far send nothing to us before it has heard of us again, while our
// device is gone: 15 s after it was not answered, which is not long on a slow machine,
// it starts a handshake by itself, and that is dated right.
func (l *lab) farWaits() {
	l.t.Helper()
	router.Configure(l.t, l.far, farDevice, wgtypes.Config{Peers: []wgtypes.PeerConfig{{
		PublicKey: public(us), UpdateOnly: true, Endpoint: udpAddr("192.0.2.200:9"),
	}}})
}

// TestClockGoesForward, as when a router has been told the time: the session goes
// on, and the next handshake is dated right.
func TestClockGoesForward(t *testing.T) {
	c := newClock(t)
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.Host, "10.0.0.2")
	before := l.peerOf("wg0", them).LastHandshakeTime

	c.wrong(400 * day)
	mustPing(t, l.Host, "10.0.0.2")
	mustPing(t, l.far, "10.0.0.1")
	if after := l.peerOf("wg0", them).LastHandshakeTime; !after.Equal(before) {
		t.Errorf("the clock cost a handshake: %v, before %v", after, before)
	}
	l.handle("renew", "wg0")
	mustPing(t, l.Host, "10.0.0.2")

	// Far is new, and knows no session.
	router.Configure(t, l.far, farDevice, wgtypes.Config{ReplacePeers: true, Peers: []wgtypes.PeerConfig{{
		PublicKey: public(us), AllowedIPs: ipNets("10.0.0.0/24"), Endpoint: udpAddr("192.0.2.1:51820"),
	}}})
	mustPing(t, l.far, "10.0.0.1")
	p := l.status().Interfaces["wg0"].Peers[0]
	equal(t, "state", p.State, "connected")
	if p.HandshakeAge < 0 || p.HandshakeAge >= handshakeValid {
		t.Errorf("the handshake just now is %d s old", p.HandshakeAge)
	}
}

// TestClockGoesBack, as when a router without a clock of its own starts: far has
// seen handshakes of a later time and takes none of an earlier one, which is the
// protocol's guard against replay. The interface comes up all the same, and the
// tunnel when the time is right, with nobody's help (openwrt/openwrt#9408,
// openwrt/openwrt#24721).
func TestClockGoesBack(t *testing.T) {
	c := newClock(t)
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.Host, "10.0.0.2")

	c.wrong(-400 * day)
	mustPing(t, l.Host, "10.0.0.2") // The session has no date.
	p := l.status().Interfaces["wg0"].Peers[0]
	if p.HandshakeAge > 0 || p.State == "connecting" {
		t.Errorf("the handshake in the future is %d s old, and the peer %s", p.HandshakeAge, p.State)
	}

	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	l.farWaits()
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	l.awaitHandlers()
	index := l.Link("wg0").Attrs().Index
	if err := l.Command("ping", "-n", "-q", "-c", "1", "-W", "2", "10.0.0.2").Run(); err == nil {
		t.Error("far took a handshake of an earlier time: this test shows nothing")
	}
	equal(t, "state", l.status().Interfaces["wg0"].Peers[0].State, "connecting")

	c.wrong(0)
	// WireGuard tries again every five seconds.
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = l.Ping("10.0.0.2"); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "index of wg0", l.Link("wg0").Attrs().Index, index)
	p = l.status().Interfaces["wg0"].Peers[0]
	equal(t, "state", p.State, "connected")
	if p.HandshakeAge < 0 || p.HandshakeAge >= handshakeValid {
		t.Errorf("the handshake just now is %d s old", p.HandshakeAge)
	}
}
