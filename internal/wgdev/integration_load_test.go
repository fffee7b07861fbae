package wgdev_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/wggo"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// kernelSystem returns the devices of a namespace whose WireGuard is the kernel's.
func kernelSystem(t *testing.T) *wgdev.System {
	t.Helper()
	netns.Require(t)
	wggo.RequireKernel(t)
	s, _ := system(t)
	return s
}

// A device with 1,000 peers is made, and is deleted, within a second each: netifd
// kills a teardown after five, and the kernel alone takes 17 s, as it waits
// for each peer of a link that is deleted. A slow machine may miss the second
// once, and not three times.
func TestKernelThousandPeers(t *testing.T) {
	s := kernelSystem(t)
	const name, limit = "wgthousand", time.Second
	peers := manyPeers(1000)
	made, deleted := time.Hour, time.Hour
	for range 3 {
		begin := time.Now()
		if err := s.Create(name); err != nil {
			t.Fatal(err)
		}
		made = min(made, time.Since(begin))
		configure(t, s, name, plan.Changes{PrivateKey: &ourKey, Peers: peers})
		if err := s.SetUp(name, true); err != nil {
			t.Fatal(err)
		}
		begin = time.Now()
		if err := s.Delete(name); err != nil {
			t.Fatal(err)
		}
		deleted = min(deleted, time.Since(begin))
	}
	t.Logf("made in %v, deleted in %v", made, deleted)
	if made > limit || deleted > limit {
		t.Errorf("made in %v, deleted in %v; want each within %v", made, deleted, limit)
	}
	// The reason is still there: without it the code that flushes peers could go.
	const few = 50
	if err := s.Create(name); err != nil {
		t.Fatal(err)
	}
	configure(t, s, name, plan.Changes{PrivateKey: &ourKey, Peers: peers[:few]})
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	l, err := h.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := h.LinkDel(l); err != nil {
		t.Fatal(err)
	}
	bare := time.Since(begin)
	t.Logf("with %d peers the kernel alone deletes it in %v", few, bare)
	if want := deleted * few / 1000; bare < want {
		t.Errorf("with %d peers the kernel alone deletes it in %v, and flushed first in %v for as many", few, bare, want)
	}
}

// tunnel makes two hosts, each with a device of WireGuard and the other one for a
// peer, and returns the first with the other's key: its device is wga, and
// 10.0.0.2 is the other one.
func tunnel(t *testing.T) (a *netns.Host, peer schema.Key) {
	t.Helper()
	a, b := netns.New(t, "a"), netns.New(t, "b")
	netns.Connect(a, "eth0", b, "eth0")
	a.AddAddress("eth0", "192.0.2.1/24")
	b.AddAddress("eth0", "192.0.2.2/24")
	first, second := schema.Key{0: 8, 31: 64}, schema.Key{0: 16, 31: 64}
	for _, end := range []struct {
		host                       *netns.Host
		name, address, far, remote string
		own, peer                  schema.Key
	}{
		{a, "wga", "10.0.0.1/24", "10.0.0.2/32", "192.0.2.2:51820", first, second},
		{b, "wgb", "10.0.0.2/24", "10.0.0.1/32", "192.0.2.1:51820", second, first},
	} {
		end.host.Do(func() {
			s := wgdev.NewSystem()
			defer s.Close()
			if err := s.Create(end.name); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				end.host.Do(func() {
					s := wgdev.NewSystem()
					defer s.Close()
					if err := s.Delete(end.name); err != nil {
						t.Error(err)
					}
				})
			})
			configure(t, s, end.name, plan.Changes{
				PrivateKey: &end.own, ListenPort: &ourPort,
				Peers: []plan.PeerChange{{
					PublicKey:  end.peer.PublicKey(),
					Endpoint:   netip.MustParseAddrPort(end.remote),
					AllowedIPs: []netip.Prefix{netip.MustParsePrefix(end.far)},
				}},
			})
			if err := s.SetUp(end.name, true); err != nil {
				t.Fatal(err)
			}
		})
		end.host.AddAddress(end.name, end.address)
	}
	if err := a.Ping("10.0.0.2"); err != nil {
		t.Fatal(err)
	}
	return a, second.PublicKey()
}

