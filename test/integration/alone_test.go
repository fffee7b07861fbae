package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// TestAlone: up and down do without netifd and ubus what both do together.
func TestAlone(t *testing.T) {
	l := newLab(t, "") // nothing in /etc/config/network
	dir := t.TempDir()
	config := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "network"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	up := func() {
		t.Helper()
		if out, err := l.Wgnetifd("up", "--config", dir, "wg0").CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("up: %v\n%s", err, out)
		}
	}
	config(ifaceSection("\tlist addresses 'fd00:1::1/64'\n\toption metric '7'\n\toption ip6table '200'\n\toption mtu '1400'\n") +
		peerSection("far", them, `
	list allowed_ips '10.0.0.2/32'
	list allowed_ips '172.16.6.0/24'
	list allowed_ips 'fd00:7::/64'
	option route_allowed_ips '1'
	option endpoint_host '192.0.2.2'
	option endpoint_port '51821'
`))
	l.farSimple()
	l.far.AddAddress(farDevice, "172.16.6.1/32")
	up()
	equal(t, "addresses", addressesOf(t, l.Host, "wg0"), []string{"10.0.0.1/24", "fd00:1::1/64"})
	equal(t, "routes", routesOf(t, l.Host, "wg0"), []string{
		"10.0.0.2/32 metric 7" + ownProto, "172.16.6.0/24 metric 7" + ownProto, "fd00:7::/64 metric 7 table 200" + ownProto,
	})
	equal(t, "mtu", l.Link("wg0").Attrs().MTU, 1400)
	mustPing(t, l.Host, "172.16.6.1")
	mustPing(t, l.far, "10.0.0.1")

	l.settle()
	before, m := l.snapshot("wg0"), newMonitor(t, l.Host)
	up()
	if diff := cmp.Diff(before, l.snapshot("wg0"), cmp.Comparer(sameKey)); diff != "" {
		t.Errorf("a second up changed (-before +after):\n%s", diff)
	}
	equal(t, "changes of a second up", m.events(), nil)

	// A change costs nobody a session.
	config(strings.Replace(ifaceSection("\toption mtu '1400'\n"), "10.0.0.1/24", "10.0.0.3/24", 1) + peerSection("far", them, `
	list allowed_ips '10.0.0.0/24'
	option endpoint_host '192.0.2.2'
	option endpoint_port '51821'
`))
	up()
	equal(t, "addresses after a change", addressesOf(t, l.Host, "wg0"), []string{"10.0.0.3/24"})
	equal(t, "routes after a change", routesOf(t, l.Host, "wg0"), nil)
	sameHandshake(t, "after a change", before.Device.Peers[0], l.peerOf("wg0", them))
	mustPing(t, l.Host, "10.0.0.2")

	out, err := l.Wgnetifd("status", "--config", dir).Output()
	if err != nil || !strings.Contains(string(out), "peer far: connected") {
		t.Errorf("status: %v\n%s", err, out)
	}
	for range 2 {
		if out, err := l.Wgnetifd("down", "--config", dir, "wg0").CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("down: %v\n%s", err, out)
		}
	}
	if _, err := l.Links().LinkByName("wg0"); err == nil {
		t.Error("the link is there after down")
	}
	equal(t, "routes after down", ownRoutes(t, l.Host, "wan"), nil)
}

// TestTakeover: a device that somebody else made, as upstream's handler leaves it
// with a session in use, is ours without a loss: the peers' sessions and counters
// stay, and what differs is put right.
func TestTakeover(t *testing.T) {
	l := newLab(t, simple(peerSection("new", 3, "\tlist allowed_ips '10.7.0.0/16'\n"+routed)))
	l.farSimple()
	key, port := private(us), 51820
	router.AddDevice(t, l.Host, "wg0", wgtypes.Config{
		PrivateKey: &key, ListenPort: &port,
		Peers: []wgtypes.PeerConfig{
			{PublicKey: public(them), Endpoint: udpAddr("192.0.2.2:51821"), AllowedIPs: ipNets("10.0.0.2/32")},
			{PublicKey: public(9), AllowedIPs: ipNets("10.9.0.0/16")}, // not in the configuration
		},
	}, "10.0.0.1/24")
	mustPing(t, l.Host, "10.0.0.2")
	l.settle()
	index, before := l.Link("wg0").Attrs().Index, l.peerOf("wg0", them)
	farBefore := router.ReadDevice(t, l.far, farDevice).Peers[0]

	done := l.flood("10.0.0.1")
	l.Start()
	l.AwaitUp("wg0")
	if err := <-done; err != nil {
		t.Error(err)
	}
	l.awaitHandlers()
	after := l.peerOf("wg0", them)
	equal(t, "index of the link", l.Link("wg0").Attrs().Index, index)
	sameHandshake(t, "our end", before, after)
	sameHandshake(t, "the far end", farBefore, router.ReadDevice(t, l.far, farDevice).Peers[0])
	if after.ReceiveBytes <= before.ReceiveBytes || after.TransmitBytes <= before.TransmitBytes {
		t.Errorf("counters went from %d, %d to %d, %d", before.ReceiveBytes, before.TransmitBytes, after.ReceiveBytes, after.TransmitBytes)
	}
	var peers []string
	for _, p := range router.ReadDevice(t, l.Host, "wg0").Peers {
		peers = append(peers, p.PublicKey.String())
	}
	slices.Sort(peers)
	want := []string{public(them).String(), public(3).String()}
	slices.Sort(want)
	equal(t, "peers", peers, want)
	equal(t, "addresses", addressesOf(t, l.Host, "wg0"), []string{"10.0.0.1/24"})
	equal(t, "routes", routesOf(t, l.Host, "wg0"), []string{"10.0.0.2/32" + netifdProto, "10.7.0.0/16" + netifdProto})
}
