package wgdev_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/wggo"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// The tests of this file run against real devices: of the kernel where it has
// WireGuard, otherwise of wireguard-go.
func TestMain(m *testing.M) { netns.Main(m) }

// compare treats times and prefixes as what they mean, and lists as sets where
// the device does not keep their order.
var compare = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}),
	cmpopts.EquateEmpty(),
	cmpopts.SortSlices(func(a, b plan.ActualPeer) int { return bytes.Compare(a.PublicKey[:], b.PublicKey[:]) }),
	cmpopts.SortSlices(netip.Prefix.Compare),
	// A peer with an endpoint and a keepalive sends by itself.
	cmpopts.IgnoreFields(plan.ActualPeer{}, "TxBytes"),
}

// system returns the devices of the test's namespace, and whether they are the
// kernel's.
func system(t testing.TB) (s *wgdev.System, kernel bool) {
	t.Helper()
	netns.Require(t)
	kernel = wggo.Require(t)
	s = wgdev.NewSystem()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, kernel
}

// create makes a device that goes with the test.
func create(t testing.TB, s *wgdev.System, name string) {
	t.Helper()
	if err := s.Create(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Delete(name); err != nil {
			t.Error(err)
		}
	})
}

// read reads a device; its MTU and index are the system's own affair.
func read(t testing.TB, s *wgdev.System, name string) plan.Actual {
	t.Helper()
	a, err := s.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	if a.Exists && (a.Index <= 0 || a.MTU <= 0) {
		t.Errorf("index %d, mtu %d of a device that exists", a.Index, a.MTU)
	}
	a.Index, a.MTU = 0, 0
	return a
}

func configure(t testing.TB, s *wgdev.System, name string, c plan.Changes) {
	t.Helper()
	if err := s.Configure(name, c); err != nil {
		t.Fatal(err)
	}
}

// key returns the n-th of public keys that are all different. Nobody knows the
// private ones: to reckon public keys takes an emulated machine minutes.
func key(n int) schema.Key {
	return schema.Key{0: byte(n), 1: byte(n >> 8), 2: byte(n >> 16), 31: 0x40}
}

var (
	ourKey  = schema.Key{0: 0x10, 30: 1, 31: 0x40}
	ourPort = uint16(51820)
	ourMark = uint32(0xca6c)
)

// manyPeers returns n new peers: every third with an endpoint, a keepalive and a
// preshared key, each with an address of IPv4 and one of IPv6.
func manyPeers(n int) []plan.PeerChange {
	list := make([]plan.PeerChange, n)
	for i := range list {
		c := plan.PeerChange{
			PublicKey: key(i),
			AllowedIPs: []netip.Prefix{
				netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32),
				netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}), 128),
			},
		}
		if i%3 == 0 {
			psk, keepalive := schema.Key{5: byte(i), 6: byte(i >> 8), 7: 1}, uint16(25)
			c.PresharedKey, c.Keepalive = &psk, &keepalive
			c.Endpoint = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(1000+i))
		}
		list[i] = c
	}
	return list
}

// actualPeers returns what a device has after list was written to an empty one.
func actualPeers(list []plan.PeerChange) []plan.ActualPeer {
	var out []plan.ActualPeer
	for _, c := range list {
		p := plan.ActualPeer{PublicKey: c.PublicKey, Endpoint: c.Endpoint, AllowedIPs: c.AllowedIPs}
		if c.PresharedKey != nil {
			p.PresharedKey = *c.PresharedKey
		}
		if c.Keepalive != nil {
			p.Keepalive = *c.Keepalive
		}
		out = append(out, p)
	}
	return out
}

