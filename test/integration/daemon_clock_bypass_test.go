package integration

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/bypass"
	own "github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/test/need"
)

// Where a question of the router's came from: past the tunnel, by one uplink or the
// other, or out of the tunnel.
const (
	past, past6     = "192.0.2.1", "2001:db8::1"
	past2, past26   = "198.18.0.1", "2001:db8:2::1"
	inside, inside6 = "10.0.0.1", "fd00:1::1"
)

// needClockUnset ends the test where the machine's clock is set: in the virtual
// machine it is not, unless a test says so.
func needClockUnset(t testing.TB) {
	t.Helper()
	if own.NewSystem().State().Set {
		need.VM(t)
		newClock(t).wrong(0) // Whoever sets it takes away that it is synchronised.
	}
}

// newBypass is a lab with a full tunnel and clock_bypass, and questions to behind
// and behind6 reach far whether they go through the tunnel or past it.
func newBypass(t testing.TB) *lab {
	t.Helper()
	l, gate := newTwoUplinks(t, bypassed)
	l.defaults("wan")
	gate.AddRoute(behind+"/32", server, "inside")
	gate.AddRoute(behind6+"/128", server6, "inside")
	for _, port := range []string{"123", "53", "9999"} {
		l.mirror("udp", port)
		l.mirror("tcp", port)
	}
	return l
}

var bypassed = takesAll(server, "\toption clock_bypass '1'\n", "")

// mirror has far tell whoever sends something to a port from which address it came.
func (l *lab) mirror(network, port string) {
	l.t.Helper()
	var err error
	if network == "udp" {
		// One for each family: what is sent from the address of neither would not do.
		for _, address := range []string{behind, behind6} {
			var conn net.PacketConn
			l.far.Do(func() { conn, err = net.ListenPacket("udp", net.JoinHostPort(address, port)) })
			if err != nil {
				l.t.Fatal(err)
			}
			l.t.Cleanup(func() { _ = conn.Close() })
			go func() {
				for buf := make([]byte, 512); ; {
					_, from, err := conn.ReadFrom(buf)
					if err != nil {
						return // closed
					}
					_, _ = conn.WriteTo([]byte(from.(*net.UDPAddr).IP.String()), from)
				}
			}()
		}
		return
	}
	var listener net.Listener
	l.far.Do(func() { listener, err = net.Listen("tcp", ":"+port) })
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			_, _ = conn.Write([]byte(conn.RemoteAddr().(*net.TCPAddr).IP.String()))
			_ = conn.Close()
		}
	}()
}

// seenFrom asks far from which address a question of the router's comes; empty: no
// answer came.
func (l *lab) seenFrom(network, address, port string) string {
	l.t.Helper()
	var conn net.Conn
	var err error
	l.Do(func() { conn, err = net.DialTimeout(network, net.JoinHostPort(address, port), time.Second) })
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if network == "udp" {
		_, _ = conn.Write([]byte("?")) // Without an answer there is none.
	}
	buf := make([]byte, 64)
	n, _ := conn.Read(buf)
	return string(bytes.TrimSpace(buf[:n]))
}

// awaitSeen waits until the router's questions for the time and for names come from
// these addresses, and checks that all else goes through the tunnel.
func (l *lab) awaitSeen(when, four, six string) {
	l.t.Helper()
	for _, q := range []struct{ network, address, port, want string }{
		{"udp", behind, "123", four},
		{"udp", behind, "53", four},
		{"tcp", behind, "53", four},
		{"udp", behind6, "123", six},
		{"udp", behind6, "53", six},
		{"tcp", behind6, "53", six},
		{"udp", behind, "9999", inside},
		{"tcp", behind, "123", inside},
		{"udp", behind6, "9999", inside6},
	} {
		var got string
		for deadline := time.Now().Add(patience); got != q.want; {
			if got = l.seenFrom(q.network, q.address, q.port); time.Now().After(deadline) {
				l.t.Fatalf("%s, what goes to %s port %s of %s comes from %q, want %q\n%s",
					when, q.network, q.port, q.address, got, q.want, strings.Join(l.bypassTables(), "\n"))
			}
		}
	}
}

