package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

func TestActualOf(t *testing.T) {
	at := time.Unix(1700000000, 1)
	mark := uint32(0xfedcba98)
	ipNet := func(s string) net.IPNet {
		_, n, err := net.ParseCIDR(s)
		if err != nil {
			t.Fatal(err)
		}
		return *n
	}
	got := actualOf(&wgtypes.Device{
		PrivateKey: wgtypes.Key{1}, PublicKey: wgtypes.Key{2}, ListenPort: 65535, FirewallMark: int(mark),
		Peers: []wgtypes.Peer{
			{
				PublicKey: wgtypes.Key{3}, PresharedKey: wgtypes.Key{4}, PersistentKeepaliveInterval: 65535 * time.Second,
				// As net.ParseIP has it, in 16 bytes.
				Endpoint:          &net.UDPAddr{IP: net.ParseIP("192.0.2.1"), Port: 65535},
				LastHandshakeTime: at, ReceiveBytes: 1 << 40, TransmitBytes: 1 << 41,
				AllowedIPs: []net.IPNet{ipNet("10.0.0.0/8"), ipNet("fd00::/8"), ipNet("0.0.0.0/0"), ipNet("::/0")},
			},
			{PublicKey: wgtypes.Key{5}, Endpoint: &net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "br-lan"}},
		},
	})
	want := plan.Actual{
		PrivateKey: schema.Key{1}, PublicKey: schema.Key{2}, ListenPort: 65535, FwMark: mark,
		Peers: []plan.ActualPeer{
			{
				PublicKey: schema.Key{3}, PresharedKey: schema.Key{4}, Keepalive: 65535,
				Endpoint: netip.MustParseAddrPort("192.0.2.1:65535"), LastHandshake: at, RxBytes: 1 << 40, TxBytes: 1 << 41,
				AllowedIPs: prefixes("10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::/0"),
			},
			{PublicKey: schema.Key{5}, Endpoint: netip.MustParseAddrPort("[fe80::1%br-lan]:1")},
		},
	}
	if diff := cmp.Diff(want, got, compareActual); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// wgctrl computes a public key also where there is no private key.
	if a := actualOf(&wgtypes.Device{PublicKey: wgtypes.Key{2}}); !a.PublicKey.IsZero() {
		t.Error("a device without a private key has a public one")
	}
}

func TestUserError(t *testing.T) {
	refusal := func(text string) error { return os.NewSyscallError("read", errors.New(text)) }
	tests := []struct {
		err  error
		want error
	}{
		{nil, nil},
		// The numbers are the architecture's: this one is 98 on most, 125 on MIPS.
		{refusal(fmt.Sprintf("wguser: errno=-%d", int(unix.EADDRINUSE))), unix.EADDRINUSE},
		{refusal("wguser: errno=-22"), unix.EINVAL},
		{refusal("wguser: errno=0"), nil},
		{refusal("wguser: errno=-x"), nil},
		{refusal("wguser: errno=-99999999999"), nil},
		{fs.ErrNotExist, fs.ErrNotExist},
	}
	for _, tt := range tests {
		got := userError(tt.err)
		want := tt.want
		if want == nil {
			want = tt.err // it stays what it is
		}
		if got != want {
			t.Errorf("userError(%v) = %v, want %v", tt.err, got, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	ours := []string{"PATH=/bin", "WG_PROCESS_FOREGROUND=1", "WG_TUN_FD=5", "HOME=/root", "LOG_LEVEL=debug", "LOG_LEVELS=1"}
	want := []string{"PATH=/bin", "HOME=/root", "LOG_LEVELS=1"}
	if diff := cmp.Diff(want, environment(ours)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if ours[1] != "WG_PROCESS_FOREGROUND=1" {
		t.Error("our own environment was changed")
	}
}

func TestLookPath(t *testing.T) {
	dir, empty := t.TempDir(), t.TempDir()
	for name, mode := range map[string]os.FileMode{"program": 0o755, "text": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", fmt.Sprintf("%s::relative:%s", empty, dir))
	if got, err := lookPath("program"); err != nil || got != filepath.Join(dir, "program") {
		t.Errorf("%q, %v", got, err)
	}
	for _, name := range []string{"text", "folder", "nothing"} {
		if got, err := lookPath(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q, %v; want an error that matches fs.ErrNotExist", name, got, err)
		}
	}
}

func TestRunDetached(t *testing.T) {
	for _, status := range []int{0, 3} {
		got, err := runDetached("/bin/sh", []string{"sh", "-c", fmt.Sprintf("exit %d", status)}, time.Minute)
		if err != nil || got != status {
			t.Errorf("status %d, %v; want %d", got, err, status)
		}
	}
	if _, err := runDetached("/nothing", []string{"nothing"}, time.Minute); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	// One that never puts itself into the background is not waited for.
	begin := time.Now()
	if got, err := runDetached("/bin/sh", []string{"sh", "-c", "exec sleep 60"}, 50*time.Millisecond); err != nil || got == 0 {
		t.Errorf("status %d, %v; want that of a killed process", got, err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}
