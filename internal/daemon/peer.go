package daemon

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/endpoint"
	"github.com/wgnetifd/wgnetifd/internal/history"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// peer is a peer of the device that the configuration has.
type peer struct {
	machine *endpoint.Machine
	config  endpoint.Config
	family  schema.Family
	found   []found // of the sources, in their order
	seen    endpoint.Reading
	step    endpoint.Step
	raw     tale // what the machine said when states were told last
	// keepalive as configured, in seconds; 0: off.
	keepalive uint16
	// tried are the endpoints that were written since the peer was connected or the
	// uplink changed, once each; round: the log has that all were.
	tried []netip.AddrPort
	round bool
}

// found is what came of the last look-up of a source.
type found struct {
	addrs []netip.Addr
	doubt bool // there may be others before long
	err   error
	asked time.Time
}

// tale is what was told of a peer or of the interface: its state and the reason.
type tale struct{ state, reason string }

// answer is what came of looking up a source of a peer.
type answer struct {
	key    schema.Key
	source endpoint.Source
	family schema.Family
	epoch  *epoch
	found  found
}

// adopt takes over an interface that is up and as its configuration says. Peers
// whose endpoints are configured as before go on where they were.
func (k *keeper) adopt(ctx context.Context, run *apply.Run) {
	if k.run == nil {
		k.names = goodNames{} // a setup may have saved others since
	}
	gone, come := changesOf(k.run, run)
	old := make(map[schema.Key]*peer, len(gone))
	if k.run != nil && len(k.peers) == len(k.run.Want.Peers) {
		for _, w := range gone {
			old[w.PublicKey] = k.peers[w.PublicKey]
			delete(k.peers, w.PublicKey)
		}
	} else {
		old, k.peers, come = k.peers, make(map[schema.Key]*peer, len(run.Want.Peers)), run.Want.Peers
	}
	k.conf, k.run, k.changed = run.Conf, run, true
	for _, w := range come {
		c := w.Config
		p := old[c.PublicKey]
		config := configOf(c)
		if p == nil || p.family != c.EndpointFamily || p.config.Failback != config.Failback ||
			!slices.Equal(p.config.Sources, config.Sources) {
			config.Reach = k.reaches
			p = &peer{
				config: config, family: c.EndpointFamily,
				machine: endpoint.New(config, k.d.o.Random), found: make([]found, len(config.Sources)),
			}
		}
		p.keepalive = c.Keepalive
		k.peers[c.PublicKey] = p
	}
	k.pruneNames()
	for _, key := range run.Moved {
		if p := k.peers[key]; p != nil {
			p.machine.Rewrite()
		}
	}
	k.report(ctx, run)
	k.read = time.Time{}
	k.guards = guards(run)
	if full := wantsBypass(run); k.full.Swap(full) != full {
		k.d.bypass.sync(k.d)
	}
}

func configOf(c *schema.Peer) endpoint.Config {
	config := endpoint.Config{Failback: time.Duration(c.EndpointFailback) * time.Second}
	for _, e := range c.Endpoints() {
		config.Sources = append(config.Sources, endpoint.Source{Host: e.Host, Port: e.Port})
	}
	return config
}

// tick reads the device and takes a step with each peer. It returns the endpoints
// to write.
func (k *keeper) tick(ctx context.Context, now time.Time) (writes []plan.PeerChange) {
	if k.run == nil {
		return nil
	}
	begin := time.Now() // now may be the beginning of something that took long
	have, err := k.d.o.System.Devices.Read(k.name)
	k.read = now
	defer func() { k.cost = time.Since(begin) }()
	switch {
	case err != nil:
		if !k.failed {
			k.log.Error("cannot read the device", "error", err)
		}
		k.failed = true
		return nil
	case !have.Exists, !have.Up, k.index != 0 && have.Index != k.index:
		// Netifd may be taking it down; if not, somebody deleted it, and perhaps made
		// another one.
		k.drop()
		k.later(goneTime, func(in *inbox) { in.sync = true })
		return nil
	}
	k.failed, k.have, k.index = false, &have, have.Index
	k.connected.Store(status.AnyConnected(k.have, now))
	k.otherServers(now)
	k.moved = k.moved || k.roamed()
	samples := make([]history.Sample, len(have.Peers))
	for n := range have.Peers {
		a := &have.Peers[n]
		samples[n] = history.Sample{Key: a.PublicKey, Rx: a.RxBytes, Tx: a.TxBytes}
		p := k.peers[a.PublicKey]
		if p == nil {
			continue
		}
		p.seen = endpoint.Reading{Endpoint: a.Endpoint, Handshake: a.LastHandshake, Tx: a.TxBytes, Rx: a.RxBytes, Keepalive: a.Keepalive > 0}
		writes = k.step(now, a.PublicKey, p, writes)
	}
	k.d.history.Record(now, k.name, samples)
	k.saveNames()
	return writes
}

