package support

import (
	"context"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

var update = flag.Bool("update", false, "write the golden file anew")

// RFC 7748, section 6.1: the keys of Alice and Bob.
const (
	alicePrivate = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
	alicePublic  = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
	bobPrivate   = "XasIfmJKikt54X+Lg4AO5m87sSkmGLb9HC+LJ/+I4Os="
	bobPublic    = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
	psk          = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE="
)

const config = `
config interface 'wan'
	option proto 'pppoe'
	option username 'somebody@provider.example'
	option password 'of the provider'

config interface 'wg0'
	option proto 'wireguard'
	option private_key '` + alicePrivate + `'
	option listen_port '51820'
	list addresses '10.0.0.1/24'
	list addresses '2001:db8:77::1/64'
	option api_token 'of another program'

config wireguard_wg0 'phone'
	option description 'phone'
	option public_key '` + bobPublic + `'
	option private_key '` + bobPrivate + `'
	option preshared_key '` + psk + `'
	option endpoint_host 'home.dyn.example'
	list endpoint 'second.dyn.example:4500'
	list endpoint '[2001:db8:9::9]:51820'
	list allowed_ips '10.0.0.2/32'
	list allowed_ips '198.51.100.0/24'
	option client_endpoint 'router.dyn.example:51820'
	list client_dns '203.0.113.53'
	list client_dns 'corp.dyn.example'

config wireguard_wg0
	option public_key 'cut-off-key'
	option preshared_key 'words, not a key'
	option endpoint_host '203.0.113.9'

config wireguard_gone
	option public_key '` + alicePublic + `'
`

// secrets are what must not be in the text, whatever else is there.
var secrets = []string{
	alicePrivate, alicePublic, bobPrivate, bobPublic, psk, alicePrivate[:40],
	"words, not a key", "of the provider", "of another program", "somebody@provider.example",
	"dyn.example", "203.0.113.9", "198.51.100.", "2001:db8", "192.0.2.1", "00:11:22:33:44:55",
}

const log = `Sat Nov 21 15:00:00 2026 daemon.notice netifd: Interface 'wg0' is now up
Sat Nov 21 15:00:00 2026 daemon.notice netifd: Interface 'wan' is now up with 203.0.113.77
Sat Nov 21 15:00:01 2026 daemon.err wgnetifd[7]: home.dyn.example resolved (address=203.0.113.9 peer=phone key=` + bobPublic + `)
Sat Nov 21 15:00:02 2026 kern.debug kernel: wireguard: wg0: Sending handshake initiation to peer 1 ([2001:db8:9::9]:51820)
Sat Nov 21 15:00:03 2026 daemon.info dnsmasq[9]: query of somebody
Sat Nov 21 15:00:04 2026 daemon.notice netifd: wg0 (77): key ` + alicePrivate + ` of 00:11:22:33:44:55
`

// root is a router's file system.
func root(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"etc/openwrt_release":           "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='24.10.4'\nDISTRIB_TARGET='ramips/mt7621'\n",
		"proc/version":                  "Linux version 6.6.110\n",
		"proc/meminfo":                  "MemTotal:  120000 kB\nMemFree: 1 kB\nMemAvailable: 60000 kB\n",
		"lib/netifd/proto/wgnetifd.sh":  "",
		"lib/netifd/proto/wireguard.sh": "",
		"lib/netifd/proto/ppp.sh":       "",
		"usr/lib/opkg/status":           "Package: wireguard-tools\nVersion: 1.0-r1\nStatus: install\n\nPackage: dnsmasq\nVersion: 2\n",
		"lib/apk/db/installed":          "C:x\nP:wgnetifd\nV:1.2.3-r4\n\nP:dnsmasq\nV:2\n",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func setUp(t testing.TB, config string) *Sources {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "network"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	key := func(text string) schema.Key {
		k, err := schema.ParseKey(text)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	devices, kernel := wgdev.NewFake(), rtnl.NewFake()
	devices.Put("wg0", plan.Actual{
		Exists: true, Up: true, PrivateKey: key(alicePrivate), PublicKey: key(alicePublic), ListenPort: 4711, MTU: 1420,
		Peers: []plan.ActualPeer{{PublicKey: key(bobPublic), Endpoint: netip.MustParseAddrPort("203.0.113.9:51820")}},
	})
	if err := kernel.ReplaceRoute(rtnl.Route{
		Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1"), Device: "wan",
	}); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Unix(1_700_000_000, 0) }
	s := &Sources{
		Version: "1.2.3-r4",
		Config:  uci.Dir{Config: dir, Save: filepath.Join(dir, ".uci")},
		State:   state.Dir(filepath.Join(dir, "run")),
		Devices: devices, Kernel: kernel, Now: now,
		Root: root(t),
		Log:  func(context.Context) (string, error) { return log, nil },
	}
	s.Snapshot = func(ctx context.Context) (*status.Snapshot, error) {
		return (&status.Sources{Config: s.Config, Devices: devices, Kernel: kernel, Now: now}).Collect(ctx, "")
	}
	return s
}

func write(t testing.TB, s *Sources) string {
	t.Helper()
	var b strings.Builder
	if err := s.Write(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestNoSecret: nothing of what must not be there is there.
func TestNoSecret(t *testing.T) {
	got := write(t, setUp(t, config))
	for _, secret := range secrets {
		if strings.Contains(got, secret) {
			t.Errorf("%q is in the text", secret)
		}
	}
	if left := leaks(got); len(left) > 0 {
		t.Errorf("in the text: %q", left)
	}
}

func TestText(t *testing.T) {
	got := write(t, setUp(t, config))
	got = strings.ReplaceAll(got, runtime.Version()+", "+runtime.GOARCH, "GO")
	const golden = "testdata/support.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got); -update writes it anew:\n%s", diff)
	}
}

// TestIncomplete: what cannot be found out is said, and the rest is there.
func TestIncomplete(t *testing.T) {
	s := setUp(t, "config interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key '"+alicePrivate+"\n")
	s.Root = t.TempDir()
	s.Log = func(context.Context) (string, error) { return "", errors.New("logread did not end") }
	s.Kernel.(*rtnl.Fake).Fail = func(rtnl.Write) error { return errors.New("no netlink") }
	got := write(t, s)
	for _, want := range []string{"not complete: logread did not end", "not complete: no netlink", "OpenWrt      not known", "## log"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, alicePrivate[:20]) {
		t.Errorf("a damaged file shows its key:\n%s", got)
	}
}

func TestOutput(t *testing.T) {
	script := filepath.Join(t.TempDir(), "logread")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(script, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("echo one; echo two\n")
	if got, err := output(t.Context(), time.Minute, script); got != "one\ntwo\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	write("echo one; exec sleep 1000\n")
	got, err := output(t.Context(), 200*time.Millisecond, script)
	if err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("one that does not end: %q, %v", got, err)
	}
	if _, err := output(t.Context(), time.Minute, script+".none"); err == nil {
		t.Error("no error without the program")
	}
}

// TestLong: thousands of peers make no text that nobody can send.
func TestLong(t *testing.T) {
	var b strings.Builder
	b.WriteString("config interface 'wg0'\n\toption proto 'wireguard'\n")
	for range 3000 {
		b.WriteString("config wireguard_wg0\n\toption public_key '" + bobPublic + "'\n")
	}
	if got := write(t, setUp(t, b.String())); len(got) > 300_000 || !strings.Contains(got, "more lines") {
		t.Errorf("%d bytes", len(got))
	}
}

// FuzzConfig: whatever stands in the options of a peer, no key and no public address
// of it is in the text.
func FuzzConfig(f *testing.F) {
	f.Add(alicePrivate, "203.0.113.9", "home.dyn.example", "2001:db8::1/64")
	f.Add("short", "[2001:db8::1]:51820", "x", "198.51.100.1")
	f.Fuzz(func(t *testing.T, secret, endpoint, host, ip string) {
		pkg, err := uci.Parse(schema.PackageName, []byte(config))
		if err != nil {
			t.Fatal(err)
		}
		p := pkg.Section("phone")
		p.Set("preshared_key", secret)
		p.SetList("endpoint", endpoint)
		p.Set("endpoint_host", host)
		p.SetList("allowed_ips", ip)
		p.Set("public_key", secret)
		got := write(t, setUp(t, string(pkg.Bytes())))
		if len(secret) >= minKey && !strings.ContainsAny(secret, "\n") && strings.Contains(got, secret) {
			t.Errorf("%q is in the text", secret)
		}
		if left := leaks(got); len(left) > 0 {
			t.Errorf("in the text: %q", left)
		}
	})
}