// everyChange changes one peer in every way there is, from being added to being
// removed.
func everyChange(other schema.Key) []plan.PeerChange {
	psk, none, on, off := schema.Key{1: 1}, schema.Key{}, uint16(1), uint16(0)
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	return []plan.PeerChange{
		{PublicKey: other, AllowedIPs: prefixes("10.7.0.0/16", "fd00:7::/32")},
		{PublicKey: other, Update: true, Endpoint: netip.MustParseAddrPort("192.0.2.77:7")},
		{PublicKey: other, Update: true, Keepalive: &on},
		{PublicKey: other, Update: true, PresharedKey: &psk},
		{PublicKey: other, Update: true, AllowedIPs: prefixes("10.0.0.0/24", "0.0.0.0/0")}, // around the other's
		{PublicKey: other, Update: true, ReplaceAllowedIPs: true, AllowedIPs: prefixes("10.8.0.0/16")},
		{PublicKey: other, Update: true, Endpoint: netip.MustParseAddrPort("192.0.2.78:8")},
		{PublicKey: other, Update: true, Keepalive: &off, PresharedKey: &none},
		{PublicKey: other, Remove: true},
	}
}

// While packets go to and fro, another peer is changed in every way, and not one
// of them is lost. Only the kernel can be held to that: on a busy machine
// wireguard-go loses some when nothing changes at all.
func TestKernelChangeUnderLoad(t *testing.T) {
	kernelSystem(t)
	a, _ := tunnel(t)
	const count = "1500"
	ping := a.Command("ping", "-n", "-q", "-i", "0.002", "-c", count, "-W", "3", "10.0.0.2")
	done := make(chan error, 1)
	go func() {
		out, err := ping.CombinedOutput()
		if err == nil && !strings.Contains(string(out), " "+count+" received") {
			err = fmt.Errorf("packets were lost:\n%s", out)
		}
		done <- err
	}()
	rounds, changes := 0, everyChange(key(7))
	a.Do(func() {
		s := wgdev.NewSystem()
		defer s.Close()
		for pinging := true; pinging; rounds++ {
			for _, c := range changes {
				configure(t, s, "wga", plan.Changes{Peers: []plan.PeerChange{c}})
			}
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
				pinging = false
			default:
			}
		}
	})
	t.Logf("%d changes", rounds*len(changes))
	if rounds < 2 {
		t.Error("there was no change while packets were on their way")
	}
}

// Neither changes of other peers nor most of a peer's own cost it its session:
// the handshake stays the same, and bytes are counted on.
func TestCountersGoOn(t *testing.T) {
	system(t)
	a, peer := tunnel(t)
	a.Do(func() {
		s := wgdev.NewSystem()
		defer s.Close()
		of := func() plan.ActualPeer {
			t.Helper()
			for _, p := range read(t, s, "wga").Peers {
				if p.PublicKey == peer {
					return p
				}
			}
			t.Fatal("the peer is gone")
			return plan.ActualPeer{}
		}
		var before, after plan.ActualPeer
		await(func() bool { // What was sent is counted a little later.
			before = of()
			return before.TxBytes > 0
		})
		if before.LastHandshake.IsZero() || before.RxBytes == 0 || before.TxBytes == 0 {
			t.Fatalf("after a ping: %+v", before)
		}
		mark, keepalive := uint32(0x77), uint16(3600)
		own := func(c plan.PeerChange) plan.Changes {
			c.PublicKey, c.Update = peer, true
			return plan.Changes{Peers: []plan.PeerChange{c}}
		}
		others := manyPeers(100)
		for n := range others {
			others[n].AllowedIPs = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(n), 0}), 24)}
		}
		type step struct {
			name   string
			change plan.Changes
		}
		steps := []step{
			{"fwmark", plan.Changes{FwMark: &mark}},
			{"100 other peers", plan.Changes{Peers: others}},
			{"keepalive", own(plan.PeerChange{Keepalive: &keepalive})},
			{"a further allowed IP", own(plan.PeerChange{AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}})},
			{"other allowed IPs", own(plan.PeerChange{ReplaceAllowedIPs: true, AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/31")}})},
			{"the endpoint that it has", own(plan.PeerChange{Endpoint: netip.MustParseAddrPort("192.0.2.2:51820")})},
		}
		for n, c := range everyChange(key(1000)) {
			steps = append(steps, step{fmt.Sprintf("change %d of another peer", n), plan.Changes{Peers: []plan.PeerChange{c}}})
		}
		for _, step := range steps {
			configure(t, s, "wga", step.change)
			if err := a.Ping("10.0.0.2"); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			// An echo request in a tunnel is at least as long as itself.
			counted := await(func() bool {
				after = of()
				return after.RxBytes >= before.RxBytes+84 && after.TxBytes >= before.TxBytes+84
			})
			if !after.LastHandshake.Equal(before.LastHandshake) {
				t.Errorf("%s took a new handshake", step.name)
			}
			if !counted {
				t.Errorf("%s, after which a ping was sent: %d and %d bytes, before %d and %d",
					step.name, after.RxBytes, after.TxBytes, before.RxBytes, before.TxBytes)
			}
			before = after
		}
	})
}
