package rtnl

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/wgnetifd/wgnetifd/internal/link"
)

// Op is one of the operations of Kernel, Watcher and Ruler.
type Op string

// The operations that a Fake asks Fail about, and records where they write.
const (
	OpRoutes        Op = "routes"
	OpReplaceRoute  Op = "replace route"
	OpDeleteRoute   Op = "delete route"
	OpAddresses     Op = "addresses"
	OpAddAddress    Op = "add address"
	OpDeleteAddress Op = "delete address"
	OpLinks         Op = "links"
	OpWatch         Op = "watch"
	OpRules         Op = "rules"
	OpAddRule       Op = "add rule"
	OpDeleteRule    Op = "delete rule"
)

// Write is an operation that changed the kernel's configuration, or tried to.
type Write struct {
	Op      Op
	Route   Route        // of OpReplaceRoute and OpDeleteRoute
	Device  string       // of OpAddAddress and OpDeleteAddress
	Address netip.Prefix // likewise
	Rule    Rule         // of OpAddRule and OpDeleteRule
}

// Fake is a Kernel, a Watcher and a Ruler in memory. A device that no test made with PutLink exists as
// soon as it is named, unless Strict is set.
type Fake struct {
	// Strict makes operations on devices that PutLink did not make fail, as the
	// kernel does.
	Strict bool
	// Fail is asked before every operation when it is set; what it returns is
	// returned, and nothing is changed. Of a reading operation only Op is set.
	Fail func(w Write) error

	mu        sync.Mutex
	links     []Link
	routes    map[routeID]Route
	addresses map[string][]netip.Prefix
	rules     []Rule
	tables    []uint32 // of somebody else's rules
	writes    []Write
	watches   map[*fakeWatch]struct{}
}

var _ Kernel = (*Fake)(nil)

// NewFake returns a Fake with nothing in it.
func NewFake() *Fake {
	return &Fake{routes: map[routeID]Route{}, addresses: map[string][]netip.Prefix{}}
}

// PutLink makes a link, or changes the one of that name.
func (f *Fake) PutLink(l Link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := slices.IndexFunc(f.links, func(have Link) bool { return have.Name == l.Name })
	if l.Index == 0 {
		l.Index = len(f.links) + 1
	}
	if n >= 0 {
		f.links[n] = l
		return
	}
	f.links = append(f.links, l)
}

// DropLink deletes a link with its addresses and routes, as the kernel does.
func (f *Fake) DropLink(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links = slices.DeleteFunc(f.links, func(l Link) bool { return l.Name == name })
	delete(f.addresses, name)
	for id, r := range f.routes {
		if r.Device == name {
			delete(f.routes, id)
		}
	}
}

// PutRoute makes a route, which is not recorded as a write. Its Protocol stays 0
// when it is.
func (f *Fake) PutRoute(r Route) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(r)
}

// PutAddress gives a device an address, which is not recorded as a write.
func (f *Fake) PutAddress(device string, addr netip.Prefix) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addresses[device] = append(f.addresses[device], addr)
}

// Writes returns what was written so far, in order.
func (f *Fake) Writes() []Write {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

// Forget forgets the writes so far. Routes and addresses stay as they are.
func (f *Fake) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes = nil
}

func (f *Fake) put(r Route) {
	r.Dst, r.Table = r.Dst.Masked(), r.table()
	id := r.id()
	r.Metric = id.metric
	f.routes[id] = r
}

// begin records a write and returns the error that the test wants, if any.
func (f *Fake) begin(w Write) error {
	switch w.Op {
	case OpRoutes, OpAddresses, OpLinks, OpRules, OpWatch:
	default:
		f.writes = append(f.writes, w)
	}
	if f.Fail != nil {
		return f.Fail(w)
	}
	return nil
}

// device returns an error when the kernel would know no such device.
func (f *Fake) device(name string) error {
	if !f.Strict || slices.ContainsFunc(f.links, func(l Link) bool { return l.Name == name }) {
		return nil
	}
	return fmt.Errorf("%s: %w", name, link.ErrNotFound)
}

// Routes implements Kernel.
func (f *Fake) Routes(table uint32) ([]Route, error) {
	if table == 0 {
		table = TableMain
	}
	return f.list(func(r *Route) bool { return r.Table == table })
}

// DeviceRoutes implements Kernel.
func (f *Fake) DeviceRoutes(device string) ([]Route, error) {
	f.mu.Lock()
	err := f.device(device)
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.list(func(r *Route) bool { return r.Device == device })
}

// list returns routes in an order that does not change between calls.
func (f *Fake) list(which func(*Route) bool) ([]Route, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpRoutes}); err != nil {
		return nil, err
	}
	var out []Route
	for _, r := range f.routes {
		if which(&r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Route) int {
		return cmp.Or(
			cmp.Compare(a.Table, b.Table),
			a.Dst.Addr().Compare(b.Dst.Addr()),
			cmp.Compare(a.Dst.Bits(), b.Dst.Bits()),
			cmp.Compare(a.Metric, b.Metric),
		)
	})
	return out, nil
}

// ReplaceRoute implements Kernel.
func (f *Fake) ReplaceRoute(routes ...Route) error {
	return f.each(routes, f.replaceRoute)
}

// DeleteRoute implements Kernel.
func (f *Fake) DeleteRoute(routes ...Route) error {
	return f.each(routes, f.deleteRoute)
}

func (f *Fake) each(routes []Route, do func(Route) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, r := range routes {
		if err := do(r); err != nil {
			errs = append(errs, routeError(&r, err))
		}
	}
	return errors.Join(errs...)
}

func (f *Fake) replaceRoute(r Route) error {
	if err := f.begin(Write{Op: OpReplaceRoute, Route: r}); err != nil {
		return err
	}
	if err := f.device(r.Device); err != nil {
		return err
	}
	r.Protocol = r.protocol()
	f.put(r)
	return nil
}

func (f *Fake) deleteRoute(r Route) error {
	if err := f.begin(Write{Op: OpDeleteRoute, Route: r}); err != nil {
		return err
	}
	have, ok := f.routes[r.id()]
	if ok && have.Protocol == r.protocol() && have.Device == r.Device &&
		(!r.Gateway.IsValid() || have.Gateway == r.Gateway) {
		delete(f.routes, r.id())
	}
	return nil
}

// Addresses implements Kernel.
func (f *Fake) Addresses(device string) ([]netip.Prefix, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpAddresses}); err != nil {
		return nil, err
	}
	if err := f.device(device); err != nil {
		return nil, err
	}
	return slices.Clone(f.addresses[device]), nil
}

// AddAddress implements Kernel.
func (f *Fake) AddAddress(device string, addr netip.Prefix) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpAddAddress, Device: device, Address: addr}); err != nil {
		return err
	}
	if err := f.device(device); err != nil {
		return err
	}
	if !slices.Contains(f.addresses[device], addr) {
		f.addresses[device] = append(f.addresses[device], addr)
	}
	return nil
}

// DeleteAddress implements Kernel.
func (f *Fake) DeleteAddress(device string, addr netip.Prefix) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpDeleteAddress, Device: device, Address: addr}); err != nil {
		return err
	}
	f.addresses[device] = slices.DeleteFunc(f.addresses[device], func(have netip.Prefix) bool { return have == addr })
	return nil
}

// Links implements Kernel.
func (f *Fake) Links() ([]Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpLinks}); err != nil {
		return nil, err
	}
	return slices.Clone(f.links), nil
}

// Close implements Kernel.
func (f *Fake) Close() error { return nil }
