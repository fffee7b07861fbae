package daemon

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/internal/state"
)

const alive = "\toption persistent_keepalive '25'\n"

func endpointHost(host string) string { return "\toption endpoint_host '" + host + "'\n" }

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestHealthyPeerIsLeftAlone: in a day with handshakes its name is looked up once,
// when the daemon starts, and nothing is written.
func TestHealthyPeerIsLeftAlone(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive), func(t *testing.T, w *world) {
		w.names.put("vpn.example", "192.0.2.1", "192.0.2.2")
		w.sim.work("192.0.2.1:51820", true)
		w.run(func() {
			w.within(time.Second, 1, "192.0.2.1:51820")
			same(t, "writes", w.sim.wrote(), []string{"0 192.0.2.1:51820"})
			w.pass(10 * time.Second)
			w.is(1, "connected", "192.0.2.1:51820")
			same(t, "questions", w.names.questions(), []string{"0 vpn.example auto"})
			w.names.put("vpn.example", "192.0.2.7") // nobody's business while it works
			for range 24 {
				w.pass(time.Hour)
				w.is(1, "connected", "192.0.2.1:51820")
			}
			same(t, "questions in a day", w.names.questions(), nil)
			same(t, "writes in a day", w.sim.wrote(), nil)
		})
		same(t, "told", w.scripts.news(), []string{"far connecting clock", "far connected"})
		if n := strings.Count(w.journal.String(), "\n"); n > 8 {
			t.Errorf("%d lines in the log:\n%s", n, w.journal)
		}
	})
}

// TestStalePeerIsLookedUp: a peer whose address has changed is found at the new one
// after one initiation has had no answer (openwrt/openwrt#12525).
func TestStalePeerIsLookedUp(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("dyn.example")+alive), func(t *testing.T, w *world) {
		w.names.put("dyn.example", "192.0.2.1")
		w.sim.work("192.0.2.1:51820", true)
		w.run(func() {
			w.pass(time.Hour)
			w.is(1, "connected", "192.0.2.1:51820")
			w.names.questions()
			w.sim.wrote()
			w.names.put("dyn.example", "198.51.100.5")
			w.sim.work("192.0.2.1:51820", false)
			w.sim.work("198.51.100.5:51820", true)
			w.pass(50 * time.Second)
			w.is(1, "connected", "192.0.2.1:51820") // the session holds for 180 s
			same(t, "questions while it does", w.names.questions(), nil)
			w.within(180*time.Second, 1, "198.51.100.5:51820")
			w.pass(10 * time.Second)
			w.is(1, "connected", "198.51.100.5:51820")
			if n := len(w.names.questions()); n != 1 {
				t.Errorf("%d questions", n)
			}
			w.pass(24 * time.Hour)
			same(t, "questions in a day", w.names.questions(), nil)
			w.names.put("dyn.example") // the name goes, the tunnel stays
			w.pass(time.Hour)
			w.is(1, "connected", "198.51.100.5:51820")
		})
	})
}

// TestNobodySendsNobodyAsks: a peer that has not been used for hours is idle, not
// lost: nothing is looked up until somebody sends.
func TestNobodySendsNobodyAsks(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("dyn.example")), func(t *testing.T, w *world) {
		w.names.put("dyn.example", "192.0.2.1")
		w.sim.work("192.0.2.1:51820", true)
		w.run(func() {
			w.pass(10 * time.Minute)
			w.sim.quiet(keyOf(1), true)
			w.pass(5 * time.Minute)
			w.is(1, "idle", "192.0.2.1:51820")
			w.names.questions()
			w.names.put("dyn.example", "198.51.100.5")
			w.sim.work("192.0.2.1:51820", false)
			w.sim.work("198.51.100.5:51820", true)
			w.pass(48 * time.Hour)
			same(t, "questions", w.names.questions(), nil)
			w.sim.quiet(keyOf(1), false)
			w.within(30*time.Second, 1, "198.51.100.5:51820")
			w.pass(10 * time.Second)
			w.is(1, "connected", "198.51.100.5:51820")
		})
	})
}

// TestCandidatesOfANameInTurn: one that is dead gives way to the next, and there the
// peer stays.
func TestCandidatesOfANameInTurn(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive), func(t *testing.T, w *world) {
		w.names.put("vpn.example", "2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2")
		w.sim.work("192.0.2.2:51820", true)
		w.run(func() {
			w.pass(2 * time.Minute)
			w.is(1, "connected", "192.0.2.2:51820")
			var order []string
			for _, line := range w.sim.wrote() {
				_, at, _ := strings.Cut(line, " ")
				order = append(order, at)
			}
			same(t, "endpoints", order, []string{"[2001:db8::1]:51820", "192.0.2.1:51820", "[2001:db8::2]:51820", "192.0.2.2:51820"})
			w.pass(time.Hour)
			same(t, "endpoints afterwards", w.sim.wrote(), nil)
		})
		// The next setup begins where the peer answered.
		names, err := w.system.State.LoadNames("wg0")
		if err != nil || names["vpn.example"] != netip.MustParseAddr("192.0.2.2") {
			t.Errorf("saved: %v, %v", names, err)
		}
	})
}

