package proto_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/proto"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

const (
	privKey = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
	good    = "config interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key '" + privKey + "'\n\tlist addresses '10.0.0.1/24'\n"
	broken  = "config interface 'wg0'\n\toption proto 'wireguard\n"
)

type bus struct {
	calls  []string
	refuse error
}

func (b *bus) Call(_ context.Context, _, method string, args blobmsg.Table) (blobmsg.Table, error) {
	if method == "status" {
		return nil, ubus.StatusNotFound
	}
	b.calls = append(b.calls, string(blobmsg.AppendJSON(nil, args)))
	return nil, b.refuse
}

type noNames struct{}

func (noNames) Candidates(context.Context, string, resolve.Family) ([]netip.Addr, error) {
	return nil, errors.New("no names here")
}

type world struct {
	bus     *bus
	devices *wgdev.Fake
	log     bytes.Buffer
	out     bytes.Buffer
	handler *proto.Handler
}

func newWorld(t *testing.T, config string) *world {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "network"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{bus: &bus{}, devices: wgdev.NewFake()}
	log := logline.New(&w.log)
	sys := &apply.System{
		Dir: uci.Dir{Config: dir, Save: filepath.Join(dir, "save")}, Devices: w.devices, Kernel: rtnl.NewFake(),
		Names: noNames{}, ResolveTime: time.Second, State: state.Dir(filepath.Join(dir, "run")), Now: time.Now, Log: log,
	}
	w.handler = &proto.Handler{
		System: func() *apply.System { return sys },
		Dial:   func(context.Context) (netifd.Bus, error) { return w.bus, nil },
		Stdout: &w.out, Log: log,
	}
	return w
}

func (w *world) run(action string) error {
	return w.handler.Run(context.Background(), []string{"wireguard", action, "wg0", `{"proto":"wireguard"}`})
}

