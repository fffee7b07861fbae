package bypass_test

import (
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/test/need"
)

// TestPackets: until the clock is set the router's own questions for time and
// names go past the tunnel, and nothing else does; afterwards nothing is left
// (openwrt/openwrt#9408, openwrt/openwrt#24721).
func TestPackets(t *testing.T) {
	l := newLab(t)
	before := l.tables()
	l.through()
	if wrote := l.apply(true); wrote == 0 {
		t.Error("nothing was written")
	}
	l.past()
	// One who was killed left it as it is now; the next one finds it.
	l.k.Close()
	l.router.Do(func() { l.k = rtnl.NewSystem(); _, _ = l.k.Links() })
	if wrote := l.apply(true); wrote != 0 {
		t.Errorf("what was there was written again, %d times", wrote)
	}
	l.apply(false)
	l.through()
	if after := l.tables(); after != before {
		t.Errorf("rules and routes are\n%s\nand were\n%s", after, before)
	}
}

// TestFollow: what changes in the main table changes in the bypass.
func TestFollow(t *testing.T) {
	l := newLab(t)
	before := l.tables()
	l.apply(true)
	l.past()

	ip := func(args string) {
		t.Helper()
		if out, err := l.router.Command(need.Command(t, "ip"), strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	// Somebody else's, in the same table and with the same priority.
	ip("route add 203.0.113.0/24 dev lan table 8787 proto static")
	ip("rule add pref 8787 fwmark 7 lookup 8787")
	// Another gateway, and another address of its own.
	l.internet.AddAddress("eth0", "192.0.2.129/24", "2001:db8:2::129/64")
	ip("route replace default via 192.0.2.129 dev wan")
	ip("-6 route replace default via 2001:db8:2::129 dev wan")
	ip("address add 192.0.2.130/24 dev wan")
	ip("address del 192.0.2.2/24 dev wan")
	ip("address add 192.0.2.130/24 dev wan")
	ip("route replace default via 192.0.2.129 dev wan")
	if wrote := l.apply(true); wrote == 0 {
		t.Error("nothing was written")
	}
	l.past()

	// The tunnel's default routes take the place of the uplink's, as netifd does it.
	ip("route replace default dev wg0")
	ip("-6 route replace default dev wg0 metric 1024")
	if wrote := l.apply(true); wrote != 0 {
		t.Errorf("%d were written", wrote)
	}
	l.past()
	ip("route replace default via 192.0.2.129 dev wan")
	ip("-6 route replace default via 2001:db8:2::129 dev wan metric 1024")
	l.apply(true)

	// The uplink goes, and comes again.
	if err := l.router.Links().LinkSetDown(l.router.Link("wan")); err != nil {
		t.Fatal(err)
	}
	l.apply(true)
	l.expect(l.router, "tunnel", "udp", 123)
	l.router.SetUp("wan")
	l.router.AddAddress("wan", "2001:db8:2::2/64")
	l.router.AddRoute("0.0.0.0/0", "192.0.2.129", "wan")
	l.router.AddRoute("::/0", "2001:db8:2::129", "wan")
	l.apply(true)
	l.past()

	l.apply(false)
	l.through()
	after := l.tables()
	for _, s := range []string{"203.0.113.0/24 dev lan table 8787 proto static scope link", "from all fwmark 0x7 lookup 8787"} {
		if !strings.Contains(after, s) {
			t.Errorf("somebody else's %q is gone:\n%s", s, after)
		}
	}
	ip("route del 203.0.113.0/24 dev lan table 8787")
	ip("rule del pref 8787 fwmark 7 lookup 8787")
	if after := l.tables(); strings.Contains(after, "8787") || strings.Contains(after, "proto 87") {
		t.Errorf("something is left:\n%s\nbefore:\n%s", after, before)
	}
}
