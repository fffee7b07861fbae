package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoadOrder(t *testing.T) {
	const deps = `kernel/drivers/net/wireguard/wireguard.ko.xz: kernel/arch/x86/crypto/curve25519-x86_64.ko.xz kernel/lib/crypto/libcurve25519-generic.ko.xz kernel/net/ipv4/udp_tunnel.ko.xz
kernel/arch/x86/crypto/curve25519-x86_64.ko.xz: kernel/lib/crypto/libcurve25519-generic.ko.xz
kernel/lib/crypto/libcurve25519-generic.ko.xz:
kernel/net/ipv4/udp_tunnel.ko.xz:
kernel/drivers/net/veth.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz
`
	got, err := loadOrder(deps, "kernel/drivers/net/tun.ko\n", []string{"wireguard", "tun", "veth"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"kernel/net/ipv4/udp_tunnel.ko.xz",
		"kernel/lib/crypto/libcurve25519-generic.ko.xz",
		"kernel/arch/x86/crypto/curve25519-x86_64.ko.xz",
		"kernel/drivers/net/wireguard/wireguard.ko.xz",
		"kernel/drivers/net/veth.ko.xz",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := loadOrder(deps, "", []string{"tun"}); err == nil || !strings.Contains(err.Error(), "no module tun") {
		t.Errorf("a module that is missing: %v", err)
	}
}

// TestDamaged: a kernel of which a byte was lost is not used.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	if _, err := load(&pc, dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{imageFile, baseFile, seriesFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("6.1"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := sums(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, sumsFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	k, err := load(&pc, dir)
	if err != nil || k.series != "6.1" {
		t.Fatalf("%+v, %v", k, err)
	}
	if err := os.WriteFile(k.base, []byte("6"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := load(&pc, dir); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a file was cut short: %v", err)
	}
}
