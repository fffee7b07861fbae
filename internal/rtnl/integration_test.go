package rtnl_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

func TestMain(m *testing.M) { netns.Main(m) }

var compare = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}

// inHost runs f in a host with a device of Ethernet, "lan", and its kernel.
func inHost(t testing.TB, f func(h *netns.Host, k *rtnl.System)) {
	t.Helper()
	netns.Require(t)
	h := netns.New(t, "host")
	h.AddStub("lan")
	h.AddAddress("lan", "192.0.2.1/24", "2001:db8::1/64")
	h.Do(func() {
		k := rtnl.NewSystem()
		defer k.Close()
		f(h, k)
	})
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

// ours returns the program's routes in a table.
func ours(t testing.TB, k *rtnl.System, table uint32) []rtnl.Route {
	t.Helper()
	list, err := k.Routes(table)
	if err != nil {
		t.Fatal(err)
	}
	list = slices.DeleteFunc(list, func(r rtnl.Route) bool { return r.Protocol != rtnl.Protocol })
	for n := range list {
		if list[n].Ifindex <= 0 {
			t.Errorf("route %v has the index %d", list[n], list[n].Ifindex)
		}
		list[n].Ifindex = 0
	}
	return list
}

func TestRoutes(t *testing.T) {
	tests := []struct {
		name  string
		route rtnl.Route
		shown string // by `ip route show table T proto 87`
		want  func(*rtnl.Route)
	}{
		{
			name:  "on the link",
			route: rtnl.Route{Dst: prefix("10.0.0.0/8"), Device: "lan"},
			shown: "10.0.0.0/8 dev lan scope link",
		},
		{
			name:  "by a gateway, with a metric",
			route: rtnl.Route{Dst: prefix("198.51.100.7/32"), Gateway: addr("192.0.2.9"), Device: "lan", Metric: 77},
			shown: "198.51.100.7 via 192.0.2.9 dev lan metric 77",
		},
		{
			name:  "default route",
			route: rtnl.Route{Dst: prefix("0.0.0.0/0"), Gateway: addr("192.0.2.9"), Device: "lan"},
			shown: "default via 192.0.2.9 dev lan",
		},
		{
			name:  "default route on the link",
			route: rtnl.Route{Dst: prefix("0.0.0.0/0"), Device: "lan", Metric: 5},
			shown: "default dev lan scope link metric 5",
		},
		{
			name:  "host bits",
			route: rtnl.Route{Dst: prefix("10.1.2.3/16"), Device: "lan"},
			shown: "10.1.0.0/16 dev lan scope link",
			want:  func(r *rtnl.Route) { r.Dst = prefix("10.1.0.0/16") },
		},
		{
			name:  "another table",
			route: rtnl.Route{Dst: prefix("10.0.0.0/8"), Device: "lan", Table: 100},
			shown: "10.0.0.0/8 dev lan scope link",
		},
		{
			name:  "a table over 255",
			route: rtnl.Route{Dst: prefix("10.0.0.0/8"), Device: "lan", Table: 51820},
			shown: "10.0.0.0/8 dev lan scope link",
		},
		{
			name:  "onlink, with a source",
			route: rtnl.Route{Dst: prefix("203.0.113.0/24"), Gateway: addr("10.9.9.9"), Device: "lan", OnLink: true, Source: addr("192.0.2.1")},
			shown: "203.0.113.0/24 via 10.9.9.9 dev lan src 192.0.2.1 onlink",
		},
		{
			name:  "with an MTU",
			route: rtnl.Route{Dst: prefix("203.0.113.9/32"), Device: "lan", MTU: 1400},
			shown: "203.0.113.9 dev lan scope link mtu 1400",
		},
		{
			name:  "IPv6 with a source and an MTU",
			route: rtnl.Route{Dst: prefix("2001:db8:1::1/128"), Gateway: addr("fe80::9"), Device: "lan", Source: addr("2001:db8::1"), MTU: 1400, Metric: 3},
			shown: "2001:db8:1::1 via fe80::9 dev lan src 2001:db8::1 metric 3 mtu 1400 pref medium",
		},
		{
			name:  "IPv4 by a gateway of IPv6",
			route: rtnl.Route{Dst: prefix("203.0.113.0/24"), Gateway: addr("2001:db8::9"), Device: "lan"},
			shown: "203.0.113.0/24 via inet6 2001:db8::9 dev lan",
		},
		{
			name:  "IPv6 on the link",
			route: rtnl.Route{Dst: prefix("fd00::/8"), Device: "lan"},
			shown: "fd00::/8 dev lan metric 1024 pref medium",
			want:  func(r *rtnl.Route) { r.Metric = 1024 },
		},
		{
			name:  "IPv6 by a link-local gateway",
			route: rtnl.Route{Dst: prefix("2001:db8:1::1/128"), Gateway: addr("fe80::9"), Device: "lan", Metric: 3},
			shown: "2001:db8:1::1 via fe80::9 dev lan metric 3 pref medium",
		},
		{
			name:  "default route of IPv6",
			route: rtnl.Route{Dst: prefix("::/0"), Gateway: addr("2001:db8::9"), Device: "lan", Table: 300},
			shown: "default via 2001:db8::9 dev lan metric 1024 pref medium",
			want:  func(r *rtnl.Route) { r.Metric = 1024 },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ip := need.Command(t, "ip")
			inHost(t, func(h *netns.Host, k *rtnl.System) {
				for range 2 { // the second time it is there already
					if err := k.ReplaceRoute(tt.route); err != nil {
						t.Fatal(err)
					}
				}
				want := tt.route
				want.Protocol = rtnl.Protocol
				if want.Table == 0 {
					want.Table = rtnl.TableMain
				}
				if tt.want != nil {
					tt.want(&want)
				}
				if diff := cmp.Diff([]rtnl.Route{want}, ours(t, k, tt.route.Table), compare); diff != "" {
					t.Errorf("read back (-want +got):\n%s", diff)
				}
				if add, remove := rtnl.Diff([]rtnl.Route{tt.route}, ours(t, k, tt.route.Table)); len(add)+len(remove) > 0 {
					t.Errorf("after it was written, %v is left to add, %v to remove", add, remove)
				}
				family := "-4"
				if tt.route.Dst.Addr().Is6() {
					family = "-6"
				}
				show := []string{family, "route", "show", "table", fmt.Sprint(want.Table), "proto", fmt.Sprint(rtnl.Protocol)}
				out, err := h.Command(ip, show...).Output()
				if err != nil {
					t.Fatal(err)
				}
				// Versions differ in blanks, and in what they say of flags that we do not set.
				if got := strings.Join(strings.Fields(string(out)), " "); got != tt.shown {
					t.Errorf("ip shows %q, want %q", got, tt.shown)
				}
				for range 2 { // the second time it is gone already
					if err := k.DeleteRoute(tt.route); err != nil {
						t.Fatal(err)
					}
				}
				if left := ours(t, k, tt.route.Table); len(left) > 0 {
					t.Errorf("after it was deleted: %v", left)
				}
			})
		})
	}
}

