package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/internal/history"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Options are what a Daemon works with: the operating system behind interfaces.
type Options struct {
	// System is what runs of package apply work on. Its names are not used.
	System *apply.System
	// Bus is the connection to ubus; nil: there is none, and only interfaces of
	// `wgnetifd up` are kept.
	Bus *ubus.Conn
	// Names finds the addresses of endpoints.
	Names Names
	// Servers tells one state of the name servers that Names asks from another, by a
	// number that is never 0; nil: they stay.
	Servers func() uint64
	// NAT64 finds the prefixes by which an uplink without IPv4 reaches it; nil: none.
	NAT64 NAT64
	// Network tells of changes of links, addresses and routes.
	Network rtnl.Watcher
	// Rules are the policy rules of `option clock_bypass`; nil: it has no effect.
	Rules rtnl.Ruler
	// Clock is the router's.
	Clock clock.Clock
	// Scripts are run on changes of states; nil: none.
	Scripts Scripts
	// Random returns numbers from 0 to below 1, as math/rand/v2.Float64 does.
	Random func() float64
	Log    *logline.Logger
}

// Names finds the addresses of a host in the order in which they are to be tried.
// *resolve.Names is one.
type Names interface {
	Candidates(ctx context.Context, host string, family resolve.Family) ([]netip.Addr, error)
}

// NAT64 knows the uplink's NAT64. *resolve.NAT64 is one.
type NAT64 interface {
	Prefixes(ctx context.Context) ([]netip.Prefix, error)
	Forget()
	Known() []netip.Prefix
	Former() []netip.Prefix
}

// Daemon keeps the interfaces of one configuration. Make one with New and Run it
// once.
type Daemon struct {
	o       Options
	log     *logline.Logger
	client  netifd.Client
	history *history.Store
	lookups lookups
	reloads reloads
	clock   clockState
	events  announcer
	bypass  bypassKeeper
	thrift  thrift

	// uplink is what the way to the Internet carries now; never nil after Run began.
	uplink atomic.Pointer[uplink]
	dirty  dirt

	object *ubus.Published

	mu      sync.Mutex
	keepers map[string]*keeper
	order   []string // of the configuration
	epoch   *epoch
	// confErr is why the configuration could not be read last.
	confErr error
	pkg     *uci.Package // the last configuration that could be read

	// root ends with Run; begun is closed when it is there.
	root  context.Context
	begun chan struct{}
	tasks sync.WaitGroup
}

// epoch is the time between two changes of uplink: what is looked up in one is of
// no use in the next.
type epoch struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// New returns a daemon that does nothing yet.
func New(o Options) *Daemon {
	d := &Daemon{o: o, log: o.Log, keepers: map[string]*keeper{}, history: history.New(time.Now()), begun: make(chan struct{})}
	if o.Bus != nil {
		d.client = netifd.Client{Bus: hurried{o.Bus}}
	}
	d.dirty.wake = make(chan struct{}, 1)
	d.events.wake = make(chan struct{}, 1)
	d.uplink.Store(&uplink{Ways: &plan.Ways{}})
	d.lookups.find = d.find
	return d
}

// Run keeps the interfaces until ctx ends, and leaves them as they are then. It
// returns an error only when it could not begin. Nobody else must keep the same
// interfaces: see state.Dir.LockDaemon.
func (d *Daemon) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.root = ctx
	d.newEpoch(ctx)
	d.readClock()
	d.readUplink()
	close(d.begun)
	d.tasks.Go(func() { d.announce(ctx) })
	d.tasks.Go(func() { d.watchNetwork(ctx) })
	d.tasks.Go(func() { d.followNetwork(ctx) })
	d.tasks.Go(func() { d.watchClock(ctx) })
	if s := d.o.Scripts; s != nil {
		d.tasks.Go(func() { s.Run(ctx) })
	}
	d.awaitBus(ctx)
	if d.o.Bus != nil {
		d.listen(ctx) // first, so that nothing is missed between the two
	}
	d.begin(ctx)
	if d.o.Bus != nil {
		d.publish(ctx)
	}
	<-ctx.Done()
	d.endReloads()
	d.stopAll()
	d.awaitTasks()
	d.bypass.remove(d)
	d.thrift.stop()
	if d.object != nil {
		// The bus may be gone; it takes the object away with the connection anyway.
		_ = d.object.Remove(context.WithoutCancel(ctx))
	}
	return nil
}

// beginTime is how long the object waits for the first reload: a setup that holds
// an interface's lock must not keep the others out of sight.
const beginTime = 3 * time.Second

// begin applies the configuration for the first time.
func (d *Daemon) begin(ctx context.Context) {
	done := make(chan struct{})
	d.tasks.Go(func() {
		d.Reload(ctx, "")
		close(done)
	})
	select {
	case <-done:
	case <-time.After(beginTime):
	case <-ctx.Done():
	}
}

// callTime bounds each call of netifd: one that is restarted in the middle of a
// call never answers it, and the lock of the interface is held meanwhile.
const callTime = 10 * time.Second

