package endpoint

import (
	"fmt"
	"net/netip"
	"testing"
)

// TestSessionIsTaken to an endpoint that the uplink reaches: it counts until WireGuard
// asks for another one in vain, and what comes in proves it.
func TestSessionIsTaken(t *testing.T) {
	six := func(a netip.Addr) bool { return a.Is6() }
	taken := func() *bench {
		b := newBench(t, 0, "a.example")
		b.keepalive()
		b.do(0, "resolve=[0] next=60 unresolved resolving")
		b.do(1, "write=192.0.2.1 next=6.333 connecting no-answer source=0", b.resolved(0, "192.0.2.1", "2001:db8::1", "2001:db8::2"))
		b.do(2, "next=182 connected source=0 good", b.shakes, b.sends)
		b.do(10, "write=[2001:db8::1] resolve=[0] next=11 connected source=0", func() { b.m.Uplink(b.now(), six) })
		// What was under way from the endpoint before proves nothing.
		b.do(10.5, "next=11 connected source=0", b.resolved(0, "2001:db8::1", "2001:db8::2"), func() { b.reading.Rx += 96 })
		b.do(11, "next=16 connected source=0", func() { b.reading.Rx += 96 })
		return b
	}
	keepalive := func(b *bench) func() { return func() { b.reading.Tx += 32 } }

	b := taken() // only keepalives go out: nobody knows, and WireGuard believes in it
	for at := 16.0; at < 100; at += 5 {
		b.do(at, fmt.Sprintf("next=%.4g connected source=0", at+5), keepalive(b))
	}
	b.do(122, "next=302 connected source=0 good", b.sends, b.shakes)

	b = taken() // the peer answers
	b.do(16, "next=182 connected source=0 good", keepalive(b), func() { b.reading.Rx += 96 })
	b.do(100, "next=182 connected source=0 good", keepalive(b))

	b = taken() // data was not answered, and nor is the initiation that follows
	b.do(16, "next=21 connected source=0", func() { b.reading.Tx += 960 })
	b.do(26, "next=31 connected source=0", b.sends)
	b.do(31, "next=36 connected source=0", b.sends)
	b.do(32, "resolve=[0] next=37 stale no-answer source=0")
	b.do(42.1, "write=[2001:db8::2] next=43.1 stale no-answer source=0", b.resolved(0, "2001:db8::1", "2001:db8::2"))
	b.do(43.1, "next=47.43 stale no-answer source=0")
	b.do(45, "next=182 connected source=0 good", func() { b.reading.Rx += 32 }) // there the session goes on

	b = taken() // what looked like an initiation was data, and is answered late
	b.do(16, "next=21 connected source=0", func() { b.reading.Tx += 1452 })
	b.do(22, "resolve=[0] next=27 stale no-answer source=0", func() { b.reading.Tx += 1452 })
	b.do(25, "next=82 connected source=0 good", func() { b.reading.Rx += 32 })

	b = taken() // WireGuard went back to where the peer sends from, which leads nowhere
	b.do(12, "write=[2001:db8::1] next=13 connected source=0", b.moves("192.0.2.1"))
	b.do(13, "next=18 connected source=0")
	b.do(18, "next=23 connected source=0")
}
