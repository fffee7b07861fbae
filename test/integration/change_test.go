package integration

import (
	"fmt"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// otherPeer is everything that becomes of one peer.
var otherPeer = []struct {
	name    string
	section string
	peers   int // that the device has then
}{
	{"is added", peerSection("other", 5, ""), 2},
	{"gets an allowed IP", peerSection("other", 5, "\tlist allowed_ips '10.7.0.0/16'\n"), 2},
	{"gets routes", peerSection("other", 5, "\tlist allowed_ips '10.7.0.0/16'\n\toption route_allowed_ips '1'\n"), 2},
	{"gets another allowed IP", peerSection("other", 5, "\tlist allowed_ips 'fd00:7::/64'\n\toption route_allowed_ips '1'\n"), 2},
	{"gets an endpoint", peerSection("other", 5, "\toption endpoint_host '192.0.2.77'\n"), 2},
	{"gets another endpoint", peerSection("other", 5, "\toption endpoint_host '2001:db8::77'\n\toption endpoint_port '7'\n"), 2},
	{"gets a keepalive", peerSection("other", 5, "\toption endpoint_host '192.0.2.77'\n\toption persistent_keepalive '1'\n"), 2},
	{"gets a preshared key", peerSection("other", 5, fmt.Sprintf("\toption preshared_key '%s'\n", psk)), 2},
	{"gets another key", peerSection("other", 6, ""), 2},
	{"is wrong", peerSection("other", 6, "\tlist allowed_ips '10.7.0.0/33'\n"), 1},
	{"is right again", peerSection("other", 6, ""), 2},
	{"is switched off", peerSection("other", 6, "\toption disabled '1'\n"), 1},
	{"is switched on", peerSection("other", 6, "\toption description 'other'\n"), 2},
	{"is removed", "", 1},
}

// TestOtherPeerChanges: whatever becomes of one peer, no packet of another is
// lost, and its handshake and counters stay its own (openwrt/luci#8984,
// openwrt/luci#1778, openwrt/luci#4696).
func TestOtherPeerChanges(t *testing.T) {
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.far, "10.0.0.1")
	l.awaitHandlers()
	l.settle()
	before, index := l.peerOf("wg0", them), l.Link("wg0").Attrs().Index

	done := l.flood("10.0.0.1")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range otherPeer {
		select {
		case err := <-done:
			check(err)
			done = l.flood("10.0.0.1") // Packets are on their way at any time.
		default:
		}
		l.Configure(simple(step.section))
		l.handle("renew", "wg0")
		equal(t, "number of peers when the other one "+step.name, len(router.ReadDevice(t, l.Host, "wg0").Peers), step.peers)
	}
	check(<-done)

	after := l.peerOf("wg0", them)
	equal(t, "index of wg0", l.Link("wg0").Attrs().Index, index)
	sameHandshake(t, "our end", before, after)
	if after.ReceiveBytes <= before.ReceiveBytes || after.TransmitBytes <= before.TransmitBytes {
		t.Errorf("%d and %d bytes, before %d and %d", after.ReceiveBytes, after.TransmitBytes, before.ReceiveBytes, before.TransmitBytes)
	}
}