// hurried is ubus with callTime.
type hurried struct{ *ubus.Conn }

// Call implements netifd.Bus.
func (h hurried) Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return h.Conn.Call(ctx, path, method, args)
}

// busTime is how long the beginning waits for ubus. Where there is none yet, what
// can be done without is done, and the rest when it comes.
const busTime = time.Second

func (d *Daemon) awaitBus(ctx context.Context) {
	if d.o.Bus == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, busTime)
	defer cancel()
	if err := d.o.Bus.Connected(ctx); err != nil {
		d.log.Warn("no ubus yet, interfaces are looked after when it is there")
	}
}

// Connected is to be called whenever there is a connection to ubus anew: what
// netifd told meanwhile was missed.
func (d *Daemon) Connected() {
	for _, k := range d.all() {
		k.post(func(in *inbox) { in.sync = true })
	}
}

// listen follows what netifd tells of interfaces.
func (d *Daemon) listen(ctx context.Context) {
	_, err := d.o.Bus.Listen(ctx, "network.interface", func(_ string, data blobmsg.Table) {
		name, _ := data.String("interface")
		action, _ := data.String("action")
		if action != "ifup" && action != "ifdown" {
			return
		}
		if k := d.keeper(name); k != nil {
			k.post(func(in *inbox) { in.sync = true })
		} else if action == "ifup" {
			go d.welcome(ctx, name) // Events go on meanwhile.
		}
	})
	if err != nil {
		d.log.Error("cannot follow what netifd tells of interfaces", "error", err)
	}
}

// welcome keeps an interface that netifd brought up and nobody told us of, as after
// a `network reload` of a file that was not committed. Most are no WireGuard's.
func (d *Daemon) welcome(ctx context.Context, name string) {
	d.mu.Lock()
	last := d.pkg
	d.mu.Unlock()
	pkg, err := d.o.System.Dir.LoadAgain(schema.PackageName, last)
	if err == nil && slices.Contains(schema.Names(pkg), name) {
		d.Reload(ctx, name)
	}
}

func (d *Daemon) keeper(name string) *keeper {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.keepers[name]
}

// all returns the keepers in the order of the configuration.
func (d *Daemon) all() []*keeper {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*keeper, 0, len(d.order))
	for _, name := range d.order {
		list = append(list, d.keepers[name])
	}
	return list
}

// load reads the configuration. One that cannot be used is read again by and by:
// nobody tells when a file that was half written is whole.
func (d *Daemon) load() (*uci.Package, error) {
	d.mistrust()
	d.mu.Lock()
	last := d.pkg
	d.mu.Unlock()
	pkg, err := d.o.System.Dir.LoadAgain(schema.PackageName, last)
	if err == nil && len(pkg.Sections) == 0 {
		// No router has none: somebody is writing the file.
		err = errNothing
	}
	if err != nil {
		err = fmt.Errorf("the configuration cannot be used, interfaces stay as they are: %w", err)
		d.retryReload()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil && (d.confErr == nil || d.confErr.Error() != err.Error()) {
		d.log.Error(err.Error())
	}
	d.confErr = err
	if err == nil {
		d.pkg = pkg
	}
	return pkg, err
}

var errNothing = errors.New("the file network has no sections")

// keep makes the keepers those of the configuration's interfaces. New ones of which
// only says nothing look at their interface by themselves; nil says all.
func (d *Daemon) keep(ctx context.Context, names, only []string) {
	d.mu.Lock()
	var gone []*keeper
	for name, k := range d.keepers {
		if !slices.Contains(names, name) {
			gone = append(gone, k)
			delete(d.keepers, name)
		}
	}
	d.order = names
	for _, name := range names {
		if d.keepers[name] == nil {
			k := d.newKeeper(ctx, name)
			d.keepers[name] = k
			if only != nil && !slices.Contains(only, name) {
				k.post(func(in *inbox) { in.sync = true })
			}
		}
	}
	d.mu.Unlock()
	for _, k := range gone {
		k.stop()
		d.history.Remove(k.name)
	}
}

func (d *Daemon) stopAll() {
	for _, k := range d.all() {
		k.cancel()
	}
}

// stopTime is how long the end waits for what is under way: a keeper may wait for
// a setup that holds the interface's lock. Nothing is lost by not waiting longer.
const stopTime = 3 * time.Second

func (d *Daemon) awaitTasks() {
	ended := make(chan struct{})
	go func() {
		d.tasks.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(stopTime):
		d.log.Warn("something is still under way, ending all the same")
	}
}

// newEpoch begins another epoch: look-ups of the one before are ended.
func (d *Daemon) newEpoch(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := &epoch{}
	if d.epoch != nil {
		d.epoch.cancel()
	}
	e.ctx, e.cancel = context.WithCancel(ctx)
	d.epoch = e
}

func (d *Daemon) currentEpoch() *epoch {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.epoch
}

// errStopped: the daemon, or the interface's keeper, has been stopped.
var errStopped = errors.New("the daemon does not keep the interface any more")
