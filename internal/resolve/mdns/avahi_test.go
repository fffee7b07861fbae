package mdns

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

// avahi starts the real avahi-daemon in a host, on a bus or on none. Each has a /run
// of its own: Avahi runs once on a machine.
func avahi(t *testing.T, h *netns.Host, socket string) {
	t.Helper()
	config := filepath.Join(t.TempDir(), h.Name()+".conf")
	bus := "no"
	if socket != "" {
		bus = "yes"
	}
	if err := os.WriteFile(config, []byte("[server]\nhost-name="+h.Name()+"\nuse-ipv4=yes\nuse-ipv6=yes\nenable-dbus="+bus+
		"\n[wide-area]\nenable-wide-area=no\n[publish]\npublish-workstation=no\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := h.Command("unshare", "--mount", "--", "sh", "-c",
		"mount -t tmpfs tmpfs /run && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits --file="+config)
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+socket)
	run(t, cmd.Start, cmd.Cmd)
}

// TestRealAvahi: a host on the router's network is found by its name, by the real
// avahi-daemon on the real D-Bus, and its link-local address comes with the link.
func TestRealAvahi(t *testing.T) {
	netns.Require(t)
	need.Command(t, "avahi-daemon")
	need.Command(t, "unshare")
	socket := filepath.Join(t.TempDir(), "bus")
	systemBus(t, socket)
	router, nas := netns.New(t, "router"), netns.New(t, "nas")
	netns.Connect(router, "br-lan", nas, "eth0")
	router.AddAddress("br-lan", "192.168.77.1/24")
	nas.AddAddress("eth0", "192.168.77.5/24")
	avahi(t, router, socket)
	avahi(t, nas, "")

	a := NewAvahi(socket)
	a.link = func(index int) (string, error) {
		link, err := router.Links().LinkByIndex(index)
		if err != nil {
			return "", err
		}
		return link.Attrs().Name, nil
	}
	both := func(netip.Addr) netip.Addr { return netip.Addr{} }
	names := &resolve.Names{Local: First{a, NewUmdns(nobody{})}, Source: both}
	var got []netip.Addr
	eventually(t, "nas.local is found with both addresses", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
		defer cancel()
		got, _ = names.Candidates(ctx, "NAS.local.", resolve.Auto)
		return len(got) == 2
	})
	linkLocal := got[0]
	if !linkLocal.Is6() || !linkLocal.IsLinkLocalUnicast() || linkLocal.Zone() != "br-lan" {
		t.Errorf("the first candidate is %v", linkLocal)
	}
	want := []netip.Addr{linkLocal, netip.MustParseAddr("192.168.77.5")}
	if diff := cmp.Diff(want, got, equateAddr); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// On a busy machine it may take longer than loginTime to get onto the bus.
	find := func(host string, family resolve.Family) (err error) {
		for err = resolve.ErrNoLocal; errors.Is(err, resolve.ErrNoLocal) && ctx.Err() == nil; {
			_, err = names.Candidates(ctx, host, family)
		}
		return err
	}
	if err := find("nobody.local", resolve.Auto); err == nil || err.Error() != "there is no such name" {
		t.Errorf("a name that nobody has: %v", err)
	}
	if err := find("nas.local", resolve.IPv4); err != nil {
		t.Errorf("after that: %v", err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("took too long")
	}
}
