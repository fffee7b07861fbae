package apply_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/state"
)

// watched tells what the device's endpoint was when a name was asked for.
type watched struct {
	names
	world *world
	seen  chan netip.AddrPort
	// connect: the peer answers there before the name server does.
	connect bool
}

func (d *watched) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	dev := d.world.devices.Device("wg0")
	select {
	case d.seen <- dev.Peers[0].Endpoint:
	default: // asked before
	}
	if d.connect {
		dev.Peers[0].LastHandshake = d.world.sys.Now()
		d.world.devices.Put("wg0", dev)
	}
	return d.names.LookupNetIP(ctx, network, host)
}

// TestLastAddressIsUsedAtOnce: a name whose address is known from before has its
// endpoint before any name server is asked, one that is down changes nothing
// about it, and one that knows better is believed unless the peer has answered.
func TestLastAddressIsUsedAtOnce(t *testing.T) {
	const config = "option endpoint_host 'vpn.example'"
	old, fresh := netip.MustParseAddrPort("192.0.2.7:51820"), netip.MustParseAddrPort("192.0.2.8:51820")
	for _, tt := range []struct {
		name    string
		answer  string // of the name server; empty: none
		connect bool
		want    netip.AddrPort
		kept    string
		writes  int // of endpoints
	}{
		{name: "no name server", want: old, kept: "192.0.2.7", writes: 1},
		{name: "same address", answer: "192.0.2.7", want: old, kept: "192.0.2.7", writes: 1},
		{name: "another address", answer: "192.0.2.8", want: fresh, kept: "192.0.2.8", writes: 2},
		{name: "another address, but connected", answer: "192.0.2.8", connect: true, want: old, kept: "192.0.2.8", writes: 1},
	} {
		t.Run(tt.name, timeless(func(t *testing.T) {
			w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'", config))
			w.sys.ResolveTime = time.Second
			w.sys.Names = finder(names{"vpn.example": "192.0.2.7"})
			w.mustUp()
			if err := w.sys.Down("wg0"); err != nil {
				t.Fatal(err)
			}
			r := &watched{names: names{}, world: w, seen: make(chan netip.AddrPort, 1), connect: tt.connect}
			if tt.answer != "" {
				r.names["vpn.example"] = tt.answer
			} else {
				w.sys.ResolveTime = 300 * time.Millisecond
			}
			w.sys.Names = finder(r)
			w.devices.Forget()
			w.bus.take()
			w.mustUp()
			if seen := <-r.seen; seen != old {
				t.Errorf("while the name was asked for, the endpoint was %v", seen)
			}
			if got := w.devices.Device("wg0").Peers[0].Endpoint; got != tt.want {
				t.Errorf("endpoint %v, want %v", got, tt.want)
			}
			writes := 0
			for _, c := range w.devices.Writes() {
				for _, p := range c.Changes.Peers {
					if p.Endpoint.IsValid() {
						writes++
					}
				}
			}
			if writes != tt.writes {
				t.Errorf("%d endpoints were written, want %d", writes, tt.writes)
			}
			kept, err := w.sys.State.LoadNames("wg0")
			if err != nil {
				t.Fatal(err)
			}
			want := state.Names{"vpn.example": netip.MustParseAddr(tt.kept)}
			if diff := cmp.Diff(want, kept, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
			for _, c := range w.bus.take() {
				if strings.Contains(c, "ENDPOINT_UNRESOLVED") {
					t.Errorf("netifd was told of an endpoint that is missing: %s", c)
				}
			}
			w.unchanged()
		}))
	}
}

// TestLastAddressIsNoNews: what the device has of a peer is newer than what was
// kept, and is left alone however old its handshake is.
func TestLastAddressIsNoNews(t *testing.T) { synctest.Test(t, testLastAddressIsNoNews) }

func testLastAddressIsNoNews(t *testing.T) {
	w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'", "option endpoint_host 'vpn.example'"))
	w.sys.ResolveTime = time.Second
	w.sys.Names = finder(names{"vpn.example": "192.0.2.7"})
	w.mustUp()
	moved := netip.MustParseAddrPort("198.51.100.9:4444")
	dev := w.devices.Device("wg0")
	dev.Peers[0].Endpoint, dev.Peers[0].LastHandshake = moved, w.sys.Now().Add(-time.Hour)
	w.devices.Put("wg0", dev)
	w.sys.Names, w.sys.ResolveTime = finder(names{}), 10*time.Millisecond
	w.mustUp()
	if got := w.devices.Device("wg0").Peers[0].Endpoint; got != moved {
		t.Errorf("endpoint %v, want %v", got, moved)
	}
}

// TestNamesFollowTheConfiguration: names that are gone from it are forgotten.
func TestNamesFollowTheConfiguration(t *testing.T) { synctest.Test(t, testNamesFollowTheConfiguration) }

func testNamesFollowTheConfiguration(t *testing.T) {
	w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'", "option endpoint_host 'a.example'")+
		peer("option public_key '"+peerKey2+"'", "option endpoint_host 'b.example'"))
	w.sys.ResolveTime = time.Second
	w.sys.Names = finder(names{"a.example": "192.0.2.1", "b.example": "192.0.2.2"})
	for _, tt := range []struct {
		config string
		want   int
	}{
		{"", 2},
		{wg0() + peer("option public_key '"+peerKey1+"'", "option endpoint_host 'a.example'"), 1},
		{wg0() + peer("option public_key '"+peerKey1+"'", "option endpoint_host '192.0.2.1'"), 0},
	} {
		if tt.config != "" {
			w.write(tt.config)
		}
		w.mustUp()
		if kept, err := w.sys.State.LoadNames("wg0"); err != nil || len(kept) != tt.want {
			t.Errorf("%d names: kept %v, %v", tt.want, kept, err)
		}
	}
}
