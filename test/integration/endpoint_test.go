package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// Addresses on the cable between us and far. Nobody has those that are dead.
const (
	live, live6 = "192.0.2.2", "2001:db8::2"
	dead, dead6 = "192.0.2.99", "2001:db8::99"
	other6      = "2001:db8::98"
)

// endpointPeer is the section of a peer that addFarPeer makes the far end of, by the
// same number, and that something is always sent to. The host is in quotes or not at
// all.
func endpointPeer(name string, n int, host, more string) string {
	if host != "" {
		more = fmt.Sprintf("\toption endpoint_host '%s'\n\toption endpoint_port '%d'\n", host, farPort+n) + more
	}
	return peerSection(name, them+n, fmt.Sprintf("\tlist allowed_ips '10.0.1.%d/32'\n\toption persistent_keepalive '5'\n", n)+more)
}

// uplinks gives the router default routes over the cable.
func (l *lab) uplinks() {
	l.AddRoute("0.0.0.0/0", live, "wan")
	l.AddRoute("::/0", live6, "wan")
}

// at is an endpoint of the far end of peer n.
func at(address string, n int) string {
	return netip.AddrPortFrom(netip.MustParseAddr(address), uint16(farPort+n)).String()
}

// awaitEndpoint waits until the device has an endpoint for a peer.
func (l *lab) awaitEndpoint(n int, want string) {
	l.t.Helper()
	var got string
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if e := l.peerOf("wg0", them+n).Endpoint; e != nil {
			if got = e.String(); got == want {
				return
			}
		}
	}
	l.t.Fatalf("peer %d has the endpoint %q, not %s: %+v", n, got, want, l.daemonPeer(them+n))
}

// awaitConnected waits until a peer has had a handshake at an endpoint.
func (l *lab) awaitConnected(n int, want string) peerState {
	l.t.Helper()
	return l.awaitPeer(them+n, "connected at "+want, func(p peerState) bool {
		return p.State == "connected" && p.Endpoint == want
	})
}

// candidates returns the addresses that the daemon has for the first endpoint.
func (p *peerState) candidates() []string {
	if len(p.Candidates) == 0 {
		return nil
	}
	return p.Candidates[0].Addresses
}

// wantCandidates waits until the daemon has these candidates for a peer: one family
// may be answered for long before the other.
func (l *lab) wantCandidates(n int, want ...string) {
	l.t.Helper()
	l.awaitPeer(them+n, fmt.Sprint("found at ", want), func(p peerState) bool { return slices.Equal(p.candidates(), want) })
}

// awaitHandshake waits until the device has seen a handshake of a peer.
func (l *lab) awaitHandshake(n int) {
	l.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !l.peerOf("wg0", them+n).LastHandshakeTime.IsZero() {
			return
		}
	}
	l.t.Errorf("peer %d has no handshake", n)
}

// The peers of TestEndpointsHeal.
const (
	pGood = iota + 1
	pPoisoned
	pSecond
	pFamilies
	pList
	pThousand
	pHanging
	pGone
	pBroken
	pBlocked
	pLost // and more: nobody ever answers for their names
)

// thousand is what thousand.example has: more addresses than anybody needs, the
// second of which is right.
func thousand() []string {
	list := []string{dead, live}
	for n := len(list); n < 1000; n++ {
		list = append(list, fmt.Sprintf("198.51.%d.%d", 100+n/250, 1+n%250))
	}
	return list
}

// healing is a router with these peers.
func healing() string {
	conf := ifaceSection("") +
		endpointPeer("hanging", pHanging, "hanging.example", "") +
		endpointPeer("gone", pGone, "gone.example", "") +
		endpointPeer("broken", pBroken, "broken.example", "") +
		endpointPeer("blocked", pBlocked, "blocked.example", "") +
		endpointPeer("thousand", pThousand, "thousand.example", "") +
		endpointPeer("good", pGood, "good.example", "") +
		endpointPeer("poisoned", pPoisoned, "poisoned.example", "") +
		endpointPeer("second", pSecond, "second.example", "") +
		endpointPeer("families", pFamilies, "families.example", "") +
		endpointPeer("list", pList, dead, fmt.Sprintf("\tlist endpoint 'second.example:%d'\n", farPort+pList))
	for n := range 5 {
		conf += endpointPeer(fmt.Sprintf("lost%d", n), pLost+n, fmt.Sprintf("lost%d.example", n), "")
	}
	return conf
}

