package integration

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// sizes are the numbers of peers that the benchmarks are made for.
var sizes = []int{1, 100, 1000, 5000}

// perSize runs a benchmark for each size.
func perSize(b *testing.B, run func(b *testing.B, peers int)) {
	for _, peers := range sizes {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) { run(b, peers) })
	}
}

// milliseconds reports what is easier to compare with netifd's times than ns/op.
func milliseconds(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed())/float64(time.Millisecond)/float64(b.N), "ms/op")
}

// benchConfig is an interface that is not brought up by itself, with peers that
// have a route each.
func benchConfig(peers int) string {
	return ifaceSection("\toption auto '0'\n") + manyPeers(peers, routed)
}

// up brings wg0 up and returns when its handler has ended.
func (l *lab) up() {
	l.t.Helper()
	left := l.Left()
	l.Tell("wg0", "up")
	for deadline := time.Now().Add(patience); l.Left() == left; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("the setup does not end:\n%s", strings.Join(l.Log(), "\n"))
		}
	}
}

func (l *lab) down() {
	l.t.Helper()
	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
}

// BenchmarkSetup is from `ifup` to the end of the handler, through netifd and
// ubusd: fork, exec, device, peers, addresses and routes in the kernel. What of
// it the device takes is BenchmarkDevice.
func BenchmarkSetup(b *testing.B) {
	perSize(b, func(b *testing.B, peers int) {
		l := newLab(b, benchConfig(peers))
		l.Start()
		for b.Loop() {
			l.up()
			b.StopTimer()
			if !l.Status("wg0").Up {
				b.Fatal("the interface is not up")
			}
			l.down()
			b.StartTimer()
		}
		milliseconds(b)
	})
}

// BenchmarkDevice is the floor under BenchmarkSetup: the device made, configured
// and set up, by package wgdev in this process.
func BenchmarkDevice(b *testing.B) {
	perSize(b, func(b *testing.B, peers int) {
		l := newLab(b, "")
		key, port := schema.Key(private(us)), uint16(51820)
		changes := plan.Changes{PrivateKey: &key, ListenPort: &port}
		for n := range peers {
			prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(64 + n>>16), byte(n >> 8), byte(n)}), 32)
			changes.Peers = append(changes.Peers, plan.PeerChange{
				PublicKey:  sha256.Sum256([]byte{byte(n), byte(n >> 8), byte(n >> 16)}),
				AllowedIPs: []netip.Prefix{prefix},
			})
		}
		l.Do(func() {
			s := wgdev.NewSystem()
			defer s.Close()
			for b.Loop() {
				err := s.Create("wg0")
				if err == nil {
					err = s.Configure("wg0", changes)
				}
				if err == nil {
					err = s.SetUp("wg0", true)
				}
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Delete("wg0"); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
		milliseconds(b)
	})
}

// BenchmarkRenewUnchanged is a handler's whole life that finds nothing to do.
func BenchmarkRenewUnchanged(b *testing.B) {
	perSize(b, func(b *testing.B, peers int) {
		l := newLab(b, benchConfig(peers))
		l.Start()
		l.up()
		for b.Loop() {
			l.handle("renew", "wg0")
		}
		milliseconds(b)
	})
}

// BenchmarkTeardown is the handler's life at the end of an interface, which netifd
// ends after 5 s.
func BenchmarkTeardown(b *testing.B) {
	const peers = 5000
	b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
		l := newLab(b, benchConfig(peers))
		l.Start()
		for b.Loop() {
			b.StopTimer()
			l.up()
			b.StartTimer()
			l.handle("teardown", "wg0")
			b.StopTimer()
			l.down()
			b.StartTimer()
		}
		milliseconds(b)
	})
}

// BenchmarkDump is what netifd waits for when it starts.
func BenchmarkDump(b *testing.B) {
	l := newLab(b, "")
	for b.Loop() {
		l.dump()
	}
	milliseconds(b)
}
