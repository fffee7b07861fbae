package daemon

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/plan"
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
type Refusal struct{ Option, Value, Text string }

func (c *Change) empty() bool {
	return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Device) == 0
}

// outcome is a Change, and what was refused.
type outcome struct {
	change  Change
	refused []Refusal
	err     error
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
	retry   *time.Timer
	delay   time.Duration
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
	if d.root.Err() != nil {
		return &Result{Err: errStopped}
	}
	r := request{iface: iface, answer: make(chan *Result, 1)}
	q := &d.reloads
	q.mu.Lock()
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
	for _, c := range r.Interfaces {
		if c.Name == iface {
			out.Interfaces = append(out.Interfaces, c)
		}
	}
	out.Refused = r.Refused
	return out
}

// reloadTime bounds how long a reload waits for interfaces that somebody else
// works on; they are applied when that is over.
const reloadTime = 20 * time.Second

func (d *Daemon) reload(ctx context.Context, only []string) *Result {
	pkg, err := d.load()
	if err != nil {
		d.log.Error(err.Error())
		d.retryReload()
		return &Result{Err: err}
	}
	d.calmRetry()
	d.keep(d.root, schema.Names(pkg))
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
	return r.result(keepers)
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
		if !o.change.empty() {
			out.Interfaces = append(out.Interfaces, o.change)
		}
		out.Refused = append(out.Refused, o.refused...)
	}
	return out
}

// Between tries of a configuration that cannot be read.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// retryReload reads the configuration again after a while: nobody tells when a
// file that was half written is whole.
func (d *Daemon) retryReload() {
	q := &d.reloads
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.retry != nil {
		q.retry.Stop()
	}
	q.delay = min(max(2*q.delay, firstRetry), lastRetry)
	q.retry = time.AfterFunc(q.delay, func() {
		if d.root.Err() == nil {
			d.Reload(d.root, "")
		}
	})
}

func (d *Daemon) calmRetry() {
	q := &d.reloads
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.retry != nil {
		q.retry.Stop()
	}
	q.retry, q.delay = nil, 0
}

// outcomeOf tells what a run changed. before is the run before it, if the
// interface was up then.
func outcomeOf(conf *schema.Interface, before, run *apply.Run, err error) outcome {
	o := outcome{err: err}
	if conf != nil {
		for _, p := range conf.Problems {
			if p.Level != schema.Note {
				o.refused = append(o.refused, Refusal{Option: p.Path(), Value: p.ShortValue(), Text: p.Text})
			}
		}
	}
	if run == nil || run.Want == nil || run.Have == nil {
		return o
	}
	for _, e := range run.Refused {
		o.refused = append(o.refused, Refusal{Option: "network." + run.Conf.Name, Value: e.PublicKey.Short(), Text: e.Error()})
	}
	names := namesOf(run.Want)
	if before != nil {
		for key, name := range namesOf(before.Want) {
			if _, there := names[key]; !there {
				names[key] = name
			}
		}
	}
	there := make(map[schema.Key]bool, len(run.Have.Peers))
	for n := range run.Have.Peers {
		there[run.Have.Peers[n].PublicKey] = true
	}
	c := &o.change
	for n := range run.Changes.Peers {
		p := &run.Changes.Peers[n]
		name, ok := names[p.PublicKey]
		if !ok {
			name = p.PublicKey.Short()
		}
		switch {
		case p.Remove:
			c.Removed = append(c.Removed, name)
		case there[p.PublicKey]:
			c.Changed = append(c.Changed, name)
		default:
			c.Added = append(c.Added, name)
		}
	}
	c.Device = deviceChanges(before, run)
	return o
}

func namesOf(want *plan.Desired) map[schema.Key]string {
	names := make(map[schema.Key]string, len(want.Peers))
	for n := range want.Peers {
		names[want.Peers[n].PublicKey] = want.Peers[n].Config.Name()
	}
	return names
}

func deviceChanges(before, run *apply.Run) (words []string) {
	if run.Changes.PrivateKey != nil {
		words = append(words, "private_key")
	}
	if run.Changes.ListenPort != nil {
		words = append(words, "listen_port")
	}
	if run.Changes.FwMark != nil {
		words = append(words, "fwmark")
	}
	if run.Want.MTU != 0 && run.Want.MTU != run.Have.MTU {
		words = append(words, "mtu")
	}
	if before == nil {
		return words
	}
	if !slices.Equal(before.Want.Addresses, run.Want.Addresses) || !slices.Equal(before.Want.IP6Prefixes, run.Want.IP6Prefixes) {
		words = append(words, "addresses")
	}
	if !slices.Equal(before.Want.Routes, run.Want.Routes) || !slices.Equal(before.Want.KernelRoutes, run.Want.KernelRoutes) {
		words = append(words, "routes")
	}
	return words
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
