package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// broken is a line that no strict reader of UCI takes.
const broken = "\nconfig interface 'lan\n"

// mustFail runs a command that has to fail with exit status 1 and one line of an
// error, which it returns.
func mustFail(t testing.TB, cmd *netns.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	text := strings.TrimSuffix(string(out), "\n")
	if err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%v: %v, want exit status 1\n%s", cmd.Args, err, text)
	}
	if text == "" || strings.Contains(text, "\n") {
		t.Errorf("%v: want one line, got:\n%s", cmd.Args, text)
	}
	return text
}

// awaitRefused waits until netifd has given an interface up, and checks what it
// was told and that it does not try for ever: action 7 of notify_proto alone
// makes it call the handler about 77 times a second.
func (l *lab) awaitRefused(iface, code, text string) {
	l.t.Helper()
	s := l.Await(iface, "refused", func(s *router.Status) bool {
		return !s.Up && !s.Pending && !s.Autostart && len(s.Errors) > 0
	})
	wantError(l.t, s, code, text)
	before := l.Runs(iface)
	time.Sleep(time.Second)
	if runs := l.Runs(iface); runs != before || runs != 1 {
		l.t.Errorf("the handler ran %d times, and %d more within a second; want 1, 0", before, runs-before)
	}
	if _, err := l.Links().LinkByName(iface); err == nil {
		l.t.Errorf("%s was made and left", iface)
	}
	// One line says why, and another what becomes of it.
	var said []string
	for _, line := range l.Log() {
		if _, text, ok := strings.Cut(line, "error: "); ok {
			said = append(said, text)
		}
	}
	if len(said) != 2 || !strings.Contains(said[0], text) || !strings.Contains(said[1], "stays down until") {
		l.t.Errorf("the log says:\n%s", strings.Join(said, "\n"))
	}
}

// wantError wants one error.
func wantError(t testing.TB, s *router.Status, code, text string) {
	t.Helper()
	lines := errorLines(s)
	if len(lines) != 1 || !strings.HasPrefix(lines[0], code+": ") || !strings.Contains(lines[0], text) {
		t.Errorf("netifd was told:\n%s\nwant %s with %q", strings.Join(lines, "\n"), code, text)
	}
}

func TestUnparsable(t *testing.T) {
	l := newLab(t, simple(broken))
	l.Start()
	line := strings.Count(simple(broken), "\n")
	l.awaitRefused("wg0", "CONFIG_UNREADABLE", fmt.Sprintf("%s:%d", l.File("network"), line))

	// Once the file is mended, ifup does it.
	l.Configure(simple(""))
	l.Tell("wg0", "up")
	l.AwaitUp("wg0")
}

// TestUnparsableRunning: a file that does not parse leaves a running tunnel as
// it is, at a renew and when netifd itself starts anew.
func TestUnparsableRunning(t *testing.T) {
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.far, "10.0.0.1")
	l.awaitHandlers()
	l.settle()
	before := l.snapshot("wg0")
	l.Configure(strings.Replace(simple(""), "10.0.0.1/24", "10.5.5.5/24", 1) + broken)

	mustFail(t, l.Handler("wireguard", "renew", "wg0", "{}"))
	s := l.Status("wg0")
	wantError(t, s, "CONFIG_UNREADABLE", l.File("network")+":")
	if !s.Up {
		t.Error("the interface is down after a renew")
	}
	equal(t, "state after a renew", l.snapshot("wg0"), before)
	mustPing(t, l.far, "10.0.0.1")

	if err := l.Netifd.Close(); err != nil {
		t.Fatal(err)
	}
	l.StartNetifd()
	l.AwaitUp("wg0")
	s = l.Await("wg0", "told", func(s *router.Status) bool { return len(s.Errors) > 0 })
	wantError(t, s, "CONFIG_UNREADABLE", l.File("network")+":")
	l.awaitHandlers()
	after := l.snapshot("wg0")
	after.State = before.State // Netifd is to be told everything when the file is good again: that is noted.
	equal(t, "state after a start of netifd", after, before)
	mustPing(t, l.far, "10.0.0.1")
}

