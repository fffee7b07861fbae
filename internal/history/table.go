package history

import (
	"encoding/binary"
	"math/bits"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// peer is what is kept of every peer: 40 bytes, so 10,000 peers take 400 KB and
// 64 KB of index.
type peer struct {
	key    uint64 // its fingerprint
	rx, tx uint64 // what its counters showed last
	rate   rate
	// score is the bytes that it moved, older ones counting less: see decay.
	score float32
	// ring is one more than the place of its ring in Store.peers, 0 for none.
	ring uint16
	// reading tells whether it was in the present reading.
	reading uint8
	// rated: it was in two readings.
	rated bool
}

// fingerprint stands for a public key. Two keys of 10,000 have the same one with
// a probability of 3e-12, and would share one line in a picture. Keys that differ
// in 8 aligned bytes only never do: odd factors are invertible.
func fingerprint(k schema.Key) uint64 {
	word := func(n int) uint64 { return binary.LittleEndian.Uint64(k[n*8:]) }
	return word(0)*0x9e3779b97f4a7c15 + bits.RotateLeft64(word(1), 17)*0xbf58476d1ce4e5b9 +
		bits.RotateLeft64(word(2), 31)*0x94d049bb133111eb + bits.RotateLeft64(word(3), 47)*0xd6e8feb86659fd93
}

// table holds the peers of an interface in the order in which they were first
// seen, and finds them by fingerprint.
type table struct {
	entries []peer
	// index is an open hash of places in entries, each plus one; 0 is free. Its
	// length is a power of two, at most three quarters of it are taken.
	index   []uint32
	reading uint8
	seen    int
}

// begin starts a reading.
func (t *table) begin() { t.reading, t.seen = t.reading+1, 0 }

// end leaves out the peers that were not in the reading.
func (t *table) end() {
	if t.seen == len(t.entries) {
		return
	}
	kept := t.entries[:0]
	if t.seen < cap(t.entries)*3/4 {
		kept = make([]peer, 0, t.seen) // give the memory back
	}
	for _, p := range t.entries {
		if p.reading == t.reading {
			kept = append(kept, p)
		}
	}
	t.entries = kept
	t.build(len(kept))
}

// see takes in a sample and returns the peer's place and what it has moved since
// the last reading; it is not known when it was in none. Hint is where the peer
// probably is, left how many samples there are with this one.
func (t *table) see(hint, left int, sample *Sample) (place int, what moved, known bool) {
	key := fingerprint(sample.Key)
	place = t.find(hint, key)
	if place < 0 {
		return t.insert(key, left, sample), moved{}, false
	}
	p := &t.entries[place]
	if p.reading == t.reading {
		return place, moved{}, true // twice in one reading: the first one counts
	}
	what = moved{counted(p.rx, sample.Rx), counted(p.tx, sample.Tx)}
	p.rx, p.tx, p.reading, p.rated = sample.Rx, sample.Tx, t.reading, true
	t.seen++
	return place, what, true
}

// find returns the place of a peer, -1 for none. It looks at the hint first.
func (t *table) find(hint int, key uint64) int {
	if hint < len(t.entries) && t.entries[hint].key == key {
		return hint
	}
	if len(t.index) == 0 {
		return -1
	}
	for at := t.slot(key); t.index[at] != 0; at = (at + 1) % len(t.index) {
		if n := int(t.index[at] - 1); t.entries[n].key == key {
			return n
		}
	}
	return -1
}

func (t *table) slot(key uint64) int {
	return int(key * 0x9e3779b97f4a7c15 >> (64 - bits.Len(uint(len(t.index)-1))))
}

func (t *table) insert(key uint64, left int, sample *Sample) int {
	if len(t.entries) == cap(t.entries) {
		// No room to spare: at most the samples that are left can be new.
		t.entries = append(make([]peer, 0, len(t.entries)+left), t.entries...)
	}
	if (len(t.entries)+1)*4 > len(t.index)*3 {
		t.build(cap(t.entries))
	}
	t.entries = append(t.entries, peer{key: key, rx: sample.Rx, tx: sample.Tx, reading: t.reading})
	t.seen++
	t.place(len(t.entries) - 1)
	return len(t.entries) - 1
}

// build makes an index of the peers that are there, with room for as many as
// given.
func (t *table) build(room int) {
	size := 8
	for room*4 > size*3 {
		size *= 2
	}
	if size == len(t.index) {
		clear(t.index)
	} else {
		t.index = make([]uint32, size)
	}
	for n := range t.entries {
		t.place(n)
	}
}

func (t *table) place(n int) {
	at := t.slot(t.entries[n].key)
	for t.index[at] != 0 {
		at = (at + 1) % len(t.index)
	}
	t.index[at] = uint32(n + 1)
}
