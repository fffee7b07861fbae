// Package apply makes an interface what its configuration says: it reads the
// configuration and the device, has the difference planned, and writes it. The
// handler of netifd, `wgnetifd up` and the daemon all call the same functions.
package apply

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// ResolveTime is how long names are looked up, at most, after the interface is
// up.
const ResolveTime = 3 * time.Second

// System is what a run works on: the operating system behind interfaces.
type System struct {
	Dir     uci.Dir
	Devices wgdev.Devices
	Kernel  rtnl.Kernel
	// Names finds the addresses of endpoints, and NAT64 what stands for those of IPv4
	// on an uplink without it; nil: nothing. Up alone looks anything up.
	Names resolve.Finder
	NAT64 NAT64
	// ResolveTime bounds all look-ups of one run together.
	ResolveTime time.Duration
	State       state.Dir
	Now         func() time.Time
	Log         *logline.Logger
}

// Network is told of addresses and routes of an interface: netifd, or the
// kernel where there is no netifd.
type Network interface {
	// Running returns nil when the interface is up, or ErrNotUp, or why that is not
	// known.
	Running(ctx context.Context, r *Run, iface string) error
	// Up announces the interface as it should be.
	Up(ctx context.Context, r *Run) error
	// Update announces it again, with more routes.
	Update(ctx context.Context, r *Run) error
	// Uplink returns the device of the interface that `option tunlink` names;
	// empty when it has none now.
	Uplink(ctx context.Context, r *Run, name string) (string, error)
	// Problems tells what is wrong although the interface is up.
	Problems(ctx context.Context, r *Run, problems []Problem)
}

// Problem is something that is wrong and does not keep the interface down.
type Problem struct {
	Code  string
	Words []string // option, value, what is right
}

// Run is one pass over one interface.
type Run struct {
	System
	Net Network

	Conf    *schema.Interface
	Want    *plan.Desired
	Have    *plan.Actual
	Changes plan.Changes
	pkg     *uci.Package
	last    *Run           // that this one goes on from
	reader  *schema.Reader // of the configuration
	saved   *state.State
	names   state.Names           // last good addresses, from former runs
	early   bool                  // endpoints were written from names
	ways    *plan.Ways            // see uplinkWays
	lost    []netip.Addr          // endpoints that need a host route and get none
	routes  plan.Routes           // that are announced
	waiting int                   // peers whose routes are not, for want of an address
	live    bool                  // the daemon's: endpoints that the device has are not ours
	plan    string                // state.State.Turn when it was carried out
	said    map[schema.Key]string // refusals that the log has
	// Created: the device was made by this run.
	Created bool
	// Moved are the peers for which the configuration has another endpoint than the
	// one that was written last.
	Moved []schema.Key
	// Failed are problems that came up on the way, beside those of the configuration.
	Failed []Problem
	// Refused are the peers that the kernel did not take, and why; Unset the options of
	// the interface that it did not take: Failed says why.
	Refused []*wgdev.PeerError
	Unset   []string
	// Again: something failed that may not fail the next time.
	Again bool
	// Wrote counts what was written to the device and to routes of ours, Told how
	// often netifd was told of the interface.
	Wrote, Told int
}

// Up brings the interface up, or brings one that is up to what the configuration
// says, writing only what differs. A *Failure says why it cannot. Problems of
// single peers and names are logged and told to net; they are no error.
func (s *System) Up(ctx context.Context, iface string, net Network) (*Run, error) {
	unlock, err := s.State.Lock(iface)
	if err != nil {
		return nil, stateFailure(err)
	}
	defer unlock()

	r := &Run{System: *s, Net: net, reader: new(schema.Reader), said: map[schema.Key]string{}}
	r.Log = s.Log.With("interface", iface)
	if err := r.load(iface); err != nil {
		return r, err
	}
	if err := r.device(ctx); err != nil {
		r.undo()
		return r, err
	}
	r.save()
	r.routes, r.waiting = r.Want.Reachable(r.Have)
	announced := r.saved.Announced
	if err := net.Up(ctx, r); err != nil {
		r.undo()
		return r, err
	}
	r.saved.Lost = false
	problems := append(r.problems(), r.Failed...)
	problems = append(problems, r.kernelRoutes()...)
	problems = append(problems, r.resolve(ctx)...)
	problems = append(problems, r.release(ctx)...)
	problems = append(problems, r.unreachable()...)
	r.turn(announced)
	r.save()
	net.Problems(ctx, r, problems)
	return r, nil
}

