package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// BenchmarkNameToEndpoint is from the start of the daemon's process to the endpoints
// in the device, of peers that the configuration has got since it ran last, each with
// a name of its own, and a name server on the router that answers at once. It
// includes the readings of the device that show them. One name is to take less than a
// second.
func BenchmarkNameToEndpoint(b *testing.B) {
	for _, peers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("names=%d", peers), func(b *testing.B) {
			l := newLab(b, ifaceSection(""))
			names := l.startNameServer("127.0.0.1")
			for n := range peers {
				names.put(fmt.Sprintf("p%d.example", n), live)
			}
			l.replaceResolvConf("127.0.0.1")
			l.Start()
			l.AwaitUp("wg0")
			for first := 100; b.Loop(); first += peers {
				b.StopTimer()
				network, keys := namedPeers(peers, first)
				l.Configure(ifaceSection("") + network)
				d := l.Wgnetifd("daemon")
				b.StartTimer()
				if err := d.Start(); err != nil {
					b.Fatal(err)
				}
				for begin := time.Now(); found(l, keys) < peers; {
					if time.Since(begin) > patience {
						b.Fatal("not all names became endpoints")
					}
				}
				b.StopTimer()
				_ = d.Process.Kill() // It may have ended by itself, which it would say.
				_ = d.Wait()
				b.StartTimer()
			}
			milliseconds(b)
		})
	}
}

// namedPeers are the sections of peers p0, p1, … with keys from the number first on.
func namedPeers(peers, first int) (network string, keys map[wgtypes.Key]bool) {
	var s strings.Builder
	keys = make(map[wgtypes.Key]bool, peers)
	for n := range peers {
		s.WriteString(peerSection(fmt.Sprintf("p%d", n), first+n,
			fmt.Sprintf("\toption endpoint_host 'p%d.example'\n\tlist allowed_ips '10.9.%d.%d/32'\n", n, n/256, n%256)))
		keys[public(first+n)] = true
	}
	return s.String(), keys
}

// found returns how many of the peers have an endpoint.
func found(l *lab, keys map[wgtypes.Key]bool) (n int) {
	for _, p := range router.ReadDevice(l.t, l.Host, "wg0").Peers {
		if p.Endpoint != nil && keys[p.PublicKey] {
			n++
		}
	}
	return n
}
