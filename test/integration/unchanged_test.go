package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// snapshot is all that setup could have changed.
type snapshot struct {
	Device    *wgtypes.Device
	Addresses []string
	Routes    []string
	MTU       int
	// State says which file of our own it is, and when it was written.
	State string
}

func (l *lab) snapshot(device string) snapshot {
	l.t.Helper()
	d := router.ReadDevice(l.t, l.Host, device)
	// wireguard-go keeps no order.
	slices.SortFunc(d.Peers, func(a, b wgtypes.Peer) int { return strings.Compare(a.PublicKey.String(), b.PublicKey.String()) })
	for n := range d.Peers {
		// Traffic goes on.
		d.Peers[n].ReceiveBytes, d.Peers[n].TransmitBytes = 0, 0
		slices.SortFunc(d.Peers[n].AllowedIPs, func(a, b net.IPNet) int { return strings.Compare(a.String(), b.String()) })
	}
	s := snapshot{
		Device:    d,
		Addresses: addressesOf(l.t, l.Host, device),
		Routes:    routesOf(l.t, l.Host, device),
		MTU:       l.Link(device).Attrs().MTU,
	}
	st, err := os.Stat(filepath.Join(router.StateDir, device+".state"))
	if err != nil {
		l.t.Fatal(err)
	}
	s.State = fmt.Sprint(st.Sys().(*syscall.Stat_t).Ino, st.ModTime())
	return s
}

// handle runs the handler as netifd does and wants it to succeed.
func (l *lab) handle(action, iface string) {
	l.t.Helper()
	if out, err := l.Handler("wireguard", action, iface, "{}").CombinedOutput(); err != nil {
		l.t.Fatalf("%s %s: %v\n%s", action, iface, err, out)
	}
}

// flood pings through the tunnel, and its result says whether no answer was
// missing. It takes about a second. Only the kernel can be held to every packet:
// on a busy machine wireguard-go loses some when nothing changes at all.
func (l *lab) flood(address string) (done chan error) {
	l.t.Helper()
	const count = 500
	args := []string{"-n", "-i", "0.002", "-c", strconv.Itoa(count), address}
	if l.kernel {
		// Of the last answers ping waits for no longer than twice what others took, which
		// is not enough when others had the processor then: so it goes on until it has
		// as many answers, and those to the first ones count.
		args = append([]string{"-w", "90"}, args...)
	} else {
		args = append([]string{"-q", "-W", "10"}, args...)
	}
	cmd := l.far.Command("ping", args...)
	done = make(chan error, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		for n := 1; err == nil && l.kernel && n <= count; n++ {
			if !strings.Contains(string(out), fmt.Sprintf(" icmp_seq=%d ", n)) {
				err = fmt.Errorf("packet %d of %d was lost:\n%s", n, count, out)
			}
		}
		done <- err
	}()
	return done
}

// TestUnchanged: where nothing has changed, setup and renew write nothing to
// device, addresses and routes, and nobody's packets are lost.
func TestUnchanged(t *testing.T) {
	var more strings.Builder
	for n := range 100 {
		more.WriteString(peerSection(fmt.Sprintf("p%d", n), 100+n, fmt.Sprintf(`
	option preshared_key '%s'
	list allowed_ips '10.1.%d.0/24'
	list allowed_ips 'fd00:1:%x::/64'
	option route_allowed_ips '1'
	option endpoint_host '192.0.2.%d'
	option persistent_keepalive '3600'
`, psk, n, n, 3+n)))
	}
	l := newLab(t, simple(more.String()))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.far, "10.0.0.1")
	l.awaitHandlers()
	l.settle()

	// Netifd does not wait for its scripts.
	await(t, "the event of the setup", func() bool { return len(l.Hotplug()) > 0 })
	before, events := l.snapshot("wg0"), len(l.Hotplug())
	m := newMonitor(t, l.Host)
	done, runs := l.flood("10.0.0.1"), 0
	for pinging := true; pinging || runs < 4; runs++ {
		l.handle([]string{"setup", "renew"}[runs%2], "wg0")
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			pinging = false
		default:
		}
	}
	l.Tell("wg0", "renew")
	l.awaitHandlers()
	if diff := cmp.Diff(before, l.snapshot("wg0"), cmp.Comparer(sameKey)); diff != "" {
		t.Errorf("%d runs changed (-before +after):\n%s", runs, diff)
	}
	equal(t, "changes that the kernel told of", m.events(), map[string]int{})
	equal(t, "hotplug events", len(l.Hotplug()), events)
	t.Logf("%d runs of the handler", runs)
}

func sameKey(a, b wgtypes.Key) bool { return a == b }

// TestUnchangedNoticesWrites proves that the test above would notice.
func TestUnchangedNoticesWrites(t *testing.T) {
	l := newLab(t, simple(""))
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	before := l.snapshot("wg0")
	m := newMonitor(t, l.Host)
	l.Configure(simple(peerSection("new", 3, "\tlist allowed_ips '10.1.0.0/16'\n\toption route_allowed_ips '1'\n")))
	l.handle("renew", "wg0")
	if cmp.Equal(before, l.snapshot("wg0"), cmp.Comparer(sameKey)) {
		t.Error("a new peer makes no difference in the snapshot")
	}
	equal(t, "changes that the kernel told of", m.events(), map[string]int{"NEWROUTE": 1})
}

// awaitHandlers waits until no handler runs.
func (l *lab) awaitHandlers() {
	l.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if len(handlers(l.t)) == 0 {
			return
		}
	}
	l.t.Fatal("a handler does not end")
}

// handlers returns the process ids of the handlers that run.
func handlers(t testing.TB) []string { return processes(t, "./wgnetifd.sh\x00") }

// processes returns the ids of the processes whose command line begins so.
func processes(t testing.TB, prefix string) (pids []string) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if strings.HasPrefix(commandLine(dir), prefix) {
			pids = append(pids, filepath.Base(dir))
		}
	}
	return pids
}

// commandLine returns that of a process; empty: it has ended. Who starts one hears
// that this was done when execve(2) closes descriptors, and until it has put the
// arguments into their place a little later there is a program without any.
func commandLine(dir string) string {
	for {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(line) > 0 {
			return string(line)
		}
		if _, err := os.Readlink(filepath.Join(dir, "exe")); err != nil {
			return ""
		}
		time.Sleep(time.Millisecond)
	}
}
