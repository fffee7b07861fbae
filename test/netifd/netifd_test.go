package netifd

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// quietDump is a protocol whose handler does nothing by itself.
var quietDump = json.RawMessage(`{"name":"elf","config":[["o",3]],"no-device":true,"available":true,"no-proto-task":true}`)

const e0Config = "config interface 'e0'\n\toption proto 'elf'\n"

// newBench is a lab with a broker whose netifd the test starts itself.
func newBench(t *testing.T) *lab {
	t.Helper()
	needNamespaces(t)
	l := newLab(t, "t0")
	l.installHandler(handlerPlan{Dump: quietDump})
	l.write(e0Config, "config", "network")
	l.startBroker()
	return l
}

func (l *lab) startBroker() *ubusd.Broker {
	l.t.Helper()
	broker, err := ubusd.Start(l.socket)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { broker.Close() })
	return broker
}

func (l *lab) startNetifd(c Config) *Netifd {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	n, err := Start(ctx, c)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { n.Close() })
	l.conn = ubus.Open(ubus.Options{Socket: l.socket})
	l.t.Cleanup(func() { l.conn.Close() })
	if err := l.conn.WaitFor(ctx, "network.interface.e0"); err != nil {
		l.t.Fatal(err)
	}
	return n
}

// linkUp announces e0 on t0.
func (l *lab) linkUp(more ...blobmsg.Field) int {
	msg := blobmsg.Table{
		{Name: "interface", Value: "e0"},
		{Name: "action", Value: int32(0)},
		{Name: "link-up", Value: true},
		{Name: "ifname", Value: "t0"},
		{Name: "ipaddr", Value: blobmsg.Array{blobmsg.Table{{Name: "ipaddr", Value: "10.9.0.2"}, {Name: "mask", Value: "24"}}}},
	}
	_, rc := l.call("network.interface", "notify_proto", append(msg, more...))
	return rc
}

// addrs is the IPv4 addresses that the kernel has on t0.
func (l *lab) addrs() []string {
	var out []string
	for _, a := range l.kernelState("t0").addr {
		if a := a.(object); a["family"] == "inet" {
			out = append(out, a["local"].(string))
		}
	}
	return out
}

