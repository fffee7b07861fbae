package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

// TestEndpointsOverTime: what takes as long as a session of WireGuard lasts. A peer
// goes back to its first endpoint when that is there again, another one with
// `endpoint_failback 0` does not, and one whose address has changed is found at the
// new one when its session is over. It takes three minutes, hence the virtual machine
// alone; internal/daemon has the same in simulated time.
func TestEndpointsOverTime(t *testing.T) {
	const (
		pBack = iota + 1
		pStay
		pMoves
		gone, moved = "192.168.9.2", "192.168.9.3"
		long        = 5 * time.Minute
	)
	need.VM(t)
	further := func(n int, failback string) string {
		return fmt.Sprintf("\tlist endpoint '%s'\n\toption endpoint_failback '%s'\n", at(live, n), failback)
	}
	l := newLab(t, ifaceSection("")+endpointPeer("back", pBack, live6, further(pBack, "1"))+
		endpointPeer("stay", pStay, live6, further(pStay, "0"))+endpointPeer("moves", pMoves, "dyn.example", ""))
	addFarPeer(l, pBack)
	addFarPeer(l, pStay)
	ip(t, l.far, "address", "del", live6+"/64", "dev", "eth0")
	other := *l
	other.far = netns.New(t, "other")
	netns.Connect(l.Host, "dmz", other.far, "eth0")
	l.AddAddress("dmz", "192.168.9.1/24")
	other.far.AddAddress("eth0", gone+"/24")
	addFarPeer(&other, pMoves)
	l.uplinks()
	names := l.startNameServer("127.0.0.1")
	names.put("dyn.example", gone)
	l.replaceResolvConf("127.0.0.1")
	l.Start()
	l.AwaitUp("wg0")
	l.StartDaemon()
	l.awaitConnected(pMoves, at(gone, pMoves))
	names.put("dyn.example", moved)
	ip(t, other.far, "address", "del", gone+"/24", "dev", "eth0")
	other.far.AddAddress("eth0", moved+"/24")
	for _, n := range []int{pBack, pStay} {
		if p := l.awaitConnected(n, at(live, n)); p.Reason != "failed-over" {
			t.Errorf("peer %d: %+v", n, p)
		}
	}
	l.far.AddAddress("eth0", live6+"/64")
	awaitLong := func(n int, want string) {
		t.Helper()
		var p peerState
		for deadline := time.Now().Add(long); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
			if p = l.daemonPeer(them + n); p.State == "connected" && p.Reason == "" && p.Endpoint == want {
				return
			}
		}
		t.Errorf("peer %d is not connected at %s: %+v", n, want, p)
	}
	awaitLong(pBack, at(live6, pBack))
	awaitLong(pMoves, at(moved, pMoves))
	// By now it has renewed its session, and could have gone back.
	p := l.daemonPeer(them + pStay)
	equal(t, "the one that stays", []string{p.State, p.Reason, p.Endpoint}, []string{"connected", "failed-over", at(live, pStay)})
}
