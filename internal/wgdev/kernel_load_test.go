package wgdev

import (
	"errors"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/wggo"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Another program removes and adds peers all the time. What is believed has every
// peer that nobody touched, and no more than those that somebody did; and the
// test goes on until lists have been interrupted, so that it shows something.
func TestReadWhileOthersWrite(t *testing.T) {
	netns.Require(t)
	wggo.RequireKernel(t)
	const (
		name            = "wgbusy"
		steady, fickle  = 800, 200
		wantInterrupted = 10
		wantBelieved    = 30
		patience        = 5 * time.Minute
	)
	s, other := NewSystem(), NewSystem()
	defer s.Close()
	defer other.Close()
	if err := s.Create(name); err != nil {
		t.Fatal(err)
	}
	defer s.Delete(name)
	// The fickle ones are all over the list.
	peers, isSteady := make([]plan.PeerChange, steady+fickle), map[schema.Key]bool{}
	var changing []plan.PeerChange
	for n := range peers {
		peers[n].PublicKey = schema.Key{0: byte(n), 1: byte(n >> 8), 2: 1}
		if n%5 == 4 {
			changing = append(changing, peers[n])
		} else {
			isSteady[peers[n].PublicKey] = true
		}
	}
	if err := s.Configure(name, plan.Changes{Peers: peers}); err != nil {
		t.Fatal(err)
	}

	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			c := changing[n%fickle]
			c.Remove = n/fickle%2 == 0
			if err := other.Configure(name, plan.Changes{Peers: []plan.PeerChange{c}}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	defer func() {
		close(stop)
		<-done
	}()

	k, err := dialKernel()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	interrupted, believed, busy := 0, 0, 0
	for begin := time.Now(); interrupted < wantInterrupted || believed < wantBelieved; {
		if time.Since(begin) > patience {
			t.Fatalf("within %v %d lists were interrupted and %d believed", patience, interrupted, believed)
		}
		var d dumpParser
		if err := k.dump(name, &d); errors.Is(err, errInterrupted) {
			interrupted++
		} else if err != nil {
			t.Fatal(err)
		} else {
			believed++
			checkList(t, d.device.Peers, isSteady, steady+fickle)
		}
		a, err := s.Read(name)
		if errors.Is(err, ErrBusy) {
			busy++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		believed++
		checkList(t, a.Peers, isSteady, steady+fickle)
	}
	t.Logf("%d lists were interrupted, %d believed; %d times the device was too busy", interrupted, believed, busy)
}

// checkList looks for all steady peers in a list.
func checkList(t *testing.T, list []plan.ActualPeer, isSteady map[schema.Key]bool, total int) {
	t.Helper()
	there := make(map[schema.Key]bool, len(list))
	steady := 0
	for _, p := range list {
		if there[p.PublicKey] {
			t.Fatalf("a peer is there twice in a list of %d", len(list))
		}
		there[p.PublicKey] = true
		if isSteady[p.PublicKey] {
			steady++
		}
	}
	if steady != len(isSteady) || len(list) > total {
		t.Fatalf("a list of %d peers has %d of the %d that nobody touched", len(list), steady, len(isSteady))
	}
}
