package history

import (
	"encoding/binary"
	"math"
	"math/bits"
	"testing"
	"time"
)

func TestCell(t *testing.T) {
	for _, n := range []uint64{0, 1, 1<<26 - 1, 1 << 26, 1<<26 + 1, 75_000_000_001, math.MaxInt64, math.MaxUint64} {
		c := pack(n)
		if c == unmeasured {
			t.Errorf("%d is unmeasured", n)
		}
		got := c.bytes()
		if got > n || n-got > n>>25 || (n < 1<<26 && got != n) {
			t.Errorf("%d becomes %d", n, got)
		}
		if c.shown() < 0 {
			t.Errorf("%d is shown as %d", n, c.shown())
		}
	}
	if unmeasured.shown() != -1 || unmeasured.bytes() != 0 {
		t.Error("unmeasured is a number")
	}
}

func TestShare(t *testing.T) {
	const whole = math.MaxInt64
	for _, n := range []uint64{0, 1, 1000, math.MaxInt64, math.MaxUint64} {
		last := uint64(0)
		for _, part := range []time.Duration{0, 1, whole / 3, whole - 1, whole} {
			got := share(n, part, whole)
			if got < last || got > n {
				t.Errorf("%d·%d/%d is %d after %d", n, part, int64(whole), got, last)
			}
			last = got
		}
		if last != n {
			t.Errorf("the whole of %d is %d", n, last)
		}
	}
}

// playBytes interprets a fuzzer's bytes as readings of two interfaces with a few peers
// whose counters go on, are reset, vanish, and are watched, and returns what a
// perfect reader has counted of each.
func playBytes(t *testing.T, data []byte) {
	type subject struct {
		name string
		key  int
	}
	names := [2]string{"wg0", "wg1"}
	s, now := New(start), start
	last, base := map[subject]uint64{}, map[subject]uint64{} // shown last, and when it counted
	at := map[string]time.Time{}
	present := map[subject]bool{}
	counted := map[subject]uint64{} // key -1: the interface
	sum := func(of subject, n uint64) {
		total, carry := bits.Add64(counted[of], n, 0)
		if carry != 0 {
			total = math.MaxUint64
		}
		counted[of] = total
	}
	for len(data) >= 12 {
		what, length, value := data[0], data[1:4], binary.LittleEndian.Uint64(data[4:12])
		data = data[12:]
		name := names[what>>7]
		now = now.Add(time.Duration(binary.LittleEndian.Uint16(length)) << (length[2] % 32))
		switch what % 8 {
		case 0:
			s.Watch(now, name, key(int(what>>3)%4))
			continue
		case 1:
			s.Watch(now, name, whole)
			continue
		case 2:
			if value%16 == 0 {
				s.Remove(name)
				delete(at, name)
				for k := range 4 {
					last[subject{name, k}], present[subject{name, k}] = 0, false
				}
			}
			continue
		}
		var peers []Sample
		taken := at[name].IsZero() || now.Sub(at[name]) >= shortest
		if taken {
			at[name] = now
		}
		for k := range 4 {
			n := subject{name, k}
			if value>>(k*3)&7 == 0 { // away
				present[n] = present[n] && !taken
				continue
			}
			shows := last[n] + bits.RotateLeft64(value, k*13)>>(what>>3%8*4)
			if present[n] && taken {
				delta := shows - base[n]
				if shows < base[n] {
					delta = shows
				}
				sum(n, delta)
				sum(subject{name, -1}, delta)
			}
			if last[n] = shows; taken {
				base[n], present[n] = shows, true
			}
			peers = append(peers, Sample{key(k), shows, shows / 2})
		}
		s.Record(now, name, peers)
		checkRings(t, s)
	}
	check := func(of subject, got Series, ok bool) {
		t.Helper()
		if len(got.Rx) != len(got.Tx) || ok != (len(got.Rx) > 0) || len(got.Rx) > minutes || got.Start.After(now) {
			t.Fatalf("%v: %v, %d and %d steps from %v (now %v)", of, ok, len(got.Rx), len(got.Tx), got.Start, now)
		}
		var total uint64
		for n, rx := range got.Rx {
			if rx < -1 || got.Tx[n] < -1 || (rx == -1) != (got.Tx[n] == -1) {
				t.Fatalf("%v: step %d: %d %d", of, n, rx, got.Tx[n])
			}
			if rx > 0 {
				sum, carry := bits.Add64(total, uint64(rx), 0)
				if total = sum; carry != 0 {
					total = math.MaxUint64
				}
			}
		}
		if total > counted[of] {
			t.Fatalf("%v: %d bytes are shown, %d were counted", of, total, counted[of])
		}
	}
	for _, name := range names {
		for k := -1; k < 4; k++ {
			of, id := subject{name, k}, whole
			if k >= 0 {
				id = key(k)
			}
			got, ok := s.Minutes(now, name, id)
			check(of, got, ok)
			got, ok = s.Seconds(now, name, id)
			check(of, got, ok)
			if rx, tx, _ := s.Rate(name, id); rx < 0 || tx < 0 {
				t.Fatalf("%v: rate %d %d", of, rx, tx)
			}
		}
	}
}

// FuzzRecord: whatever comes, no number is negative, and no more bytes are shown
// than were counted.
func FuzzRecord(f *testing.F) {
	f.Add([]byte{3, 0, 1, 20, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 3, 0, 1, 20, 0xff, 0xff, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{
		1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x83, 1, 1, 16, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0,
		4, 9, 9, 14, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 4, 9, 9, 14, 0x11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	})
	f.Fuzz(playBytes)
}
