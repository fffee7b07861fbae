package wgdev_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

func TestPeerChanges(t *testing.T) {
	var (
		prefixes = func(list ...string) (out []netip.Prefix) {
			for _, p := range list {
				out = append(out, netip.MustParsePrefix(p))
			}
			return out
		}
		psk, none            = schema.Key{1: 1}, schema.Key{}
		second, off          = uint16(15), uint16(0)
		longest              = uint16(65535)
		endpoint4, endpoint6 = netip.MustParseAddrPort("192.0.2.7:1"), netip.MustParseAddrPort("[2001:db8::7]:65535")
		before               = []plan.PeerChange{
			{PublicKey: key(1), PresharedKey: &psk, Keepalive: &second, Endpoint: endpoint4, AllowedIPs: prefixes("10.0.0.0/8", "fd00::/8")},
			{PublicKey: key(2), AllowedIPs: prefixes("192.168.0.0/16")},
		}
	)
	tests := []struct {
		name   string
		change []plan.PeerChange
		want   func(list []plan.ActualPeer) []plan.ActualPeer
	}{
		{
			name:   "clear the preshared key",
			change: []plan.PeerChange{{PublicKey: key(1), Update: true, PresharedKey: &none}},
			want: func(list []plan.ActualPeer) []plan.ActualPeer {
				list[0].PresharedKey = none
				return list
			},
		},
		{
			name:   "keepalive off",
			change: []plan.PeerChange{{PublicKey: key(1), Update: true, Keepalive: &off}},
			want: func(list []plan.ActualPeer) []plan.ActualPeer {
				list[0].Keepalive = 0
				return list
			},
		},
		{
			name:   "longest keepalive, endpoint of IPv6",
			change: []plan.PeerChange{{PublicKey: key(2), Update: true, Keepalive: &longest, Endpoint: endpoint6}},
			want: func(list []plan.ActualPeer) []plan.ActualPeer {
				list[1].Keepalive, list[1].Endpoint = longest, endpoint6
				return list
			},
		},
		{
			name:   "an allowed IP is added",
			change: []plan.PeerChange{{PublicKey: key(2), Update: true, AllowedIPs: prefixes("0.0.0.0/0", "::/0")}},
			want: func(list []plan.ActualPeer) []plan.ActualPeer {
				list[1].AllowedIPs = prefixes("192.168.0.0/16", "0.0.0.0/0", "::/0")
				return list
			},
		},
		{
			name:   "allowed IPs are replaced",
			change: []plan.PeerChange{{PublicKey: key(1), Update: true, ReplaceAllowedIPs: true, AllowedIPs: prefixes("10.9.0.0/16")}},
			want: func(list []plan.ActualPeer) []plan.ActualPeer {
				list[0].AllowedIPs = prefixes("10.9.0.0/16")
				return list
			},
		},
		{
			name:   "allowed IPs are replaced by none",
			change: []plan.PeerChange{{PublicKey: key(1), Update: true, ReplaceAllowedIPs: true}},
			want: func(list []plan.ActualPeer) []plan.ActualPeer {
				list[0].AllowedIPs = nil
				return list
			},
		},
		{
			name:   "host bits of allowed IPs count for nothing (openwrt/packages#19715)",
			change: []plan.PeerChange{{PublicKey: key(2), Update: true, AllowedIPs: prefixes("172.16.5.4/16", "2001:db8::9/32")}},
			want: func(list []plan.ActualPeer) []plan.ActualPeer {
				list[1].AllowedIPs = prefixes("192.168.0.0/16", "172.16.0.0/16", "2001:db8::/32")
				return list
			},
		},
		{
			name:   "an allowed IP moves to another peer",
			change: []plan.PeerChange{{PublicKey: key(2), Update: true, AllowedIPs: prefixes("10.0.0.0/8")}},
			want: func(list []plan.ActualPeer) []plan.ActualPeer {
				list[0].AllowedIPs = prefixes("fd00::/8")
				list[1].AllowedIPs = prefixes("192.168.0.0/16", "10.0.0.0/8")
				return list
			},
		},
		{
			name:   "a peer is removed",
			change: []plan.PeerChange{{PublicKey: key(1), Remove: true}},
			want:   func(list []plan.ActualPeer) []plan.ActualPeer { return list[1:] },
		},
		{
			name:   "a peer that is not there is removed",
			change: []plan.PeerChange{{PublicKey: key(9), Remove: true}},
			want:   func(list []plan.ActualPeer) []plan.ActualPeer { return list },
		},
		{
			name: "a peer is removed and added again",
			change: []plan.PeerChange{
				{PublicKey: key(1), Remove: true},
				{PublicKey: key(1), Keepalive: &longest, AllowedIPs: prefixes("10.1.0.0/16")},
			},
			want: func(list []plan.ActualPeer) []plan.ActualPeer {
				list[0] = plan.ActualPeer{PublicKey: key(1), Keepalive: longest, AllowedIPs: prefixes("10.1.0.0/16")}
				return list
			},
		},
		{
			name:   "an update of a peer that is gone makes none",
			change: []plan.PeerChange{{PublicKey: key(9), Update: true, Keepalive: &second, AllowedIPs: prefixes("10.0.0.0/8")}},
			want:   func(list []plan.ActualPeer) []plan.ActualPeer { return list },
		},
		{
			name:   "a peer with the device's own key is left out",
			change: []plan.PeerChange{{PublicKey: ourKey.PublicKey(), Keepalive: &second}},
			want:   func(list []plan.ActualPeer) []plan.ActualPeer { return list },
		},
	}
	for n, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sys, _ := system(t)
			name := fmt.Sprintf("wgpc%d", n)
			create(t, sys, name)
			fake := wgdev.NewFake()
			if err := fake.Create(name); err != nil {
				t.Fatal(err)
			}
			want := plan.Actual{
				Exists: true, PrivateKey: ourKey, PublicKey: ourKey.PublicKey(), ListenPort: ourPort,
				Peers: tt.want(actualPeers(slices.Clone(before))),
			}
			for what, d := range map[string]wgdev.Devices{"system": sys, "fake": fake} {
				for _, c := range []plan.Changes{
					{PrivateKey: &ourKey, ListenPort: &ourPort, Peers: before},
					{Peers: tt.change},
				} {
					if err := d.Configure(name, c); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
				}
				got, err := d.Read(name)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				got.Index, got.MTU = 0, 0
				if diff := cmp.Diff(want, got, compare); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}

// wg(8) shows what was written.
func TestWgShowsTheSame(t *testing.T) {
	wg := need.Command(t, "wg")
	s, _ := system(t)
	const name = "wgshow"
	create(t, s, name)
	peers := manyPeers(70)
	peers[1].Endpoint = netip.MustParseAddrPort("[2001:db8::1]:51820")
	configure(t, s, name, plan.Changes{PrivateKey: &ourKey, ListenPort: &ourPort, FwMark: &ourMark, Peers: peers})

	out, err := exec.Command(wg, "show", name, "dump").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	want := fmt.Sprintf("%v\t%v\t%d\t%#x", ourKey, ourKey.PublicKey(), ourPort, ourMark)
	if lines[0] != want {
		t.Errorf("device: %q, want %q", lines[0], want)
	}
	var wanted []string
	for _, p := range actualPeers(peers) {
		wanted = append(wanted, wgLine(p))
	}
	slices.Sort(wanted)
	slices.Sort(lines[1:])
	if diff := cmp.Diff(wanted, lines[1:]); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
}

// wgLine is a peer as `wg show dump` has it, but that it sorts allowed IPs in its
// own way.
func wgLine(p plan.ActualPeer) string {
	psk, endpoint, keepalive := "(none)", "(none)", "off"
	if !p.PresharedKey.IsZero() {
		psk = p.PresharedKey.String()
	}
	if p.Endpoint.IsValid() {
		endpoint = p.Endpoint.String()
	}
	if p.Keepalive != 0 {
		keepalive = strconv.Itoa(int(p.Keepalive))
	}
	return fmt.Sprintf("%v\t%s\t%s\t%v,%v\t0\t0\t0\t%s", p.PublicKey, psk, endpoint, p.AllowedIPs[0], p.AllowedIPs[1], keepalive)
}

// An endpoint on the link itself is of no use without the zone (fe80::1%eth0),
// which wgctrl does not write.
func TestZone(t *testing.T) {
	system(t)
	host := netns.New(t, "host")
	host.AddStub("uplink")
	host.Do(func() {
		s := wgdev.NewSystem()
		defer s.Close()
		const name = "wgzone"
		if err := s.Create(name); err != nil {
			t.Fatal(err)
		}
		defer s.Delete(name)
		zoned := netip.MustParseAddrPort("[fe80::1%uplink]:51820")
		peers := manyPeers(5)
		peers[3].Endpoint = zoned
		configure(t, s, name, plan.Changes{PrivateKey: &ourKey, Peers: peers})
		if diff := cmp.Diff(actualPeers(peers), read(t, s, name).Peers, compare); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		moved := plan.PeerChange{PublicKey: key(1), Update: true, Endpoint: netip.MustParseAddrPort("[fe80::2%uplink]:1")}
		gone := plan.PeerChange{PublicKey: key(99), Update: true, Endpoint: zoned}
		configure(t, s, name, plan.Changes{Peers: []plan.PeerChange{moved, gone}})
		peers[1].Endpoint = moved.Endpoint
		if diff := cmp.Diff(actualPeers(peers), read(t, s, name).Peers, compare); diff != "" {
			t.Errorf("update (-want +got):\n%s", diff)
		}
	})
}

// A zone that is no interface costs the endpoint of its peer, and nothing else.
// Userspace WireGuard takes it, and looks for the interface when it sends.
func TestZoneMissing(t *testing.T) {
	s, kernel := system(t)
	const name = "wgnozone"
	create(t, s, name)
	peers := manyPeers(4)
	peers[1].Endpoint = netip.MustParseAddrPort("[fe80::1%nothing]:51820")
	err := s.Configure(name, plan.Changes{Peers: peers})
	if kernel {
		var refused *wgdev.PeerError
		if !errors.As(err, &refused) || refused.PublicKey != key(1) {
			t.Errorf("%v, want a PeerError about %v", err, key(1).Short())
		}
		peers[1].Endpoint = netip.AddrPort{}
	} else if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(actualPeers(peers), read(t, s, name).Peers, compare); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
