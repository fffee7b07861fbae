package apply_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/uci"
)

// Issue 4: a reload goes on from the one before. What that one took from the device,
// such as where a peer was that calls us, is not written back.
func TestReloadGoesOn(t *testing.T) {
	text := `
config interface 'wg0'
	option proto 'wireguard'
	option private_key '` + privKey + `'

config wireguard_wg0 'calls'
	option public_key '` + peerKey1 + `'
	list allowed_ips '10.0.0.2/32'

config wireguard_wg0 'called'
	option public_key '` + peerKey2 + `'
	option endpoint_host '192.0.2.1'
	list allowed_ips '10.0.0.3/32'
`
	w := newWorld(t, text)
	edit := func(old, now string) {
		t.Helper()
		text = strings.Replace(text, old, now, 1)
		w.write(text)
	}
	if _, err := w.sys.Up(t.Context(), "wg0", apply.Kernel{}); err != nil {
		t.Fatal(err)
	}
	var (
		pkg  *uci.Package
		last *apply.Run
	)
	// reload fails unless it writes to the device as many times.
	reload := func(what string, writes int) {
		t.Helper()
		var err error
		if pkg, err = w.sys.Dir.LoadAgain("network", pkg); err != nil {
			t.Fatal(err)
		}
		w.devices.Forget()
		if last, err = w.sys.Reload(t.Context(), "wg0", pkg, apply.Kernel{}, last); err != nil {
			t.Fatal(err)
		}
		if got := len(w.devices.Writes()); got != writes {
			t.Errorf("%s: %d writes, want %d: %+v", what, got, writes, w.devices.Writes())
		}
		last.Slim()
	}
	// move gives both peers another endpoint, without a handshake since.
	move := func(to netip.AddrPort) {
		d := w.devices.Device("wg0")
		for n := range d.Peers {
			d.Peers[n].Endpoint = to
		}
		w.devices.Put("wg0", d)
	}
	reload("the first", 0)
	move(netip.MustParseAddrPort("198.51.100.1:1"))
	reload("both moved", 0)
	run, err := w.sys.Adjust(t.Context(), last, nil)
	if err != nil || len(run.Changes.Peers) != 0 {
		t.Errorf("adjusted: %v, %+v", err, run.Changes)
	}
	there := netip.MustParseAddrPort("198.51.100.2:2")
	move(there)
	reload("both moved again", 0)
	edit("'10.0.0.2/32'", "'10.0.0.4/32'")
	reload("one peer changed", 1)
	if at := w.devices.Device("wg0").Peers[0].Endpoint; at != there {
		t.Errorf("the changed peer is at %v", at)
	}
	edit("'192.0.2.1'", "'192.0.2.9'")
	reload("another endpoint", 1)
	for _, p := range w.devices.Device("wg0").Peers {
		if p.PublicKey.String() == peerKey2 && p.Endpoint != netip.MustParseAddrPort("192.0.2.9:51820") {
			t.Errorf("the endpoint is %v", p.Endpoint)
		}
	}
	reload("nothing more", 0)
	move(netip.AddrPort{})
	reload("the device forgot where they were", 1)
	if at := w.devices.Device("wg0").Peers[0].Endpoint; at.IsValid() {
		t.Errorf("the peer that has no endpoint got %v", at)
	}
}
