package netifd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// An engine is one life of netifd: a restart ends it and begins another.
// Everything in it is used on its loop only.
type engine struct {
	cfg     Config
	loop    *loop
	kernel  *kernel
	monitor *linkMonitor
	bus     *bus

	handlers handlerSet
	devices  map[string]*device
	ifaces   ifaceList
	allUsers []*ifaceUser
	hotplug  hotplugQueue

	prefixes           []*devPrefix // that interfaces get parts of, the newest first
	ula                *devPrefix
	assignmentsChanged bool
	configuring        bool // nothing is set up before all is read

	forgetDevices *timer
	lifetimes     *timer

	after afterlife
	dead  atomic.Bool // crashed: nothing is answered any more
}

// An afterlife is what is to be done when a life ends from within. Its functions
// are called in goroutines of their own.
type afterlife struct {
	restart func()      // begins the next life
	crashed func(error) // there is none
}

// newEngine begins a life in the network namespace ns.
func newEngine(ctx context.Context, cfg Config, ns *os.File, after afterlife) (*engine, error) {
	e := &engine{
		cfg: cfg, loop: newLoop(), devices: make(map[string]*device), after: after,
		ifaces: ifaceList{version: 1},
	}
	e.forgetDevices = newTimer(e.loop, e.forgetUnused)
	e.lifetimes = newTimer(e.loop, e.expire)
	begun := make(chan error, 1)
	e.loop.post(func() { begun <- e.begin(ctx) })
	go e.run(ns, begun)
	if err := <-begun; err != nil {
		e.end(false)
		return nil, err
	}
	return e, nil
}

// run is the loop's goroutine. Its thread changes to the namespace and is thrown
// away at the end; handlers inherit the namespace from it.
func (e *engine) run(ns *os.File, begun chan<- error) {
	runtime.LockOSThread()
	if err := enterNamespace(ns); err != nil {
		begun <- err
		e.loop.stop()
	}
	e.loop.run()
}

// enterNamespace needs no privilege where the thread is in ns already.
func enterNamespace(ns *os.File) error {
	want, err := ns.Stat()
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	if have, err := os.Stat(ownNamespace); err == nil && os.SameFile(want, have) {
		return nil
	}
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	return nil
}

// begin does what netifd does at its start, in its order.
func (e *engine) begin(ctx context.Context) error {
	var err error
	if e.kernel, err = newKernel(e.logf); err != nil {
		return err
	}
	if e.bus, err = connectBus(ctx, e); err != nil {
		return err
	}
	e.hotplug.init(e)
	e.loadHandlers()
	hear := func() {
		_ = e.loop.do(context.Background(), e.hearOfLinks) // It may have ended.
	}
	e.monitor, err = monitorLinks(hear, func(l linkState, gone bool) {
		if d := e.devices[l.name]; d != nil {
			d.update(l, gone)
		}
	})
	if err != nil {
		return err
	}
	e.lifetimes.set(time.Second)
	// A configuration that cannot be read is no reason to end: netifd waits
	// for the next reload.
	_ = e.configure()
	return nil
}

// hearOfLinks takes in what the kernel has told of links. A call on the bus finds that
// done: netifd, which has one thread, sees to its sockets in the order in which they
// have something, and what a caller did to a link before is older than the call.
func (e *engine) hearOfLinks() {
	if e.monitor != nil {
		e.monitor.take()
	}
}

// end ends the life. Interfaces stay as they are in the kernel; with kill, what
// handlers and tasks run is killed.
func (e *engine) end(kill bool) {
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	err := e.loop.do(ctx, func() {
		for _, i := range e.ifaces.list {
			i.carrierLost.cancel()
			i.remove.cancel()
			if x, ok := i.proto.(*external); ok {
				x.limit.cancel()
				x.checkup.cancel()
				if kill {
					x.script.kill()
					x.task.kill()
				}
			}
		}
		e.forgetDevices.cancel()
		e.lifetimes.cancel()
	})
	if err != nil && !errors.Is(err, errStopped) {
		e.logf("end: %v", err)
	}
	e.loop.stop()
	<-e.loop.done
	if e.monitor != nil {
		e.monitor.close()
	}
	if e.bus != nil {
		e.bus.close()
	}
	if e.kernel != nil {
		e.kernel.close()
	}
}

// restartDelay is the time that handlers have for teardown before netifd starts
// again.
const restartDelay = time.Second

// restartSoon is the method restart: all interfaces go down, but stay wanted.
func (e *engine) restartSoon() {
	for _, i := range slices.Clone(e.ifaces.list) {
		i.takeDown(false)
	}
	newTimer(e.loop, func() { go e.after.restart() }).set(restartDelay)
}

// crash ends the life where netifd itself would die.
func (e *engine) crash(err error) {
	e.logf("%v", err)
	e.dead.Store(true)
	e.loop.stop()
	go e.after.crashed(err)
}

// expire takes away what has reached the end of its lifetime.
func (e *engine) expire() {
	now := rtime()
	over := func(until int64) bool { return until != 0 && until < now }
	for _, i := range e.ifaces.list {
		if i.state != stateUp {
			continue
		}
		for _, a := range slices.Clone(i.protoIP.addrs.items) {
			if over(a.validUntil) {
				i.protoIP.addrs.delete(a)
			}
		}
		for _, routes := range []*vlist[*devRoute]{&i.protoIP.routes, &i.configIP.routes, &i.hostRoutes} {
			for _, r := range slices.Clone(routes.items) {
				if over(r.validUntil) {
					routes.delete(r)
				}
			}
		}
		for _, p := range slices.Clone(i.protoIP.prefixes.items) {
			if over(p.validUntil) {
				i.protoIP.prefixes.delete(p)
			}
		}
	}
	e.lifetimes.set(time.Second)
}

func (e *engine) logf(format string, args ...any) {
	if e.cfg.Log != nil {
		e.cfg.Log(fmt.Sprintf(format, args...))
	}
}