// release announces the routes that waited for addresses of endpoints, as far as
// these are known by now.
func (r *Run) release(ctx context.Context) []Problem {
	if r.waiting == 0 {
		return nil
	}
	routes, waiting := r.Want.Reachable(r.Have)
	if waiting > 0 {
		r.Log.Warn("routes wait for the address of an endpoint", "peers", waiting)
	}
	if waiting == r.waiting {
		return nil
	}
	r.routes, r.waiting = routes, waiting
	if err := r.Net.Update(ctx, r); err != nil {
		r.Log.Error("routes were not announced", "error", err)
		return nil
	}
	return r.kernelRoutes()
}

// turn notes that another plan was carried out, where it was; announced is what
// netifd was told before.
func (r *Run) turn(announced state.Sums) {
	if r.Wrote > 0 || r.saved.Announced != announced {
		r.saved.Turn = strconv.FormatInt(r.Now().UnixNano(), 36)
	}
	r.plan = r.saved.Turn
}

// save keeps what was done for the next run.
func (r *Run) save() {
	if err := r.State.Save(r.Conf.Name, r.saved); err != nil {
		r.Log.Error("cannot save what was done", "error", err)
	}
}

// load reads the configuration and makes the private key where there is none.
func (r *Run) load(iface string) error {
	var err error
	if r.pkg, err = r.Dir.Load(schema.PackageName); err != nil {
		return loadFailure(err)
	}
	if r.saved, err = r.State.Load(iface); err != nil {
		r.Log.Warn("cannot read what was done before", "error", err)
	}
	_, alone := r.Net.(Kernel)
	r.saved.Alone = alone
	return r.interpret(iface)
}

// interpret plans the interface by the configuration that was read, and makes the
// private key where there is none.
func (r *Run) interpret(iface string) error {
	var err error
	if r.Conf, err = r.reader.Load(r.pkg, iface, r.publicKey(iface)); err != nil {
		return loadFailure(err)
	}
	for _, p := range r.Conf.Problems {
		if p.Level == schema.Fatal {
			code := CodeOption
			if p.Option == "private_key" {
				code = CodePrivateKey
			}
			return fail(code, p)
		}
	}
	if r.Conf.NeedsKey {
		key, err := EnsureKey(r.Dir, iface)
		if err != nil {
			return fail(CodePrivateKey, err)
		}
		r.Conf.PrivateKey = key
		r.Log.Info("made a private key and saved it", "public_key", key.PublicKey().String())
	}
	if r.names, err = r.State.LoadNames(iface); err != nil {
		r.Log.Warn("cannot read the last addresses of names", "error", err)
	}
	var last *plan.Desired
	if r.last != nil {
		last, r.last = r.last.Want, nil
	}
	r.Want = plan.Next(last, r.Conf, r.facts())
	return nil
}

// publicKey returns a function that finds the interface's public key by the device,
// which is read then and not again.
func (r *Run) publicKey(iface string) func(schema.Key) schema.Key {
	return func(private schema.Key) schema.Key {
		if have, err := r.Devices.Read(iface); err == nil {
			r.Have = &have
			return have.PublicKeyOf(private)
		}
		return private.PublicKey() // The error comes up again where the device is needed.
	}
}

// device makes the device what is wanted, up to the names that are not resolved
// yet: link, keys, peers, host routes, mtu, and up.
func (r *Run) device(ctx context.Context) error {
	iface := r.Conf.Name
	if r.Have == nil {
		have, err := r.Devices.Read(iface)
		if err != nil {
			return deviceFailure(err)
		}
		r.Have = &have
	}
	have := r.Have
	if !have.Exists || !have.Up {
		// What comes next may fail half-way, or netifd may not answer.
		r.saved.Lost = true
		r.save()
	}
	if !have.Exists {
		if err := r.Devices.Create(iface); err != nil {
			return deviceFailure(err)
		}
		r.Created, r.Wrote = true, r.Wrote+1
		have.Exists = true
	}
	in := r.Want.In(have)
	if r.live {
		r.keepEndpoints(in)
	} else {
		r.behindNAT64()
	}
	r.useKnown()
	r.Changes = in.Diff(r.saved.Applied, r.Now())
	if err := r.configure(r.Changes); err != nil {
		return err
	}
	r.applied()
	r.hostRoutes(ctx)
	if r.Want.MTU != 0 && r.Want.MTU != have.MTU {
		r.Wrote++
		if err := r.Devices.SetMTU(iface, r.Want.MTU); err != nil {
			r.unset("mtu", err)
		}
	}
	if !have.Up {
		r.Wrote++
		if err := r.Devices.SetUp(iface, true); err != nil {
			return deviceFailure(err)
		}
	}
	return nil
}

