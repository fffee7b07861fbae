package integration

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// heard collects what somebody was told.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) add(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, line)
}

func (h *heard) lines() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}

// textOf returns a string of a table.
func textOf(t blobmsg.Table, name string) string {
	s, _ := t.String(name)
	return s
}

// dial connects to the router's bus for the time of the test.
func (l *lab) dial() *ubus.Conn {
	l.t.Helper()
	conn, err := ubus.Dial(l.t.Context(), ubus.DefaultSocket)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// awaitLine waits until somebody has heard a line.
func awaitLine(t testing.TB, what string, list func() []string, want string) {
	t.Helper()
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if slices.Contains(list(), want) {
			return
		}
	}
	t.Errorf("%s: no %q in\n%s", what, want, strings.Join(list(), "\n"))
}

// TestStatesAreTold: subscribers, listeners and scripts hear of a peer that
// connects, of one that is disabled, and of the interface that goes down.
func TestStatesAreTold(t *testing.T) {
	l := newLab(t, simple(""))
	l.Start()
	l.AwaitUp("wg0")
	l.StartDaemon()
	dir := "/etc/hotplug.d/wireguard"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	out := filepath.Join(t.TempDir(), "out")
	script := `echo "$ACTION $INTERFACE ${PEER:-none} ${NAME:-none} $STATE ${OLDSTATE:-none}" >> ` + out + "\n"
	if err := os.WriteFile(filepath.Join(dir, "10-note"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	var told, events heard
	line := func(kind string, d blobmsg.Table) string {
		return strings.Join([]string{kind, textOf(d, "interface"), textOf(d, "name"), textOf(d, "state"), textOf(d, "old_state")}, " ")
	}
	conn := l.dial()
	if _, err := conn.Subscribe(t.Context(), "wireguard", func(kind string, d blobmsg.Table) { told.add(line(kind, d)) }); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Listen(t.Context(), "wireguard.*", func(id string, d blobmsg.Table) { events.add(line(id, d)) }); err != nil {
		t.Fatal(err)
	}
	scripts := func() []string {
		data, _ := os.ReadFile(out) // not there before the first
		return strings.Split(strings.TrimSpace(string(data)), "\n")
	}

	l.farSimple()
	mustPing(t, l.Host, "10.0.0.2")
	awaitLine(t, "subscriber", told.lines, "peer wg0 far connected connecting")
	awaitLine(t, "listener", events.lines, "wireguard.peer wg0 far connected connecting")
	awaitLine(t, "script", scripts, "peer wg0 "+public(them).String()+" far connected connecting")

	l.Configure(strings.Replace(simple(""), "endpoint_port", "disabled '1'\n\toption endpoint_port", 1))
	l.reloadDaemon()
	awaitLine(t, "subscriber", told.lines, "peer wg0 far disabled connected")
	awaitLine(t, "script", scripts, "peer wg0 "+public(them).String()+" far disabled connected")

	l.Tell("wg0", "down")
	l.AwaitDown("wg0")
	awaitLine(t, "subscriber", told.lines, "interface wg0  down up")
	awaitLine(t, "script", scripts, "interface wg0 none none down up")
}

// TestObject: the methods of the object that other programs call, with good and
// bad arguments.
func TestObject(t *testing.T) {
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	l.StartDaemon()
	mustPing(t, l.Host, "10.0.0.2")
	l.awaitPeer(them, "connected", func(p peerState) bool { return p.State == "connected" })

	session := blobmsg.Field{Name: "ubus_rpc_session", Value: "0123456789abcdef"}
	status, err := l.Call("wireguard", "status", blobmsg.Table{session})
	if err != nil {
		t.Fatal(err)
	}
	wg0, _ := status.Table("wg0")
	peers, _ := wg0.Table("peers")
	far, ok := peers.Table(public(them).String())
	if !ok {
		t.Fatalf("no peer in %s", blobmsg.AppendJSON(nil, status))
	}
	if at, _ := far.Int("last_handshake"); time.Since(time.Unix(at, 0)) > time.Hour {
		t.Errorf("the last handshake was at %d", at)
	}
	equal(t, "endpoint", textOf(far, "endpoint"), "192.0.2.2:51821")
	equal(t, "public key", textOf(wg0, "public_key"), public(us).String())

	for _, c := range []struct {
		method string
		args   blobmsg.Table
		want   error
	}{
		{"status", blobmsg.Table{{Name: "interface", Value: "wg9"}}, ubus.StatusNotFound},
		{"status", blobmsg.Table{{Name: "interface", Value: int32(3)}}, ubus.StatusInvalidArgument},
		{"peer", blobmsg.Table{{Name: "interface", Value: "wg0"}}, ubus.StatusInvalidArgument},
		{"peer", blobmsg.Table{{Name: "interface", Value: "wg0"}, {Name: "public_key", Value: "short"}}, ubus.StatusInvalidArgument},
		{"peer", blobmsg.Table{{Name: "interface", Value: "wg0"}, {Name: "public_key", Value: public(9).String()}}, ubus.StatusNotFound},
		{"peers", blobmsg.Table{{Name: "sort", Value: "beauty"}}, ubus.StatusInvalidArgument},
		{"peers", blobmsg.Table{{Name: "limit", Value: int32(-1)}}, ubus.StatusInvalidArgument},
		{"history", blobmsg.Table{{Name: "interface", Value: "wg9"}}, ubus.StatusNotFound},
		{"history", blobmsg.Table{{Name: "interface", Value: "wg0"}, {Name: "step", Value: "year"}}, ubus.StatusInvalidArgument},
		{"resolve", blobmsg.Table{{Name: "interface", Value: "wg9"}}, ubus.StatusNotFound},
		{"resolve", blobmsg.Table{{Name: "public_key", Value: "x"}}, ubus.StatusInvalidArgument},
		{"reload", blobmsg.Table{{Name: "interface", Value: "wg9"}}, ubus.StatusNotFound},
		{"pubkey", nil, ubus.StatusInvalidArgument},
		{"resolve", nil, nil},
		{"reload", blobmsg.Table{{Name: "interface", Value: "wg0"}, session}, nil},
	} {
		if _, err := l.Call("wireguard", c.method, c.args); !errors.Is(err, c.want) {
			t.Errorf("%s %s: %v, want %v", c.method, blobmsg.AppendJSON(nil, c.args), err, c.want)
		}
	}

	pair, err := l.Call("wireguard", "genkey", nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.Call("wireguard", "pubkey", blobmsg.Table{{Name: "private", Value: textOf(pair, "private")}})
	if err != nil || textOf(again, "public") != textOf(pair, "public") || textOf(pair, "public") == "" {
		t.Errorf("pubkey of genkey: %v, %v", again, err)
	}
	if psk, err := l.Call("wireguard", "genpsk", nil); err != nil || len(textOf(psk, "preshared")) != 44 {
		t.Errorf("genpsk: %v, %v", psk, err)
	}
}

// TestHistory: bytes that were moved while somebody watched show in the seconds,
// of the peer and of the interface.
func TestHistory(t *testing.T) {
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	l.StartDaemon()
	mustPing(t, l.Host, "10.0.0.2")
	for _, args := range []blobmsg.Table{
		{{Name: "interface", Value: "wg0"}, {Name: "step", Value: "second"}},
		{{Name: "interface", Value: "wg0"}, {Name: "public_key", Value: public(them).String()}, {Name: "step", Value: "second"}},
	} {
		moved := int64(0)
		for deadline := time.Now().Add(patience); moved == 0 && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
			mustPing(t, l.Host, "10.0.0.2")
			reply, err := l.Call("wireguard", "history", args)
			if err != nil {
				t.Fatal(err)
			}
			rx, _ := reply.Array("rx")
			for _, v := range rx {
				if n, ok := v.(int64); ok && n > 0 {
					moved += n
				}
			}
		}
		if moved == 0 {
			t.Errorf("%s: nothing moved", blobmsg.AppendJSON(nil, args))
		}
	}
}

// TestReloadBySignal: SIGHUP is what procd sends.
func TestReloadBySignal(t *testing.T) {
	l := newLab(t, simple(""))
	l.Start()
	l.AwaitUp("wg0")
	d := l.StartDaemon()
	l.Configure(strings.Replace(simple(""), "'51821'", "'51821'\n\toption persistent_keepalive '17'", 1))
	d.Signal(unix.SIGHUP)
	for deadline := time.Now().Add(patience); l.peerOf("wg0", them).PersistentKeepaliveInterval != 17*time.Second; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the change does not arrive")
		}
	}
	d.Stop()
	mustPing(t, l.Host, "10.0.0.1")
	if !l.Status("wg0").Up {
		t.Error("the tunnel went with the daemon")
	}
}