// TestDeadPeerIsNoFlood: a day of a peer whose four addresses are all dead, and of
// one whose name is never found, is a few lines in the log, and few questions.
func TestDeadPeerIsNoFlood(t *testing.T) {
	network := wg(0, "") + wgPeer("wg0", "dead", 1, endpointHost("dead.example")+alive) + wgPeer("wg0", "lost", 2, endpointHost("lost.example")+alive) +
		wgPeer("wg0", "hang", 3, endpointHost("hang.example")+alive)
	inWorld(t, network, func(t *testing.T, w *world) {
		w.names.put("dead.example", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
		w.names.put("lost.example")
		w.run(func() {
			w.pass(24 * time.Hour)
			w.is(1, "connecting no-answer", w.sim.endpoint(keyOf(1)))
			w.is(2, "unresolved no-address", "")
			w.is(3, "unresolved no-address", "")
			asked := map[string]int{}
			for _, q := range w.names.questions() {
				_, host, _ := strings.Cut(q, " ")
				asked[host]++
			}
			for host, n := range asked {
				if n < 24*60/8 || n > 24*60/5+20 { // 5 minutes at last, with jitter
					t.Errorf("%s was asked for %d times in a day", host, n)
				}
			}
			if n := strings.Count(w.journal.String(), "\n"); n > 20 {
				t.Errorf("%d lines in the log:\n%s", n, w.journal)
			}
			// All is well when there is an answer, within the longest wait.
			w.names.put("lost.example", "192.0.2.9")
			w.sim.work("192.0.2.9:51820", true)
			w.within(lastWait, 2, "192.0.2.9:51820")
			w.pass(5 * time.Second)
			w.is(2, "connected", "192.0.2.9:51820")
			if n := w.logged("is found again"); n != 1 {
				t.Errorf("the log says %d times that the name is found", n)
			}
		})
	})
}

// lastWait is the longest between two look-ups, five minutes and a quarter more.
const lastWait = 7 * time.Minute

// TestFailoverAndFailback: the second endpoint takes over when the first is stale,
// and gives back when that has answered again (openwrt/openwrt#12756).
func TestFailoverAndFailback(t *testing.T) {
	network := wg(0, "") + wgPeer("wg0", "far", 1, endpointHost("one.example")+alive+
		"\tlist endpoint 'two.example:4000'\n\tlist endpoint '203.0.113.3:5000'\n\toption endpoint_failback '600'\n")
	const one, two = "192.0.2.1:51820", "198.51.100.2:4000"
	inWorld(t, network, func(t *testing.T, w *world) {
		w.names.put("one.example", "192.0.2.1")
		w.names.put("two.example", "198.51.100.2")
		w.sim.work(one, true)
		w.sim.work(two, true)
		w.run(func() {
			w.pass(time.Hour)
			w.is(1, "connected", one)
			w.sim.work(one, false)
			w.within(180*time.Second+time.Minute, 1, two)
			w.pass(10 * time.Second)
			w.is(1, "connected failed-over", two)
			w.sim.wrote()
			// It is tried again in vain, ever more rarely.
			w.pass(12 * time.Hour)
			w.is(1, "connected failed-over", two)
			if n := len(w.sim.wrote()); n < 10 || n > 32 {
				t.Errorf("%d writes in 12 hours", n)
			}
			w.sim.work(one, true)
			w.within(70*time.Minute, 1, one)
			w.pass(time.Minute)
			w.is(1, "connected", one)
			w.sim.wrote()
			w.pass(24 * time.Hour)
			w.is(1, "connected", one)
			same(t, "writes afterwards", w.sim.wrote(), nil)
			// Now the first two are dead.
			w.sim.work(one, false)
			w.sim.work(two, false)
			w.sim.work("203.0.113.3:5000", true)
			w.within(180*time.Second+2*time.Minute, 1, "203.0.113.3:5000")
		})
		if news := w.scripts.news(); !slices.Contains(news, "far connected failed-over") {
			t.Errorf("told: %v", news)
		}
	})
}

// TestNoFailback: with 0 the peer stays where it is until that fails too.
func TestNoFailback(t *testing.T) {
	network := wg(0, "") + wgPeer("wg0", "far", 1, endpointHost("192.0.2.1")+alive+
		"\tlist endpoint '198.51.100.2:4000'\n\toption endpoint_failback '0'\n")
	inWorld(t, network, func(t *testing.T, w *world) {
		w.sim.work("198.51.100.2:4000", true)
		w.run(func() {
			w.pass(time.Minute)
			w.is(1, "connected failed-over", "198.51.100.2:4000")
			w.sim.work("192.0.2.1:51820", true)
			w.sim.wrote()
			w.pass(24 * time.Hour)
			same(t, "writes", w.sim.wrote(), nil)
			w.sim.work("198.51.100.2:4000", false)
			w.within(180*time.Second+time.Minute, 1, "192.0.2.1:51820")
		})
	})
}

// TestRoamingIsRespected: where the peer went is not overwritten while it works, nor
// by a daemon that is started anew.
func TestRoamingIsRespected(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive), func(t *testing.T, w *world) {
		const home, away = "192.0.2.1:51820", "203.0.113.77:40000"
		w.names.put("vpn.example", "192.0.2.1")
		w.sim.work(home, true)
		w.run(func() {
			w.pass(time.Minute)
			w.is(1, "connected", home)
			w.sim.work(home, false)
			w.sim.work(away, true)
			if err := w.sim.roam(keyOf(1), away); err != nil {
				t.Fatal(err)
			}
			w.sim.wrote()
			w.pass(6 * time.Hour)
			w.is(1, "connected roamed", away)
			w.daemon.Reload(t.Context(), "")
			w.pass(time.Minute)
			w.is(1, "connected roamed", away)
		})
		w.run(func() {
			w.pass(6 * time.Hour)
			w.is(1, "connected roamed", away)
			same(t, "writes", w.sim.wrote(), nil)
			w.sim.work(away, false)
			w.sim.work(home, true)
			w.within(180*time.Second+time.Minute, 1, home)
		})
		// What is saved is an address of the name.
		if names, _ := w.system.State.LoadNames("wg0"); names["vpn.example"] != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("saved: %v", names)
		}
	})
}

