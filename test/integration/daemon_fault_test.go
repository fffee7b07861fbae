package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// await waits until something is so.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// TestReloadOfNothing: an interface that the configuration does not have, or has no
// more, is not found, for programs as for people.
func TestReloadOfNothing(t *testing.T) {
	l := newLab(t, simple("")+"\nconfig interface 'wg9'\n\toption proto 'wireguard'\n\toption private_key '"+private(9).String()+"'\n\toption auto '0'\n")
	l.Start()
	l.AwaitUp("wg0")
	if line := mustFail(t, l.Wgnetifd("reload", "wg0")); !strings.Contains(line, "daemon is not running") {
		t.Errorf("without a daemon: %s", line)
	}
	l.StartDaemon()
	equal(t, "reload of an interface without changes", l.output("", "reload", "wg9"), "nothing changed\n")
	for _, when := range []string{"removed from the configuration", "the daemon knows that"} {
		l.Configure(simple(""))
		if _, err := l.Call("wireguard", "reload", blobmsg.Table{{Name: "interface", Value: "wg9"}}); !errors.Is(err, ubus.StatusNotFound) {
			t.Errorf("%s: %v", when, err)
		}
		if line := mustFail(t, l.Wgnetifd("reload", "wg9")); !strings.Contains(line, "wg9: there is no such") {
			t.Errorf("%s: %s", when, line)
		}
	}
	equal(t, "reload of all", l.reloadDaemon(), reloaded{})
}

// TestDaemonKilled: the daemon is killed again and again while it begins and while
// it applies changes, makes a key among them. The tunnel works all the time, and the
// last one makes everything what it has to be.
func TestDaemonKilled(t *testing.T) {
	const keyless = "\nconfig interface 'wg1'\n\toption proto 'wireguard'\n\toption private_key 'generate'\n"
	random := newRandom(t)
	l := newLab(t, anyDraft(random).text+keyless)
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	l.AwaitUp("wg1")
	mustPing(t, l.far, "10.0.0.1")
	l.awaitHandlers()
	l.settle()
	before, index := l.sessions(), l.Link("wg0").Attrs().Index
	// Killed at any time until it has begun and applied a change.
	begin := time.Now()
	l.StartDaemon().Kill()
	while := time.Since(begin) * 3 / 2
	var last *draft
	for n := range 14 {
		last = anyDraft(random)
		if n%2 == 0 {
			// The first thing that the next one has to do. Nobody else writes the file now.
			l.Configure(last.text + keyless)
		}
		d := l.LaunchDaemon()
		if n%2 == 1 {
			d.AwaitObject()
			l.Configure(last.text + "\nconfig interface 'wg1'\n\toption proto 'wireguard'\n\toption private_key '" + private(40+n).String() + "'\n")
			d.Signal(unix.SIGHUP)
		}
		time.Sleep(time.Duration(random.Int64N(int64(while))))
		d.Kill()
		if _, err := os.Stat(l.File("network")); err != nil {
			t.Fatal(err)
		}
	}
	mustPing(t, l.far, "10.0.0.1")
	l.Configure(last.text + keyless)
	d := l.StartDaemon()
	if got := l.reloadDaemon(); got.Error != "" || len(got.Refused) > 0 {
		t.Errorf("the last reload: %+v", got)
	}
	l.isAs(last)
	equal(t, "private key of wg1", router.ReadDevice(t, l.Host, "wg1").PrivateKey, savedKey(t, l.File("network"), "wg1"))
	equal(t, "one more reload", l.reloadDaemon(), reloaded{})
	equal(t, "index of wg0", l.Link("wg0").Attrs().Index, index)
	sameHandshake(t, "our end", before.ours, l.peerOf("wg0", them))
	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	if left, err := filepath.Glob(router.StateDir + "/wg0*"); err != nil || len(left) > 1 {
		t.Errorf("left in %s: %q, %v", router.StateDir, left, err)
	}
	d.Stop()
}

