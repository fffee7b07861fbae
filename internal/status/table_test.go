package status_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// many returns a snapshot of one interface with so many peers, each changed by
// change before it is built.
func many(peers int, change func(n int, c *schema.Peer, a *plan.ActualPeer)) *status.Snapshot {
	conf := &schema.Interface{Name: "wg0", Peers: make([]*schema.Peer, peers)}
	dev := plan.Actual{Exists: true, Up: true, Index: 7, Peers: make([]plan.ActualPeer, peers)}
	for n := range peers {
		c, a := new(schema.Peer), &dev.Peers[n]
		conf.Peers[n] = c
		c.PublicKey = schema.Key{byte(n), byte(n >> 8), 31: 1}
		c.Section = fmt.Sprintf("@wireguard_wg0[%d]", n)
		c.Description = fmt.Sprintf("Notebook of user %d", n)
		c.AllowedIPs = []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 32),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 14: byte(n >> 8), 15: byte(n)}), 128),
		}
		a.PublicKey, a.AllowedIPs = c.PublicKey, c.AllowedIPs
		a.Endpoint = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}), 51820)
		a.RxBytes, a.TxBytes = uint64(n)*1_000_003, uint64(n)*7_777_777
		switch n % 3 {
		case 0:
			a.LastHandshake = now.Add(-time.Duration(n%179) * time.Second)
		case 1:
			a.LastHandshake = now.Add(-time.Duration(1000+n) * time.Second)
		}
		if change != nil {
			change(n, c, a)
		}
	}
	in := &status.Input{Name: "wg0", Conf: conf, Actual: dev, Now: now, Clock: status.Clock{Set: true, Synchronised: true}}
	snap := &status.Snapshot{Time: now, Clock: in.Clock}
	snap.Fill([]*status.Input{in})
	return snap
}

func page(t testing.TB, s *status.Snapshot, q status.Query) blobmsg.Table {
	t.Helper()
	table, err := s.PeersTable(q)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// names returns the names of a page's peers.
func names(t testing.TB, table blobmsg.Table) (out []string) {
	t.Helper()
	list, _ := table.Array("peers")
	for _, p := range list {
		name, _ := p.(blobmsg.Table).String("name")
		out = append(out, name)
	}
	return out
}

func TestQuery(t *testing.T) {
	snap := many(6, func(n int, c *schema.Peer, a *plan.ActualPeer) {
		c.Description = []string{"beta", "Alpha", "ÄRGER", "delta", "", "alpha"}[n]
		c.Disabled = n == 3
		if n == 4 {
			a.Endpoint = netip.AddrPort{}
			c.Endpoint.Host = "VPN.example.org"
		}
	})
	const four = "@wireguard_wg0[4]" // its name
	tests := []struct {
		args  string
		want  []string
		total int
	}{
		{`{}`, []string{"beta", "Alpha", "ÄRGER", "delta", four, "alpha", "AwAAAAAA…"}, 7},
		{`{"reverse":true}`, []string{"AwAAAAAA…", "alpha", four, "delta", "ÄRGER", "Alpha", "beta"}, 7},
		{`{"reverse":1,"limit":2}`, []string{"AwAAAAAA…", "alpha"}, 7},
		{`{"sort":"name","limit":"4"}`, []string{four, "Alpha", "alpha", "AwAAAAAA…"}, 7},
		{`{"sort":"rx","limit":2}`, []string{"alpha", four}, 7},
		{`{"sort":"tx","limit":2,"offset":5}`, []string{"beta", "delta"}, 7},
		{`{"sort":"handshake","limit":3}`, []string{"beta", "AwAAAAAA…", "Alpha"}, 7},
		{`{"sort":"endpoint","limit":1}`, []string{"beta"}, 7},
		{`{"sort":"state"}`, []string{"ÄRGER", "alpha", "Alpha", four, "beta", "AwAAAAAA…", "delta"}, 7},
		{`{"state":"connected"}`, []string{"beta", "AwAAAAAA…"}, 2},
		{`{"state":"disabled, connecting"}`, []string{"ÄRGER", "delta", "alpha"}, 3},
		{`{"text":"ALPHA"}`, []string{"Alpha", "alpha"}, 2},
		{`{"text":"ärg"}`, []string{"ÄRGER"}, 1},
		{`{"text":"vpn.EXAMPLE"}`, []string{four}, 1},
		{`{"text":"10.0.0.1/"}`, []string{"Alpha"}, 1},
		{`{"text":"192.0.0.2:5"}`, []string{"ÄRGER"}, 1},
		{`{"text":"awaaaaaa"}`, []string{"delta", "AwAAAAAA…"}, 2},
		{`{"text":"_wg0[3"}`, []string{"delta"}, 1},
		{`{"text":"nobody"}`, nil, 0},
		{`{"offset":99}`, nil, 7},
		{`{"limit":0}`, nil, 7},
		{`{"interface":"wg0","ubus_rpc_session":"0123","limit":1}`, []string{"beta"}, 7},
	}
	for _, tt := range tests {
		args, err := blobmsg.ParseJSON([]byte(tt.args))
		if err != nil {
			t.Fatal(err)
		}
		q, err := status.ParseQuery(args)
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
			continue
		}
		table := page(t, snap, q)
		if diff := cmp.Diff(tt.want, names(t, table)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.args, diff)
		}
		if total, _ := table.Int("total"); int(total) != tt.total {
			t.Errorf("%s: total %d, want %d", tt.args, total, tt.total)
		}
	}
	if _, err := snap.PeersTable(status.Query{Interface: "wg9"}); !errors.Is(err, status.ErrNoInterface) {
		t.Errorf("an interface that is not there: %v", err)
	}
}

