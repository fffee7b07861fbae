package plan_test

import (
	"net/netip"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/plan"
)

func TestWays(t *testing.T) {
	route := func(dst, device string) plan.Uplink {
		return plan.Uplink{Dst: netip.MustParsePrefix(dst), Device: device}
	}
	w := plan.WaysOf([]plan.Uplink{
		route("0.0.0.0/1", "wg0"), route("0.0.0.0/0", "wg0"), route("192.168.1.0/24", "br-lan"),
		route("::/0", "wan"), route("2001:db8::/64", "wan"),
	}, func(device string) bool { return device == "wg0" })
	if w.Default != (plan.Families{IPv6: true}) {
		t.Errorf("default routes: %+v", w.Default)
	}
	for addr, want := range map[string]bool{
		"203.0.113.1": false, "192.168.1.7": true, "::ffff:192.168.1.7": true, "2001:db8:1::1": true,
		"127.0.0.1": true, "fe80::1%wan": true, "169.254.0.1": true,
	} {
		if got := w.Reach(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}
