package daemon

import (
	"slices"
	"sync"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/bypass"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

// bypassKeeper keeps the way of NTP and DNS past full tunnels while the clock is
// not set.
type bypassKeeper struct {
	mu sync.Mutex
	// on: there is a bypass. known: what an earlier daemon left behind is gone.
	on, known bool
}

type bypassKernel struct {
	rtnl.Kernel
	rtnl.Ruler
}

// sync makes the bypass what it has to be now.
func (b *bypassKeeper) sync(d *Daemon) { b.set(d, !d.clock.now.Load().Set) }

// remove takes the bypass away: nobody would, later.
func (b *bypassKeeper) remove(d *Daemon) { b.set(d, false) }

func (b *bypassKeeper) set(d *Daemon, wanted bool) {
	if d.o.Rules == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var tunnels []string
	on := false
	for _, k := range d.all() {
		tunnels = append(tunnels, k.name)
		on = on || wanted && k.full.Load()
	}
	if !on && !b.on && b.known {
		return
	}
	wrote, err := bypass.Apply(bypassKernel{d.o.System.Kernel, d.o.Rules}, on, tunnels...)
	if err != nil {
		d.log.Error("clock_bypass", "error", err)
	}
	b.known = err == nil // else it is tried again
	if on != b.on {
		d.log.Info("NTP and DNS of the router past the tunnels until its clock is set", "on", on, "written", wrote)
	}
	b.on = on
}

// wantsBypass reports whether the interface is one that the router's clock may
// have to be set past.
func wantsBypass(run *apply.Run) bool {
	return run.Conf.ClockBypass && isFull(run)
}

// isFull reports whether the tunnel takes everything, in IPv4 or in IPv6.
func isFull(run *apply.Run) bool {
	return bypass.Full(slices.Concat(run.Want.Routes, run.Want.KernelRoutes))
}
