package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"sync"

	"github.com/wgnetifd/wgnetifd/internal/link"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Op is one of the operations of Devices.
type Op string

// The operations that a Fake records and asks Fail about.
const (
	OpRead      Op = "read"
	OpCreate    Op = "create"
	OpConfigure Op = "configure"
	OpSetMTU    Op = "set mtu"
	OpSetUp     Op = "set up"
	OpDelete    Op = "delete"
)

// Write is an operation that changed a device, or tried to.
type Write struct {
	Op      Op
	Name    string
	Changes plan.Changes // of OpConfigure
	MTU     int          // of OpSetMTU, in bytes
	Up      bool         // of OpSetUp
}

// fakeMTU is the MTU of a new link: the kernel's for WireGuard on Ethernet.
const fakeMTU = 1420

// Fake is Devices in memory. It behaves as the kernel does where callers could
// notice: allowed IPs move between peers, a peer with the device's own key is
// silently left out, an update of an unknown peer is dropped.
type Fake struct {
	// Fail is asked before every operation when it is set; what it returns is
	// returned, and nothing is changed.
	Fail func(op Op, name string) error
	// Refuse is asked about every peer that Configure writes when it is set. A peer
	// that it returns an error for is left out, with a *PeerError.
	Refuse func(name string, c *plan.PeerChange) error

	mu      sync.Mutex
	devices map[string]*fakeDevice
	others  map[string]string // name of a link that is no WireGuard device: kind
	writes  []Write
	index   int
}

var _ Devices = (*Fake)(nil)

// NewFake returns a Fake without any device.
func NewFake() *Fake {
	return &Fake{devices: map[string]*fakeDevice{}, others: map[string]string{}}
}

// Put makes a device what a says, or a new one. It is not recorded as a write.
func (f *Fake) Put(name string, a plan.Actual) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.devices[name] = newFakeDevice(a, f.nextIndex())
}

// PutOther makes a link of another kind.
func (f *Fake) PutOther(name, kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.others[name] = kind
}

// Device returns the device as it is, without counting as a read.
func (f *Fake) Device(name string) plan.Actual {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.devices[name].actual()
}

// Writes returns what was written so far, in order.
func (f *Fake) Writes() []Write {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

// Forget forgets the writes so far. The devices stay as they are.
func (f *Fake) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes = nil
}

// begin records a write and returns the error that the test wants, if any.
func (f *Fake) begin(w Write) error {
	if w.Op != OpRead {
		f.writes = append(f.writes, w)
	}
	if f.Fail != nil {
		if err := f.Fail(w.Op, w.Name); err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
	}
	if kind, other := f.others[w.Name]; other && w.Op != OpCreate {
		return &NotWireGuardError{Name: w.Name, Kind: kind}
	}
	return nil
}

// find returns the device of a write.
func (f *Fake) find(w Write) (*fakeDevice, error) {
	if err := f.begin(w); err != nil {
		return nil, err
	}
	d := f.devices[w.Name]
	if d == nil {
		return nil, fmt.Errorf("%s: %w", w.Name, link.ErrNotFound)
	}
	return d, nil
}

func (f *Fake) nextIndex() int {
	f.index++
	return f.index
}

// Read implements Devices.
func (f *Fake) Read(name string) (plan.Actual, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpRead, Name: name}); err != nil {
		return plan.Actual{}, err
	}
	return f.devices[name].actual(), nil
}

// Create implements Devices.
func (f *Fake) Create(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpCreate, Name: name}); err != nil {
		return err
	}
	if _, other := f.others[name]; other || f.devices[name] != nil {
		return fmt.Errorf("%s: the link: %w", name, fs.ErrExist)
	}
	f.devices[name] = newFakeDevice(plan.Actual{MTU: fakeMTU}, f.nextIndex())
	return nil
}

// Configure implements Devices.
func (f *Fake) Configure(name string, c plan.Changes) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(Write{Op: OpConfigure, Name: name, Changes: c})
	if err != nil {
		return err
	}
	if c.PrivateKey != nil {
		d.setPrivateKey(*c.PrivateKey)
	}
	if c.ListenPort != nil {
		d.ListenPort = *c.ListenPort
	}
	if c.FwMark != nil {
		d.FwMark = *c.FwMark
	}
	var refused []error
	for n := range c.Peers {
		p := &c.Peers[n]
		if f.Refuse != nil {
			if err := f.Refuse(name, p); err != nil {
				refused = append(refused, &PeerError{PublicKey: p.PublicKey, Err: err})
				continue
			}
		}
		d.setPeer(p)
	}
	return errors.Join(refused...)
}

