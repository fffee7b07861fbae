package daemon

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// keeper keeps one interface.
type keeper struct {
	d    *Daemon
	name string
	log  *logline.Logger

	mu     sync.Mutex
	in     inbox
	wake   chan struct{}
	ended  chan struct{}
	cancel context.CancelFunc

	// What follows belongs to the goroutine.

	conf  *schema.Interface // as configured last; nil: nothing is known yet
	route plan.RouteNumbers
	run   *apply.Run // the last that planned the interface; nil: it is not up
	peers map[schema.Key]*peer
	index int // of the device
	names goodNames
	// servers tells the name servers of the last look from others; 0: none yet.
	servers uint64
	// greeted are peers that something is to be sent to at once.
	greeted []schema.Key
	have    *plan.Actual
	// read is when the device was read last, cost how long that and what follows took.
	read time.Time
	cost time.Duration
	// guards: host routes have to lead to the endpoints. moved: one has moved to where
	// that may be so since they were made.
	guards, moved bool
	// failed: reading the device failed last time; the log has it.
	failed bool
	// revived: netifd was told to bring the interface up by the reload at hand.
	revived bool
	// again is when what failed is tried once more, delay how long the last wait is
	// that was decided on; nil and 0: nothing has failed.
	again *time.Timer
	delay time.Duration
	// changed: the configuration is another one than the last time that states were told.
	changed bool
	// told is what was told last of the interface, tales what of its peers; nil:
	// nothing yet. reported is what was said of its problems.
	told     tale
	tales    map[schema.Key]tale
	reported string
	// full: the interface is up, takes everything, and wants clock_bypass.
	full atomic.Bool
	// connected: a peer had a session at the last reading.
	connected atomic.Bool
	// adjusting is how long the last look at routes took, in nanoseconds.
	adjusting atomic.Int64
	// shown is what a status showed last; nil: something has changed since.
	shown atomic.Pointer[shown]
}

// inbox holds what a keeper has to look at. What came several times is there once.
type inbox struct {
	sync    bool // the interface may have come, gone, or lost something
	again   bool // what failed is to be tried once more
	lost    bool // the kernel may have dropped routes, as the device was down
	reloads []*reload
	pkg     *uci.Package // of the newest of reloads
	look    bool         // something happened to the device
	down    int          // the index of a device that was down; 0: none
	clock   bool         // what is known of the router's clock is something else now
	adjust  bool         // routes have changed
	uplink  bool         // the way to the Internet has
	kick    bool         // handshakes should be tried at once
	answers []answer
	calls   []call
}

// anyAge is for calls that need no reading of the device.
const anyAge = time.Hour

// call is something to be done in the keeper's goroutine, with a reading of the
// device that is as young as asked for.
type call struct {
	maxAge time.Duration
	do     func(now time.Time)
	done   chan struct{}
}

func (d *Daemon) newKeeper(ctx context.Context, name string) *keeper {
	k := &keeper{
		d: d, name: name, log: d.log.With("interface", name),
		wake: make(chan struct{}, 1), ended: make(chan struct{}), peers: map[schema.Key]*peer{},
	}
	ctx, k.cancel = context.WithCancel(ctx)
	d.tasks.Go(func() {
		defer close(k.ended)
		defer k.abandon()
		k.loop(ctx)
	})
	return k
}

// stop ends the keeper and waits for that.
func (k *keeper) stop() {
	k.cancel()
	<-k.ended
}

// post puts something into the inbox.
func (k *keeper) post(put func(*inbox)) {
	k.mu.Lock()
	put(&k.in)
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default: // it is awake
	}
}

func (k *keeper) take() inbox {
	k.mu.Lock()
	defer k.mu.Unlock()
	in := k.in
	k.in = inbox{}
	return in
}

// ask has the keeper do something and waits until it is done.
func (k *keeper) ask(ctx context.Context, maxAge time.Duration, do func(now time.Time)) error {
	c := call{maxAge: maxAge, do: do, done: make(chan struct{})}
	k.post(func(in *inbox) { in.calls = append(in.calls, c) })
	select {
	case <-c.done:
		return nil
	case <-k.ended:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// abandon tells those who wait that nothing comes any more.
func (k *keeper) abandon() {
	for _, r := range k.take().reloads {
		r.done(k.name, outcome{refused: []Refusal{{Option: "network." + k.name, Text: errStopped.Error()}}})
	}
}

func (k *keeper) loop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer k.calm()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		case <-timer.C:
		}
		k.handle(ctx, k.take())
		timer.Reset(max(0, time.Until(k.due(time.Now()))))
	}
}

