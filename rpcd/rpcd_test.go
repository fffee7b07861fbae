package rpcd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/rpcd"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

const (
	privKey = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
	pubKey  = "Y2FD6uTgrq+/bbBAXCNOtE+PGk8Papoh7qaWBpQUXn0="
	peerKey = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
)

func key(t testing.TB, s string) schema.Key {
	t.Helper()
	k, err := schema.ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// call runs one call as rpcd does and returns what it printed, which has to be
// one JSON object.
func call(t *testing.T, snap *status.Snapshot, stdin string, args ...string) (map[string]any, error) {
	t.Helper()
	var out bytes.Buffer
	p := &rpcd.Plugin{
		Collect: func(_ context.Context, iface string) (*status.Snapshot, error) {
			if iface == "nope" {
				return nil, status.ErrNoInterface
			}
			return snap, nil
		},
		Stdin: strings.NewReader(stdin), Stdout: &out, Log: logline.New(io.Discard),
	}
	err := p.Run(context.Background(), args)
	var got map[string]any
	if jsonErr := json.Unmarshal(out.Bytes(), &got); jsonErr != nil {
		t.Fatalf("not one JSON object: %v\n%.200s", jsonErr, out.String())
	}
	return got, err
}

func TestList(t *testing.T) {
	got, err := call(t, nil, "", "list")
	if err != nil {
		t.Fatal(err)
	}
	query := map[string]any{"interface": "", "state": "", "text": "", "sort": "", "reverse": false, "offset": 0.0, "limit": 0.0}
	want := map[string]any{
		"generateKeyPair": map[string]any{}, "generatePsk": map[string]any{}, "getWgInstances": map[string]any{},
		"getPublicAndPrivateKeyFromPrivate": map[string]any{"privkey": ""},
		"getNextPeerAddress":                map[string]any{"interface": "", "reserved": []any{}},
		"status":                            query,
		"peers":                             query,
		"peer":                              map[string]any{"interface": "", "public_key": "", "section": ""},
		"history":                           map[string]any{"interface": "", "public_key": "", "step": ""},
		"reload":                            map[string]any{"interface": ""},
		"resolve":                           map[string]any{"interface": "", "public_key": ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestKeys(t *testing.T) {
	// uhttpd adds the session to every call.
	got, err := call(t, nil, `{"privkey":"`+privKey+`","ubus_rpc_session":"0123"}`, "call", "getPublicAndPrivateKeyFromPrivate")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"keys": map[string]any{"priv": privKey, "pub": pubKey}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	got, err = call(t, nil, `{}`, "call", "generateKeyPair")
	if err != nil {
		t.Fatal(err)
	}
	pair := got["keys"].(map[string]any)
	if key(t, pair["priv"].(string)).PublicKey() != key(t, pair["pub"].(string)) {
		t.Errorf("the keys are no pair: %v", pair)
	}
	got, err = call(t, nil, "", "call", "generatePsk")
	if err != nil || key(t, got["psk"].(string)).IsZero() {
		t.Errorf("psk: %v, %v", got, err)
	}
}

func TestBadCalls(t *testing.T) {
	for _, tt := range []struct {
		stdin  string
		method string
		want   string
	}{
		{`{"privkey":"hush"}`, "getPublicAndPrivateKeyFromPrivate", "privkey: " + schema.ErrKey.Error()},
		{`{}`, "getPublicAndPrivateKeyFromPrivate", "privkey: " + schema.ErrKey.Error()},
		{`{"d":`, "getPublicAndPrivateKeyFromPrivate", "arguments: this is not a JSON object"},
		{`{1,"b":2}`, "generatePsk", "arguments: this is not a JSON object"},
		{`[1]`, "generatePsk", "arguments: this is not a JSON object"},
		{`{"offset":-1}`, "status", "offset: a whole number from 0 on is right here"},
		{`{"limit":"x"}`, "status", "limit: a whole number from 0 on is right here"},
		{`{"sort":"size"}`, "peers", "sort: one of section, name, state, handshake, rx, tx, endpoint is right here"},
		{`{"state":"up"}`, "peers", "state: one or more of stale, connecting, unresolved, invalid, down, waiting, idle, connected, disabled are right here"},
		{`{"text":7}`, "peers", "text: a text is right here"},
		{`{"interface":"nope"}`, "status", status.ErrNoInterface.Error()},
		{`{"interface":"wg0"}`, "peer", "public_key: the public key of a peer, or its section, is right here"},
		{`{"public_key":"` + peerKey + `"}`, "peer", "interface: the name of an interface is right here"},
		{`{"interface":"wg0","public_key":"x"}`, "peer", "public_key: " + schema.ErrKey.Error()},
		{`{"interface":"wg0","public_key":"` + peerKey + `"}`, "peer", "wg0: " + status.ErrNoInterface.Error()},
		{`{"interface":"wg0"}`, "history", status.ErrNoDaemon.Error()},
		{`{}`, "reload", status.ErrNoDaemon.Error()},
		{`{"interface":"wg0","public_key":"hush"}`, "resolve", "public_key: " + schema.ErrKey.Error()},
		{`{}`, "reboot", "reboot: no such method"},
		{`{"a":"` + strings.Repeat("x", 1<<16) + `"}`, "status", "arguments: 64 KiB or more; rpcd cuts them off there, send less at once"},
	} {
		got, err := call(t, &status.Snapshot{}, tt.stdin, "call", tt.method)
		if err == nil || got["error"] != tt.want {
			t.Errorf("%s %.50s: %v (%v), want %q", tt.method, tt.stdin, got, err, tt.want)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"call"}, {"dance"}} {
		p := &rpcd.Plugin{Stdin: strings.NewReader(""), Stdout: io.Discard}
		if err := p.Run(context.Background(), args); err == nil || errors.Is(err, rpcd.ErrMethod) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestInstances is the stock shape: every scalar is a string.
func TestInstances(t *testing.T) {
	snap := &status.Snapshot{Interfaces: []status.Interface{
		{Name: "wg0", InKernel: true, PublicKey: key(t, pubKey), ListenPort: 51820, FwMark: 0xca6c, Peers: []status.Peer{
			{
				Name: "phone", InKernel: true, PublicKey: key(t, peerKey), Endpoint: netip.MustParseAddrPort("[2001:db8::1]:7"),
				AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/32")}, Keepalive: 25,
				LastHandshake: time.Unix(1668680574, 0), RxBytes: 1 << 63, TxBytes: 308,
			},
			{Name: "new", InKernel: true, PublicKey: key(t, pubKey), AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.3/32")}},
			{Name: "disabled", State: status.Disabled},
		}},
		{Name: "wg1"}, // not in the kernel
		{Name: "wg2", InKernel: true},
	}}
	got, err := call(t, snap, `{}`, "call", "getWgInstances")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"wg0": map[string]any{"name": "wg0", "public_key": pubKey, "listen_port": "51820", "fwmark": "0xca6c", "peers": []any{
			map[string]any{
				"name": "phone", "public_key": peerKey, "endpoint": "[2001:db8::1]:7", "allowed_ips": []any{"10.0.0.2/32"},
				"latest_handshake": "1668680574", "transfer_rx": "9223372036854775808", "transfer_tx": "308", "persistent_keepalive": "25",
			},
			map[string]any{
				"name": "new", "public_key": pubKey, "endpoint": "(none)", "allowed_ips": []any{"10.0.0.3/32"},
				"latest_handshake": "0", "transfer_rx": "0", "transfer_tx": "0", "persistent_keepalive": "off",
			},
		}},
		"wg2": map[string]any{"name": "wg2", "public_key": "(none)", "listen_port": "0", "fwmark": "off", "peers": []any{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}
}

// TestReplyIsBounded: rpcd goes off the bus with a reply of more than 1 MiB.
func TestReplyIsBounded(t *testing.T) {
	i := status.Interface{Name: "wg0", InKernel: true}
	for n := range 10000 {
		i.Peers = append(i.Peers, status.Peer{
			Name: strings.Repeat("\u0001", 100), InKernel: true, PublicKey: schema.Key{byte(n), byte(n >> 8)},
			AllowedIPs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.%d.%d/32", n>>8, n&255))},
		})
	}
	snap := &status.Snapshot{Interfaces: []status.Interface{i}}
	for _, method := range []string{"getWgInstances", "status"} {
		got, err := call(t, snap, `{"limit":1000000}`, "call", method)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(got)
		if len(text) > 1<<20 || len(text) < 100<<10 {
			t.Errorf("%s: %d bytes", method, len(text))
		}
	}
}