// later puts something into the inbox after a while.
func (k *keeper) later(after time.Duration, put func(*inbox)) {
	time.AfterFunc(after, func() {
		select {
		case <-k.ended:
		default:
			k.post(put)
		}
	})
}

// step takes a step with one peer and appends what is to be written.
func (k *keeper) step(now time.Time, key schema.Key, p *peer, writes []plan.PeerChange) []plan.PeerChange {
	was, s := p.step.State, p.machine.Step(now, p.seen)
	p.step = s
	known := false
	for _, n := range s.Resolve {
		if addrs, ok := k.d.literal(p.config.Sources[n].Host); ok {
			p.found[n] = found{addrs: addrs, asked: now}
			p.machine.Resolved(n, addrs)
			known = true
		} else {
			k.lookUp(key, p, n)
		}
	}
	if s.Write.IsValid() {
		k.tellEndpoint(key, p, s.Write, was)
		if p.keepalive > 0 && (!p.seen.Endpoint.IsValid() || s.State == endpoint.Connected) {
			k.greeted = append(k.greeted, key)
		}
		p.seen.Endpoint = s.Write
		writes = append(writes, plan.PeerChange{PublicKey: key, Endpoint: s.Write})
	}
	if s.State == endpoint.Connected {
		p.tried, p.round = nil, false
	}
	if s.Good && s.Source >= 0 {
		k.noteGood(p.config.Sources[s.Source].Host, p.seen.Endpoint.Addr())
	}
	if known {
		return k.step(now, key, p, writes)
	}
	return writes
}

// tellEndpoint puts another endpoint into the log: of a peer that never answers
// those of one round.
func (k *keeper) tellEndpoint(key schema.Key, p *peer, to netip.AddrPort, was endpoint.State) {
	switch {
	case !slices.Contains(p.tried, to) && len(p.tried) < maxTried:
		p.tried = append(p.tried, to)
		k.log.Info("another endpoint for a peer", "peer", key.Short(), "endpoint", to, "was", string(was))
	case !p.round:
		p.round = true
		k.log.Info("no endpoint of a peer answers, they are tried on and on", "peer", key.Short(), "endpoints", len(p.tried))
	}
}

// maxTried is how many endpoints of a peer that never answers are logged: names may
// say others all the time.
const maxTried = 2 * endpoint.MaxCandidates

// lookUp has a source looked up in the background.
func (k *keeper) lookUp(key schema.Key, p *peer, n int) {
	a := answer{key: key, source: p.config.Sources[n], family: p.family, epoch: k.d.currentEpoch()}
	q := question{epoch: a.epoch, host: a.source.Host, family: resolve.Family(p.family)}
	k.d.lookups.put(q, func(f found) {
		a.found = f
		k.post(func(in *inbox) { in.answers = append(in.answers, a) })
	})
}

// absorb takes in what was looked up, and returns the endpoints to write.
func (k *keeper) absorb(now time.Time, answers []answer) (writes []plan.PeerChange) {
	current := k.d.currentEpoch()
	for _, a := range answers {
		p := k.peers[a.key]
		if p == nil || a.family != p.family || a.epoch != current {
			// What was found by another uplink is of no use; the machine hears of the new
			// one and asks again.
			continue
		}
		n := slices.Index(p.config.Sources, a.source)
		if n < 0 {
			continue // the configuration has another endpoint by now
		}
		k.learn(a, p, n)
		writes = k.step(now, a.key, p, writes)
	}
	return writes
}

// learn takes in one answer. The log has what is new.
func (k *keeper) learn(a answer, p *peer, n int) {
	log := k.log.With("peer", a.key.Short(), "host", a.source.Host)
	was, err := p.found[n].err, a.found.err
	if err != nil {
		if was == nil || was.Error() != err.Error() {
			log.Warn("an endpoint's name was not found", "error", err)
		}
		p.found[n].err, p.found[n].asked = err, a.found.asked
		p.machine.Failed(n, err)
		return
	}
	if was != nil {
		log.Info("an endpoint's name is found again", "addresses", len(a.found.addrs))
	}
	p.found[n] = a.found
	p.machine.Resolved(n, a.found.addrs)
	if a.found.doubt {
		p.machine.Doubt(n)
	}
}