// configure writes changes. Peers that the kernel refuses are logged, the rest
// is written all the same.
func (r *Run) configure(c plan.Changes) error {
	if c.Empty() {
		return nil
	}
	r.Wrote++
	err := r.Devices.Configure(r.Conf.Name, c)
	if err == nil {
		return nil
	}
	rest := false
	for _, e := range split(err) {
		var peer *wgdev.PeerError
		var field *wgdev.FieldError
		switch {
		case errors.As(e, &peer):
			r.refuse(peer)
		case r.live && errors.As(e, &field):
			r.unset(field.Option, field)
		default:
			rest = true
		}
	}
	if rest {
		return deviceFailure(err)
	}
	return nil
}

// refuse notes a peer that was refused. The log gets it once of a plan: an endpoint
// is tried again and again.
func (r *Run) refuse(peer *wgdev.PeerError) {
	r.Refused = append(r.Refused, peer)
	if text := peer.Err.Error(); r.said[peer.PublicKey] != text {
		r.said[peer.PublicKey] = text
		r.Log.Error("the kernel refused a peer", "peer", peer.PublicKey.Short(), "error", peer.Err)
	}
}

// unset notes an option of the interface that was refused: all else goes on, and it
// is tried again.
func (r *Run) unset(option string, err error) {
	r.Unset, r.Again = append(r.Unset, option), true
	r.Failed = append(r.Failed, Problem{Code: CodeDevice, Words: []string{"network." + r.Conf.Name + "." + option, "", err.Error()}})
	if !r.live {
		r.Log.Error("the kernel refused an option", "option", option, "error", err)
	}
}

// split returns the errors that errors.Join put together.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// applied notes the endpoints that the device has by now from the configuration.
func (r *Run) applied() {
	next := plan.Applied{}
	peers := r.Want.Peers
	if !r.Want.HasEndpoints() {
		peers = nil
	}
	for _, w := range peers {
		if !w.HasEndpoint {
			continue
		}
		if w.Endpoint.IsValid() {
			next[w.PublicKey] = plan.AppliedEndpoint{Host: w.Config.Endpoint.Host, Port: w.Config.Endpoint.Port}
		} else if old, ok := r.saved.Applied[w.PublicKey]; ok {
			next[w.PublicKey] = old
		}
	}
	r.saved.Applied = next
}

// undo takes back a device that this run made and could not finish.
func (r *Run) undo() {
	if !r.Created {
		return
	}
	if err := r.takeDown(r.Conf.Name); err != nil {
		r.Log.Error("cannot delete the device again", "error", err)
	}
}

// Down takes the interface down: peers, link and host routes go. It needs no
// configuration, and one that is down already is no error.
func (s *System) Down(iface string) error {
	unlock, err := s.State.Lock(iface)
	if err != nil {
		return stateFailure(err)
	}
	defer unlock()
	r := &Run{System: *s}
	r.Log = s.Log.With("interface", iface)
	if r.saved, err = s.State.Load(iface); err != nil {
		r.Log.Warn("cannot read what was done before", "error", err)
	}
	if err := r.takeDown(iface); err != nil {
		return deviceFailure(err)
	}
	return nil
}

func (r *Run) takeDown(iface string) error {
	err := r.Devices.Delete(iface)
	if err != nil {
		return err
	}
	defer r.lockHostRoutes()()
	r.dropHostRoutes(iface)
	return r.State.Remove(iface)
}

// Running reports whether the interface's device is there, up and has a key.
func (s *System) Running(iface string) bool {
	have, err := s.Devices.Read(iface)
	return err == nil && have.Exists && have.Up && !have.PrivateKey.IsZero()
}
