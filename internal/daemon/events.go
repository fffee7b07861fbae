package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/hotplug"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Scripts are told of changes. *hotplug.Runner is one.
type Scripts interface {
	// Run runs what Put wants until ctx ends.
	Run(ctx context.Context)
	// Put never waits.
	Put(e hotplug.Event)
	// Any reports whether there are any scripts.
	Any() bool
}

// news is one change of a state.
type news struct {
	kind string // "peer" or "interface"
	data blobmsg.Table
}

// maxNews is how many changes wait for ubus.
const maxNews = 2048

// announcer tells subscribers and listeners of changes, one after the other.
type announcer struct {
	mu      sync.Mutex
	queue   []news
	dropped int
	wake    chan struct{}
}

func (a *announcer) put(n news) {
	a.mu.Lock()
	if len(a.queue) < maxNews {
		a.queue = append(a.queue, n)
	} else {
		a.dropped++
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// listened reports whether somebody wants to hear of changes of states.
func (d *Daemon) listened() bool {
	d.mu.Lock()
	object := d.object
	d.mu.Unlock()
	return object != nil && object.HasSubscribers() || d.o.Scripts != nil && d.o.Scripts.Any()
}

// newsTime bounds how long ubus may take for one message.
const newsTime = 5 * time.Second

func (d *Daemon) announce(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.events.wake:
		}
		d.events.mu.Lock()
		queue, dropped := d.events.queue, d.events.dropped
		d.events.queue, d.events.dropped = nil, 0
		d.events.mu.Unlock()
		if dropped > 0 {
			d.log.Warn("too many changes of states at once, not all were told", "dropped", dropped)
		}
		for _, n := range queue {
			d.send(ctx, n)
		}
	}
}

// send tells of one change. That nobody can be told is no news.
func (d *Daemon) send(ctx context.Context, n news) {
	d.mu.Lock()
	object := d.object
	d.mu.Unlock()
	if object == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, newsTime)
	defer cancel()
	if object.HasSubscribers() {
		_ = object.Notify(ctx, n.kind, n.data)
	}
	if n.kind == "peer" {
		_ = d.o.Bus.SendEvent(ctx, "wireguard.peer", n.data)
	}
}

// tell tells of states that changed. At the first time nothing is told: nothing
// has changed.
func (k *keeper) tell(ctx context.Context, now time.Time) {
	changed := k.changed
	for _, p := range k.peers {
		if raw := (tale{string(p.step.State), string(p.step.Reason)}); raw != p.raw {
			p.raw, changed = raw, true
		}
	}
	if !changed {
		return
	}
	if k.run != nil && k.have == nil {
		have, err := k.d.o.System.Devices.Read(k.name)
		if err != nil || !have.Exists {
			k.changed = true
			return // The next reading sees to it.
		}
		k.have = &have
	}
	k.changed = false
	in := k.input(now)
	in.OthersConnected = slices.ContainsFunc(k.d.all(), func(o *keeper) bool { return o != k && o.connected.Load() })
	k.askNetifd(ctx, in)
	i := status.Build(in)
	next := make(map[schema.Key]tale, len(i.Peers))
	for n := range i.Peers {
		p := &i.Peers[n]
		if p.PublicKey.IsZero() {
			continue
		}
		if _, twice := next[p.PublicKey]; twice && !p.InKernel {
			continue
		}
		t := tale{string(p.State), string(p.Reason)}
		next[p.PublicKey] = t
		if old := k.tales[p.PublicKey]; k.tales != nil && old != t {
			k.tellPeer(p, old)
		}
	}
	t := tale{string(i.State), string(i.Reason)}
	if k.tales != nil && k.told != t {
		k.tellInterface(&i)
	}
	k.tales, k.told = next, t
}

func (k *keeper) tellPeer(p *status.Peer, old tale) {
	k.d.events.put(news{kind: "peer", data: blobmsg.Table{
		{Name: "interface", Value: k.name},
		{Name: "public_key", Value: p.PublicKey.String()},
		{Name: "name", Value: p.Name},
		{Name: "section", Value: p.Section},
		{Name: "state", Value: string(p.State)},
		{Name: "reason", Value: string(p.Reason)},
		{Name: "detail", Value: p.Detail()},
		{Name: "old_state", Value: old.state},
	}})
	if string(p.State) != old.state {
		k.log.Info("peer is "+string(p.State), "peer", p.Name, "public_key", p.PublicKey.Short(), "was", old.state)
	}
	if s := k.d.o.Scripts; s != nil {
		s.Put(hotplug.Event{
			Action: hotplug.Peer, Interface: k.name, Peer: p.PublicKey, Name: p.Name,
			State: string(p.State), Reason: string(p.Reason), OldState: old.state,
		})
	}
}

func (k *keeper) tellInterface(i *status.Interface) {
	k.d.events.put(news{kind: "interface", data: blobmsg.Table{
		{Name: "interface", Value: k.name},
		{Name: "state", Value: string(i.State)},
		{Name: "reason", Value: string(i.Reason)},
		{Name: "detail", Value: i.Detail},
		{Name: "old_state", Value: k.told.state},
	}})
	if s := k.d.o.Scripts; s != nil {
		s.Put(hotplug.Event{
			Action: hotplug.Interface, Interface: k.name,
			State: string(i.State), Reason: string(i.Reason), OldState: k.told.state,
		})
	}
}
