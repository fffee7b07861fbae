package arch

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// patience is how long an emulated daemon may take for anything.
const patience = 3 * time.Minute

// room gives the daemon a /run and an /etc of its own, in a network without
// anything. The emulators have no generic netlink: the daemon finds no WireGuard,
// and all it can say is what the configuration does.
const room = `
mount --make-rprivate / && mount -t tmpfs run /run && mkdir -p /run/ubus /run/lock &&
mount --bind "$1" /run/ubus && mount -t tmpfs etc /etc && mkdir /etc/config && mount --bind "$2" /etc/config &&
shift 2 && exec "$@"`

// answers runs a daemon and returns what it says to each call, as JSON.
func (g target) answers(t *testing.T, config string, calls []call) []string {
	t.Helper()
	dir := t.TempDir()
	broker, err := ubusd.Start(filepath.Join(dir, "ubus.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()

	args := append([]string{"-m", "-n", "sh", "-c", room, "sh", dir, config}, g.emulator...)
	args = append(args, g.program, "daemon")
	cmd := exec.Command(need.Command(t, "unshare"), args...)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		_ = cmd.Process.Kill() // It may have ended.
	}()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := ubus.Dial(ctx, broker.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for {
		if _, err = conn.Call(ctx, "wireguard", "peers", blobmsg.Table{{Name: "limit", Value: 1}}); err == nil {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("%s: the daemon ended: %v\n%s", g.name, err, log.Bytes())
		case <-ctx.Done():
			t.Fatalf("%s: the daemon does not answer: %v; its log:\n%s", g.name, err, log.Bytes())
		case <-time.After(20 * time.Millisecond):
		}
	}
	// The object is there after some seconds even if the configuration is not applied by
	// then. That is what this waits for.
	if _, err := conn.Call(ctx, "wireguard", "reload", nil); err != nil {
		t.Fatalf("%s: reload: %v; its log:\n%s", g.name, err, log.Bytes())
	}
	out := make([]string, len(calls))
	for n, c := range calls {
		reply, err := conn.Call(ctx, "wireguard", c.method, c.args)
		out[n] = string(blobmsg.AppendJSON(nil, reply))
		if err != nil {
			out[n] += err.Error()
		}
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err = <-ended:
	case <-time.After(patience):
		t.Fatalf("%s: the daemon does not end on SIGTERM", g.name)
	}
	if err != nil {
		t.Errorf("%s: the daemon ended with %v:\n%s", g.name, err, log.Bytes())
	}
	return out
}

// call is a method of the object wireguard.
type call struct {
	method string
	args   blobmsg.Table
	holds  string // what the answer has on any machine
}

// clocks is what differs from run to run.
var clocks = regexp.MustCompile(`"(time|start)":-?[0-9]+`)

// TestDaemonSameEverywhere: the daemon of another kind of machine says the same
// over a real ubus socket, whose messages are big-endian.
func TestDaemonSameEverywhere(t *testing.T) {
	need.Namespaces(t)
	calls := []call{
		{"peers", blobmsg.Table{{Name: "limit", Value: 3}, {Name: "sort", Value: "name"}}, `"total":1000`},
		{"peers", blobmsg.Table{{Name: "text", Value: "peer '99"}, {Name: "limit", Value: 500}}, `"total":11`},
		{"peer", blobmsg.Table{{Name: "interface", Value: "wg0"}, {Name: "section", Value: "@wireguard_wg0[300]"}}, `"endpoint_port":21000`},
		{"status", nil, `"wg0":{`},
		{"reload", nil, `"changed":{`},
		{"reload", blobmsg.Table{{Name: "interface", Value: "nosuch"}}, ""},
		{"history", blobmsg.Table{{Name: "interface", Value: "wg0"}}, "Not found"},
		// RFC 7748, section 6.1: the keys of Alice.
		{"pubkey", blobmsg.Table{{Name: "private", Value: "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="}}, "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="},
	}
	config := configDir(t)
	want := native(t).answers(t, config, calls)
	for n, c := range calls {
		if !bytes.Contains([]byte(want[n]), []byte(c.holds)) {
			t.Errorf("native: %s: no %q in:\n%.1000s", c.method, c.holds, want[n])
		}
	}
	for _, g := range others(t) {
		got := g.answers(t, config, calls)
		for n, c := range calls {
			if diff := cmp.Diff(clocks.ReplaceAllString(want[n], ""), clocks.ReplaceAllString(got[n], "")); diff != "" {
				t.Errorf("%s: %s (-native +%s):\n%.4000s", g.name, c.method, g.name, diff)
			}
		}
	}
}