// bypassTables returns the rules and the routes of the bypass.
func (l *lab) bypassTables() (list []string) {
	l.t.Helper()
	for _, family := range []string{"-4", "-6"} {
		for _, what := range [][]string{{"rule", "show"}, {"route", "show", "table", strconv.Itoa(int(bypass.Table))}} {
			out, err := l.Command(need.Command(l.t, "ip"), append([]string{family}, what...)...).CombinedOutput()
			if err != nil && !strings.Contains(string(out), "does not exist") {
				l.t.Fatalf("ip %s %v: %v: %s", family, what, err, out)
			}
			for line := range strings.Lines(string(out)) {
				if what[0] == "route" && err == nil || strings.Contains(line, strconv.Itoa(int(bypass.Table))) {
					list = append(list, family+" "+strings.Join(strings.Fields(line), " "))
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// awaitNoBypass waits until nothing is left of the bypass.
func (l *lab) awaitNoBypass(when string) {
	l.t.Helper()
	var left []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if left = l.bypassTables(); len(left) == 0 {
			return
		}
	}
	l.t.Fatalf("%s this is left:\n%s", when, strings.Join(left, "\n"))
}

// TestDaemonClockBypass: as long as the clock is not set the router's own questions
// for time and names go past a full tunnel, by whatever uplink there is; and nothing
// is left of that when nobody needs it any more or nobody looks after it
// (openwrt/openwrt#9408, openwrt/openwrt#24721).
func TestDaemonClockBypass(t *testing.T) {
	needClockUnset(t)
	l := newBypass(t)
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	l.awaitSeen("without a daemon", inside, inside6)
	equal(t, "bypass without a daemon", l.bypassTables(), nil)

	d := l.StartDaemon()
	l.awaitSeen("with a daemon", past, past6)
	tables := l.bypassTables()
	equal(t, "number of rules", len(slices.DeleteFunc(slices.Clone(tables), func(s string) bool { return !strings.Contains(s, "lookup") })), 6)

	// The uplinks change.
	outages["default route"].go_(l, nil)
	l.defaults("wan2")
	l.awaitSeen("by another uplink", past2, past26)
	l.awaitPing("by another uplink", behind) // by the host route
	l.dropRoute(any4, gate2, "wan2")
	l.dropRoute(any6, gate2v6, "wan2")
	l.defaults("wan")
	l.awaitSeen("by the first uplink", past, past6)
	equal(t, "rules and routes by the first uplink", l.bypassTables(), tables)

	// Killed, it leaves what there is, and the next one takes that over.
	d.Kill()
	equal(t, "rules and routes of the one that was killed", l.bypassTables(), tables)
	d = l.StartDaemon()
	settle()
	equal(t, "rules and routes of the next one", l.bypassTables(), tables)
	l.awaitSeen("with the next one", past, past6)

	// The user wants it no more, and again.
	l.Configure(strings.Replace(bypassed, "clock_bypass '1'", "clock_bypass '0'", 1))
	l.reloadDaemon()
	l.awaitNoBypass("without the option")
	l.awaitSeen("without the option", inside, inside6)
	l.Configure(bypassed)
	l.reloadDaemon()
	l.awaitSeen("with the option again", past, past6)
	equal(t, "rules and routes with the option again", l.bypassTables(), tables)

	// Without a tunnel there is nothing to go past.
	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	l.awaitNoBypass("after ifdown")
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	l.awaitSeen("after ifup", past, past6)

	d.Stop()
	equal(t, "rules and routes after SIGTERM", l.bypassTables(), nil)
	l.awaitSeen("after SIGTERM", inside, inside6)
}

// TestDaemonClockBypassLeftBehind: what a daemon that was killed has left goes with
// the next one, also when nothing that it was for is there any more.
func TestDaemonClockBypassLeftBehind(t *testing.T) {
	needClockUnset(t)
	for name, meanwhile := range map[string]func(l *lab){
		"no option": func(l *lab) { l.Configure(takesAll(server, "", "")) },
		"ifdown": func(l *lab) {
			l.Tell("wg0", "down")
			l.AwaitDown("wg0")
		},
		"no interface": func(l *lab) {
			l.Configure("config interface 'lan'\n\toption proto 'none'\n")
			l.Reload()
		},
		"no full tunnel": func(l *lab) {
			l.Configure(takes(server, "\toption clock_bypass '1'\n", "", "10.0.0.2/32"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newBypass(t)
			l.Start()
			l.AwaitUp("wg0")
			l.awaitHandlers()
			d := l.StartDaemon()
			l.awaitSeen("with a daemon", past, past6)
			d.Kill()
			meanwhile(l)
			if len(l.bypassTables()) == 0 {
				t.Error("nothing was left behind: this test shows nothing")
			}
			l.StartDaemon()
			l.awaitNoBypass("with the next daemon")
		})
	}
}

// TestDaemonClockBypassEnds when the clock is set, and begins again when somebody
// sets it to what cannot be right.
func TestDaemonClockBypassEnds(t *testing.T) {
	c := newClock(t)
	c.wrong(0) // Nobody says that it is synchronised.
	l := newBypass(t)
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	l.StartDaemon()
	l.awaitSeen("with the clock unset", past, past6)
	synchronise(t)
	l.awaitNoBypass("with the clock set")
	l.awaitSeen("with the clock set", inside, inside6)
	c.wrong(-4000 * day)
	l.awaitSeen("with the clock in the past", past, past6)
	c.wrong(0)
	synchronise(t)
	l.awaitNoBypass("with the clock set again")
}
