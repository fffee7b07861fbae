package integration

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/wgnetifd/wgnetifd/internal/resolve/mdns"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

// service runs a program of the machine until the test ends.
func service(t testing.TB, start func() error, cmd *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // It may have ended by itself,
		_ = cmd.Wait()         // and says that it was killed.
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, &out)
		}
	})
}

// systemBus starts the real dbus-daemon where services of the system look for it, and
// returns another socket of it.
func systemBus(t testing.TB) (socket string) {
	t.Helper()
	need.Command(t, "dbus-daemon")
	dir := t.TempDir()
	socket = filepath.Join(dir, "bus")
	if err := os.MkdirAll(filepath.Dir(mdns.SystemBus), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(mdns.SystemBus) }) // It outlives who made it.
	config := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, []byte(`<busconfig>
<type>system</type>
<listen>unix:path=`+mdns.SystemBus+`</listen>
<listen>unix:path=`+socket+`</listen>
<auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/><allow own="*"/>
<allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
</policy>
</busconfig>
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog")
	service(t, cmd.Start, cmd)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return socket
		}
		if time.Since(begin) > patience {
			t.Fatal("dbus-daemon does not listen")
		}
	}
}

// avahi starts the real avahi-daemon in a host, whose name.local is that of a host of
// that name; on a D-Bus, or on none. Each has a folder in /run of its own: it runs
// once on a machine.
func avahi(t testing.TB, h *netns.Host, name, socket string) {
	t.Helper()
	need.Command(t, "avahi-daemon")
	need.Command(t, "unshare")
	config, bus := filepath.Join(t.TempDir(), "avahi.conf"), "no"
	if socket != "" {
		bus = "yes"
	}
	if err := os.WriteFile(config, []byte("[server]\nhost-name="+name+"\nuse-ipv4=yes\nuse-ipv6=yes\nenable-dbus="+bus+
		"\n[wide-area]\nenable-wide-area=no\n[publish]\npublish-workstation=no\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := h.Command("unshare", "--mount", "--", "sh", "-c",
		"mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits --file="+config)
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+socket)
	service(t, cmd.Start, cmd.Cmd)
}

// local is a lab with a peer nas.local, whose far end far is, and a daemon.
func local(t testing.TB) *lab {
	l := newLab(t, ifaceSection("")+endpointPeer("nas", 1, "nas.local", ""))
	addFarPeer(l, 1)
	return l
}

// begin starts the router and the daemon, and sees that the name is not found for the
// reason that it should be.
func (l *lab) begin() {
	l.t.Helper()
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	l.StartDaemon()
	p := l.awaitPeer(them+1, "not found", func(p peerState) bool { return p.State == "unresolved" && p.Reason == "no-address" })
	if want := "found by Avahi or umdns, and neither runs here"; !strings.Contains(p.Detail, want) || strings.Contains(p.Detail, "DNS") {
		l.t.Errorf("the reason is %q, want %q", p.Detail, want)
	}
}

// TestLocalNameByAvahi: a peer on the same link is found by its name in .local, by the
// real avahi-daemon, as soon as that runs; until then the status says what is missing.
// The address is one of the link, so that it has to come with the link.
func TestLocalNameByAvahi(t *testing.T) {
	l := local(t)
	ip(t, l.Host, "-6", "address", "del", "2001:db8::1/64", "dev", "wan")
	ip(t, l.far, "-6", "address", "del", "2001:db8::2/64", "dev", "eth0")
	l.begin()
	avahi(t, l.Host, "router", systemBus(t))
	avahi(t, l.far, "nas", "")
	p := l.awaitPeer(them+1, "found", func(p peerState) bool { return p.State == "connected" })
	// Avahi gives one address of each family, as it comes to know them: where one is half
	// a second later than the other, that is the only one.
	near := linkLocal(t, l.far, "eth0") + "%wan"
	got := p.candidates()
	if !slices.Equal(got, []string{near, live}) && !slices.Equal(got, []string{near}) && !slices.Equal(got, []string{live}) {
		t.Errorf("the candidates are %q, want %s, %s, or both", got, near, live)
	}
	if e, err := netip.ParseAddrPort(p.Endpoint); err != nil || !slices.Contains(got, e.Addr().String()) {
		t.Errorf("the endpoint is %s, and the candidates are %q", p.Endpoint, got)
	}
	equal(t, "reason", p.Reason, "")
}

// linkLocal returns the link-local address of a device.
func linkLocal(t testing.TB, h *netns.Host, device string) string {
	t.Helper()
	addrs, err := h.Links().AddrList(h.Link(device), netlink.FAMILY_V6)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if a.IP.IsLinkLocalUnicast() {
			return a.IP.String()
		}
	}
	t.Fatalf("%s of %s has no link-local address", device, h.Name())
	return ""
}

// umdns is a stand-in for OpenWrt's on the router's bus: it has asked the network, and
// shows what was heard.
type umdns struct{ hosts blobmsg.Table }

func (u *umdns) publish(l *lab) {
	l.t.Helper()
	nothing := func(context.Context, *ubus.Request) (blobmsg.Table, error) { return nil, nil }
	_, err := l.dial().Publish(context.Background(), "umdns", []ubus.Method{
		{Name: "query", Call: nothing},
		{Name: "hosts", Call: func(context.Context, *ubus.Request) (blobmsg.Table, error) { return u.hosts, nil }},
		{Name: "fetch", Call: nothing},
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// TestLocalNameByUmdns: where there is no Avahi, umdns is asked, as soon as it is
// there.
func TestLocalNameByUmdns(t *testing.T) {
	l := local(t)
	l.begin()
	(&umdns{blobmsg.Table{{Name: "NAS.local", Value: blobmsg.Table{{Name: "ipv4", Value: blobmsg.Array{live}}}}}}).publish(l)
	p := l.awaitConnected(1, at(live, 1))
	equal(t, "candidates", p.candidates(), []string{live})
}
