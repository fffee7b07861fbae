package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// word is what is said of a peer's state.
type word struct{ Name, Section, State, Reason, Detail string }

// alone is what is noted of who answers without the daemon: it has five seconds, and
// on a busy machine it takes longer at times.
var alone = []word{{State: "without the daemon"}}

// saidBy is what everybody says of the peers, by who says it.
func (l *lab) saidBy() map[string][]word {
	l.t.Helper()
	type said struct {
		Daemon     bool
		Peers      []word
		Interfaces json.RawMessage
	}
	out := map[string][]word{}
	page := func(object, method string) {
		var s said
		reply, err := l.Call(object, method, nil)
		if err == nil {
			err = json.Unmarshal(blobmsg.AppendJSON(nil, reply), &s)
		}
		if err != nil {
			l.t.Errorf("%s %s: %v", object, method, err)
		}
		if !s.Daemon {
			s.Peers = alone
		}
		out[object+" "+method] = s.Peers
	}
	page("wireguard", "peers")
	page("luci.wireguard", "peers")
	page("luci.wireguard", "status")

	var nested struct {
		Daemon     bool
		Interfaces map[string]struct{ Peers []word }
	}
	if err := json.Unmarshal([]byte(l.output("", "status", "--json")), &nested); err != nil {
		l.t.Errorf("wgnetifd status --json: %v", err)
	}
	out["wgnetifd status"] = nested.Interfaces["wg0"].Peers
	if !nested.Daemon {
		out["wgnetifd status"] = alone
	}
	return out
}

// TestEverybodyAgrees: ubus, rpcd and the command say the same of each peer while
// the daemon runs; when it hangs or is gone, rpcd and the command go on by the
// kernel.
func TestEverybodyAgrees(t *testing.T) {
	l := newLab(t, simple(badPeers+
		peerSection("off", 20, "\toption disabled '1'\n")+
		peerSection("caller", 21, "\tlist allowed_ips '10.0.0.21/32'\n")+
		peerSection("silent", 22, "\tlist allowed_ips '10.0.0.22/32'\n\toption endpoint_host '192.0.2.200'\n\toption persistent_keepalive '1'\n")))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	l.StartRpcd()
	d := l.StartDaemon()
	mustPing(t, l.Host, "10.0.0.2")
	l.awaitPeer(them, "connected", func(p peerState) bool { return p.State == "connected" })
	l.awaitPeer(15, "without an address", func(p peerState) bool { return p.Reason == "no-address" })

	// The states may change between one question and the next, not for long.
	var said map[string][]word
	var differ string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		said, differ = l.saidBy(), ""
		want := said["wireguard peers"]
		for who, got := range said {
			if fmt.Sprint(got) != fmt.Sprint(want) {
				differ = fmt.Sprintf("%s says\n%v\nthe daemon says\n%v", who, got, want)
			}
		}
		if differ == "" {
			break
		}
	}
	if differ != "" {
		t.Error(differ)
	}
	states := map[string]string{}
	for _, w := range said["wireguard peers"] {
		states[w.Section] = w.State + "/" + w.Reason
	}
	for section, want := range map[string]string{
		"far": "connected/", "off": "disabled/disabled", "caller": "waiting/waiting", "twin": "invalid/invalid",
		"nokey": "invalid/invalid", "lost": "unresolved/no-address",
	} {
		equal(t, section, states[section], want)
	}
	if s := states["silent"]; s != "connecting/no-answer" && s != "connecting/clock" {
		t.Errorf("silent: %s", s)
	}
	var text string
	await(t, "a status that does not speak of the daemon, which runs", func() bool {
		text = l.output("", "status")
		return !strings.Contains(text, "daemon")
	})
	t.Logf("wgnetifd status:\n%s", text)

	if text := l.output("", "status", "wg0", "SILENT"); !strings.Contains(text, "peer silent: ") || strings.Contains(text, "peer far") {
		t.Errorf("status of one peer:\n%s", text)
	}
	if line := mustFail(t, l.Wgnetifd("status", "wg0", "nobody")); !strings.Contains(line, "nobody") {
		t.Errorf("status of a peer that is not there: %s", line)
	}

	d.Signal(unix.SIGSTOP)
	l.checkWithoutDaemon("a daemon that hangs")
	d.Signal(unix.SIGCONT)
	d.Kill()
	await(t, "the end of its object", func() bool { return !slices.Contains(l.Broker.Paths(), "wireguard") })
	l.checkWithoutDaemon("no daemon")
	text = l.output("", "status")
	if !strings.Contains(text, "note: the daemon is not running") || !strings.Contains(text, "peer far: connected") {
		t.Errorf("status without a daemon:\n%s", text)
	}
}

func (l *lab) checkWithoutDaemon(what string) {
	l.t.Helper()
	var s pageJSON
	l.ask("peers", nil, &s)
	if s.Daemon || len(s.Peers) == 0 || s.Peers[0].State != "connected" {
		l.t.Errorf("%s: peers: %+v", what, s)
	}
	var failed struct{ Error string }
	l.ask("history", blobmsg.Table{{Name: "interface", Value: "wg0"}}, &failed)
	if !strings.HasPrefix(failed.Error, "the daemon ") {
		l.t.Errorf("%s: history: %+v", what, failed)
	}
}
