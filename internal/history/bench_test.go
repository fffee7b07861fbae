package history

import (
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkRecord reads 10,000 peers. All of them move; `shuffled` is how the
// userspace WireGuard lists them.
func BenchmarkRecord(b *testing.B) {
	const peers = 10_000
	samples := make([]Sample, peers)
	for n := range samples {
		samples[n].Key = key(n)
	}
	move := func() {
		for n := range samples {
			samples[n].Rx += uint64(n)
		}
	}
	shuffle := func() {
		rand.Shuffle(peers, func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
	}
	for _, c := range []struct {
		name    string
		between func()
	}{
		{"idle", func() {}},
		{"moving", move},
		{"shuffled", func() { move(); shuffle() }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			s, now := New(start), start
			s.Record(now, "wg0", samples)
			for b.Loop() {
				b.StopTimer()
				c.between()
				now = now.Add(time.Minute)
				b.StartTimer()
				s.Record(now, "wg0", samples)
			}
		})
	}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			New(start).Record(start, "wg0", samples)
		}
	})
}

// BenchmarkRate asks for a page of 500 of 10,000 peers.
func BenchmarkRate(b *testing.B) {
	samples := make([]Sample, 10_000)
	for n := range samples {
		samples[n].Key = key(n)
	}
	s := New(start)
	s.Record(start, "wg0", samples)
	s.Record(start.Add(time.Minute), "wg0", samples)
	b.ReportAllocs()
	for b.Loop() {
		for n := range 500 {
			s.Rate("wg0", samples[n*20].Key)
		}
	}
}

// BenchmarkMinutes asks for a day.
func BenchmarkMinutes(b *testing.B) {
	x := newTraffic()
	x.add("wg0", 0, 1)
	for range minutes + 10 {
		x.minute("wg0", func(int) uint64 { return 1e6 })
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := x.s.Minutes(x.now, "wg0", key(0)); !ok {
			b.Fatal("no history")
		}
	}
}
