package apply_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
)

// everything is a peer that everything is routed to.
func everything() string {
	return peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'", "list allowed_ips '0.0.0.0/0'")
}

// TestDefaultRouteOfHalves: netifd is told of halves where another interface can
// have a default route of the same metric, however the uplinks are at the moment.
func TestDefaultRouteOfHalves(t *testing.T) {
	const (
		wan    = "config interface wan\n\toption proto dhcp\n"
		whole  = `"routes":[{"target":"0.0.0.0","netmask":"0"}]`
		halves = `"routes":[{"target":"0.0.0.0","netmask":"1"},{"target":"128.0.0.0","netmask":"1"}]`
	)
	w := newWorld(t, wg0()+everything()+wan)
	announced := func(want string) {
		t.Helper()
		w.mustUp()
		if !strings.Contains(w.bus.last, want) {
			t.Errorf("netifd was told %s, want %s", w.bus.last, want)
		}
	}
	announced(halves)
	uplink(w.kernel, "eth0", "192.0.2.254", 0)
	announced(halves)
	uplink(w.kernel, "eth0", "192.0.2.254", 5)
	w.write(wg0("option metric '5'") + everything() + wan)
	announced(whole)
	w.write(wg0("option metric '5'") + everything() + wan + "\toption metric 5\n")
	announced(halves)
	w.write(wg0("option ip4table '7'") + everything() + wan)
	announced(whole)
}

// TestNobodysDefaultRouteIsReplaced: without netifd the configuration does not
// tell of all uplinks, the kernel does. What was found stays so while the interface
// is up, and is forgotten when the metric is another.
func TestNobodysDefaultRouteIsReplaced(t *testing.T) {
	const wan = "config interface wan\n\toption proto dhcp\n\toption metric 9\n"
	conf := func(metric string) string { return wg0("option metric '"+metric+"'") + everything() + wan }
	w := newWorld(t, conf("5"))
	up := func(want ...string) {
		t.Helper()
		if _, err := w.sys.Up(context.Background(), "wg0", apply.Kernel{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, through(t, w.kernel, "wg0")); diff != "" {
			t.Errorf("routes through the tunnel (-want +got):\n%s", diff)
		}
	}
	up("0.0.0.0/0")
	foreign := rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.254"), Device: "eth0", Metric: 7, Protocol: 3}
	w.kernel.PutRoute(foreign)
	up("0.0.0.0/0")
	w.write(conf("7"))
	up("0.0.0.0/1", "128.0.0.0/1")
	if got := through(t, w.kernel, "eth0"); len(got) != 1 {
		t.Errorf("routes through the uplink: %v", got)
	}
	// The uplink goes and comes back.
	if err := w.kernel.DeleteRoute(foreign); err != nil {
		t.Fatal(err)
	}
	up("0.0.0.0/1", "128.0.0.0/1")
	w.kernel.PutRoute(foreign)
	w.kernel.Forget()
	up("0.0.0.0/1", "128.0.0.0/1")
	if writes := w.kernel.Writes(); len(writes) > 0 {
		t.Errorf("wrote %+v", writes)
	}
	w.write(conf("5"))
	up("0.0.0.0/0")
	w.write(wg0("option metric '9'") + everything() + wan)
	up("0.0.0.0/1", "128.0.0.0/1")
}

// TestWholeBecomesHalves: a tunnel that has a whole default route gets the halves
// before it loses that.
func TestWholeBecomesHalves(t *testing.T) {
	w := newWorld(t, wg0()+everything())
	w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Device: "wg0", Protocol: rtnl.Protocol})
	if err := w.devices.Create("wg0"); err != nil {
		t.Fatal(err)
	}
	if err := w.sys.State.Save("wg0", &state.State{KernelRoutes: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.sys.Up(context.Background(), "wg0", apply.Kernel{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, wr := range w.kernel.Writes() {
		got = append(got, string(wr.Op)+" "+wr.Route.Dst.String())
	}
	want := []string{"replace route 0.0.0.0/1", "replace route 128.0.0.0/1", "delete route 0.0.0.0/0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// through returns the destinations of the routes through a device, sorted.
func through(t *testing.T, kernel *rtnl.Fake, device string) (out []string) {
	t.Helper()
	list, err := kernel.DeviceRoutes(device)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		out = append(out, r.Dst.String())
	}
	slices.Sort(out)
	return out
}
