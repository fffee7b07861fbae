package integration

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkDaemonUplinkReturns is from the moment that the uplink has its default
// route again to the first answer through a full tunnel.
func BenchmarkDaemonUplinkReturns(b *testing.B) {
	for _, name := range []string{"link", "default route"} {
		b.Run(name, func(b *testing.B) {
			l, _ := newTwoUplinks(b, takesAll(server, "", ""))
			l.defaults("wan")
			l.startUp()
			l.awaitHostRoutes("before", "wan", by1)
			l.awaitPing("before", behind)
			for b.Loop() {
				b.StopTimer()
				outages[name].go_(l, nil)
				l.awaitHostRoutes("without", "wan")
				l.awaitPeer(them, "without an uplink", func(p peerState) bool { return p.Reason == "no-uplink" })
				outages[name].return_(l, nil)
				b.StartTimer()
				// With -w it sends until one is answered.
				if out, err := l.Command("ping", "-n", "-q", "-i", "0.02", "-c", "1", "-w", "60", behind).CombinedOutput(); err != nil {
					b.Fatalf("nothing comes through: %v\n%s", err, out)
				}
			}
		})
	}
}

// BenchmarkDaemonRouteStorm is the daemon's processor time for 5,000 routes that
// another program makes at once beside a full tunnel.
func BenchmarkDaemonRouteStorm(b *testing.B) {
	const routes = 5000
	batch := func(verb string) string {
		var s strings.Builder
		for n := range routes {
			s.WriteString("route " + verb + " 20." + strconv.Itoa(n>>8) + "." + strconv.Itoa(n&255) + ".0/24 via " + gate1 + " dev wan proto 186\n")
		}
		return s.String()
	}
	add, del := batch("add"), batch("del")
	l, _ := newTwoUplinks(b, takesAll(server, "", ""))
	l.defaults("wan")
	d := l.startUp()
	l.awaitHostRoutes("before", "wan", by1)
	var spent time.Duration
	for b.Loop() {
		before := cpuTime(b, d.Pid())
		for _, lines := range []string{add, del} {
			cmd := l.Command("ip", "-batch", "-")
			cmd.Stdin = strings.NewReader(lines)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v: %.500s", err, out)
			}
		}
		time.Sleep(longestLook)
		spent += cpuTime(b, d.Pid()) - before
	}
	b.ReportMetric(float64(spent.Milliseconds())/float64(b.N)/2, "cpu-ms/5000-routes")
}

// longestLook is after how long the daemon has looked at what changed.
const longestLook = 3 * time.Second