// turnUplink tells all peers that the way to the Internet is another one.
func (k *keeper) turnUplink(now time.Time) {
	for _, p := range k.peers {
		p.machine.Uplink(now, k.reaches)
		p.tried, p.round = nil, false
	}
}

// kick starts handshakes with the peers that have an endpoint and no session.
func (k *keeper) kick() {
	if k.have == nil || k.run == nil {
		return
	}
	silent := map[schema.Key]uint16{}
	for n := range k.have.Peers {
		a := &k.have.Peers[n]
		p := k.peers[a.PublicKey]
		if p == nil || !p.seen.Endpoint.IsValid() || p.step.State == endpoint.Connected {
			continue
		}
		// A peer that nobody sends to needs no session.
		if a.Keepalive > 0 || p.step.State != endpoint.Idle {
			silent[a.PublicKey] = a.Keepalive
		}
	}
	k.start(silent)
}

// greet sends something to the peers that are to be kept alive and have their first
// endpoint by now, or one that their session was taken to: a handshake, or a
// keepalive that tells the peer where we are. WireGuard itself would wait for as long
// as a keepalive takes.
func (k *keeper) greet() {
	silent := map[schema.Key]uint16{}
	for _, key := range k.greeted {
		if p := k.peers[key]; p != nil {
			silent[key] = p.keepalive
		}
	}
	k.greeted = nil
	k.start(silent)
}

func (k *keeper) start(silent map[schema.Key]uint16) {
	if err := k.d.o.System.Kick(k.name, silent); err != nil {
		k.log.Warn("cannot start handshakes", "error", err)
	}
}

// goneTime is after how long netifd is asked whether a device that is gone should
// be there: by then it has begun to take it down, if it does.
const goneTime = 300 * time.Millisecond

// How often the device is read.
const (
	// minuteStep is how often whatever happens: the history has a minute a step.
	minuteStep = time.Minute
	// idleStep is how often while a peer that we could reach is not connected: when
	// somebody begins to send to it, its endpoint has to be looked after.
	idleStep = 15 * time.Second
	// wantedStep is how often while somebody sends to it.
	wantedStep = 5 * time.Second
	// listenStep is how often while somebody listens to changes of states.
	listenStep = 10 * time.Second
	// watchStep is how often while somebody looks at seconds; where reading takes
	// long, less often, and no less than watchLeast: what moved in more than five
	// seconds the history can put nowhere.
	watchStep  = time.Second
	watchLeast = 4 * time.Second
	// shortStep is the least time between two readings.
	shortStep = 100 * time.Millisecond
	// retryStep is when a device that could not be read is read again.
	retryStep = 5 * time.Second

	// Reading takes at most a hundredth of the time; where a peer wants something at
	// a certain time, a twentieth.
	restShare, hasteShare = 100, 20
)

// due returns when the device has to be read next.
func (k *keeper) due(now time.Time) time.Time {
	switch {
	case k.run == nil:
		return now.Add(time.Hour)
	case k.failed:
		return k.read.Add(retryStep)
	case k.read.IsZero():
		return now
	}
	step := minuteStep
	if k.d.listened() {
		step = listenStep
	}
	if k.guards {
		step = wantedStep
	}
	next := time.Time{}
	for _, p := range k.peers {
		if n := p.step.Next; !n.IsZero() && (next.IsZero() || n.Before(next)) && (len(p.config.Sources) > 0 || step == listenStep) {
			next = n
		}
		if len(p.config.Sources) == 0 {
			continue
		}
		switch p.step.State {
		case endpoint.Connected:
		case endpoint.Idle, endpoint.Unresolved:
			step = min(step, idleStep)
		default:
			step = min(step, wantedStep)
		}
	}
	at := k.read.Add(max(step, restShare*k.cost))
	if k.d.history.Watched(now, k.name) {
		at = k.read.Add(min(max(watchStep, hasteShare*k.cost), watchLeast))
	}
	if !next.IsZero() {
		next = latest(next, k.read.Add(max(shortStep, hasteShare*k.cost)))
		if next.Before(at) {
			at = next
		}
	}
	return at
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
