package wgdev_test

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/plan"
)

// One peer with more allowed IPs than a message holds is written, and read, as
// one peer.
func TestManyAllowedIPs(t *testing.T) {
	s, _ := system(t)
	const name, total = "wgips", 20000
	create(t, s, name)
	var ips []netip.Prefix
	for n := range total {
		ips = append(ips, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32))
	}
	others := manyPeers(3)
	for n := range others {
		others[n].AllowedIPs = nil
	}
	peers := []plan.PeerChange{others[0], {PublicKey: key(77), AllowedIPs: ips}, others[1], others[2]}
	configure(t, s, name, plan.Changes{Peers: peers})
	if diff := cmp.Diff(actualPeers(peers), read(t, s, name).Peers, compare); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
	// Replaced: the flag that replaces is in the first of the messages alone.
	peers[1] = plan.PeerChange{PublicKey: key(77), Update: true, ReplaceAllowedIPs: true, AllowedIPs: ips[:700]}
	configure(t, s, name, plan.Changes{Peers: peers[1:2]})
	if diff := cmp.Diff(actualPeers(peers), read(t, s, name).Peers, compare); diff != "" {
		t.Errorf("replaced (-want +got):\n%.2000s", diff)
	}
}

// netifd kills a teardown after 5 s, and deleting a link with peers takes the
// kernel 17 ms for each.
func TestDeleteManyPeers(t *testing.T) {
	s, _ := system(t)
	const name = "wgmany"
	create(t, s, name)
	configure(t, s, name, plan.Changes{PrivateKey: &ourKey, Peers: manyPeers(5000)})
	if err := s.SetUp(name, true); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := s.Delete(name); err != nil {
		t.Fatal(err)
	}
	// Without the flush it would be 85 s; the bound is wide for slow emulation.
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("deleting 5,000 peers took %v", took)
	} else {
		t.Logf("deleting 5,000 peers took %v", took)
	}
	if a := read(t, s, name); a.Exists {
		t.Error("the device is still there")
	}
}

// BenchmarkConfigure writes peers into an empty device, which is what setup does.
func BenchmarkConfigure(b *testing.B) {
	for _, n := range []int{1, 100, 1000, 10000} {
		peers := manyPeers(n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, _ := system(b)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				if err := s.Delete("wgbench"); err != nil {
					b.Fatal(err)
				}
				if err := s.Create("wgbench"); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := s.Configure("wgbench", plan.Changes{PrivateKey: &ourKey, FwMark: &ourMark, Peers: peers}); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if err := s.Delete("wgbench"); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkRead reads a device with its peers.
func BenchmarkRead(b *testing.B) {
	for _, n := range []int{1, 100, 1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, _ := system(b)
			create(b, s, "wgbench")
			if err := s.Configure("wgbench", plan.Changes{PrivateKey: &ourKey, Peers: manyPeers(n)}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if a, err := s.Read("wgbench"); err != nil || len(a.Peers) != n {
					b.Fatalf("%d peers, %v", len(a.Peers), err)
				}
			}
		})
	}
}