// TestCounts: they are of all that matched, whatever state was asked for, so that a
// page can show how many there are of the others.
func TestCounts(t *testing.T) {
	snap := many(9, nil)
	counts, _ := page(t, snap, status.Query{Text: "user 1", States: []status.State{status.Connected}}).Table("counts")
	if diff := cmp.Diff(blobmsg.Table{{Name: "idle", Value: 1}}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// TestPeerTable: everything of one peer, as the daemon tells it.
func TestPeerTable(t *testing.T) {
	k := schema.Key{31: 1}
	conf := &schema.Interface{Name: "wg0", Peers: []*schema.Peer{{
		Section: "office", Description: "Office", PublicKey: k, PresharedKey: key(t, psk),
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, RouteAllowedIPs: true,
		Endpoint:  schema.Endpoint{Host: "office.example.org", Port: 51820},
		Fallbacks: []schema.Endpoint{{Host: "2001:db8::9", Addr: netip.MustParseAddr("2001:db8::9"), Port: 443}},
		Keepalive: 25, EndpointFailback: 600,
		Problems: []*schema.Problem{{Section: "office", Option: "allowed_ips", Value: "10.1.2.3/16", Text: "has bits behind its prefix length"}},
	}}}
	in := &status.Input{
		Name: "wg0", Conf: conf, Now: now, Clock: status.Clock{Set: true, Synchronised: true},
		Actual: plan.Actual{Exists: true, Up: true, Peers: []plan.ActualPeer{{
			PublicKey: k, PresharedKey: key(t, psk), Endpoint: netip.MustParseAddrPort("[2001:db8::9]:443"),
			AllowedIPs: conf.Peers[0].AllowedIPs, Keepalive: 25, LastHandshake: now.Add(-30 * time.Second), RxBytes: 1 << 40, TxBytes: 7,
		}}},
		Health: func(schema.Key) (status.Health, bool) {
			return status.Health{State: "connected", Reason: "failed-over", Rate: status.Rate{Measured: true, Rx: 1000, Tx: 20}}, true
		},
	}
	snap := &status.Snapshot{Time: now, Clock: in.Clock, Daemon: true}
	snap.Fill([]*status.Input{in})
	table, err := snap.PeerTable(status.PeerRef{Interface: "wg0", Section: "office"}, []status.Candidate{
		{Host: "office.example.org", Port: 51820, Err: errors.New("no such host"), Asked: now.Add(-time.Minute)},
		{Host: "2001:db8::9", Port: 443, Addresses: []string{"2001:db8::9"}, InUse: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	goldenJSON(t, "testdata/peer.json", table)

	for _, ref := range []status.PeerRef{{Interface: "wg0", Section: "home"}, {Interface: "wg0"}, {Interface: "wg0", PublicKey: key(t, peerKey1)}} {
		if _, err := snap.PeerTable(ref, nil); !errors.Is(err, status.ErrNoPeer) {
			t.Errorf("%+v: %v", ref, err)
		}
	}
	if _, err := snap.PeerTable(status.PeerRef{Interface: "wg1", Section: "office"}, nil); !errors.Is(err, status.ErrNoInterface) {
		t.Errorf("an interface that is not there: %v", err)
	}
}

// TestStatusTable: the shape of rpcd-mod-wireguard, and more.
func TestStatusTable(t *testing.T) {
	snap := many(3, func(n int, c *schema.Peer, a *plan.ActualPeer) {
		c.Disabled = n == 2
		if n == 1 {
			a.Endpoint, a.Keepalive = netip.AddrPort{}, 25
		}
	})
	snap.Interfaces[0].Peers = snap.Interfaces[0].Peers[:3] // without the one that is in the device alone
	snap.Interfaces[0].FwMark, snap.Interfaces[0].ListenPort = 0xca6c0000, 51820
	snap.Interfaces[0].PublicKey = key(t, ownKey)
	down := status.Build(&status.Input{Name: "wg1", Conf: &schema.Interface{}, Now: now})
	snap.Interfaces = append(snap.Interfaces, down)
	goldenJSON(t, "testdata/exporter.json", snap.StatusTable())
}

func goldenJSON(t *testing.T, path string, table blobmsg.Table) {
	t.Helper()
	goldenText(t, path, string(blobmsg.AppendJSONIndent(nil, table))+"\n")
}

func goldenText(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestTextStaysText: what stands in the configuration stays text, whatever it is.
func TestTextStaysText(t *testing.T) {
	texts := []string{`<img src=x onerror=alert(1)>`, "a\x1b[2J\r\nb\x7f", `"],"daemon":true,"x":["`, "\xff\xfe", "\u2028\u202e"}
	snap := many(len(texts), func(n int, c *schema.Peer, a *plan.ActualPeer) {
		c.Description, c.Endpoint.Host, a.Endpoint = texts[n], texts[n], netip.AddrPort{}
		c.Problems = []*schema.Problem{{Section: texts[n], Value: texts[n], Text: texts[n]}}
	})
	peer, err := snap.PeerTable(status.PeerRef{Interface: "wg0", Section: "@wireguard_wg0[0]"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, table := range map[string]blobmsg.Table{
		"peers": page(t, snap, status.Query{}), "status": snap.StatusTable(), "all": snap.All(), "peer": peer,
	} {
		text := blobmsg.AppendJSON(nil, table)
		if !json.Valid(text) || !utf8.Valid(text) {
			t.Errorf("%s is no JSON: %q", name, text)
		}
	}
	list, _ := page(t, snap, status.Query{}).Array("peers")
	for n, want := range texts {
		if got, _ := list[n].(blobmsg.Table).String("description"); got != strings.ToValidUTF8(want, "\ufffd") {
			t.Errorf("%q came out as %q", want, got)
		}
	}
}

// TestNoSecret: no private and no preshared key is in any shape, wherever the
// configuration and the device have them.
func TestNoSecret(t *testing.T) {
	private, preshared := key(t, privKey), key(t, psk)
	snap := many(3, func(n int, c *schema.Peer, a *plan.ActualPeer) {
		c.PresharedKey, a.PresharedKey = preshared, preshared
		c.Invalid = n == 1
	})
	conf := &schema.Interface{Name: "wg1", PrivateKey: private, Peers: []*schema.Peer{{PublicKey: private.PublicKey(), PresharedKey: preshared}}}
	snap.Fill([]*status.Input{{
		Name: "wg1", Conf: conf, Now: now,
		Actual: plan.Actual{Exists: true, Up: true, PrivateKey: private, PublicKey: private.PublicKey(), Peers: []plan.ActualPeer{
			{PublicKey: private.PublicKey(), PresharedKey: preshared},
		}},
	}})
	var text strings.Builder
	if err := snap.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	shapes := map[string]string{
		"text":   text.String(),
		"peers":  string(blobmsg.AppendJSON(nil, page(t, snap, status.Query{}))),
		"status": string(blobmsg.AppendJSON(nil, snap.StatusTable())),
		"all":    string(blobmsg.AppendJSON(nil, snap.All())),
		"found":  string(blobmsg.AppendJSON(nil, page(t, snap, status.Query{Text: psk[:20]}))),
	}
	for n, ref := range []status.PeerRef{{Interface: "wg1", PublicKey: private.PublicKey()}, {Interface: "wg0", Section: "@wireguard_wg0[1]"}} {
		table, err := snap.PeerTable(ref, nil)
		if err != nil {
			t.Fatal(err)
		}
		shapes[fmt.Sprint("peer ", n)] = string(blobmsg.AppendJSON(nil, table))
	}
	for name, text := range shapes {
		for _, secret := range []string{privKey, psk, string(private[:]), string(preshared[:])} {
			if strings.Contains(text, secret) {
				t.Errorf("a secret key is in %s", name)
			}
		}
		if name != "found" && !strings.Contains(text, private.PublicKey().String()) && !strings.Contains(text, "AQAAAAAA") {
			t.Errorf("%s shows no key at all: %.200s", name, text)
		}
	}
	if n := len(names(t, page(t, snap, status.Query{Text: psk[:20]}))); n != 0 {
		t.Error("a secret can be found by its beginning")
	}
}

// Several sections may have one key: the kernel has one peer for all of them.
func TestFindByKeyAndSection(t *testing.T) {
	k, other := key(t, peerKey1), key(t, peerKey2)
	snap := &status.Snapshot{Interfaces: []status.Interface{{Name: "wg0", Peers: []status.Peer{
		{PublicKey: k, Section: "first"},
		{PublicKey: k, Section: "second", InKernel: true},
		{PublicKey: k, Section: "third", InKernel: true},
		{PublicKey: other, Section: "office"},
		{PublicKey: other},
		{Section: "empty"},
	}}}}
	for _, tt := range []struct {
		key     schema.Key
		section string
		want    string // none: ErrNoPeer
	}{
		{k, "first", "first"},
		{k, "third", "third"},
		{k, "", "second"},
		{k, "office", "second"},
		{k, "gone", "second"},
		{other, "", "office"},
		{schema.Key{}, "first", "first"},
		{schema.Key{}, "empty", "empty"},
		{schema.Key{}, "gone", "none"},
		{schema.Key{}, "", "none"},
	} {
		got := "none"
		_, p, err := snap.Find(status.PeerRef{Interface: "wg0", PublicKey: tt.key, Section: tt.section})
		if err == nil {
			got = p.Section
		} else if !errors.Is(err, status.ErrNoPeer) {
			t.Errorf("%v %q: %v", tt.key, tt.section, err)
		}
		if got != tt.want {
			t.Errorf("%v %q: %s, want %s", tt.key, tt.section, got, tt.want)
		}
	}
}
