package netifd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// hotplugTime is how long a hotplug script runs: while one does, netifd swallows
// a second event of the same kind.
const hotplugTime = 10 * time.Millisecond

// A lab is a network namespace with an ubusd and a netifd in it.
type lab struct {
	t      testing.TB
	dir    string // proto, config, bin and what the handler writes
	socket string
	conn   *ubus.Conn

	mu      sync.Mutex
	logged  []string
	hotplug []HotplugEvent
}

// needNamespaces ends the test where it cannot have what a lab needs.
func needNamespaces(t testing.TB) {
	t.Helper()
	need.Root(t)
	need.Namespaces(t)
	need.Command(t, "ip")
}

// newLab gives the test a namespace of its own, for good: its thread ends with
// it. IPv6 addresses are usable at once there, as in the recordings.
func newLab(t testing.TB, devices ...string) *lab {
	t.Helper()
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Fatalf("new network namespace: %v", err)
	}
	for _, dev := range []string{"all", "default"} {
		for _, name := range []string{"accept_dad", "dad_transmits"} {
			file := filepath.Join("/proc/sys/net/ipv6/conf", dev, name)
			if err := os.WriteFile(file, []byte("0"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A short name: sockets may have 107 characters.
	dir, err := os.MkdirTemp("", "nfd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &lab{t: t, dir: dir}
	l.socket = l.path("bin", socketFile)
	for _, d := range []string{"proto", "config", "staged", "bin"} {
		if err := os.Mkdir(l.path(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for k, dev := range devices {
		l.addDevice(dev, k+1)
	}
	return l
}

func (l *lab) path(elem ...string) string { return filepath.Join(append([]string{l.dir}, elem...)...) }

// addDevice makes a veth pair with a carrier for the one that is named.
func (l *lab) addDevice(name string, n int) {
	l.t.Helper()
	l.mustRun("ip", "link", "add", name, "address", fmt.Sprintf("02:00:00:00:00:%02x", n),
		"type", "veth", "peer", "name", name+"p")
	l.mustRun("ip", "link", "set", name+"p", "up")
}

func (l *lab) mustRun(name string, args ...string) {
	l.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// installHandler puts the recording handler into the folder of handlers.
func (l *lab) installHandler(plan handlerPlan) {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, link := range []string{l.path("proto", "elf.sh"), l.path("bin", "ubus")} {
		if err := os.Symlink(self, link); err != nil {
			l.t.Fatal(err)
		}
	}
	b, err := json.Marshal(plan)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write(string(b), planFile)
}

func (l *lab) write(text string, elem ...string) {
	l.t.Helper()
	if err := os.WriteFile(l.path(elem...), []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// writeProgram writes a script that is executed soon. No other test starts a child
// meanwhile: as long as that has not executed its own program, it has this file open
// for writing, and nobody can execute it (golang/go#22315).
func (l *lab) writeProgram(text string, elem ...string) {
	l.t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	l.write(text, elem...)
	if err := os.Chmod(l.path(elem...), 0o755); err != nil {
		l.t.Fatal(err)
	}
}

// start starts ubusd and netifd: the stand-ins, or those of OpenWrt.
func (l *lab) start() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if *openwrt {
		l.startOpenWrt(ctx)
	} else {
		broker, err := ubusd.Start(l.socket)
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { broker.Close() })
		netifd, err := Start(ctx, l.config())
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() {
			if err := netifd.Close(); err != nil {
				l.t.Errorf("close: %v", err)
			}
		})
	}
	var err error
	if l.conn, err = ubus.Dial(ctx, l.socket); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { l.conn.Close() })
	l.t.Cleanup(l.tidy)
}

// env is the environment of netifd and its handlers.
func (l *lab) env() []string {
	return []string{"HOME=/", "TERM=linux", "PATH=" + l.path("bin") + ":/usr/sbin:/usr/bin:/sbin:/bin"}
}

func (l *lab) config() Config {
	return Config{
		Socket:    l.socket,
		ProtoDir:  l.path("proto"),
		ConfigDir: l.path("config"),
		StagedDir: l.path("staged"),
		Env:       l.env(),
		Log:       l.log,
		Hotplug: func(h HotplugEvent) {
			l.mu.Lock()
			l.hotplug = append(l.hotplug, h)
			l.mu.Unlock()
			time.Sleep(hotplugTime)
		},
	}
}

func (l *lab) log(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logged = append(l.logged, line)
}

// tidy ends what handlers have left running, and shows the log of a failure.
func (l *lab) tidy() {
	for _, e := range l.handlerEvents() {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", e.Child))
		if e.Child != 0 && err == nil && strings.Contains(string(env), l.dir) {
			_ = syscall.Kill(e.Child, syscall.SIGKILL)
		}
	}
	if l.t.Failed() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.t.Logf("netifd's log:\n%s", strings.Join(l.logged[:min(len(l.logged), 100)], "\n"))
	}
}

// call calls a method as `ubus call` does, and returns the status it exits with.
func (l *lab) call(path, method string, msg blobmsg.Table) (blobmsg.Table, int) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	answer, err := l.conn.Call(ctx, path, method, msg)
	if errors.Is(err, ubus.ErrTooLarge) {
		return nil, int(ubus.StatusInvalidArgument) // libubus's answer
	}
	return answer, int(ubus.StatusOf(err))
}

// handlerEvents is what the recording handler wrote.
func (l *lab) handlerEvents() []handlerEvent {
	var events []handlerEvent
	for _, line := range l.fileLines(runsFile) {
		var e handlerEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			l.t.Errorf("handler's record: %v: %s", err, line)
			continue
		}
		events = append(events, e)
	}
	return events
}

// fileLines is the complete lines of a file; none if there is no such file.
func (l *lab) fileLines(elem ...string) []string {
	b, err := os.ReadFile(l.path(elem...))
	if err != nil {
		return nil
	}
	lines := strings.Split(string(b), "\n")
	return slices.Delete(lines, len(lines)-1, len(lines))
}

func (l *lab) hotplugEvents() []HotplugEvent {
	if *openwrt {
		return l.openwrtHotplug()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hotplug)
}