func TestLife(t *testing.T) {
	s, kernel := system(t)
	const name = "wglife"
	if a := read(t, s, name); a.Exists {
		t.Fatalf("before it is made, the device is %+v", a)
	}
	if err := s.Create(name); err != nil {
		t.Fatal(err)
	}
	fresh := read(t, s, name)
	if !kernel {
		// wireguard-go may take the link to be up in its first moments, and open a
		// port.
		fresh.ListenPort = 0
	}
	if diff := cmp.Diff(plan.Actual{Exists: true}, fresh, compare); diff != "" {
		t.Fatalf("a new device (-want +got):\n%s", diff)
	}
	if err := s.Create(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second Create: %v, want one that matches fs.ErrExist", err)
	}
	if err := s.SetMTU(name, 1380); err != nil {
		t.Fatal(err)
	}
	if err := s.SetUp(name, true); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Read(name); err != nil || a.MTU != 1380 || !a.Up {
		t.Errorf("mtu %d, up %v, %v; want 1380 and up", a.MTU, a.Up, err)
	}
	if err := s.SetUp(name, false); err != nil {
		t.Fatal(err)
	}
	if a := read(t, s, name); a.Up {
		t.Error("the device is up after it was set down")
	}
	if err := s.Delete(name); err != nil {
		t.Fatal(err)
	}
	if a := read(t, s, name); a.Exists {
		t.Error("the device is there after it was deleted")
	}
	if err := s.Delete(name); err != nil {
		t.Errorf("the second Delete: %v, want nil", err)
	}
	if !kernel {
		if _, err := os.Lstat("/var/run/wireguard/" + name + ".sock"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the control socket is left: %v", err)
		}
	}
	for what, err := range map[string]error{
		"Configure": s.Configure(name, plan.Changes{PrivateKey: &ourKey}),
		"SetMTU":    s.SetMTU(name, 1400),
		"SetUp":     s.SetUp(name, true),
	} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s of no device: %v, want one that matches fs.ErrNotExist and names it", what, err)
		}
	}
}

func TestConfigureAndRead(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 33, 200} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			s, _ := system(t)
			name := fmt.Sprintf("wgcr%d", n)
			create(t, s, name)
			peers := manyPeers(n)
			configure(t, s, name, plan.Changes{PrivateKey: &ourKey, ListenPort: &ourPort, FwMark: &ourMark, Peers: peers})
			want := plan.Actual{
				Exists: true, PrivateKey: ourKey, PublicKey: ourKey.PublicKey(), ListenPort: ourPort, FwMark: ourMark,
				Peers: actualPeers(peers),
			}
			if diff := cmp.Diff(want, read(t, s, name), compare); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What the device has is what was desired, so that nothing is left to write.
func TestSecondDiffIsEmpty(t *testing.T) {
	s, _ := system(t)
	const name = "wgtwice"
	create(t, s, name)
	want := &plan.Desired{PrivateKey: ourKey, ListenPort: ourPort, FwMark: ourMark}
	for _, p := range actualPeers(manyPeers(150)) {
		want.Peers = append(want.Peers, &plan.Peer{
			PublicKey: p.PublicKey, PresharedKey: p.PresharedKey, Keepalive: p.Keepalive,
			Endpoint: p.Endpoint, AllowedIPs: p.AllowedIPs,
		})
	}
	have, err := s.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	configure(t, s, name, plan.Diff(want, &have, nil, time.Now()))
	if have, err = s.Read(name); err != nil {
		t.Fatal(err)
	}
	if c := plan.Diff(want, &have, nil, time.Now()); !c.Empty() {
		t.Errorf("after everything was written, %d peers and %v are left to write", len(c.Peers), c)
	}
}

func TestOtherKinds(t *testing.T) {
	s, _ := system(t)
	host := netns.New(t, "host")
	host.AddStub("veth0")
	host.Do(func() {
		s := wgdev.NewSystem()
		defer s.Close()
		for name, kind := range map[string]string{"veth0": "veth", "lo": ""} {
			_, readErr := s.Read(name)
			for what, err := range map[string]error{
				"Read":      readErr,
				"Configure": s.Configure(name, plan.Changes{PrivateKey: &ourKey}),
				"SetUp":     s.SetUp(name, false),
				"SetMTU":    s.SetMTU(name, 1400),
				"Delete":    s.Delete(name),
			} {
				var other *wgdev.NotWireGuardError
				if !errors.Is(err, wgdev.ErrNotWireGuard) || !errors.As(err, &other) {
					t.Errorf("%s of %s: %v, want ErrNotWireGuard", what, name, err)
				} else if other.Kind != kind || other.Name != name {
					t.Errorf("%s of %s says that %s is of kind %q, want %q", what, name, other.Name, other.Kind, kind)
				}
			}
		}
		if err := s.Create("veth0"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create over another link: %v, want one that matches fs.ErrExist", err)
		}
		if ifi, err := net.InterfaceByName("veth0"); err != nil || ifi.Flags&net.FlagUp == 0 {
			t.Errorf("the link of another kind is %v, %v; want it there and up", ifi, err)
		}
	})
	for _, name := range []string{"", ".", "..", "a/b", "../../tmp/x", "a b", "a:b", "sixteen-letters-"} {
		if _, err := s.Read(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Read(%q): %v, want an error about the name", name, err)
		}
		if err := s.Create(name); err == nil {
			t.Errorf("Create(%q) took that for a name", name)
		}
	}
}
