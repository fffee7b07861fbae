package integration

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/rpcd"
)

// maxReply is what takes rpcd itself off the bus.
const maxReply = 1 << 20

// ask calls a method of the plugin as a browser does, which adds its session, and
// returns the answer's JSON.
func (l *lab) ask(method string, args blobmsg.Table, into any) {
	l.t.Helper()
	args = append(args, blobmsg.Field{Name: "ubus_rpc_session", Value: rpcd.NullSession})
	reply, err := l.Call("luci.wireguard", method, args)
	if err != nil {
		l.t.Fatalf("%s: %v", method, err)
	}
	if size := len(blobmsg.Append(nil, reply)); size >= maxReply {
		l.t.Errorf("%s answers %d bytes", method, size)
	}
	text := blobmsg.AppendJSON(nil, reply)
	noSecret(l.t, method, string(text))
	if err := json.Unmarshal(text, into); err != nil {
		l.t.Fatalf("%s: %v:\n%.300s", method, err, text)
	}
}

// instance is an interface in the answer of getWgInstances, all of whose scalars
// are strings.
type instance struct {
	Name       string
	PublicKey  string `json:"public_key"`
	ListenPort string `json:"listen_port"`
	FwMark     string
	Peers      []instancePeer
}

type instancePeer struct {
	Name            string
	PublicKey       string   `json:"public_key"`
	Endpoint        string   `json:"endpoint"`
	AllowedIPs      []string `json:"allowed_ips"`
	LatestHandshake string   `json:"latest_handshake"`
	RX              string   `json:"transfer_rx"`
	TX              string   `json:"transfer_tx"`
	Keepalive       string   `json:"persistent_keepalive"`
}

// TestRpcd: the plugin behind rpcd has the four methods of LuCI's stock backend.
func TestRpcd(t *testing.T) {
	l := newLab(t, simple("\toption preshared_key '"+psk.String()+"'\n\toption persistent_keepalive '25'\n\toption description 'Far away'\n"))
	key := psk
	l.farTunnel(wgtypes.PeerConfig{AllowedIPs: ipNets("10.0.0.0/24"), PresharedKey: &key}, "10.0.0.2/24")
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.Host, "10.0.0.2")
	l.StartRpcd()

	var pair struct{ Keys struct{ Priv, Pub string } }
	l.ask("generateKeyPair", nil, &pair)
	priv, err := wgtypes.ParseKey(pair.Keys.Priv)
	if err != nil || priv.PublicKey().String() != pair.Keys.Pub {
		t.Errorf("generateKeyPair: %v: %+v", err, pair)
	}
	l.ask("getPublicAndPrivateKeyFromPrivate", blobmsg.Table{{Name: "privkey", Value: private(5).String()}}, &pair)
	equal(t, "public of a private key", pair.Keys.Pub, public(5).String())
	var made struct{ PSK string }
	l.ask("generatePsk", nil, &made)
	if _, err := wgtypes.ParseKey(made.PSK); err != nil {
		t.Errorf("generatePsk: %v: %+v", err, made)
	}

	var instances map[string]instance
	peer := l.peerOf("wg0", them)
	for {
		l.ask("getWgInstances", nil, &instances)
		// Wireguard-go may make another handshake by now, see settle.
		was := peer.LastHandshakeTime
		if peer = l.peerOf("wg0", them); peer.LastHandshakeTime.Equal(was) {
			break
		}
		clear(instances)
	}
	got := instances["wg0"]
	if len(got.Peers) != 1 || got.Peers[0].RX == "0" || got.Peers[0].TX == "0" {
		t.Fatalf("getWgInstances: %+v", instances)
	}
	got.Peers[0].RX, got.Peers[0].TX = "", ""
	equal(t, "getWgInstances", got, instance{
		Name: "wg0", PublicKey: public(us).String(), ListenPort: "51820", FwMark: "off",
		Peers: []instancePeer{{
			Name: "Far away", PublicKey: public(them).String(), Endpoint: "192.0.2.2:51821", AllowedIPs: []string{"10.0.0.2/32"},
			LatestHandshake: strconv.FormatInt(peer.LastHandshakeTime.Unix(), 10), Keepalive: "25",
		}},
	})
	for _, method := range []string{"status", "peers"} {
		var s pageJSON
		l.ask(method, nil, &s)
		if p := s.Peers; s.Daemon || len(p) != 1 || p[0].State != "connected" || p[0].HandshakeAge < 0 {
			t.Errorf("%s: %+v", method, s)
		}
	}
	var next struct{ IPv4 string }
	l.ask("getNextPeerAddress", blobmsg.Table{{Name: "interface", Value: "wg0"}}, &next)
	equal(t, "getNextPeerAddress", next.IPv4, "10.0.0.3/32")
	var one peerJSON
	l.ask("peer", blobmsg.Table{{Name: "interface", Value: "wg0"}, {Name: "public_key", Value: public(them).String()}}, &one)
	equal(t, "peer", one.Name, "Far away")
	var failed struct{ Error string }
	for _, method := range []string{"history", "reload", "resolve"} {
		l.ask(method, blobmsg.Table{{Name: "interface", Value: "wg0"}}, &failed)
		if !strings.HasPrefix(failed.Error, "the daemon is not running") {
			t.Errorf("%s: %+v", method, failed)
		}
	}
}

// TestRpcdManyPeers: no answer grows beyond what rpcd survives, and all peers can
// be had page by page.
func TestRpcdManyPeers(t *testing.T) {
	const peers = 5000
	l := newLab(t, ifaceSection("")+manyPeers(peers, "\toption description 'a peer with quite a long description, as people like them'\n"))
	l.Start()
	l.AwaitUp("wg0")
	l.StartRpcd()
	var instances map[string]instance
	l.ask("getWgInstances", nil, &instances)
	if n := len(instances["wg0"].Peers); n == 0 {
		t.Error("getWgInstances has no peer")
	}
	seen := map[string]bool{}
	pages := 0
	for offset := 0; ; pages++ {
		var s pageJSON
		l.ask("status", blobmsg.Table{
			{Name: "interface", Value: "wg0"}, {Name: "offset", Value: int32(offset)}, {Name: "limit", Value: int32(500)},
		}, &s)
		equal(t, "total", s.Total, peers)
		for _, p := range s.Peers {
			seen[p.Section] = true
		}
		if s.Next <= offset {
			break
		}
		offset = s.Next
	}
	equal(t, "peers on all pages", len(seen), peers)
	equal(t, "pages", pages+1, peers/500)
	if !slices.Contains(l.Broker.Paths(), "luci.wireguard") {
		t.Error("rpcd has left the bus")
	}
}