// TestLiteralIsNotLookedUp: an address is no question to anybody, and nobody is told
// that it is being looked up.
func TestLiteralIsNotLookedUp(t *testing.T) {
	peers := wgPeer("wg0", "four", 1, endpointHost("192.0.2.1")+alive) + wgPeer("wg0", "six", 2, endpointHost("2001:db8::1")+alive)
	inWorld(t, wg(0, "")+peers, func(t *testing.T, w *world) {
		w.sim.work("192.0.2.1:51820", true)
		w.run(func() {
			w.pass(30 * time.Second)
			w.scripts.news()
			w.configure(wg(0, "") + peers + wgPeer("wg0", "new", 3, endpointHost("192.0.2.3")))
			w.daemon.Reload(t.Context(), "")
			w.configure(wg(0, "") + strings.Replace(peers, "192.0.2.1", "192.0.2.8", 1))
			w.daemon.Reload(t.Context(), "")
			w.pass(30 * time.Second)
			for _, line := range w.scripts.news() {
				if strings.Contains(line, "resolving") {
					t.Errorf("told: %s", line)
				}
			}
			same(t, "questions", w.names.questions(), nil)
			w.is(1, "connected", "192.0.2.8:51820")
		})
	})
}

// TestGoodNamesOfOthersStay: the daemon saves what it saw, and nothing that a setup
// has found out since is overwritten by what was read before.
func TestGoodNamesOfOthersStay(t *testing.T) {
	network := wg(0, "") + wgPeer("wg0", "far", 1, endpointHost("a.example")+alive) + wgPeer("wg0", "lost", 2, endpointHost("b.example"))
	inWorld(t, network, func(t *testing.T, w *world) {
		w.names.put("a.example", "192.0.2.1")
		w.sim.work("192.0.2.1:51820", true)
		save := func(a, b string) {
			if err := w.system.Remember("wg0", state.Names{"a.example": netip.MustParseAddr(a), "b.example": netip.MustParseAddr(b)}); err != nil {
				t.Fatal(err)
			}
		}
		save("192.0.2.99", "198.51.100.1")
		w.run(func() {
			w.pass(time.Second)
			save("192.0.2.99", "198.51.100.2")
			w.pass(10 * time.Minute)
			names, err := w.system.State.LoadNames("wg0")
			if err != nil {
				t.Fatal(err)
			}
			same(t, "saved", fmt.Sprint(names), fmt.Sprint(state.Names{
				"a.example": netip.MustParseAddr("192.0.2.1"), "b.example": netip.MustParseAddr("198.51.100.2"),
			}))
			file := filepath.Join(w.dir, "run", "wg0.names")
			before := modTime(t, file)
			w.pass(24 * time.Hour)
			if !modTime(t, file).Equal(before) {
				t.Error("written again without any news")
			}
		})
	})
}
