package history

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// The bounds of the package's description.
const (
	ringBound = 4_000_000
	peerBound = 56
)

// heap is how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// pages is what the runtime takes for a large piece of memory.
func pages(n uint64) uint64 { return (n + 8191) / 8192 * 8192 }

// However many interfaces and peers there are and whatever is watched, rings take
// 4 MB and a peer 56 bytes.
func TestMemory(t *testing.T) {
	const interfaces, peers = maxInterfaces + 2, 10_000
	names := make([]string, interfaces)
	for n := range names {
		names[n] = fmt.Sprint("wg", n)
	}
	samples := make([]Sample, peers)
	for n := range samples {
		samples[n].Key = key(n)
	}
	before := heap()
	s := New(start)
	for round := range 2 {
		now := start.Add(time.Duration(round) * time.Minute)
		for _, name := range names {
			s.Watch(now, name, whole)
			s.Watch(now, name, key(1))
			s.Record(now, name, samples)
		}
		for n := range samples {
			samples[n].Rx += uint64(n * 1000)
			samples[n].Tx += uint64(n)
		}
	}
	total := heap() - before
	var tables uint64
	for _, f := range s.ifaces {
		tables += pages(uint64(cap(f.peers.entries))*uint64(unsafe.Sizeof(peer{}))) + pages(uint64(cap(f.peers.index))*4)
	}
	t.Logf("%d interfaces of %d peers: %d bytes, of which the peers' counters %d", interfaces, peers, total, tables)
	if perPeer := tables / (interfaces * peers); perPeer > peerBound {
		t.Errorf("%d bytes a peer, want at most %d", perPeer, peerBound)
	}
	if rings := total - tables; rings > ringBound {
		t.Errorf("the rings take %d bytes, want at most %d", rings, ringBound)
	}
	if s.rings != maxInterfaces || len(s.watched) != maxWatched || s.peers[maxPeers-1] == nil {
		t.Errorf("not full: %d interfaces, %d watched", s.rings, len(s.watched))
	}

	// An interface beyond the bound has no minutes, until another one goes.
	now := start.Add(2 * time.Minute)
	last := names[len(names)-1]
	if _, ok := s.Minutes(now, last, whole); ok {
		t.Errorf("%s has a ring", last)
	}
	if _, _, ok := s.Rate(last, whole); !ok {
		t.Errorf("%s has no rate", last)
	}
	s.Remove(names[0])
	s.Record(now, last, samples)
	if _, ok := s.Minutes(now, last, whole); !ok {
		t.Errorf("%s has no ring when there is one free", last)
	}
	for _, name := range names {
		s.Remove(name)
	}
	if left := int64(heap()) - int64(before); left > 64<<10 {
		t.Errorf("%d bytes are left when all interfaces are gone", left)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(samples)
}

// Peers that come and go leave no memory behind.
func TestMemoryOfPeersThatGo(t *testing.T) {
	s := New(start)
	for round := range 50 {
		now := start.Add(time.Duration(round) * time.Minute)
		samples := make([]Sample, 2000)
		for n := range samples {
			samples[n].Key = key(round*2000 + n)
		}
		s.Record(now, "wg0", samples)
		checkRings(t, s)
	}
	s.Record(start.Add(time.Hour), "wg0", []Sample{{key(1), 0, 0}})
	if f := s.ifaces["wg0"]; cap(f.peers.entries) > 1 || len(f.peers.index) > 8 {
		t.Errorf("room for %d peers, %d places of index", cap(f.peers.entries), len(f.peers.index))
	}
}
