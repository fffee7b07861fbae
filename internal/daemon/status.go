package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// How old a reading of the device may be for a status, and how long it waits for
// a keeper that is busy: then it shows what was there before.
const (
	statusAge  = time.Second
	statusTime = 3 * time.Second
)

var errBusy = errors.New("somebody is working on the interface at the moment")

// snapshot returns the state of all interfaces, or of one. The error is
// status.ErrNoInterface, wrapped.
func (d *Daemon) snapshot(ctx context.Context, only string) (*status.Snapshot, error) {
	keepers := d.all()
	if only != "" {
		keepers = nil
		if k := d.keeper(only); k != nil {
			keepers = append(keepers, k)
		}
	}
	inputs := make([]*status.Input, len(keepers))
	var wg sync.WaitGroup
	for n, k := range keepers {
		wg.Go(func() { inputs[n] = k.look(ctx) })
	}
	wg.Wait()
	inputs = append(inputs, d.foreign(only, len(keepers) > 0)...)
	if only != "" && len(inputs) == 0 {
		return nil, fmt.Errorf("%s: %w", only, status.ErrNoInterface)
	}
	d.mu.Lock()
	snap := &status.Snapshot{Time: time.Now(), Clock: d.clock.status(), Daemon: true, ConfigError: d.confErr}
	d.mu.Unlock()
	for _, in := range inputs {
		in.Now, in.Clock = snap.Time, snap.Clock
	}
	snap.Fill(inputs)
	return snap, nil
}

// shown is what a status showed, and when.
type shown struct {
	input *status.Input
	at    time.Time
}

// recent returns a copy of what the keeper knows by a reading that is not older
// than statusAge; nil when it is busy for too long.
func (k *keeper) recent(ctx context.Context) *status.Input {
	last := k.shown.Load()
	if last == nil || time.Since(last.at) > statusAge {
		ctx, cancel := context.WithTimeout(ctx, statusTime)
		defer cancel()
		done := make(chan *shown, 1)
		if err := k.ask(ctx, statusAge, func(now time.Time) {
			s := &shown{k.input(now), now}
			k.keepHealth(s.input)
			k.shown.Store(s)
			done <- s
		}); err == nil {
			last = <-done
		}
	}
	if last == nil {
		return nil
	}
	copied := *last.input
	return &copied
}

// look returns what is known of the interface.
func (k *keeper) look(ctx context.Context) *status.Input {
	in := k.recent(ctx)
	if in == nil {
		return &status.Input{Name: k.name, ReadErr: errBusy}
	}
	if !in.Actual.Exists {
		// It is not up, and may be there all the same.
		in.Actual, in.ReadErr = k.d.o.System.Devices.Read(k.name)
	}
	if in.Actual.Exists {
		in.Addresses, _ = k.d.o.System.Kernel.Addresses(k.name) // else those of the configuration
	}
	k.askNetifd(ctx, in)
	return in
}

// askNetifd adds what netifd knows, unless it has no part in the interface.
func (k *keeper) askNetifd(ctx context.Context, in *status.Input) {
	if k.d.o.Bus == nil || in.Alone {
		return
	}
	s, err := k.d.client.Status(ctx, k.name)
	if err != nil {
		in.NetifdErr = k.d.orAway(ctx, err)
		return
	}
	in.Netifd = s
}

// input returns what the keeper knows. It is for the keeper's goroutine.
func (k *keeper) input(now time.Time) *status.Input {
	in := &status.Input{Name: k.name, Conf: k.conf, Routes: k.route, Now: now, Clock: k.d.clock.status()}
	in.Rate = k.d.rate(k.name, schema.Key{})
	if k.run == nil || k.have == nil {
		return in
	}
	in.Alone = k.run.Alone()
	in.Actual = *k.have
	in.Health = k.health
	return in
}

// health returns what is known of a peer. It is for the keeper's goroutine.
func (k *keeper) health(key schema.Key) (status.Health, bool) {
	p := k.peers[key]
	if p == nil {
		return status.Health{}, false
	}
	return status.Health{
		State: p.step.State, Reason: p.step.Reason, Err: p.step.Err,
		Handshake: p.step.Handshake, Rate: k.d.rate(k.name, key),
	}, true
}

// keepHealth makes the health of an input what it is now, for other goroutines.
func (k *keeper) keepHealth(in *status.Input) {
	if in.Health == nil {
		return
	}
	kept := make(map[schema.Key]status.Health, len(k.peers))
	for key := range k.peers {
		kept[key], _ = k.health(key)
	}
	in.Health = func(key schema.Key) (status.Health, bool) {
		h, ok := kept[key]
		return h, ok
	}
}

func (d *Daemon) rate(iface string, key schema.Key) status.Rate {
	rx, tx, ok := d.history.Rate(iface, key)
	return status.Rate{Measured: ok, Rx: uint64(max(rx, 0)), Tx: uint64(max(tx, 0))}
}

// foreign returns the WireGuard devices that the configuration does not have.
func (d *Daemon) foreign(only string, found bool) (out []*status.Input) {
	if found && only != "" {
		return nil
	}
	links, err := d.o.System.Kernel.Links()
	if err != nil {
		return nil
	}
	for _, l := range links {
		if l.Kind != "wireguard" || only != "" && l.Name != only || d.keeper(l.Name) != nil {
			continue
		}
		in := &status.Input{Name: l.Name}
		if in.Actual, in.ReadErr = d.o.System.Devices.Read(l.Name); in.ReadErr != nil || !in.Actual.Exists {
			continue
		}
		in.Addresses, _ = d.o.System.Kernel.Addresses(l.Name) // shown without
		out = append(out, in)
	}
	return out
}

// candidatesOf returns what is known of the endpoints of a peer.
func (d *Daemon) candidatesOf(ctx context.Context, ref status.PeerRef, key schema.Key) (list []status.Candidate) {
	k := d.keeper(ref.Interface)
	if k == nil {
		return nil
	}
	done := make(chan []status.Candidate, 1)
	err := k.ask(ctx, anyAge, func(time.Time) {
		p := k.peers[key]
		if p == nil {
			done <- nil
			return
		}
		var list []status.Candidate
		for n, s := range p.config.Sources {
			c := status.Candidate{Host: s.Host, Port: s.Port, Err: p.found[n].err, Asked: p.found[n].asked, InUse: n == p.step.Source}
			for _, a := range p.found[n].addrs {
				c.Addresses = append(c.Addresses, a.String())
			}
			list = append(list, c)
		}
		done <- list
	})
	if err != nil {
		return nil
	}
	return <-done
}