// TestDump: one JSON object on one line, flags that are real booleans, and no
// option: netifd hands announced options over in argv, which everybody can read.
func TestDump(t *testing.T) {
	w := newWorld(t, "")
	w.handler.System, w.handler.Dial = nil, nil // a dump needs neither
	if err := w.handler.Run(context.Background(), []string{"", "dump"}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(w.out.String(), "\n"); n != 1 || !strings.HasSuffix(w.out.String(), "}\n") {
		t.Errorf("not one line: %q", w.out.String())
	}
	var got map[string]any
	if err := json.Unmarshal(w.out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name": "wireguard", "config": []any{}, "no-device": true, "no-proto-task": true, "available": true, "renew-handler": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dump (-want +got):\n%s", diff)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"wireguard"}, {"wireguard", "setup"}, {"wireguard", "setup", ""}, {"wireguard", "dance", "wg0"}} {
		if err := newWorld(t, good).handler.Run(context.Background(), args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestSetupAndTeardown(t *testing.T) {
	w := newWorld(t, good)
	if err := w.run("setup"); err != nil {
		t.Fatal(err)
	}
	if !w.devices.Device("wg0").Up {
		t.Error("the device is not up")
	}
	if diff := cmp.Diff([]string{`{"interface":"wg0","action":0,"link-up":true,"ifname":"wg0","ipaddr":[{"ipaddr":"10.0.0.1","mask":"24"}]}`}, w.bus.calls[:1]); diff != "" {
		t.Errorf("told netifd (-want +got):\n%s", diff)
	}
	for range 2 { // the second time there is nothing left to do
		if err := w.run("teardown"); err != nil {
			t.Fatal(err)
		}
		if w.devices.Device("wg0").Exists {
			t.Error("the device is still there")
		}
	}
}

// TestFailedSetupDoesNotSpin: netifd runs a setup that failed again at once; it
// is told why, then not to, then that it failed.
func TestFailedSetupDoesNotSpin(t *testing.T) {
	w := newWorld(t, "config interface lan\n")
	err := w.run("setup")
	if !errors.Is(err, schema.ErrNoInterface) {
		t.Errorf("got %v", err)
	}
	want := []string{
		`{"interface":"wg0","action":3,"error":["NO_SUCH_INTERFACE","network.wg0: there is no such interface section"]}`,
		`{"interface":"wg0","action":4}`,
		`{"interface":"wg0","action":7}`,
	}
	if diff := cmp.Diff(want, w.bus.calls); diff != "" {
		t.Errorf("told netifd (-want +got):\n%s", diff)
	}
	// netifd ends the process on the last message: the log has it all before.
	wantLog := "error: network.wg0: there is no such interface section (interface=wg0)\n" +
		"error: the interface stays down until its configuration is mended and it is brought up again (interface=wg0)\n"
	if diff := cmp.Diff(wantLog, w.log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestBadFileLeavesTheTunnel: a file that does not parse, and a bad key, leave a
// running tunnel as it is, in setup and in renew.
func TestBadFileLeavesTheTunnel(t *testing.T) {
	for _, config := range []string{broken, "config interface wg0\n option proto wireguard\n option private_key hush\n"} {
		for _, action := range []string{"setup", "renew"} {
			w := newWorld(t, config)
			running := plan.Actual{Exists: true, Up: true, PrivateKey: schema.Key{1}, Peers: []plan.ActualPeer{{PublicKey: schema.Key{2}}}}
			w.devices.Put("wg0", running)
			before := w.devices.Device("wg0")
			if err := w.run(action); err == nil {
				t.Error("no error")
			}
			if diff := cmp.Diff(before, w.devices.Device("wg0"), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("%s changed the device:\n%s", action, diff)
			}
			all := strings.Join(w.bus.calls, "\n")
			if !strings.Contains(all, `"action":3`) || strings.Contains(all, `"action":7`) || strings.Contains(all, "hush") {
				t.Errorf("%s told netifd:\n%s", action, all)
			}
			if keep := strings.Contains(all, `"address-external":true`); keep != (action == "setup") {
				t.Errorf("%s told netifd:\n%s", action, all)
			}
		}
	}
}

// TestBadFileWithoutTunnel: file and line are named, and nothing is made.
func TestBadFileWithoutTunnel(t *testing.T) {
	w := newWorld(t, broken)
	err := w.run("setup")
	if err == nil || !strings.Contains(err.Error(), "network:2") {
		t.Errorf("got %v, want the line", err)
	}
	if len(w.devices.Writes()) > 0 {
		t.Errorf("wrote %+v", w.devices.Writes())
	}
	if all := strings.Join(w.bus.calls, "\n"); !strings.Contains(all, "CONFIG_UNREADABLE") || !strings.Contains(all, `"action":4}`+"\n"+`{"interface":"wg0","action":7}`) {
		t.Errorf("told netifd:\n%s", all)
	}
}

// TestRenewFailureIsNoTeardown: a renew that fails reports and leaves the
// interface.
func TestRenewFailureIsNoTeardown(t *testing.T) {
	w := newWorld(t, "config interface lan\n")
	if err := w.run("renew"); err == nil {
		t.Error("no error")
	}
	if all := strings.Join(w.bus.calls, "\n"); strings.Contains(all, `"action":7`) || strings.Contains(all, `"action":4`) {
		t.Errorf("told netifd:\n%s", all)
	}
}

func TestNoUbus(t *testing.T) {
	w := newWorld(t, good)
	w.handler.Dial = func(context.Context) (netifd.Bus, error) { return nil, ubus.ErrDisconnected }
	err := w.run("setup")
	if !errors.Is(err, ubus.ErrDisconnected) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("got %v", err)
	}
	if len(w.devices.Writes()) > 0 {
		t.Errorf("wrote %+v", w.devices.Writes())
	}
	if n := strings.Count(w.log.String(), "\n"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, w.log.String())
	}
}

// TestTearingDown: netifd wants to hear nothing more of the interface.
func TestTearingDown(t *testing.T) {
	w := newWorld(t, good)
	w.bus.refuse = ubus.StatusPermissionDenied
	if err := w.run("setup"); !errors.Is(err, netifd.ErrTearingDown) {
		t.Errorf("got %v", err)
	}
	if len(w.bus.calls) != 1 {
		t.Errorf("told netifd %v", w.bus.calls)
	}
}
