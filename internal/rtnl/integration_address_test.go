package rtnl_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

func TestAddresses(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		for _, s := range []string{"10.0.0.1/24", "10.0.0.2/32", "fd00::1/64", "fd00::2/128"} {
			for range 2 { // the second time it is there already
				if err := k.AddAddress("lan", prefix(s)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := k.DeleteAddress("lan", prefix("192.0.2.1/24")); err != nil {
			t.Fatal(err)
		}
		got, err := k.Addresses("lan")
		if err != nil {
			t.Fatal(err)
		}
		got = slices.DeleteFunc(got, func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
		want := []netip.Prefix{prefix("10.0.0.1/24"), prefix("10.0.0.2/32"), prefix("fd00::1/64"), prefix("fd00::2/128"), prefix("2001:db8::1/64")}
		order := func(a, b netip.Prefix) int { return a.Compare(b) }
		slices.SortFunc(got, order)
		slices.SortFunc(want, order)
		if diff := cmp.Diff(want, got, compare); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		out, err := h.Command(need.Command(t, "ip"), "-4", "-oneline", "address", "show", "dev", "lan").Output()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(out, []byte("brd")) {
			t.Errorf("an address has a broadcast address:\n%s", out)
		}
		for _, a := range want {
			for range 2 { // the second time it is gone already
				if err := k.DeleteAddress("lan", a); err != nil {
					t.Fatal(err)
				}
			}
		}
		got, err = k.Addresses("lan")
		got = slices.DeleteFunc(got, func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
		if err != nil || len(got) != 0 {
			t.Errorf("left: %v, %v", got, err)
		}
	})
}

func TestAddressErrors(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		if _, err := k.Addresses("nothing"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Addresses: %v, want one that matches fs.ErrNotExist", err)
		}
		if err := k.AddAddress("nothing", prefix("10.0.0.1/24")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "10.0.0.1/24") {
			t.Errorf("AddAddress: %v, want one that matches fs.ErrNotExist and names the address", err)
		}
		if err := k.DeleteAddress("nothing", prefix("10.0.0.1/24")); err != nil {
			t.Errorf("DeleteAddress: %v", err)
		}
		// The kernel says "permission denied", which is about something else.
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/lan/disable_ipv6", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
		err := k.AddAddress("lan", prefix("fd00::1/64"))
		if err == nil || errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "disable_ipv6") {
			t.Errorf("with IPv6 switched off: %v", err)
		}
	})
}

func TestLinks(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		list, err := k.Links()
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]rtnl.Link{}
		for _, l := range list {
			byName[l.Name] = l
		}
		if l := byName["lan"]; l.Kind != "veth" || !l.Up || l.MTU != 1500 || l.Index <= 0 {
			t.Errorf("lan: %+v", l)
		}
		if l := byName["lo"]; l.Kind != "" || !l.Up || l.Index != 1 {
			t.Errorf("lo: %+v", l)
		}
	})
}