// TestEndpointsHeal: the daemon finds for each peer where it answers, whatever is
// wrong with the others: dead addresses give way, in the order of RFC 8305, and what
// is wrong with names is told. Then come other name servers, and then none.
func TestEndpointsHeal(t *testing.T) {
	l := newLab(t, ifaceSection(""))
	for _, n := range []int{pGood, pPoisoned, pSecond, pFamilies, pList, pThousand, pHanging} {
		addFarPeer(l, n)
	}
	l.uplinks()
	first, next := l.startNameServer("127.0.0.1"), l.startNameServer("127.0.0.2")
	for _, s := range []*dnsServer{first, next} {
		s.put("good.example", live)
		s.set("poisoned.example", dnsName{addrs: addrsOf(live), before: wrongAnswers})
		s.put("second.example", dead, live)
		s.set("families.example", dnsName{addrs: addrsOf(live, dead, dead6, other6), together: true})
		s.put("thousand.example", thousand()...)
		s.put("gone.example")
		s.set("broken.example", dnsName{code: dnsmessage.RCodeServerFailure})
		s.put("blocked.example", "0.0.0.0")
	}
	next.put("hanging.example", live)
	l.replaceResolvConf("127.0.0.1")
	l.Start()
	l.AwaitUp("wg0")
	d := l.StartDaemon()
	l.Configure(healing()) // Setup, which looks names up too, has never heard of them.
	l.reloadDaemon()

	l.checkNobodyWaits(d)
	l.checkCandidates()
	l.checkNamesToldOf()
	l.replaceResolvConf("127.0.0.2")
	l.awaitConnected(pHanging, at(live, pHanging))
	l.checkNextAddresses(d)
	if t.Failed() {
		return
	}
	d.Stop()
	first.silence()
	next.silence()
	l.checkWithoutNameServer()
}

// checkNobodyWaits: names that are found do not wait for one that nobody answers
// for, and what comes before an answer is not believed.
func (l *lab) checkNobodyWaits(d *router.Daemon) {
	l.t.Helper()
	// A busy machine may look when ten seconds are over, and so is the look-up.
	line := func(text string) int {
		return slices.IndexFunc(d.Log(), func(line string) bool { return strings.Contains(line, text) })
	}
	for _, n := range []int{pGood, pPoisoned} {
		l.awaitEndpoint(n, at(live, n))
		await(l.t, "the endpoint in the log", func() bool { return line("endpoint="+at(live, n)) >= 0 })
		if found, over := line("endpoint="+at(live, n)), line("host=hanging.example"); over >= 0 && over < found {
			l.t.Errorf("peer %d was found after what hangs was over: line %d and line %d", n, found, over)
		}
	}
	p := l.daemonPeer(them + pHanging)
	if over := line("host=hanging.example"); p.State != "unresolved" || p.Reason != "resolving" && over < 0 {
		l.t.Errorf("what hangs is over already: %+v", p)
	}
	l.awaitConnected(pGood, at(live, pGood))
	l.awaitConnected(pPoisoned, at(live, pPoisoned))
	l.wantCandidates(pPoisoned, live)
}

// checkCandidates: their order and their number.
func (l *lab) checkCandidates() {
	l.t.Helper()
	l.wantCandidates(pFamilies, dead6, live, other6, dead)
	l.wantCandidates(pSecond, dead, live)
	l.wantCandidates(pThousand, thousand()[:16]...)
}

// checkNamesToldOf: what is wrong with a name is told.
func (l *lab) checkNamesToldOf() {
	l.t.Helper()
	for n, text := range map[int]string{
		pGone: "there is no such name", pBroken: "server misbehaving", pBlocked: "the answer is 0.0.0.0, which no peer can have",
	} {
		l.awaitPeer(them+n, fmt.Sprintf("not found as %q", text), func(p peerState) bool {
			return p.State == "unresolved" && p.Reason == "no-address" && strings.Contains(p.Detail, text)
		})
	}
	if p := l.daemonPeer(them + pList); p.State == "unresolved" || p.Reason == "resolving" {
		l.t.Errorf("the peer at an address: %+v", p)
	}
}

