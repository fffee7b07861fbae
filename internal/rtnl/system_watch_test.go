package rtnl

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/netns"
)

// TestForgedEvent: what another process sends is not believed.
func TestForgedEvent(t *testing.T) {
	netns.Require(t)
	h := netns.New(t, "host")
	h.AddStub("lan")
	h.Do(func() {
		socket, err := openWatch()
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		conn, err := socket.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var name unix.Sockaddr
		_ = conn.Control(func(fd uintptr) { name, err = unix.Getsockname(int(fd)) })
		if err != nil {
			t.Fatal(err)
		}
		forger, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(forger)
		forged := notification(unix.RTM_DELLINK, linkBody(unix.AF_UNSPEC, 5, "lan")...)
		to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: name.(*unix.SockaddrNetlink).Pid}
		if err := unix.Sendto(forger, forged, 0, to); err != nil {
			t.Fatal(err)
		}
		h.AddAddress("lan", "192.0.2.1/24")
		// Others, of links that come up, are about the kernel's own doing.
		done := Event{Kind: EventAddress, Device: "lan", Dst: netip.MustParsePrefix("192.0.2.1/24")}
		came := false
		w := &watch{system: NewSystem(), handler: func(e Event) {
			if e.Kind == EventLink && e.Removed {
				t.Errorf("%+v", e)
			}
			e.Index = 0
			if e == done {
				came = true
				_ = socket.SetReadDeadline(time.Unix(1, 0))
			}
		}}
		defer w.system.Close()
		if err := w.run(socket); err == nil || !came {
			t.Errorf("%v, and the kernel's own event came: %v", err, came)
		}
	})
}
