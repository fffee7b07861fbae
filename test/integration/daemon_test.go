package integration

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// peerState is a peer as the daemon's `peer` shows it.
type peerState struct {
	Name            string
	State           string
	Reason          string
	Detail          string
	Endpoint        string
	LatestHandshake int64 `json:"latest_handshake"`
	Candidates      []struct {
		Host      string
		Port      int
		Addresses []string
		Error     string
		InUse     bool `json:"in_use"`
	}
}

// daemonPeer asks the daemon for a peer of wg0 by its number. Whoever asks while the
// daemon works on the interface for more than three seconds, as on a busy machine, is
// told so, and asks again.
func (l *lab) daemonPeer(n int) (p peerState) {
	l.t.Helper()
	var reply blobmsg.Table
	var err error
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		reply, err = l.Call("wireguard", "peer", blobmsg.Table{
			{Name: "interface", Value: "wg0"}, {Name: "public_key", Value: public(n).String()},
		})
		if !errors.Is(err, ubus.StatusUnknownError) || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		l.t.Fatalf("peer %d: %v", n, err)
	}
	if err := json.Unmarshal(blobmsg.AppendJSON(nil, reply), &p); err != nil {
		l.t.Fatal(err)
	}
	return p
}

// awaitPeer waits until the daemon shows a peer as asked for; what says what that
// is.
func (l *lab) awaitPeer(n int, what string, ok func(peerState) bool) peerState {
	l.t.Helper()
	var p peerState
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if p = l.daemonPeer(n); ok(p) {
			return p
		}
	}
	l.t.Fatalf("peer %d is not %s: %+v", n, what, p)
	return p
}

// change is what a reload answers of one interface.
type change struct{ Added, Removed, Changed, Device []string }

// reloaded is what a reload answers.
type reloaded struct {
	Changed map[string]change
	Refused []struct{ Option, Value, Text string }
	Error   string
}

// reloadDaemon has the daemon apply the configuration.
func (l *lab) reloadDaemon() (r reloaded) {
	l.t.Helper()
	reply, err := l.Call("wireguard", "reload", nil)
	if err != nil {
		l.t.Fatalf("reload: %v", err)
	}
	if err := json.Unmarshal(blobmsg.AppendJSON(nil, reply), &r); err != nil {
		l.t.Fatal(err)
	}
	return r
}

// TestDaemonAppliesAChange: a peer that is added is there after a reload, and
// nothing is written by the next one.
func TestDaemonAppliesAChange(t *testing.T) {
	l := newLab(t, simple(""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	l.StartDaemon()
	mustPing(t, l.Host, "10.0.0.2")
	l.awaitPeer(them, "connected", func(p peerState) bool { return p.State == "connected" })

	l.Configure(simple(peerSection("new", 3, "\tlist allowed_ips '10.0.0.3/32'\n")))
	equal(t, "reload", l.reloadDaemon(), reloaded{Changed: map[string]change{"wg0": {Added: []string{"new"}}}})
	if n := len(router.ReadDevice(t, l.Host, "wg0").Peers); n != 2 {
		t.Errorf("the device has %d peers", n)
	}
	equal(t, "second reload", l.reloadDaemon(), reloaded{})
}