// TestNetifdAndUbusdRestart: the tunnel does not notice that netifd is restarted, or
// ubusd, which ends every connection. The daemon is there for both afterwards.
func TestNetifdAndUbusdRestart(t *testing.T) {
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	d := l.StartDaemon()
	mustPing(t, l.far, "10.0.0.1")
	l.awaitHandlers()
	l.settle()
	before, index := l.sessions(), l.Link("wg0").Attrs().Index
	packets := startTraffic(t, l.far, l.Host, "10.0.0.1")
	for n, restart := range []func(){
		func() { _ = l.Netifd.Close() },
		func() {
			_ = l.Broker.Close()
			// Procd starts it again, and netifd goes with it or connects again.
			_ = l.Netifd.Close()
			l.StartBroker()
		},
	} {
		restart()
		l.StartNetifd()
		l.AwaitUp("wg0")
		d.AwaitObject()
		l.awaitHandlers()
		options := fmt.Sprintf("\toption fwmark '%d'\n\tlist addresses 'fd00::%d/64'\n", n+1, n+1)
		l.Configure(strings.Replace(simple(""), ifaceSection(""), ifaceSection(options), 1))
		await(t, "the change", func() bool {
			l.reloadDaemon() // It may not have heard yet that the interface is up.
			return router.ReadDevice(t, l.Host, "wg0").FirewallMark == n+1
		})
		equal(t, "addresses", addressesOf(t, l.Host, "wg0"), []string{"10.0.0.1/24", fmt.Sprintf("fd00::%d/64", n+1)})
		packets.flows("after a restart")
	}
	if sent, lost := packets.lost(); l.kernel && lost > 0 {
		t.Errorf("%d of %d packets were lost", lost, sent)
	}
	equal(t, "index of wg0", l.Link("wg0").Attrs().Index, index)
	l.sameSessions(before)
	equal(t, "told of an interface that is down", l.Strays(), nil)
}

// TestDaemonMendsADeletedDevice: a device that is deleted behind everybody's back
// comes back by itself, with all that belongs to it.
func TestDaemonMendsADeletedDevice(t *testing.T) {
	l := newLab(t, simple(manyPeers(10, routed)))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	l.StartDaemon()
	mustPing(t, l.Host, "10.0.0.2")
	addresses, routes := addressesOf(t, l.Host, "wg0"), routesOf(t, l.Host, "wg0")
	index := l.Link("wg0").Attrs().Index
	if err := router.RemoveDevice(l.Host, "wg0"); err != nil {
		t.Fatal(err)
	}
	await(t, "the device", func() bool {
		link, err := l.Links().LinkByName("wg0")
		return err == nil && link.Attrs().Index != index && len(routesOf(t, l.Host, "wg0")) == len(routes)
	})
	mustPing(t, l.Host, "10.0.0.2")
	equal(t, "addresses", addressesOf(t, l.Host, "wg0"), addresses)
	equal(t, "routes", routesOf(t, l.Host, "wg0"), routes)
	equal(t, "a reload", l.reloadDaemon(), reloaded{})
}

