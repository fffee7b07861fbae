package netifd

import (
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// What has a lifetime goes at its end.
func TestLifetimes(t *testing.T) {
	t.Parallel()
	l := newBench(t)
	l.startNetifd(l.config())
	told := make(chan object, 1)
	_, err := l.conn.Subscribe(t.Context(), "network.interface", func(_ string, data blobmsg.Table) {
		select {
		case told <- toJSON(data):
		default: // only the first counts
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	l.linkUp(
		blobmsg.Field{Name: "ip6addr", Value: blobmsg.Array{blobmsg.Table{
			{Name: "ipaddr", Value: "fd09::2"}, {Name: "mask", Value: "64"}, {Name: "valid", Value: int32(2)},
		}}},
		blobmsg.Field{Name: "routes", Value: blobmsg.Array{blobmsg.Table{
			{Name: "target", Value: "10.20.0.0/16"}, {Name: "valid", Value: int32(2)},
		}}},
		blobmsg.Field{Name: "ip6prefix", Value: blobmsg.Array{"2001:db8:77::/48,1,2"}},
	)
	// The status as it was when the interface came up: until we ask for it, it may all
	// be over.
	var s object
	select {
	case s = <-told:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was told of the interface")
	}
	for _, name := range []string{"ipv6-address", "route", "ipv6-prefix"} {
		if list, _ := s[name].([]any); len(list) != 1 {
			t.Errorf("%s: %v", name, s[name])
		}
	}
	l.wait("end of the lifetimes", func() bool {
		s := l.statusOf("e0")
		k := l.kernelState("t0")
		// The kernel's own subnet route has its end later.
		static := slices.DeleteFunc(k.routes6, func(r any) bool { return r.(object)["protocol"] == "kernel" })
		return isEmpty(s["ipv6-address"]) && isEmpty(s["route"]) && isEmpty(s["ipv6-prefix"]) &&
			len(k.addr) == 1 && len(k.routes4) == 1 && len(static) == 0
	})
}

// The order of writes: what is new is there before what is old goes.
func TestNewRoutesComeBeforeOldOnesGo(t *testing.T) {
	t.Parallel()
	l := newBench(t)
	l.startNetifd(l.config())
	routes := func(targets ...string) blobmsg.Field {
		var list blobmsg.Array
		for _, target := range targets {
			list = append(list, blobmsg.Table{{Name: "target", Value: target}})
		}
		return blobmsg.Field{Name: "routes", Value: list}
	}
	l.linkUp(routes("10.20.0.0/16", "10.21.0.0/16"))
	updates, done := make(chan netlink.RouteUpdate, 100), make(chan struct{})
	t.Cleanup(func() { close(done) })
	if err := netlink.RouteSubscribe(updates, done); err != nil {
		t.Fatal(err)
	}
	l.linkUp(routes("10.21.0.0/16", "10.22.0.0/16"))
	l.linkUp(routes("10.21.0.0/16", "10.22.0.0/16"))
	var got []string
	deadline := time.After(20 * time.Second)
	for last, marked := "", false; last != "add 10.29.0.0/16"; {
		select {
		case u, ok := <-updates:
			if !ok {
				t.Fatal("the kernel tells no more of routes")
			}
			last = "add " + u.Dst.String()
			if u.Type == unix.RTM_DELROUTE {
				last = "del " + u.Dst.String()
			}
			if strings.Contains(last, " 10.2") { // not the kernel's own
				got = append(got, last)
			}
			if len(got) == 2 && !marked {
				marked = true
				l.mustRun("ip", "route", "add", "10.29.0.0/16", "dev", "t0") // what comes after it is nobody's
			}
		case <-deadline:
			t.Fatalf("the kernel told of %q only", got)
		}
	}
	if diff := gocmp.Diff([]string{"add 10.22.0.0/16", "del 10.20.0.0/16", "add 10.29.0.0/16"}, got); diff != "" {
		t.Errorf("kernel writes (-want +got):\n%s", diff)
	}
}
