package rpcd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/rpcd"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// daemon answers with a reply or an error, and notes what it was asked.
type daemon struct {
	reply blobmsg.Table
	err   error
	asked []string
}

func (d *daemon) Call(_ context.Context, method string, args blobmsg.Table) (blobmsg.Table, error) {
	d.asked = append(d.asked, method+" "+string(blobmsg.AppendJSON(nil, args)))
	return d.reply, d.err
}

// ask runs one call of a plugin that has a daemon, and one peer in the kernel.
func ask(t *testing.T, d *daemon, method, stdin string) (got map[string]any, log string) {
	t.Helper()
	var out, lines bytes.Buffer
	p := &rpcd.Plugin{
		Collect: func(context.Context, string) (*status.Snapshot, error) {
			return &status.Snapshot{Interfaces: []status.Interface{{Name: "wg0", Peers: []status.Peer{{Name: "phone", PublicKey: key(t, peerKey)}}}}}, nil
		},
		Daemon: d, Stdin: strings.NewReader(stdin), Stdout: &out, Log: logline.New(&lines),
	}
	_ = p.Run(context.Background(), []string{"call", method})
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("not one JSON object: %v\n%.200s", err, out.String())
	}
	return got, lines.String()
}

// TestDaemonAnswers: what the daemon says is passed on, and the arguments are, but
// for those that are nobody's business there.
func TestDaemonAnswers(t *testing.T) {
	const session = `,"ubus_rpc_session":"0123456789abcdef"}`
	for _, tt := range []struct{ method, args, want string }{
		{"status", `{"limit":7` + session, `peers {"limit":7}`},
		{"peers", `{"text":"x","sort":"rx","reverse":true,"state":"stale","interface":"wg0","offset":0` + session, `peers {"interface":"wg0","state":"stale","text":"x","sort":"rx","reverse":true,"offset":0}`},
		{"peer", `{"interface":"wg0","section":"office"` + session, `peer {"interface":"wg0","section":"office"}`},
		{"history", `{"interface":"wg0","step":"second"` + session, `history {"interface":"wg0","step":"second"}`},
		{"reload", `{"interface":"wg0"` + session, `reload {"interface":"wg0"}`},
		{"resolve", `{"interface":"wg0","public_key":"` + peerKey + `"` + session, `resolve {"interface":"wg0","public_key":"` + peerKey + `"}`},
	} {
		d := &daemon{reply: blobmsg.Table{{Name: "daemon", Value: true}}}
		got, _ := ask(t, d, tt.method, tt.args)
		if diff := cmp.Diff(map[string]any{"daemon": true}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.method, diff)
		}
		if diff := cmp.Diff([]string{tt.want}, d.asked); diff != "" {
			t.Errorf("%s asked (-want +got):\n%s", tt.method, diff)
		}
	}
}

// TestKernelAnswers: without a daemon, or with one that does not know what is meant,
// reading goes on from the kernel.
func TestKernelAnswers(t *testing.T) {
	for _, err := range []error{
		status.ErrNoDaemon, status.NoDaemon(ubus.StatusTimeout), ubus.StatusNotFound, ubus.StatusInvalidArgument,
	} {
		d := &daemon{err: err}
		got, log := ask(t, d, "peers", `{}`)
		if got["daemon"] != false || got["total"] != 1.0 || len(d.asked) != 1 {
			t.Errorf("%v: peers: %v", err, got)
		}
		got, _ = ask(t, d, "peer", `{"interface":"wg0","public_key":"`+peerKey+`"}`)
		if got["daemon"] != false || got["name"] != "phone" {
			t.Errorf("%v: peer: %v", err, got)
		}
		if (log != "") != (err == ubus.StatusInvalidArgument) {
			t.Errorf("%v: log %q", err, log)
		}
	}
}

// TestOnlyTheDaemon: what the kernel cannot tell, and why.
func TestOnlyTheDaemon(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{status.NoDaemon(ubus.StatusNotFound), "the daemon is not running: /etc/init.d/wgnetifd start"},
		{ubus.StatusNotFound, "there is no such interface or peer, or nothing is known of it yet"},
		{ubus.StatusInvalidArgument, "the daemon does not understand the arguments"},
	} {
		for _, method := range []string{"history", "reload", "resolve"} {
			got, _ := ask(t, &daemon{err: tt.err}, method, `{"interface":"wg0"}`)
			if got["error"] != tt.want {
				t.Errorf("%s, %v: %v, want %q", method, tt.err, got, tt.want)
			}
		}
	}
}

