package daemon

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func modTime(t *testing.T, file string) time.Time {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// TestHangingNamesHoldUpNobody: of a thousand names that no server answers for and
// one that is found, the one is there within seconds, and at once when it is asked
// for later; and never too many questions are under way.
func TestHangingNamesHoldUpNobody(t *testing.T) {
	var b strings.Builder
	b.WriteString(wg(0, ""))
	const hang = 1000
	for n := range hang {
		b.WriteString(wgPeer("wg0", fmt.Sprintf("hang%d", n), 10+n, endpointHost(fmt.Sprintf("hang%d.example", n))))
	}
	network := b.String() + wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive)
	inWorld(t, network, func(t *testing.T, w *world) {
		w.names.put("vpn.example", "192.0.2.1")
		w.sim.work("192.0.2.1:51820", true)
		w.run(func() {
			begin := time.Now()
			w.within(time.Minute, 1, "192.0.2.1:51820")
			if took := time.Since(begin); took > hang/maxLookups*crowdTime+5*time.Second {
				t.Errorf("the name that is found took %v", took)
			}
			w.pass(time.Hour)
			w.is(1, "connected", "192.0.2.1:51820")
			w.names.put("vpn.example", "192.0.2.5")
			w.sim.work("192.0.2.1:51820", false)
			w.sim.work("192.0.2.5:51820", true)
			w.within(180*time.Second+15*time.Second, 1, "192.0.2.5:51820")
			if w.names.most > maxLookups {
				t.Errorf("%d look-ups at a time", w.names.most)
			}
			// Look-ups have backed off: one in five minutes for each name.
			w.names.questions()
			w.pass(time.Hour)
			if n := len(w.names.questions()); n > hang*15 {
				t.Errorf("%d look-ups in an hour", n)
			}
			if n := w.logged("was not found"); n > hang {
				t.Errorf("%d lines about names in the log", n)
			}
		})
	})
}

// TestPeersShareAnAnswer: a thousand peers of one name are one question, unless they
// want different families.
func TestPeersShareAnAnswer(t *testing.T) {
	var b strings.Builder
	b.WriteString(wg(0, ""))
	for n := range 1000 {
		family := ""
		if n == 500 {
			family = "\toption endpoint_family 'ipv4'\n"
		}
		b.WriteString(wgPeer("wg0", fmt.Sprintf("p%d", n), 1+n, endpointHost("vpn.example")+fmt.Sprintf("\toption endpoint_port '%d'\n", 1000+n)+family))
	}
	inWorld(t, b.String(), func(t *testing.T, w *world) {
		w.names.put("vpn.example", "192.0.2.1")
		w.run(func() {
			w.within(time.Second, 1000, "192.0.2.1:1999")
			for n := range 1000 {
				w.within(time.Second, 1+n, fmt.Sprintf("192.0.2.1:%d", 1000+n))
			}
			same(t, "number of questions", len(w.names.questions()), 2)
		})
	})
}

// TestFamilyIsAsked: option endpoint_family is the resolver's to follow.
func TestFamilyIsAsked(t *testing.T) {
	network := wg(0, "")
	for n, family := range []string{"auto", "ipv4", "ipv6"} {
		network += wgPeer("wg0", family, 1+n, endpointHost(family+".example")+"\toption endpoint_family '"+family+"'\n")
	}
	inWorld(t, network, func(t *testing.T, w *world) {
		w.run(func() {
			asked := map[string]bool{}
			for _, q := range w.names.questions() {
				asked[q] = true
			}
			same(t, "questions", asked, map[string]bool{"0 auto.example auto": true, "0 ipv4.example ipv4": true, "0 ipv6.example ipv6": true})
		})
	})
}

// TestOtherNameServers: what the old ones did not know is asked of new ones within
// seconds, however long the waits have grown.
func TestOtherNameServers(t *testing.T) {
	inWorld(t, wg(0, "")+wgPeer("wg0", "far", 1, endpointHost("vpn.example")+alive), func(t *testing.T, w *world) {
		servers := uint64(1)
		w.options.Servers = func() uint64 { return servers }
		w.run(func() {
			w.pass(24*time.Hour + time.Second)
			w.is(1, "unresolved no-address", "")
			w.names.put("vpn.example", "192.0.2.1")
			servers++
			w.within(idleStep+2*time.Second, 1, "192.0.2.1:51820")
		})
	})
}