func TestReplaceMovesRoute(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		for _, dst := range []string{"198.51.100.1/32", "2001:db8:1::1/128"} {
			old := rtnl.Route{Dst: prefix(dst), Gateway: addr("192.0.2.8"), Device: "lan"}
			moved := rtnl.Route{Dst: prefix(dst), Gateway: addr("192.0.2.9"), Device: "lan"}
			if old.Dst.Addr().Is6() {
				old.Gateway, moved.Gateway = addr("2001:db8::8"), addr("2001:db8::9")
			}
			if err := k.ReplaceRoute(old); err != nil {
				t.Fatal(err)
			}
			if err := k.ReplaceRoute(moved); err != nil {
				t.Fatal(err)
			}
			got := ours(t, k, 0)
			if len(got) != 1 || got[0].Gateway != moved.Gateway {
				t.Errorf("%v, want %v alone", got, moved)
			}
			// What led to the old gateway is not there, so nothing is deleted.
			if err := k.DeleteRoute(old); err != nil {
				t.Fatal(err)
			}
			if left := ours(t, k, 0); len(left) != 1 {
				t.Errorf("deleting the old one leaves %v", left)
			}
			if err := k.DeleteRoute(moved); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Routes of others are read, and never deleted as ours.
func TestRoutesOfOthers(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		h.AddRoute("0.0.0.0/0", "192.0.2.9", "lan")
		h.AddRoute("::/0", "2001:db8::9", "lan")
		h.AddRoute("198.51.100.0/24", "", "lan")
		list, err := k.Routes(rtnl.TableMain)
		if err != nil {
			t.Fatal(err)
		}
		find := func(dst string) rtnl.Route {
			t.Helper()
			n := slices.IndexFunc(list, func(r rtnl.Route) bool { return r.Dst == prefix(dst) && r.Device == "lan" })
			if n < 0 {
				t.Fatalf("no route to %s in %v", dst, list)
			}
			return list[n]
		}
		const static, kernel = 4, 2
		for dst, want := range map[string]rtnl.Route{
			"0.0.0.0/0":       {Gateway: addr("192.0.2.9"), Protocol: static},
			"::/0":            {Gateway: addr("2001:db8::9"), Protocol: static},
			"198.51.100.0/24": {Protocol: static},
			"192.0.2.0/24":    {Protocol: kernel},
			"2001:db8::/64":   {Protocol: kernel},
		} {
			got := find(dst)
			if got.Gateway != want.Gateway || got.Protocol != want.Protocol || got.Table != rtnl.TableMain {
				t.Errorf("route to %s: %+v, want %+v", dst, got, want)
			}
		}
		for _, r := range list {
			if a := r.Dst.Addr(); a.IsMulticast() || r.Dst.Bits() == a.BitLen() && a == addr("192.0.2.1") {
				t.Errorf("%v is no unicast route of the main table", r)
			}
		}
		taken := find("198.51.100.0/24")
		taken.Protocol = rtnl.Protocol
		if err := k.DeleteRoute(taken); err != nil {
			t.Fatal(err)
		}
		if list, err = k.Routes(0); err != nil {
			t.Fatal(err)
		}
		find("198.51.100.0/24")
	})
}