// checkNextAddresses: what is dead has given way to what answers, one after the other.
func (l *lab) checkNextAddresses(d *router.Daemon) {
	l.t.Helper()
	for _, n := range []int{pSecond, pFamilies, pThousand} {
		if p := l.awaitConnected(n, at(live, n)); p.Reason != "" {
			l.t.Errorf("peer %d: %+v", n, p)
		}
	}
	equal(l.t, "endpoints of two families, one after the other", endpointsLogged(d, pFamilies), []string{at(dead6, pFamilies), at(live, pFamilies)})
	p := l.awaitConnected(pList, at(live, pList))
	equal(l.t, "reason of the one on its second endpoint", p.Reason, "failed-over")
	if len(p.Candidates) != 2 || p.Candidates[0].InUse || !p.Candidates[1].InUse {
		l.t.Errorf("its endpoints: %+v", p.Candidates)
	}
}

// endpointsLogged returns the endpoints that the daemon has written for a peer, by its
// log.
func endpointsLogged(d *router.Daemon, n int) (list []string) {
	for _, line := range d.Log() {
		_, rest, another := strings.Cut(line, "another endpoint for a peer")
		_, rest, _ = strings.Cut(rest, "endpoint=")
		endpoint, _, _ := strings.Cut(rest, " ")
		if another && strings.HasSuffix(endpoint, fmt.Sprint(":", farPort+n)) {
			list = append(list, endpoint)
		}
	}
	return list
}

// checkWithoutNameServer: a setup that nobody answers begins where peers answered
// last, at once, and so does a daemon.
func (l *lab) checkWithoutNameServer() {
	l.t.Helper()
	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
	known := []int{pGood, pPoisoned, pSecond, pFamilies, pThousand, pHanging}
	for _, n := range known {
		if e := l.peerOf("wg0", them+n).Endpoint; e == nil || e.String() != at(live, n) {
			l.t.Errorf("endpoint of peer %d right after setup: %v", n, e)
		}
	}
	for _, n := range known {
		l.awaitHandshake(n)
	}
	l.StartDaemon()
	for _, n := range known {
		l.awaitConnected(n, at(live, n))
	}
}

// TestRoamingIsLeftAlone: where a peer has moved to, no reload, look-up, change of
// uplink or other daemon takes it back from while it works there.
func TestRoamingIsLeftAlone(t *testing.T) {
	const n = 1
	l := newLab(t, ifaceSection("")+endpointPeer("far", n, "far.example", ""))
	addFarPeer(l, n)
	l.uplinks()
	names := l.startNameServer("127.0.0.1")
	names.put("far.example", live)
	l.replaceResolvConf("127.0.0.1")
	l.Start()
	l.AwaitUp("wg0")
	d := l.StartDaemon()
	l.awaitConnected(n, at(live, n))

	// Far sends from another port, as when the NAT in front of it forgot it.
	port := 40000
	away := netip.AddrPortFrom(netip.MustParseAddr(live), uint16(port)).String()
	keepalive := func(every time.Duration) {
		router.Configure(t, l.far, fmt.Sprintf("wgf%d", n), wgtypes.Config{ListenPort: &port, Peers: []wgtypes.PeerConfig{{
			PublicKey: public(us), UpdateOnly: true, PersistentKeepaliveInterval: &every,
		}}})
	}
	keepalive(time.Second)
	roamed := func(what string) {
		t.Helper()
		l.awaitPeer(them+n, "roamed "+what, func(p peerState) bool {
			return p.State == "connected" && p.Reason == "roamed" && p.Endpoint == away
		})
	}
	roamed("")
	keepalive(0) // What it sends would undo what is wrong.
	asked := names.questions("far.example")
	l.reloadDaemon()
	if _, err := l.Call("wireguard", "resolve", blobmsg.Table{}); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); names.questions("far.example") == asked; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("the name was not looked up")
		}
	}
	roamed("after a look-up")
	asked = names.questions("far.example")
	// It is told apart from the route before by its metric.
	l.addDefault(5)
	for begin := time.Now(); names.questions("far.example") == asked; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("the name was not looked up for another uplink")
		}
	}
	roamed("after a change of uplink")
	d.Kill()
	l.StartDaemon()
	roamed("with another daemon")
	if e := l.peerOf("wg0", them+n).Endpoint; e.String() != away {
		t.Errorf("the endpoint is %v", e)
	}
}
