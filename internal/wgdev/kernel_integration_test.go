package wgdev

import (
	"net/netip"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/wggo"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// The kernel lists some 100 peers in a message. When another program removes the
// peer that the next message would begin with, the list ends there, without an
// error. Here that happens in the middle of the first try, when the zone of the
// first peer's endpoint is looked up; the last peer is one that nobody touched.
func TestReadInterruptedByTheKernel(t *testing.T) {
	netns.Require(t)
	wggo.RequireKernel(t)
	s, other := NewSystem(), NewSystem()
	defer s.Close()
	defer other.Close()
	const name, total = "wginterrupted", 1000
	if err := s.Create(name); err != nil {
		t.Fatal(err)
	}
	defer s.Delete(name)
	peers := make([]plan.PeerChange, total)
	removals := make([]plan.PeerChange, 0, total)
	for n := range peers {
		peers[n].PublicKey = schema.Key{0: byte(n), 1: byte(n >> 8), 2: 1}
		if n > 0 && n < total-1 {
			removals = append(removals, plan.PeerChange{PublicKey: peers[n].PublicKey, Remove: true})
		}
	}
	peers[0].Endpoint = netip.MustParseAddrPort("[fe80::1%lo]:1")
	if err := s.Configure(name, plan.Changes{Peers: peers}); err != nil {
		t.Fatal(err)
	}
	k, err := dialKernel()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	tries := 0
	a, err := k.read(name, func(uint32) string {
		if tries++; tries == 1 {
			if err := other.Configure(name, plan.Changes{Peers: removals}); err != nil {
				t.Error(err)
			}
		}
		return "lo"
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Peers) != 2 || a.Peers[0].PublicKey != peers[0].PublicKey || a.Peers[1].PublicKey != peers[total-1].PublicKey {
		t.Errorf("%d peers are read, want the 2 that are left", len(a.Peers))
	}
	if tries != 2 {
		t.Errorf("it was read %d times, want twice", tries)
	}
}