func TestDeviceRoutes(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		h.AddStub("other")
		want := []rtnl.Route{
			{Dst: prefix("10.0.0.0/8"), Device: "other", Table: 100},
			{Dst: prefix("10.0.0.0/8"), Device: "other", Table: 1000},
			{Dst: prefix("10.0.0.0/8"), Device: "other", Table: rtnl.TableMain},
			{Dst: prefix("fd00::/8"), Device: "other", Table: 1000, Metric: 1024},
		}
		if err := k.ReplaceRoute(append(want[:4:4], rtnl.Route{Dst: prefix("10.0.0.0/8"), Device: "lan", Table: 101})...); err != nil {
			t.Fatal(err)
		}
		list, err := k.DeviceRoutes("other")
		if err != nil {
			t.Fatal(err)
		}
		list = slices.DeleteFunc(list, func(r rtnl.Route) bool { return r.Protocol != rtnl.Protocol })
		order := func(a, b rtnl.Route) int { return strings.Compare(fmt.Sprint(a, a.Table), fmt.Sprint(b, b.Table)) }
		for n := range want {
			want[n].Protocol = rtnl.Protocol
		}
		for n := range list {
			list[n].Ifindex = 0
		}
		slices.SortFunc(list, order)
		slices.SortFunc(want, order)
		if diff := cmp.Diff(want, list, compare); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := k.DeviceRoutes("nothing"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of no device: %v, want one that matches fs.ErrNotExist", err)
		}
	})
}

// A route that is refused keeps none of the others from being made.
func TestRefusedRoute(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		good := rtnl.Route{Dst: prefix("10.0.0.0/8"), Device: "lan"}
		unreachable := rtnl.Route{Dst: prefix("10.1.0.0/16"), Gateway: addr("203.0.113.1"), Device: "lan"}
		nowhere := rtnl.Route{Dst: prefix("10.2.0.0/16"), Device: "nothing"}
		err := k.ReplaceRoute(unreachable, nowhere, rtnl.Route{Device: "lan"}, good)
		for _, want := range []string{unreachable.String(), nowhere.String() + ": no such interface", "no destination"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want an error with %q", err, want)
			}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v does not match fs.ErrNotExist", err)
		}
		if got := ours(t, k, 0); len(got) != 1 || got[0].Dst != good.Dst {
			t.Errorf("%v, want %v", got, good)
		}
		if err := k.DeleteRoute(nowhere); err != nil {
			t.Errorf("deleting a route of no device: %v", err)
		}
	})
}

// BenchmarkRoutes makes, lists and deletes 5,000 routes.
func BenchmarkRoutes(b *testing.B) {
	const n = 5000
	routes := make([]rtnl.Route, n)
	for i := range routes {
		routes[i] = rtnl.Route{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24), Device: "lan"}
	}
	step := func(b *testing.B, what func(k *rtnl.System) error) {
		inHost(b, func(h *netns.Host, k *rtnl.System) {
			b.ReportAllocs()
			for b.Loop() {
				if err := what(k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("Replace", func(b *testing.B) {
		step(b, func(k *rtnl.System) error { return k.ReplaceRoute(routes...) })
	})
	b.Run("ReplaceOneByOne", func(b *testing.B) {
		step(b, func(k *rtnl.System) error {
			for _, r := range routes {
				if err := k.ReplaceRoute(r); err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("ReplaceListDelete", func(b *testing.B) {
		step(b, func(k *rtnl.System) error {
			if err := k.ReplaceRoute(routes...); err != nil {
				return err
			}
			if list, err := k.Routes(0); err != nil || len(list) < n {
				return fmt.Errorf("%d routes, %w", len(list), err)
			}
			return k.DeleteRoute(routes...)
		})
	})
}
