package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// draft is a configuration of wg0, and what it makes of the router. far is in it
// always.
type draft struct {
	text      string
	fwmark    int
	addresses []string
	routes    []string
	peers     map[wgtypes.Key]string
}

// draftPeers are the keys of the peers that drafts have, beside far.
var draftPeers = [6]wgtypes.Key{public(30), public(31), public(32), public(33), public(34), public(35)}

// anyDraft returns one.
func anyDraft(random *rand.Rand) *draft {
	maybe := func(n int) bool { return random.IntN(n) == 0 }
	d := &draft{
		addresses: []string{"10.0.0.1/24"}, routes: []string{"10.0.0.2/32" + netifdProto},
		peers: map[wgtypes.Key]string{public(them): "192.0.2.2:51821 [10.0.0.2/32] 0s false"},
	}
	var options, peers strings.Builder
	if maybe(2) {
		d.fwmark = 1 + random.IntN(100)
		fmt.Fprintf(&options, "\toption fwmark '%d'\n", d.fwmark)
	}
	if maybe(2) {
		d.addresses = append(d.addresses, "fd00::1/64")
		options.WriteString("\tlist addresses 'fd00::1/64'\n")
	}
	for n, key := range draftPeers {
		if maybe(3) {
			continue
		}
		endpoint, keepalive, secret := "none", 0, maybe(3)
		fmt.Fprintf(&peers, "\nconfig wireguard_wg0 'p%d'\n\toption public_key '%s'\n\tlist allowed_ips '10.%d.0.0/16'\n", n, key, 20+n)
		if maybe(2) {
			peers.WriteString("\toption route_allowed_ips '1'\n")
			d.routes = append(d.routes, fmt.Sprintf("10.%d.0.0/16"+netifdProto, 20+n))
		}
		if maybe(2) {
			endpoint = fmt.Sprintf("192.0.2.%d:%d", 50+random.IntN(9), 1+random.IntN(1000))
			host, port, _ := strings.Cut(endpoint, ":")
			fmt.Fprintf(&peers, "\toption endpoint_host '%s'\n\toption endpoint_port '%s'\n", host, port)
		}
		if maybe(2) {
			keepalive = 1 + random.IntN(100)
			fmt.Fprintf(&peers, "\toption persistent_keepalive '%d'\n", keepalive)
		}
		if secret {
			fmt.Fprintf(&peers, "\toption preshared_key '%s'\n", psk)
		}
		d.peers[key] = fmt.Sprintf("%s [10.%d.0.0/16] %v %v", endpoint, 20+n, time.Duration(keepalive)*time.Second, secret)
	}
	slices.Sort(d.routes)
	d.text = ifaceSection(options.String()) + strings.TrimPrefix(simple(""), ifaceSection("")) + peers.String()
	return d
}

// isAs fails unless the router is what a draft makes of it.
func (l *lab) isAs(d *draft) {
	l.t.Helper()
	if diff := l.differs(d); diff != "" {
		l.t.Errorf("the router is not as configured (-want +got):\n%s", diff)
	}
}

// differs returns what the router has that a draft does not make of it, and the
// other way round. Endpoints may have moved on, but not from a draft to nothing.
func (l *lab) differs(d *draft) string {
	l.t.Helper()
	dev := router.ReadDevice(l.t, l.Host, "wg0")
	peers := map[wgtypes.Key]string{}
	for _, p := range dev.Peers {
		endpoint := "none"
		if p.Endpoint != nil {
			endpoint = p.Endpoint.String()
		}
		if strings.HasPrefix(d.peers[p.PublicKey], "none ") {
			endpoint = "none" // What a peer had once it keeps.
		}
		peers[p.PublicKey] = fmt.Sprintf("%s %v %v %v", endpoint, allowed(p), p.PersistentKeepaliveInterval, p.PresharedKey == psk)
	}
	type facts struct {
		Peers, Addresses, Routes []string
		FwMark                   int
	}
	return cmp.Diff(facts{texts(d.peers), d.addresses, d.routes, d.fwmark},
		facts{texts(peers), addressesOf(l.t, l.Host, "wg0"), routesOf(l.t, l.Host, "wg0"), dev.FirewallMark})
}

func texts(peers map[wgtypes.Key]string) (list []string) {
	for key, text := range peers {
		list = append(list, key.String()+" "+text)
	}
	slices.Sort(list)
	return list
}

// newRandom returns random numbers that a failure names the seed of.
func newRandom(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
