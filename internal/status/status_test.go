package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

const (
	privKey  = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
	ownKey   = "Y2FD6uTgrq+/bbBAXCNOtE+PGk8Papoh7qaWBpQUXn0="
	peerKey1 = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
	peerKey2 = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
	psk      = "/UwcSPg38hW/D9Y3tcS1FOV0K1wuURMbS0sesJEP5ak="
)

var update = flag.Bool("update", false, "write the goldens anew; look at them before they are committed")

var now = time.Unix(1_800_000_000, 0)

func key(t testing.TB, s string) schema.Key {
	t.Helper()
	k, err := schema.ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type bus map[string]blobmsg.Table

func (b bus) Call(_ context.Context, path, _ string, _ blobmsg.Table) (blobmsg.Table, error) {
	if s, ok := b[strings.TrimPrefix(path, "network.interface.")]; ok {
		return s, nil
	}
	return nil, ubus.StatusNotFound
}

func sources(t testing.TB, config string) (*status.Sources, *wgdev.Fake, *rtnl.Fake) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "network"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	devices, kernel := wgdev.NewFake(), rtnl.NewFake()
	return &status.Sources{
		Config: uci.Dir{Config: dir, Save: filepath.Join(dir, "save")}, Devices: devices, Kernel: kernel,
		Now: func() time.Time { return now },
	}, devices, kernel
}

const config = `
config interface 'wg0'
	option proto 'wireguard'
	option private_key '` + privKey + `'
	option listen_port '51820'
	list addresses '10.0.0.1/24'

config wireguard_wg0
	option description 'phone'
	option public_key '` + peerKey1 + `'
	option preshared_key '` + psk + `'
	list allowed_ips '10.0.0.2/32'
	option persistent_keepalive '25'

config wireguard_wg0 'branch'
	option public_key '` + peerKey2 + `'
	option endpoint_host 'vpn.example.org'

config wireguard_wg0
	option description 'old laptop'
	option disabled '1'
	option public_key '` + ownKey + `'

config wireguard_wg0
	option description 'typo'
	option public_key 'abc'

config interface 'wg1'
	option proto 'wireguard'
	option disabled '1'
`

func upAndRunning(t testing.TB) *status.Sources {
	src, devices, kernel := sources(t, config)
	devices.Put("wg0", plan.Actual{
		Exists: true, Up: true, MTU: 1420, ListenPort: 51820, PrivateKey: key(t, privKey), PublicKey: key(t, ownKey),
		Peers: []plan.ActualPeer{
			{
				PublicKey: key(t, peerKey1), PresharedKey: key(t, psk), Keepalive: 25,
				Endpoint: netip.MustParseAddrPort("[2001:db8::7]:4711"), AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/32")},
				LastHandshake: now.Add(-72 * time.Second), RxBytes: 2048, TxBytes: 5 << 20,
			},
			{PublicKey: key(t, peerKey2)},
		},
	})
	kernel.PutAddress("wg0", netip.MustParsePrefix("10.0.0.1/24"))
	client := netifd.Client{Bus: bus{"wg0": {{Name: "up", Value: true}, {Name: "uptime", Value: int32(90)}}}}
	src.Netifd = &client
	return src
}

// TestText is what people see: who is connected, and why the others are not.
func TestText(t *testing.T) {
	snap, err := upAndRunning(t).Collect(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := snap.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/status.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/status.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// TestTable: the shape for programs. Neither of the secret keys is in it.
func TestTable(t *testing.T) {
	snap, err := upAndRunning(t).Collect(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	text := blobmsg.AppendJSON(nil, snap.All())
	for _, secret := range []string{privKey, psk} {
		if strings.Contains(string(text), secret) {
			t.Error("a secret key is in the status")
		}
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/status.json", append(blobmsg.AppendJSONIndent(nil, snap.All()), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile("testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s\n%s", diff, text)
	}
}

// TestWithoutConfiguration: a file that does not parse is said, and what the
// kernel has is shown all the same.
func TestWithoutConfiguration(t *testing.T) {
	src, devices, kernel := sources(t, "config 'interface\n")
	devices.Put("wg0", plan.Actual{Exists: true, Up: true, Peers: []plan.ActualPeer{{PublicKey: key(t, peerKey1)}}})
	kernel.PutLink(rtnl.Link{Name: "wg0", Kind: "wireguard", Up: true})
	kernel.PutLink(rtnl.Link{Name: "eth0"})
	snap, err := src.Collect(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	var parse *uci.ParseError
	if !errors.As(snap.ConfigError, &parse) {
		t.Errorf("ConfigError is %v", snap.ConfigError)
	}
	if len(snap.Interfaces) != 1 || snap.Interfaces[0].Configured || len(snap.Interfaces[0].Peers) != 1 {
		t.Errorf("interfaces: %+v", snap.Interfaces)
	}
	var b strings.Builder
	if err := snap.WriteText(&b); err != nil || !strings.HasPrefix(b.String(), "The configuration cannot be read") {
		t.Errorf("text:\n%s", b.String())
	}
}

// TestAskedForOne: who asks for one interface hears that the file is the reason.
func TestAskedForOne(t *testing.T) {
	src, _, _ := sources(t, "config 'interface\n")
	var parse *uci.ParseError
	if _, err := src.Collect(context.Background(), "wg0"); !errors.As(err, &parse) {
		t.Errorf("got %v", err)
	}
}

func TestNoInterface(t *testing.T) {
	src, _, _ := sources(t, config)
	if _, err := src.Collect(context.Background(), "eth9"); !errors.Is(err, status.ErrNoInterface) {
		t.Errorf("got %v", err)
	}
}

// TestRoutes: routes that netifd does not get are said.
func TestRoutes(t *testing.T) {
	var b strings.Builder
	b.WriteString("config interface wg0\n option proto wireguard\nconfig wireguard_wg0\n option public_key " + peerKey1 + "\n option route_allowed_ips 1\n")
	for n := range 9000 {
		fmt.Fprintf(&b, " list allowed_ips 10.%d.%d.0/24\n", n>>7, n<<1&255)
	}
	src, _, _ := sources(t, b.String())
	snap, err := src.Collect(context.Background(), "wg0")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := snap.Interfaces[0].Routes, (plan.RouteNumbers{Asked: 9000, Netifd: 8000, Ours: 1000}); got != want {
		t.Errorf("routes: %+v, want %+v", got, want)
	}
	b.Reset()
	if err := snap.WriteText(&b); err != nil || !strings.Contains(b.String(), "9000, more than netifd takes: 8000 by netifd after aggregation, 1000 by us") {
		t.Errorf("text:\n%s", b.String())
	}
}

// TestTerminal: a description cannot steer the terminal or start a line.
func TestTerminal(t *testing.T) {
	src, _, _ := sources(t, "config interface wg0\n option proto wireguard\nconfig wireguard_wg0\n option public_key "+peerKey1+
		"\n option description 'a\x1b[2Jb\x07\nc'\n")
	snap, err := src.Collect(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := snap.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "peer a [2Jb  c: down\n") {
		t.Errorf("text:\n%q", b.String())
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s ago", 59 * time.Second: "59 s ago", 72 * time.Second: "1 min 12 s ago", 3725 * time.Second: "1 h 2 min ago",
		49 * time.Hour: "2 d 1 h ago", -time.Second: "in the future: the router's clock was set back",
	} {
		if got := status.Ago(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.00 KiB", 5 << 20: "5.00 MiB", 1<<64 - 1: "16.00 EiB",
	} {
		if got := status.Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
