package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Result is what came of a reload.
type Result struct {
	// Err is why the configuration could not be read; nothing was changed then.
	Err error
	// Interfaces are those that changed or that something was refused of, in the
	// order of the configuration.
	Interfaces []Change
	Refused    []Refusal

	known []string // the interfaces that the configuration has
}

// Change is what a reload changed of an interface.
type Change struct {
	Name string
	// Added, Removed and Changed are peers by their names.
	Added, Removed, Changed []string
	// Device are the words for what changed of the interface itself.
	Device []string
}

// Refusal is something that was not applied, and why.
type Refusal struct {
	Option, Value, Text string

	iface string
}

func (c *Change) empty() bool {
	return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Device) == 0
}

// outcome is a Change, and what was refused.
type outcome struct {
	change  Change
	refused []Refusal
}

// reload is a reload of several interfaces.
type reload struct {
	mu       sync.Mutex
	outcomes map[string]outcome
	left     int
	all      chan struct{} // closed when nothing is left
}

func (r *reload) done(name string, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[name] = o
	if r.left--; r.left == 0 {
		close(r.all)
	}
}

// reloads puts reloads that are asked for at the same time together.
type reloads struct {
	mu      sync.Mutex
	waiting []request
	running bool
	ended   bool // Run is over
	// again reads a configuration that could not be used once more, after delay;
	// settled looks whether one was written on after it was read.
	again, settled *time.Timer
	delay          time.Duration
}

type request struct {
	iface  string // empty: all
	answer chan *Result
}

// Reload applies the configuration as it is now: of one interface, or of all for
// an empty name. It returns when that is done, or ctx ends. Of many that are asked
// for at once, one or two are done.
func (d *Daemon) Reload(ctx context.Context, iface string) *Result {
	select {
	case <-d.begun:
	case <-ctx.Done():
		return &Result{Err: ctx.Err()}
	}
	r := request{iface: iface, answer: make(chan *Result, 1)}
	q := &d.reloads
	q.mu.Lock()
	if q.ended {
		q.mu.Unlock()
		return &Result{Err: errStopped}
	}
	q.waiting = append(q.waiting, r)
	if !q.running {
		q.running = true
		d.tasks.Go(func() { d.serveReloads(context.WithoutCancel(ctx)) })
	}
	q.mu.Unlock()
	select {
	case result := <-r.answer:
		return result
	case <-ctx.Done():
		return &Result{Err: ctx.Err()}
	}
}

func (d *Daemon) serveReloads(ctx context.Context) {
	q := &d.reloads
	for {
		q.mu.Lock()
		batch := q.waiting
		q.waiting = nil
		q.running = len(batch) > 0
		q.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		var only []string
		for _, r := range batch {
			only = append(only, r.iface)
		}
		if slices.Contains(only, "") {
			only = nil
		}
		result := d.reload(ctx, only)
		for _, r := range batch {
			r.answer <- result.of(r.iface)
		}
	}
}

// of returns the part of a result that is about one interface.
func (r *Result) of(iface string) *Result {
	if iface == "" {
		return r
	}
	out := &Result{Err: r.Err}
	if out.Err == nil && !slices.Contains(r.known, iface) {
		out.Err = fmt.Errorf("%s: %w", iface, status.ErrNoInterface)
	}
	for _, c := range r.Interfaces {
		if c.Name == iface {
			out.Interfaces = append(out.Interfaces, c)
		}
	}
	for _, f := range r.Refused {
		if f.iface == iface {
			out.Refused = append(out.Refused, f)
		}
	}
	return out
}

// reloadTime bounds how long a reload waits for interfaces that somebody else
// works on; they are applied when that is over.
const reloadTime = 20 * time.Second

func (d *Daemon) reload(ctx context.Context, only []string) *Result {
	pkg, err := d.load()
	if err != nil {
		return &Result{Err: err}
	}
	d.calmRetry()
	names := schema.Names(pkg)
	d.keep(d.root, names, only)
	keepers := d.all()
	if only != nil {
		keepers = slices.DeleteFunc(keepers, func(k *keeper) bool { return !slices.Contains(only, k.name) })
	}
	r := &reload{outcomes: map[string]outcome{}, left: len(keepers), all: make(chan struct{})}
	for _, k := range keepers {
		k.post(func(in *inbox) { in.reloads, in.pkg = append(in.reloads, r), pkg })
	}
	if len(keepers) > 0 {
		timer := time.NewTimer(reloadTime)
		defer timer.Stop()
		select {
		case <-r.all:
		case <-timer.C:
		case <-d.root.Done():
		}
	}
	d.bypass.sync(d)
	result := r.result(keepers)
	result.known = names
	return result
}

func (r *reload) result(keepers []*keeper) *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &Result{}
	for _, k := range keepers {
		o, done := r.outcomes[k.name]
		o.change.Name = k.name
		if !done {
			o.refused = append(o.refused, Refusal{Option: "network." + k.name, Text: "somebody else works on the interface still, it is applied afterwards"})
		}
		for n := range o.refused {
			o.refused[n].iface = k.name
		}
		if !o.change.empty() {
			out.Interfaces = append(out.Interfaces, o.change)
		}
		out.Refused = append(out.Refused, o.refused...)
	}
	return out
}

// maxListed is how many entries each list of an answer has.
const maxListed = 100

// Table returns the result as the method reload answers with it.
func (r *Result) Table() blobmsg.Table {
	changed := blobmsg.Table{}
	for _, c := range r.Interfaces {
		changed = append(changed, blobmsg.Field{Name: c.Name, Value: blobmsg.Table{
			{Name: "added", Value: listed(c.Added)},
			{Name: "removed", Value: listed(c.Removed)},
			{Name: "changed", Value: listed(c.Changed)},
			{Name: "added_total", Value: len(c.Added)},
			{Name: "removed_total", Value: len(c.Removed)},
			{Name: "changed_total", Value: len(c.Changed)},
			{Name: "device", Value: listed(c.Device)},
		}})
	}
	refused := blobmsg.Array{}
	for _, f := range r.Refused[:min(len(r.Refused), maxListed)] {
		refused = append(refused, blobmsg.Table{
			{Name: "option", Value: f.Option}, {Name: "value", Value: f.Value}, {Name: "text", Value: f.Text},
		})
	}
	t := blobmsg.Table{
		{Name: "changed", Value: changed},
		{Name: "refused", Value: refused},
		{Name: "refused_total", Value: len(r.Refused)},
	}
	if r.Err != nil {
		t = append(t, blobmsg.Field{Name: "error", Value: r.Err.Error()})
	}
	return t
}

func listed(list []string) blobmsg.Array {
	out := blobmsg.Array{}
	for _, s := range list[:min(len(list), maxListed)] {
		out = append(out, strings.ReplaceAll(s, "\x00", ""))
	}
	return out
}
