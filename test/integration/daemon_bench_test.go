package integration

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// procField returns a number of /proc/PID/status, such as VmRSS, in kB.
func procField(tb testing.TB, pid int, name string) float64 {
	tb.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == name+":" {
			n, err := strconv.ParseFloat(words[1], 64)
			if err != nil {
				tb.Fatal(err)
			}
			return n
		}
	}
	tb.Fatalf("no %s in the status of process %d", name, pid)
	return 0
}

// cpuTime returns the processor time of a process so far.
func cpuTime(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	words := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	ticks := 0
	for _, word := range words[11:13] { // utime and stime
		n, err := strconv.Atoi(word)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	const tick = time.Second / 100 // USER_HZ, the same on all that Linux runs on
	return time.Duration(ticks) * tick
}

// BenchmarkDaemonReload is a reload when one of many peers was changed, from the call
// to its answer, when the device has the new value. SIGHUP does the same; a benchmark
// that waits for the value by reading the device keeps the daemon from doing so.
func BenchmarkDaemonReload(b *testing.B) {
	for _, peers := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			base := ifaceSection("") + manyPeers(peers, "")
			l := newLab(b, base)
			l.Start()
			l.AwaitUp("wg0")
			l.StartDaemon()
			keepalive := 0
			for b.Loop() {
				b.StopTimer()
				keepalive = keepalive%1000 + 1
				l.Configure(base + peerSection("one", 3, fmt.Sprintf("\toption persistent_keepalive '%d'\n", keepalive)))
				b.StartTimer()
				if _, err := l.Call("wireguard", "reload", nil); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if got := keepaliveOf(l, 3); got != keepalive {
					b.Fatalf("keepalive %d, want %d", got, keepalive)
				}
				b.StartTimer()
			}
			milliseconds(b)
		})
	}
}

// keepaliveOf returns the keepalive of a peer in seconds, -1 if there is no such
// peer.
func keepaliveOf(l *lab, n int) int {
	key := public(n) // computed once: that takes longer than reading a peer
	for _, p := range router.ReadDevice(l.t, l.Host, "wg0").Peers {
		if p.PublicKey == key {
			return int(p.PersistentKeepaliveInterval / time.Second)
		}
	}
	return -1
}

// BenchmarkDaemonStatus is a page of 100 peers and the whole status, asked of the
// daemon so that it has to read the device each time.
func BenchmarkDaemonStatus(b *testing.B) {
	for _, peers := range []int{100, 10000} {
		for _, method := range []string{"peers", "status"} {
			b.Run(fmt.Sprintf("%s/peers=%d", method, peers), func(b *testing.B) {
				l := newLab(b, ifaceSection("")+manyPeers(peers, ""))
				l.Start()
				l.AwaitUp("wg0")
				l.StartDaemon()
				for b.Loop() {
					b.StopTimer()
					time.Sleep(1100 * time.Millisecond) // an answer is good for a second
					b.StartTimer()
					if _, err := l.Call("wireguard", method, nil); err != nil {
						b.Fatal(err)
					}
				}
				milliseconds(b)
			})
		}
	}
}

// BenchmarkDaemonMemory shows the resident memory of the daemon in kB: at rest, and
// the most that it took while it started, answered a status and reloaded.
func BenchmarkDaemonMemory(b *testing.B) {
	for _, peers := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			l := newLab(b, ifaceSection("")+manyPeers(peers, ""))
			l.Start()
			l.AwaitUp("wg0")
			d := l.StartDaemon()
			for b.Loop() {
				for _, method := range []string{"status", "reload"} {
					if _, err := l.Call("wireguard", method, blobmsg.Table{}); err != nil {
						b.Fatal(err)
					}
				}
			}
			time.Sleep(8 * time.Second)
			b.ReportMetric(procField(b, d.Pid(), "VmRSS"), "rest-kB")
			b.ReportMetric(procField(b, d.Pid(), "VmHWM"), "peak-kB")
		})
	}
}

// BenchmarkDaemonIdle shows what of a processor the daemon takes with 100
// connected peers with keepalive and nobody watching, in percent over two minutes.
func BenchmarkDaemonIdle(b *testing.B) {
	const peers = 100
	var conf strings.Builder
	conf.WriteString(ifaceSection(""))
	for n := range peers {
		fmt.Fprintf(&conf, "%s", peerSection(fmt.Sprintf("p%d", n), them+n, fmt.Sprintf(
			"\tlist allowed_ips '10.0.1.%d/32'\n\toption endpoint_host '192.0.2.2'\n\toption endpoint_port '%d'\n\toption persistent_keepalive '25'\n", n+1, farPort+n)))
	}
	l := newLab(b, conf.String())
	for n := range peers {
		addFarPeer(l, n)
	}
	l.Start()
	l.AwaitUp("wg0")
	d := l.StartDaemon()
	for begin := time.Now(); ; time.Sleep(500 * time.Millisecond) {
		reply, err := l.Call("wireguard", "peers", blobmsg.Table{{Name: "state", Value: "connected"}})
		if err != nil {
			b.Fatal(err)
		}
		if total, _ := reply.Int("total"); total == peers {
			break
		}
		if time.Since(begin) > 2*patience {
			b.Fatalf("not all peers are connected: %v", reply.Get("counts"))
		}
	}
	time.Sleep(10 * time.Second)
	const window = 2 * time.Minute
	for b.Loop() {
		before := cpuTime(b, d.Pid())
		time.Sleep(window)
		b.ReportMetric(100*float64(cpuTime(b, d.Pid())-before)/float64(window), "%cpu")
	}
}

// addFarPeer makes the far end of peer p<n>.
func addFarPeer(l *lab, n int) {
	key, port := private(them+n), farPort+n
	router.AddDevice(l.t, l.far, fmt.Sprintf("wgf%d", n), wgtypes.Config{
		PrivateKey: &key, ListenPort: &port,
		Peers: []wgtypes.PeerConfig{{PublicKey: public(us), AllowedIPs: ipNets("10.0.0.1/32")}},
	})
}
