package integration

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// manyPeers returns the sections of n peers with a prefix of their own each,
// 10.64.0.0/32 and following. Their public keys are nobody's.
func manyPeers(n int, options string) string {
	var b strings.Builder
	for k := range n {
		key := sha256.Sum256([]byte{byte(k), byte(k >> 8), byte(k >> 16)})
		fmt.Fprintf(&b, "\nconfig wireguard_wg0 'peer%d'\n\toption public_key '%s'\n\tlist allowed_ips '10.%d.%d.%d/32'\n%s",
			k, base64.StdEncoding.EncodeToString(key[:]), 64+k>>16, k>>8&255, k&255, options)
	}
	return b.String()
}

const routed = "\toption route_allowed_ips '1'\n"

// TestManyPeers: 5,000 peers with a route each come up, and are gone before netifd
// loses its patience: the kernel alone would take 17 ms for each of them.
func TestManyPeers(t *testing.T) {
	const peers = 5000
	l := newLab(t, simple(manyPeers(peers, routed)))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.Host, "10.0.0.2")
	equal(t, "peers", len(router.ReadDevice(t, l.Host, "wg0").Peers), peers+1)
	equal(t, "routes", len(routesOf(t, l.Host, "wg0")), peers+1)
	l.awaitHandlers()

	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	// Netifd kills a teardown after five seconds. That its state is forgotten is the
	// last that one does.
	if _, err := os.Stat(router.StateDir + "/wg0.state"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the teardown did not come to its end: %v", err)
	}
	if _, err := router.TryDevice(l.Host, "wg0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the device after teardown: %v", err)
	}
	for _, line := range l.Log() {
		if strings.Contains(line, "error") {
			t.Errorf("the log has: %s", line)
		}
	}
	l.handle("teardown", "wg0") // once more is no error
}

// TestDeviceDeleted: netifd does not notice that a device was deleted behind its
// back, and takes what it announced for being there still. A renew puts device,
// addresses and routes back.
func TestDeviceDeleted(t *testing.T) {
	l := newLab(t, simple(manyPeers(10, routed)))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.Host, "10.0.0.2")
	l.awaitHandlers()
	addresses, routes := addressesOf(t, l.Host, "wg0"), routesOf(t, l.Host, "wg0")
	index := l.Link("wg0").Attrs().Index

	if err := router.RemoveDevice(l.Host, "wg0"); err != nil {
		t.Fatal(err)
	}
	if !l.Status("wg0").Up {
		t.Fatal("netifd noticed: this is not the case that is meant")
	}
	l.handle("renew", "wg0")
	equal(t, "addresses", addressesOf(t, l.Host, "wg0"), addresses)
	equal(t, "routes", routesOf(t, l.Host, "wg0"), routes)
	if l.Link("wg0").Attrs().Index == index {
		t.Error("the device was never gone")
	}
	mustPing(t, l.Host, "10.0.0.2")
}

// TestManyRoutes: netifd crashes above 10,000 routes on an interface. It is told
// of 8,000 at most; the rest are in the kernel, under a number of our own.
func TestManyRoutes(t *testing.T) {
	const routes, most = 9000, 8000
	var prefixes strings.Builder
	for n := range routes {
		if n%100 == 0 {
			prefixes.WriteString(peerSection(fmt.Sprintf("p%d", n), 100+n/100, routed))
		}
		// No two of them are halves of one, which would be aggregated.
		fmt.Fprintf(&prefixes, "\tlist allowed_ips '10.%d.%d.%d/32'\n", 64+n>>15, n>>7&255, n<<1&255)
	}
	l := newLab(t, ifaceSection("\toption metric '9'\n")+prefixes.String())
	l.Start()
	status := l.AwaitUp("wg0")
	l.awaitHandlers()
	count := func() (own, netifds int) {
		for _, r := range routesOf(t, l.Host, "wg0") {
			switch {
			case strings.HasSuffix(r, "/32 metric 9"+ownProto):
				own++
			case strings.HasSuffix(r, "/32 metric 9"+netifdProto):
				netifds++
			}
		}
		return own, netifds
	}
	own, netifds := count()
	if own+netifds != routes || netifds > most || len(status.Routes) > most+1 {
		t.Errorf("%d routes of our own, %d of netifd, which shows %d; want %d in all and no more than %d of netifd",
			own, netifds, len(status.Routes), routes, most)
	}

	m := newMonitor(t, l.Host)
	l.handle("renew", "wg0")
	equal(t, "changes of a renew", m.events(), nil)

	// Those that are not wanted any more go, whoever made them.
	l.Configure(ifaceSection("\toption metric '9'\n") + peerSection("one", 100, routed+"\tlist allowed_ips '10.64.0.0/32'\n"))
	l.handle("renew", "wg0")
	own, netifds = count()
	equal(t, "routes of our own, of netifd", []int{own, netifds}, []int{0, 1})

	l.Configure(ifaceSection("\toption metric '9'\n") + prefixes.String())
	l.handle("renew", "wg0")
	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	all, err := l.Links().RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) > 5 {
		t.Errorf("%d routes are left after teardown", len(all))
	}
}