// wait waits until something is true.
func (l *lab) wait(what string, is func() bool) {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func (l *lab) lines() []string { return l.fileLines(linesFile) }

// SIGTERM runs no teardown and leaves everything where it is; the next netifd
// begins with setup.
func TestCloseLeavesTheInterface(t *testing.T) {
	t.Parallel()
	l := newBench(t)
	n := l.startNetifd(l.config())
	l.wait("setup", func() bool { return len(l.lines()) == 1 })
	if rc := l.linkUp(); rc != 0 {
		t.Fatalf("notify_proto: %d", rc)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	<-n.Done()
	if err := errors.Join(n.Err(), n.Close()); err != nil {
		t.Errorf("closed, and closed again: %v", err)
	}
	if err := n.Reload(t.Context()); err == nil {
		t.Error("a netifd that is closed reloads")
	}
	if diff := gocmp.Diff([]string{"10.9.0.2"}, l.addrs()); diff != "" {
		t.Errorf("addresses after close (-want +got):\n%s", diff)
	}
	l.startNetifd(l.config())
	l.wait("second setup", func() bool { return len(l.lines()) == 2 })
	if diff := gocmp.Diff([]string{"setup start", "setup start"}, l.lines()); diff != "" {
		t.Errorf("handler (-want +got):\n%s", diff)
	}
}

// A handler that runs is killed with netifd.
func TestCloseKillsTheHandler(t *testing.T) {
	t.Parallel()
	l := newBench(t)
	l.write(`{"Dump":`+string(quietDump)+`,"Does":{"setup":"exec sleep 30"}}`, planFile)
	n := l.startNetifd(l.config())
	l.wait("setup", func() bool { return len(l.handlerEvents()) >= 4 }) // dump, its end, setup, its shell
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	l.wait("end of the handler", func() bool {
		events := l.handlerEvents()
		_, err := os.Stat("/proc/" + strconv.Itoa(events[len(events)-1].Pid))
		return err != nil
	})
	l.tidy()
}

// A netifd that is given a larger status than ubus takes falls over it.
func TestCrashOnALargeStatus(t *testing.T) {
	t.Parallel()
	l := newBench(t)
	n := l.startNetifd(l.config())
	many := func(count int) blobmsg.Field {
		return blobmsg.Field{Name: "routes", Value: generateRoutes(
			blobmsg.Table{{Name: "generate", Value: int32(count)}, {Name: "first_host", Value: int32(0)}}, false)}
	}
	if rc := l.linkUp(many(9000)); rc != 0 {
		t.Fatalf("9,000 routes: %d", rc)
	}
	if err := n.Err(); err != nil {
		t.Fatalf("9,000 routes: %v", err)
	}
	go l.linkUp(many(10500)) // gets no answer
	select {
	case <-n.Done():
	case <-time.After(60 * time.Second):
		t.Fatal("10,500 routes: still alive")
	}
	if err := n.Err(); !errors.Is(err, ErrCrashed) || !strings.Contains(err.Error(), "e0") {
		t.Errorf("10,500 routes: %v, want %v that names the interface", err, ErrCrashed)
	}
	if len(l.addrs()) != 1 {
		t.Errorf("addresses after the crash: %q", l.addrs())
	}
}

func TestStartWithoutUbusd(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	l := newLab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if n, err := Start(ctx, l.config()); err == nil {
		n.Close()
		t.Error("started without an ubusd")
	}
}

// Without a configuration netifd waits for one, and Reload finds it.
func TestReload(t *testing.T) {
	t.Parallel()
	l := newBench(t)
	if err := os.Remove(l.path("config", "network")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, err := Start(ctx, l.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Reload(ctx); err == nil {
		t.Error("reload of a file that is not there")
	}
	// A line that cannot be read costs only itself.
	l.write("bad line\n"+e0Config, "config", "network")
	if err := n.Reload(ctx); err != nil {
		t.Error(err)
	}
	l.wait("setup", func() bool { return slices.Equal(l.lines(), []string{"setup start"}) })
}

// When ubusd is restarted, netifd is there again and has lost nothing.
func TestUbusdRestart(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	l := newLab(t, "t0")
	l.installHandler(handlerPlan{Dump: quietDump})
	l.write(e0Config, "config", "network")
	broker := l.startBroker()
	l.startNetifd(l.config())
	l.wait("setup", func() bool { return len(l.lines()) == 1 })
	if rc := l.linkUp(); rc != 0 {
		t.Fatalf("notify_proto: %d", rc)
	}
	if err := broker.Close(); err != nil {
		t.Fatal(err)
	}
	l.startBroker()
	l.wait("status", func() bool {
		s := l.statusOf("e0")
		return s != nil && s["up"] == true
	})
	if rc := l.linkUp(); rc != 0 {
		t.Errorf("notify_proto after the restart: %d", rc)
	}
	if len(l.lines()) != 1 {
		t.Errorf("handler: %q", l.lines())
	}
}

// Listeners and subscribers hear of an interface that comes and goes.
func TestNotifications(t *testing.T) {
	t.Parallel()
	l := newBench(t)
	l.startNetifd(l.config())
	var mu sync.Mutex
	var heard []string
	hear := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, what)
	}
	_, err := l.conn.Listen(t.Context(), "network.interface", func(event string, data blobmsg.Table) {
		action, _ := data.String("action")
		iface, _ := data.String("interface")
		hear(event + " " + action + " " + iface)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.conn.Subscribe(t.Context(), "network.interface", func(method string, data blobmsg.Table) {
		iface, _ := data.String("interface")
		up, _ := data.Bool("up")
		hear(method + " " + iface + map[bool]string{true: " up", false: " down"}[up])
	})
	if err != nil {
		t.Fatal(err)
	}
	l.linkUp()
	l.linkUp(blobmsg.Field{Name: "data", Value: blobmsg.Table{{Name: "a", Value: "b"}}})
	l.call("network.interface.e0", "down", nil)
	// Which of them comes first is not said: events and notifications are messages
	// of their own, and the second ifdown comes with the end of teardown.
	for want, times := range map[string]int{
		"network.interface ifup e0":   1,
		"interface.update e0 up":      2,
		"interface.down e0 down":      1,
		"network.interface ifdown e0": 2,
	} {
		l.wait(want, func() bool {
			mu.Lock()
			defer mu.Unlock()
			count := 0
			for _, what := range heard {
				if what == want {
					count++
				}
			}
			return count >= times
		})
	}
}

func TestHotplugCommandAndResolvConf(t *testing.T) {
	t.Parallel()
	l := newBench(t)
	script := "#!/bin/sh\necho \"$1 $ACTION $INTERFACE $DEVICE $HOME\" >> '" + l.path("events") + "'\n"
	l.writeProgram(script, "hotplug")
	l.write(e0Config+"\tlist dns '9.9.9.9'\n", "config", "network")
	c := l.config()
	c.Hotplug, c.HotplugCommand, c.ResolvConf = nil, l.path("hotplug"), l.path("resolv.conf")
	l.startNetifd(c)
	l.linkUp(
		blobmsg.Field{Name: "dns", Value: blobmsg.Array{"10.9.0.53", "fe80::53"}},
		blobmsg.Field{Name: "dns_search", Value: blobmsg.Array{"lan.example"}},
	)
	want := "# Interface e0\nnameserver 9.9.9.9\nnameserver 10.9.0.53\nnameserver fe80::53%t0\nsearch lan.example\n"
	got, err := os.ReadFile(l.path("resolv.conf"))
	if diff := gocmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("resolv.conf: %v (-want +got):\n%s", err, diff)
	}
	l.wait("hotplug", func() bool { return len(l.fileLines("events")) > 0 })
	if diff := gocmp.Diff([]string{"iface ifup e0 t0 /"}, l.fileLines("events")); diff != "" {
		t.Errorf("hotplug (-want +got):\n%s", diff)
	}
	l.call("network.interface.e0", "down", nil)
	l.wait("resolv.conf", func() bool {
		b, err := os.ReadFile(l.path("resolv.conf"))
		return err == nil && len(b) == 0
	})
}