// TestDaemonAndTheFile: while the configuration is cut in a line, is something that
// cannot be read, or is gone, everything stays as it is, and when it is right again
// it is applied, without anybody saying so.
func TestDaemonAndTheFile(t *testing.T) {
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	d := l.StartDaemon()
	mustPing(t, l.Host, "10.0.0.2")
	file := l.File("network")
	for n, spoil := range []func() error{
		func() error { return os.WriteFile(file, []byte(simple("")[:200]), 0o600) },
		func() error { return os.Remove(file) },
		func() error { return errors.Join(os.Remove(file), os.Symlink("network", file)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		d.Signal(unix.SIGHUP)
		await(t, "a line in the log", func() bool {
			said := 0
			for _, line := range d.Log() {
				if strings.Contains(line, "cannot be used") {
					said++
				}
			}
			return said == n+1
		})
		if got := l.reloadDaemon(); got.Error == "" || len(got.Changed) > 0 {
			t.Errorf("a reload: %+v", got)
		}
		equal(t, "peers", len(router.ReadDevice(t, l.Host, "wg0").Peers), 1)
		mustPing(t, l.Host, "10.0.0.2")
		l.Configure(strings.Replace(simple(""), ifaceSection(""), ifaceSection(fmt.Sprintf("\toption fwmark '%d'\n", n+1)), 1))
		await(t, "the change", func() bool { return router.ReadDevice(t, l.Host, "wg0").FirewallMark == n+1 })
	}
	if out, err := l.Wgnetifd("status").Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestDaemonSavesAKeyLater: a disk that is full keeps an interface without a key
// down. When there is room, it comes up by itself.
func TestDaemonSavesAKeyLater(t *testing.T) {
	keyless := strings.Replace(simple(""), private(us).String(), "generate", 1)
	l := newLab(t, keyless)
	remount(t, "size=8k")
	filler := filepath.Join(router.ConfigDir, "filler")
	if err := os.WriteFile(filler, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Configure(keyless)
	l.Start()
	l.awaitRefused("wg0", "NO_PRIVATE_KEY", "network.wg0.private_key")
	l.StartDaemon()
	l.reloadDaemon()
	if text, err := os.ReadFile(l.File("network")); err != nil || string(text) != keyless {
		t.Errorf("the file is another one now (%v):\n%s", err, text)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	l.AwaitUp("wg0")
	equal(t, "key", router.ReadDevice(t, l.Host, "wg0").PrivateKey, savedKey(t, l.File("network"), "wg0"))

	// The same for an interface that is up and is to have another key: it goes on
	// with the old one.
	was := router.ReadDevice(t, l.Host, "wg0").PrivateKey
	// The disk is full from the first moment that the file wants a key: the daemon reads
	// it by itself too, when it hears that the interface is up. What fills the disk is
	// the file before, which keeps its room under another name.
	next, before := l.File("next"), l.File("before")
	// What was deleted takes its room until nobody reads it any more.
	await(t, "room for another file", func() bool { return os.WriteFile(next, []byte(keyless), 0o600) == nil })
	if err := errors.Join(os.Link(l.File("network"), before), os.Rename(next, l.File("network"))); err != nil {
		t.Fatal(err)
	}
	if got := l.reloadDaemon(); len(got.Refused) != 1 || !strings.Contains(got.Refused[0].Text, "cannot be saved") {
		t.Errorf("a reload with a full disk: %+v", got)
	}
	equal(t, "key", router.ReadDevice(t, l.Host, "wg0").PrivateKey, was)
	if err := os.Remove(before); err != nil {
		t.Fatal(err)
	}
	await(t, "another key", func() bool { return router.ReadDevice(t, l.Host, "wg0").PrivateKey != was })
	equal(t, "key", router.ReadDevice(t, l.Host, "wg0").PrivateKey, savedKey(t, l.File("network"), "wg0"))
}

// TestReloadStorm: a thousand reloads at once, by signals and over ubus, while the
// configuration changes. The last change is applied, and the daemon has not grown.
func TestReloadStorm(t *testing.T) {
	random := newRandom(t)
	l := newLab(t, anyDraft(random).text)
	l.Start()
	l.AwaitUp("wg0")
	d := l.StartDaemon()
	l.reloadDaemon()
	files := func() int {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.Pid()))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	filesBefore := files()
	var busy sync.WaitGroup
	for range 4 {
		conn := l.dial()
		busy.Go(func() {
			for range 125 {
				if _, err := conn.Call(t.Context(), "wireguard", "reload", nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var last *draft
	for n := range 500 {
		if n%50 == 0 {
			last = anyDraft(random)
			l.Configure(last.text)
		}
		d.Signal(unix.SIGHUP)
	}
	d.Signal(unix.SIGHUP)
	busy.Wait()
	await(t, "the last change", func() bool { return l.differs(last) == "" })
	if got := l.reloadDaemon(); len(got.Changed) > 0 || got.Error != "" || len(got.Refused) > 0 {
		t.Errorf("a reload after all: %+v", got)
	}
	l.isAs(last)
	const few = 5 // that it opens when it needs them
	await(t, "as many open files as before", func() bool { return files() <= filesBefore+few })
	if threads := procField(t, d.Pid(), "Threads"); threads > 40 {
		t.Errorf("the daemon has %v threads", threads)
	}
	equal(t, "told of an interface that is down", l.Strays(), nil)
}

// TestHangingScript: a hotplug script that never ends keeps nothing else from
// working, and goes with the daemon.
func TestHangingScript(t *testing.T) {
	l := newLab(t, simple("")) // which makes /etc its own
	dir := "/etc/hotplug.d/wireguard"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	number := filepath.Join(t.TempDir(), "pid")
	script := "trap '' TERM\necho $$ > " + number + ".new; mv " + number + ".new " + number + "\nwhile :; do sleep 1; done\n"
	if err := os.WriteFile(filepath.Join(dir, "10-hang"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	d := l.StartDaemon()
	mustPing(t, l.Host, "10.0.0.2")
	// The daemon ends a script after 30 s, which is not long on a slow machine, and
	// begins the next, which hangs too.
	hangs := func() bool {
		text, err := os.ReadFile(number)
		if err != nil {
			return false
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && unix.Kill(pid, 0) == nil && !zombie(pid)
	}
	await(t, "the script", hangs)
	var told heard
	if _, err := l.dial().Subscribe(t.Context(), "wireguard", func(_ string, data blobmsg.Table) {
		told.add(textOf(data, "name") + " " + textOf(data, "state"))
	}); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		l.Configure(simple(peerSection(fmt.Sprintf("new%d", n), 50+n, "")))
		if got := l.reloadDaemon(); len(got.Changed["wg0"].Added) != 1 {
			t.Errorf("a reload: %+v", got)
		}
	}
	awaitLine(t, "subscriber", told.lines, "new9 waiting")
	await(t, "a script that hangs still", hangs)
	d.Stop()
	await(t, "the end of the script", func() bool { return !hangs() })
}

// zombie reports whether a process has ended and nobody has asked how.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}
