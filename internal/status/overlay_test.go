package status_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// daemon answers `peers` from a snapshot, as the daemon does.
type daemon struct {
	snap  *status.Snapshot
	err   error
	calls int
}

func (d *daemon) Call(_ context.Context, method string, args blobmsg.Table) (blobmsg.Table, error) {
	d.calls++
	if d.err != nil || method != "peers" {
		return nil, errors.Join(d.err)
	}
	q, err := status.ParseQuery(args)
	if err != nil {
		return nil, err
	}
	return d.snap.PeersTable(q)
}

// TestAsk: who asks the daemon shows its words, on all pages.
func TestAsk(t *testing.T) {
	const peers = 1200
	health := status.Health{State: "stale", Reason: "no-uplink", Handshake: now.Add(-7 * time.Minute), Rate: status.Rate{Measured: true, Rx: 5, Tx: 6}}
	conf, dev := &schema.Interface{Name: "wg0"}, plan.Actual{Exists: true, Up: true}
	many(peers, func(n int, c *schema.Peer, a *plan.ActualPeer) {
		c.Invalid = n == 5
		if n == 6 {
			c.PublicKey = schema.Key{}
			c.Invalid = true
		}
		a.LastHandshake = now.Add(time.Hour) // as after a step of the clock
		conf.Peers, dev.Peers = append(conf.Peers, c), append(dev.Peers, *a)
	})
	in := &status.Input{
		Name: "wg0", Conf: conf, Actual: dev, Now: now, Clock: status.Clock{Set: true},
		Health: func(schema.Key) (status.Health, bool) { return health, true },
	}
	theirs := &status.Snapshot{Time: now, Clock: in.Clock, Daemon: true}
	theirs.Fill([]*status.Input{in})
	d := &daemon{snap: theirs}

	own := *in
	own.Health = nil
	ours := &status.Snapshot{Time: now}
	ours.Fill([]*status.Input{&own})
	ours.Ask(context.Background(), d, "")
	if !ours.Daemon || ours.DaemonErr != nil || !ours.Clock.Set || d.calls != 3 {
		t.Errorf("daemon %v, %v, clock %+v, %d calls", ours.Daemon, ours.DaemonErr, ours.Clock, d.calls)
	}
	of := func(p *status.Peer) string {
		return fmt.Sprint(p.Name, p.State, p.Reason, p.Detail(), p.Age, p.Rate)
	}
	for n := range theirs.Interfaces[0].Peers {
		want, got := of(&theirs.Interfaces[0].Peers[n]), of(&ours.Interfaces[0].Peers[n])
		if want != got {
			t.Fatalf("peer %d: %s, want %s", n, got, want)
		}
	}
}

// TestAskInVain: without a daemon everything stays as it is, and people read it.
func TestAskInVain(t *testing.T) {
	snap, err := upAndRunning(t).Collect(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	before := textOf(t, snap)
	snap.Ask(context.Background(), &daemon{err: status.NoDaemon(ubus.StatusNotFound)}, "")
	if snap.Daemon {
		t.Error("the daemon is said to be there")
	}
	note, ok := strings.CutPrefix(textOf(t, snap), before)
	if !ok || !strings.HasPrefix(note, "\nnote: the daemon is not running: /etc/init.d/wgnetifd start") {
		t.Error(note)
	}
}

func textOf(t *testing.T, s *status.Snapshot) string {
	t.Helper()
	var b strings.Builder
	if err := s.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTextOfMany: two hundred peers are a table, those that need somebody first.
func TestTextOfMany(t *testing.T) {
	snap := many(200, func(n int, c *schema.Peer, a *plan.ActualPeer) {
		switch n {
		case 100:
			c.Description = "a name that is longer than its column, with ümlauts"
		case 101:
			c.Disabled = true
		case 102:
			c.Invalid = true
		case 103:
			a.Endpoint, a.LastHandshake = netip.AddrPort{}, time.Time{}
		}
		if n > 103 {
			a.LastHandshake = now.Add(-time.Duration(n) * time.Second / 2)
		}
	})
	goldenText(t, "testdata/many.txt", textOf(t, snap))
	snap.Text = "USER 199"
	got := textOf(t, snap)
	if !strings.Contains(got, "\n  peer Notebook of user 199: connected\n") || strings.Contains(got, "user 198") {
		t.Errorf("one of many:\n%s", got)
	}
}

// objects is a connection on which an object of that path is, with these methods.
type objects struct {
	methods []string
	reply   blobmsg.Table
	err     error
	hangs   bool
}

func (o *objects) Lookup(_ context.Context, path string) ([]ubus.Object, error) {
	if o.methods == nil || path != status.Object {
		return nil, ubus.StatusNotFound
	}
	obj := ubus.Object{Path: path}
	for _, m := range o.methods {
		obj.Methods = append(obj.Methods, ubus.Signature{Name: m})
	}
	return []ubus.Object{obj}, nil
}

func (o *objects) Call(ctx context.Context, _, _ string, _ blobmsg.Table) (blobmsg.Table, error) {
	if o.hangs {
		<-ctx.Done()
		return nil, ubus.StatusTimeout
	}
	return o.reply, o.err
}

// TestClient: which answers count as no daemon.
func TestClient(t *testing.T) {
	ours := []string{"status", "peers", "history"}
	for _, tt := range []struct {
		name     string
		bus      objects
		method   string
		noDaemon bool
		want     error
	}{
		{name: "answers", bus: objects{methods: ours, reply: blobmsg.Table{{Name: "total", Value: 1}}}},
		{name: "nobody there", noDaemon: true, want: ubus.StatusNotFound},
		{name: "rpcd-mod-wireguard", bus: objects{methods: []string{"status", "genkey", "genpsk", "pubkey"}}, method: "status", noDaemon: true},
		{name: "an older daemon", bus: objects{methods: []string{"peers"}}, method: "history", noDaemon: true},
		{name: "hangs", bus: objects{methods: ours, hangs: true}, noDaemon: true, want: ubus.StatusTimeout},
		{name: "dies", bus: objects{methods: ours, err: ubus.StatusConnectionFailed}, noDaemon: true, want: ubus.StatusConnectionFailed},
		{name: "does not know it", bus: objects{methods: ours, err: ubus.StatusNotFound}, want: ubus.StatusNotFound},
		{name: "does not understand", bus: objects{methods: ours, err: ubus.StatusInvalidArgument}, want: ubus.StatusInvalidArgument},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := context.Background()
			if tt.bus.hangs {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 10*time.Millisecond)
				defer cancel()
			}
			if tt.method == "" {
				tt.method = "peers"
			}
			reply, err := status.Client{Bus: &tt.bus}.Call(ctx, tt.method, nil)
			if (err == nil) != (tt.want == nil && !tt.noDaemon) || errors.Is(err, status.ErrNoDaemon) != tt.noDaemon || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v", err)
			}
			if diff := cmp.Diff(tt.bus.reply, reply); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}