func TestNoSection(t *testing.T) {
	for name, text := range map[string]string{
		"missing":        "",
		"other protocol": "config interface 'wg0'\n\toption proto 'static'\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, ifaceSection("\toption auto '0'\n"))
			l.Start()
			l.Configure(text)
			l.Tell("wg0", "up")
			l.awaitRefused("wg0", "NO_SUCH_INTERFACE", "wg0")
		})
	}
}

// TestKeyNotSaved: an interface without a key does not come up with one that
// would be another at the next start.
func TestKeyNotSaved(t *testing.T) {
	keyless := strings.Replace(simple(""), private(us).String(), "generate", 1)
	for name, spoil := range map[string]func(t *testing.T, l *lab){
		"disk full": func(t *testing.T, _ *lab) {
			remount(t, "size=8k")
			if err := os.WriteFile(filepath.Join(router.ConfigDir, "filler"), make([]byte, 4096), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"read-only": func(t *testing.T, l *lab) {
			remount(t, "size=64k")
			l.Configure(keyless)
			if err := unix.Mount("", router.ConfigDir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, keyless)
			spoil(t, l)
			if name == "disk full" {
				l.Configure(keyless)
			}
			l.Start()
			l.awaitRefused("wg0", "NO_PRIVATE_KEY", "network.wg0.private_key")
			if text, err := os.ReadFile(l.File("network")); err != nil || string(text) != keyless {
				t.Errorf("the file is another one now (%v):\n%s", err, text)
			}
		})
	}
}

// remount gives the configuration a file system of its own.
func remount(t *testing.T, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", router.ConfigDir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(router.ConfigDir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func TestNoWireGuard(t *testing.T) {
	l := newLab(t, simple(""))
	if l.kernel {
		return // This kernel always has one.
	}
	t.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
	l.Start()
	l.awaitRefused("wg0", "NO_WIREGUARD", "install kmod-wireguard")
	equal(t, "up", strings.Contains(mustFail(t, l.Wgnetifd("up", "wg0")), "kmod-wireguard"), true)
}

func TestNotRoot(t *testing.T) {
	l := newLab(t, simple(""))
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers()
	before := l.snapshot("wg0")
	user := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	// netifd's methods are root's, so that it cannot be told: a line more.
	setup := l.Handler("wireguard", "setup", "wg0", "{}")
	setup.SysProcAttr = user
	if out, err := setup.CombinedOutput(); err == nil || !strings.Contains(string(out), "(run this as root)") {
		t.Errorf("setup: %v\n%s", err, out)
	}
	for _, cmd := range []*netns.Cmd{
		l.Handler("wireguard", "teardown", "wg0", "{}"),
		l.Wgnetifd("status"),
		l.Wgnetifd("up", "wg0"),
		l.Wgnetifd("down", "wg0"),
	} {
		cmd.SysProcAttr = user
		if line := mustFail(t, cmd); !strings.Contains(line, "root") {
			t.Errorf("%v says nothing about root: %s", cmd.Args, line)
		}
	}
	equal(t, "state", l.snapshot("wg0"), before)
}

// TestNoUbus: without netifd nothing is done that it would not know of.
func TestNoUbus(t *testing.T) {
	l := newLab(t, simple(""))
	line := mustFail(t, l.Handler("wireguard", "setup", "wg0", "{}"))
	if !regexp.MustCompile(`ubus.*nothing was changed`).MatchString(line) {
		t.Error(line)
	}
	if _, err := l.Links().LinkByName("wg0"); err == nil {
		t.Error("a link was made")
	}

	// A broker that goes away under a running tunnel costs the tunnel nothing.
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	l.awaitHandlers() // One whose netifd does not answer takes back what it has done.
	if err := l.Broker.Close(); err != nil {
		t.Fatal(err)
	}
	mustFail(t, l.Handler("wireguard", "renew", "wg0", "{}"))
	mustPing(t, l.far, "10.0.0.1")
}