// TestNoDaemonForBadArguments: what is wrong is said without asking.
func TestNoDaemonForBadArguments(t *testing.T) {
	d := &daemon{}
	for method, args := range map[string]string{
		"peers": `{"sort":"size"}`, "peer": `{}`, "history": `{"public_key":"hush"}`, "reload": `{"interface":1}`, "resolve": `{"public_key":2}`,
	} {
		if got, _ := ask(t, d, method, args); got["error"] == nil {
			t.Errorf("%s %s: %v", method, args, got)
		}
	}
	if len(d.asked) > 0 {
		t.Errorf("asked: %q", d.asked)
	}
}

// TestNextPeerAddress: what LuCI's stock page asks for.
func TestNextPeerAddress(t *testing.T) {
	tests := []struct {
		name      string
		addresses string
		peers     string // allowed IPs
		args      string
		want      map[string]any
	}{
		{name: "first", addresses: "10.0.0.1/24", want: map[string]any{"octet": 2.0, "ipv4": "10.0.0.2/32"}},
		{name: "both families", addresses: "10.0.0.1/24 fd00::1/64", want: map[string]any{"octet": 2.0, "ipv4": "10.0.0.2/32", "ipv6": "fd00::2/128"}},
		{name: "the same for both", addresses: "10.0.0.1/24 fd00::1/64", peers: "10.0.0.2 fd00::3", want: map[string]any{"octet": 4.0, "ipv4": "10.0.0.4/32", "ipv6": "fd00::4/128"}},
		{name: "the last group's beginning stays", addresses: "fd11:5ee:bad:c0de::ac7:9301/64", want: map[string]any{"octet": 2.0, "ipv6": "fd11:5ee:bad:c0de::ac7:9302/128"}},
		{name: "the router's own is taken", addresses: "10.0.0.2/24 10.0.0.3/24", want: map[string]any{"octet": 4.0, "ipv4": "10.0.0.4/32"}},
		{name: "a network behind a peer", addresses: "10.0.0.1/24", peers: "10.0.0.0/29 10.9.0.0/16", want: map[string]any{"octet": 8.0, "ipv4": "10.0.0.8/32"}},
		{name: "a default route takes nothing", addresses: "10.0.0.1/24", peers: "0.0.0.0/0 10.0.0.2", want: map[string]any{"octet": 3.0, "ipv4": "10.0.0.3/32"}},
		{name: "reserved", addresses: "10.0.0.1/24", args: `,"reserved":[2,"3",300,-1,"x"]`, want: map[string]any{"octet": 4.0, "ipv4": "10.0.0.4/32"}},
		{name: "a small network", addresses: "10.0.0.33/29", want: map[string]any{"octet": 34.0, "ipv4": "10.0.0.34/32"}},
		{name: "no broadcast address", addresses: "10.0.0.33/30", peers: "10.0.0.34", want: map[string]any{"error": "no address of wg0's own networks is free"}},
		{name: "two addresses", addresses: "10.0.0.2/31", want: map[string]any{"octet": 3.0, "ipv4": "10.0.0.3/32"}},
		{name: "one address", addresses: "10.0.0.2/32", want: map[string]any{"error": "no address of wg0's own networks is free"}},
		{name: "a large network", addresses: "10.1.2.3/8", want: map[string]any{"octet": 2.0, "ipv4": "10.1.2.2/32"}},
		{name: "none", want: map[string]any{"error": "wg0 has no addresses in the configuration"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conf := &schema.Interface{Name: "wg0"}
			for _, a := range strings.Fields(tt.addresses) {
				conf.Addresses = append(conf.Addresses, netip.MustParsePrefix(a))
			}
			for _, a := range strings.Fields(tt.peers) {
				if !strings.Contains(a, "/") {
					addr := netip.MustParseAddr(a)
					a = netip.PrefixFrom(addr, addr.BitLen()).String()
				}
				conf.Peers = append(conf.Peers, &schema.Peer{AllowedIPs: []netip.Prefix{netip.MustParsePrefix(a)}})
			}
			var out bytes.Buffer
			p := &rpcd.Plugin{
				Config: func(string) (*schema.Interface, error) { return conf, nil },
				Stdin:  strings.NewReader(`{"interface":"wg0"` + tt.args + `}`), Stdout: &out, Log: logline.New(io.Discard),
			}
			_ = p.Run(context.Background(), []string{"call", "getNextPeerAddress"})
			var got map[string]any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