// SetMTU implements Devices.
func (f *Fake) SetMTU(name string, mtu int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(Write{Op: OpSetMTU, Name: name, MTU: mtu})
	if err != nil {
		return err
	}
	d.MTU = mtu
	return nil
}

// SetUp implements Devices.
func (f *Fake) SetUp(name string, up bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.find(Write{Op: OpSetUp, Name: name, Up: up})
	if err != nil {
		return err
	}
	d.Up = up
	return nil
}

// Delete implements Devices.
func (f *Fake) Delete(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpDelete, Name: name}); err != nil {
		return err
	}
	delete(f.devices, name)
	return nil
}

// Close implements Devices.
func (f *Fake) Close() error { return nil }

// fakeDevice is a device of a Fake. Its peers are found by key, and allowed IPs
// know their owner, so that 10,000 peers are no quadratic work here either.
type fakeDevice struct {
	plan.Actual // without Peers
	// order holds removed peers too, which are no longer in peers.
	order []*plan.ActualPeer
	peers map[schema.Key]*plan.ActualPeer
	owner map[netip.Prefix]schema.Key
}

func newFakeDevice(a plan.Actual, index int) *fakeDevice {
	d := &fakeDevice{
		Actual: a,
		peers:  make(map[schema.Key]*plan.ActualPeer, len(a.Peers)),
		owner:  map[netip.Prefix]schema.Key{},
	}
	d.Peers, d.Exists = nil, true
	if d.Index == 0 {
		d.Index = index
	}
	for n := range a.Peers {
		p := a.Peers[n]
		p.AllowedIPs = slices.Clone(p.AllowedIPs)
		d.add(&p)
		for _, ip := range p.AllowedIPs {
			d.owner[ip] = p.PublicKey
		}
	}
	return d
}

// actual returns a copy that stays as it is; of no device, the zero Actual.
func (d *fakeDevice) actual() plan.Actual {
	if d == nil {
		return plan.Actual{}
	}
	a := d.Actual
	for _, have := range d.order {
		if d.peers[have.PublicKey] != have {
			continue
		}
		p := *have
		p.AllowedIPs = slices.Clone(p.AllowedIPs)
		a.Peers = append(a.Peers, p)
	}
	return a
}

func (d *fakeDevice) add(p *plan.ActualPeer) {
	d.order = append(d.order, p)
	d.peers[p.PublicKey] = p
}

func (d *fakeDevice) setPrivateKey(k schema.Key) {
	d.PrivateKey, d.PublicKey = k, schema.Key{}
	if !k.IsZero() {
		d.PublicKey = k.PublicKey()
		d.remove(d.PublicKey)
	}
}

func (d *fakeDevice) remove(key schema.Key) {
	p := d.peers[key]
	if p == nil {
		return
	}
	for _, ip := range p.AllowedIPs {
		delete(d.owner, ip)
	}
	delete(d.peers, key)
}

func (d *fakeDevice) setPeer(c *plan.PeerChange) {
	if c.Remove {
		d.remove(c.PublicKey)
		return
	}
	p := d.peers[c.PublicKey]
	if p == nil {
		if c.Update || c.PublicKey == d.PublicKey {
			return
		}
		p = &plan.ActualPeer{PublicKey: c.PublicKey}
		d.add(p)
	}
	if c.PresharedKey != nil {
		p.PresharedKey = *c.PresharedKey
	}
	if c.Keepalive != nil {
		p.Keepalive = *c.Keepalive
	}
	if c.Endpoint.IsValid() {
		p.Endpoint = c.Endpoint
	}
	if c.ReplaceAllowedIPs {
		for _, ip := range p.AllowedIPs {
			delete(d.owner, ip)
		}
		p.AllowedIPs = nil
	}
	for _, ip := range c.AllowedIPs {
		d.give(ip.Masked(), p)
	}
}

// give makes p the owner of an allowed IP, which another peer then loses.
func (d *fakeDevice) give(ip netip.Prefix, p *plan.ActualPeer) {
	if old, ok := d.owner[ip]; ok {
		if old == p.PublicKey {
			return
		}
		loser := d.peers[old]
		loser.AllowedIPs = slices.DeleteFunc(loser.AllowedIPs, func(have netip.Prefix) bool { return have == ip })
	}
	d.owner[ip] = p.PublicKey
	p.AllowedIPs = append(p.AllowedIPs, ip)
}