// handle looks at everything that there is to look at, in the order in which one
// thing depends on the other.
func (k *keeper) handle(ctx context.Context, in inbox) {
	now := time.Now()
	if last := k.shown.Load(); last != nil && (len(in.calls) == 0 || now.Sub(last.at) > statusAge) {
		k.shown.Store(nil)
	}
	if in.again {
		k.again = nil
	}
	k.changed = k.changed || in.clock // states may have other reasons
	if in.down != 0 && in.down == k.index && k.run != nil {
		k.later(goneTime, func(in *inbox) { in.sync, in.lost = true, true })
	}
	in.sync = in.sync || in.again || in.look && k.run == nil
	k.apply(ctx, &in)
	now = time.Now() // Others may have held the lock for long.
	if in.uplink {
		k.turnUplink(now)
	}
	// The device is read first: what an answer has written would be taken for gone.
	var writes []plan.PeerChange
	if !now.Before(k.due(now)) || in.sync || in.look || in.uplink || len(in.reloads) > 0 || k.olderThan(now, in.calls) {
		writes = k.tick(ctx, now)
	}
	writes = append(writes, k.absorb(now, in.answers)...)
	if in.uplink {
		writes = append(writes, k.sources(writes)...)
	}
	if len(writes) > 0 || in.adjust || in.uplink || k.moved {
		k.adjust(ctx, writes)
	}
	if in.kick || in.uplink {
		k.kick()
	}
	k.greet()
	k.tell(ctx, now)
	for _, c := range in.calls {
		c.do(now)
		close(c.done)
	}
	if len(in.calls)+len(in.reloads) > 0 || in.sync {
		k.d.thrift.heavy(len(k.peers))
	}
	k.have = nil // It is large, and read again for whoever asks.
}

func (k *keeper) olderThan(now time.Time, calls []call) bool {
	for _, c := range calls {
		if c.maxAge < anyAge {
			return true
		}
	}
	return false
}

// apply makes the interface what the configuration says.
func (k *keeper) apply(ctx context.Context, in *inbox) {
	explicit := len(in.reloads) > 0
	if !explicit && !in.sync {
		return
	}
	pkg := in.pkg
	var err error
	if pkg == nil {
		pkg, err = k.d.load()
	}
	if in.lost && k.run != nil {
		k.d.o.System.NoteLost(k.run)
	}
	before := k.run
	var run *apply.Run
	if err == nil {
		run, err = k.d.o.System.Reload(ctx, k.name, pkg, k.network(), before)
		err = k.d.orAway(ctx, err)
		k.takeOver(ctx, run, pkg, err, explicit, in.again)
	}
	if explicit {
		o := outcomeOf(k.name, k.conf, before, run, err)
		if k.revived {
			o.change.Device = append(o.change.Device, "up")
		}
		for _, r := range in.reloads {
			r.done(k.name, o)
		}
	}
	k.revived = false
	if k.run != nil {
		k.run.Slim()
	}
}

// network is who is told of addresses and routes, unless `wgnetifd up` made the
// interface. Without ubus there are no others.
func (k *keeper) network() apply.Network {
	if k.d.o.Bus == nil {
		return apply.Kernel{}
	}
	return apply.Netifd{Client: k.d.client}
}

// takeOver takes over what came of a run; explicit and again say what it was for.
func (k *keeper) takeOver(ctx context.Context, run *apply.Run, pkg *uci.Package, err error, explicit, again bool) {
	switch {
	case err == nil:
		if run.Again {
			k.tryAgain()
		} else {
			k.calm()
		}
		if run.Created {
			k.forget() // the peers of a device that is no more
		}
		k.adopt(ctx, run)
		k.route = run.Want.Numbers()
		if (run.Wrote > 0 || run.Told > 0) && !(again && run.Again) {
			k.log.Info("applied the configuration", "peers", len(run.Want.Peers))
		}
	case errors.Is(err, apply.ErrNotUp):
		kept := k.run != nil
		k.drop()
		if conf, err := schema.Load(pkg, k.name); err == nil {
			k.conf, k.route, k.changed = conf, plan.NumbersOf(pkg, conf), true
		}
		k.revive(ctx, explicit, again)
		if kept && errors.Is(err, netifd.ErrNoInterface) {
			k.tryAgain() // Coming back, netifd publishes one interface after the other.
		}
	default:
		// What runs goes on as it was; the status shows what the file says.
		if errors.Is(err, errAway) {
			k.tryAgain()
		} else {
			k.refuse(ctx, run, err)
		}
		if conf, err := schema.Load(pkg, k.name); err == nil {
			k.conf, k.changed = conf, true
			if k.run == nil {
				k.route = plan.NumbersOf(pkg, conf)
			}
		}
	}
}

// drop forgets an interface that is not up.
func (k *keeper) drop() {
	k.run, k.changed = nil, true
	k.forget()
	if k.full.Swap(false) {
		k.d.bypass.sync(k.d)
	}
}

// forget forgets what was read of the device.
func (k *keeper) forget() {
	k.have, k.read, k.index = nil, time.Time{}, 0
	k.connected.Store(false)
	clear(k.peers)
}

// adjust writes endpoints, and follows changes of routes.
func (k *keeper) adjust(ctx context.Context, writes []plan.PeerChange) {
	k.moved = false
	if k.run == nil {
		return
	}
	begin := time.Now()
	run, err := k.d.o.System.Adjust(ctx, k.run, writes)
	k.adjusting.Store(int64(time.Since(begin)))
	err = k.d.orAway(ctx, err)
	switch {
	case errors.Is(err, errAway):
		k.tryAgain()
	case errors.Is(err, apply.ErrNotUp):
		k.drop()
	case errors.Is(err, apply.ErrStale):
		k.tryAgain() // Not at once and for ever: the configuration may be broken by now.
	case err != nil:
		k.log.Error(err.Error())
		k.tryAgain()
	default:
		k.report(ctx, run)
		if run.Again {
			k.tryAgain()
		}
	}
}
