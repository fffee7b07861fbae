package apply

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// ErrNotUp: the interface is not up, and bringing it up is netifd's business, or
// that of whoever calls `wgnetifd up`.
var ErrNotUp = errors.New("the interface is not up")

// errUnknown is ErrNotUp where netifd does not know the interface.
var errUnknown = fmt.Errorf("%w: %w", ErrNotUp, netifd.ErrNoInterface)

// ErrStale: somebody else has carried out another plan since.
var ErrStale = errors.New("the interface is another than was planned")

// Reload makes an interface that is up what the configuration says, and writes
// only what differs. Nothing else is touched: no other peer's session, and the
// device itself only if it was deleted behind netifd's back. net is for interfaces
// that netifd has; those of `wgnetifd up` are told to the kernel.
//
// Names are not looked up: endpoints that the device has are the caller's, unless
// the configuration names another endpoint now. Changed is what it says of these.
// Problems are told to nobody but the caller, in Run.Conf.Problems and Run.Failed.
//
// The error is ErrNotUp, with netifd.ErrNoInterface where that is why, a *Failure, or
// why netifd could not be asked.
//
// last is the run before, which is not to be used any more for what it wants; nil if
// there was none. Peers that are the same as they were then are not planned again.
func (s *System) Reload(ctx context.Context, iface string, pkg *uci.Package, net Network, last *Run) (*Run, error) {
	unlock, err := s.State.Lock(iface)
	if err != nil {
		return nil, stateFailure(err)
	}
	defer unlock()
	r := &Run{System: *s, Net: net, live: true, pkg: pkg, last: last, said: map[schema.Key]string{}}
	if last != nil {
		r.reader = last.reader
	} else {
		r.reader = new(schema.Reader)
	}
	r.Log = s.Log.With("interface", iface)
	if r.saved, err = s.State.Load(iface); err != nil {
		r.Log.Warn("cannot read what was done before", "error", err)
	}
	if r.saved.Alone {
		r.Net = Kernel{}
	}
	if err := r.Net.Running(ctx, r, iface); err != nil {
		return r, err
	}
	if err := r.interpret(iface); err != nil {
		return r, err
	}
	if err := r.device(ctx); err != nil {
		r.undo()
		r.Changes = plan.Changes{}
		return r, err
	}
	r.save()
	r.routes, r.waiting = r.Want.Reachable(r.Have)
	announced := r.saved.Announced
	if err := r.Net.Up(ctx, r); err != nil {
		return r, whileUp(err)
	}
	r.saved.Lost = false
	r.Failed = append(r.Failed, r.kernelRoutes()...)
	r.Failed = append(r.Failed, r.unreachable()...)
	r.turn(announced)
	r.save()
	return r, nil
}

// whileUp returns ErrNotUp where netifd takes the interface down, or knows it no
// more, since it was asked: what has been done goes with it.
func whileUp(err error) error {
	switch {
	case errors.Is(err, netifd.ErrTearingDown):
		return ErrNotUp
	case errors.Is(err, netifd.ErrNoInterface):
		return errUnknown
	}
	return err
}

// keepEndpoints leaves the endpoints of the device as they are where the
// configuration names no other than the one that was written last: which of a
// peer's addresses is in use is the daemon's business. It notes the peers whose
// configured endpoint is another one.
func (r *Run) keepEndpoints(in *plan.Matched) {
	if !r.Want.HasEndpoints() {
		return
	}
	for n, w := range r.Want.Peers {
		if !w.HasEndpoint {
			continue
		}
		w.Endpoint = w.Config.Endpoint.AddrPort()
		if last, known := r.saved.Applied[w.PublicKey]; known && last != appliedOf(w) {
			r.Moved = append(r.Moved, w.PublicKey)
			continue
		}
		if have := in.There[n]; have != nil && have.Endpoint.IsValid() {
			w.Endpoint = have.Endpoint
		}
	}
}

func appliedOf(w *plan.Peer) plan.AppliedEndpoint {
	return plan.AppliedEndpoint{Host: w.Config.Endpoint.Host, Port: w.Config.Endpoint.Port}
}

// Adjust writes endpoints that the daemon has chosen, and makes the host routes
// and the routes that waited for an address what they have to be by now. last is
// the run that planned the interface; what it wants is as it was. Without
// endpoints it follows a change of uplinks alone. The error is ErrStale when last is
// not the newest run that planned it.
//
// An endpoint of IPv6 is written although the device has it: that makes the kernel
// forget the source address that it sends from, which it keeps by another uplink as
// long as any device has it (send6 in drivers/net/wireguard/socket.c; in IPv4 the
// device has to be the same).
func (s *System) Adjust(ctx context.Context, last *Run, endpoints []plan.PeerChange) (*Run, error) {
	iface := last.Conf.Name
	unlock, err := s.State.Lock(iface)
	if err != nil {
		return nil, stateFailure(err)
	}
	defer unlock()
	r := &Run{System: *s, Net: last.Net, live: true, pkg: last.pkg, Conf: last.Conf, Want: last.Want, said: last.said}
	r.Log = s.Log.With("interface", iface)
	if r.saved, err = s.State.Load(iface); err != nil {
		r.Log.Warn("cannot read what was done before", "error", err)
	}
	if r.saved.Turn != last.plan {
		return r, ErrStale
	}
	have, err := r.Devices.Read(iface)
	if err != nil {
		return r, deviceFailure(err)
	}
	if !have.Exists {
		return r, ErrNotUp
	}
	r.Have = &have
	r.choose(endpoints)
	// Host routes first, so that no packet goes the wrong way.
	r.hostRoutes(ctx)
	if err := r.configure(r.Changes); err != nil {
		return r, err
	}
	r.applied()
	if err := r.releaseLive(ctx); err != nil {
		return r, whileUp(err)
	}
	r.Failed = append(r.Failed, r.kernelRoutes()...)
	r.Failed = append(r.Failed, r.unreachable()...)
	r.save()
	return r, nil
}

// choose makes endpoints the changes to write: those of peers that the device has.
func (r *Run) choose(endpoints []plan.PeerChange) {
	there := make(map[schema.Key]netip.AddrPort, len(r.Have.Peers))
	for n := range r.Have.Peers {
		there[r.Have.Peers[n].PublicKey] = r.Have.Peers[n].Endpoint
	}
	for _, c := range endpoints {
		// The same one again of IPv6 is for the source address: see Adjust.
		if at, ok := there[c.PublicKey]; ok && (at != c.Endpoint || at.Addr().Is6()) {
			r.Changes.Peers = append(r.Changes.Peers, plan.PeerChange{
				PublicKey: c.PublicKey, Update: true, Endpoint: c.Endpoint,
			})
			there[c.PublicKey] = c.Endpoint
		}
	}
	for n := range r.Want.Peers {
		if w := r.Want.Peers[n]; w.HasEndpoint && there[w.PublicKey].IsValid() {
			w.Endpoint = there[w.PublicKey]
		}
	}
}

// releaseLive announces routes that waited for an address that is known by now.
func (r *Run) releaseLive(ctx context.Context) error {
	r.routes, r.waiting = r.Want.Reachable(r.Have)
	if _, kernel := r.Net.(Kernel); kernel {
		return r.Net.Update(ctx, r)
	}
	if r.saved.Announced.Routes == sumOf(r.routes.Netifd) {
		return nil
	}
	if err := r.Net.Running(ctx, r, r.Conf.Name); err != nil {
		return err
	}
	return r.Net.Update(ctx, r)
}

// Kick makes WireGuard start a handshake now with the peers that are named, by
// switching their keepalive on anew: the one thing that makes the kernel and
// wireguard-go send at once without any traffic. What the keepalive was it is
// afterwards.
func (s *System) Kick(iface string, peers map[schema.Key]uint16) error {
	if len(peers) == 0 {
		return nil
	}
	unlock, err := s.State.Lock(iface)
	if err != nil {
		return stateFailure(err)
	}
	defer unlock()
	off, briefly := uint16(0), uint16(1)
	var before, after plan.Changes
	for key, keepalive := range peers {
		first, second := &off, &keepalive
		if keepalive == 0 {
			first, second = &briefly, &off
		}
		before.Peers = append(before.Peers, plan.PeerChange{PublicKey: key, Update: true, Keepalive: first})
		after.Peers = append(after.Peers, plan.PeerChange{PublicKey: key, Update: true, Keepalive: second})
	}
	err = s.Devices.Configure(iface, before)
	// Also after an error: some may have been written.
	return errors.Join(err, s.Devices.Configure(iface, after))
}

// sumsOf returns the sums of a state that netifd is told of.
func sumsOf(s *netifd.State) state.Sums {
	if s.External {
		return state.Sums{}
	}
	h := fnv.New64a()
	for _, p := range s.IP6Prefixes {
		_, _ = h.Write(append([]byte(p), 0)) // never fails
	}
	return state.Sums{
		Addresses: sumOf(s.Addresses) + strconv.FormatUint(h.Sum64(), 36),
		Routes:    sumOf(s.Routes),
	}
}

func sumOf(list []netip.Prefix) string {
	h := fnv.New64a()
	var buf []byte
	for _, p := range list {
		buf = append(p.Addr().AppendTo(buf[:0]), '/', byte(p.Bits()))
		_, _ = h.Write(buf)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// Running implements Network: netifd has to say that the interface is up.
func (n Netifd) Running(ctx context.Context, _ *Run, iface string) error {
	s, err := n.Client.Status(ctx, iface)
	switch {
	case errors.Is(err, netifd.ErrNoInterface):
		return errUnknown
	case err != nil:
		return fmt.Errorf("netifd was not asked: %w", err)
	case !s.Up:
		return ErrNotUp
	}
	return nil
}

// Running implements Network: what `wgnetifd up` made, and `wgnetifd down` did
// not take down, is up.
func (Kernel) Running(_ context.Context, r *Run, _ string) error {
	if !r.saved.Alone {
		return ErrNotUp
	}
	return nil
}

// GaveUp reports whether netifd stopped trying to bring the interface up because
// of what a setup of ours told it.
func GaveUp(s *netifd.Status) bool {
	return !s.Up && !s.Pending && !s.Autostart &&
		(Hopeless(s) || failedFor(s, CodeConfig, CodeInterface, CodeOption, CodePrivateKey, CodeDevice))
}

// Hopeless reports whether trying once more is of no use until somebody installs
// something.
func Hopeless(s *netifd.Status) bool { return failedFor(s, CodeNoWireGuard, CodePermission) }

func failedFor(s *netifd.Status, codes ...string) bool {
	return slices.ContainsFunc(s.Errors, func(e netifd.Error) bool {
		return e.Subsystem == schema.Proto && slices.Contains(codes, e.Code)
	})
}

// Alone reports whether `wgnetifd up` made the interface, without netifd.
func (r *Run) Alone() bool {
	_, kernel := r.Net.(Kernel)
	return kernel
}

// Slim forgets what Adjust does not need of a run: with thousands of peers that is
// most of it.
func (r *Run) Slim() {
	r.Have, r.Changes, r.saved, r.names = nil, plan.Changes{}, nil, nil
	if r.Conf.TunLink == "" {
		r.pkg = nil
	}
}

// TellProblems puts what is wrong into the log and tells netifd: what the
// configuration has wrong, and what came up on the way.
func (r *Run) TellProblems(ctx context.Context) {
	r.logUnreachable()
	for _, p := range r.Failed {
		if p.Code == CodeDevice {
			r.Log.Error(p.Words[0] + ": " + p.Words[len(p.Words)-1])
		}
	}
	r.tell(ctx, append(r.problems(), r.Failed...))
}

// TellFailure tells netifd why a run failed on an interface that is up.
func (r *Run) TellFailure(ctx context.Context, f *Failure) {
	r.tell(ctx, []Problem{{Code: f.Code, Words: f.Words()}})
}

// tell tells of problems, unless the interface is down by now: netifd wants to hear
// nothing of it after its teardown, which waits for the lock.
func (r *Run) tell(ctx context.Context, problems []Problem) {
	if r.Conf == nil {
		return
	}
	unlock, err := r.State.Lock(r.Conf.Name)
	if err != nil {
		return
	}
	defer unlock()
	if r.saved == nil {
		r.saved = &state.State{Alone: r.Alone()}
	}
	if err := r.Net.Running(ctx, r, r.Conf.Name); err == nil {
		r.Net.Problems(ctx, r, problems)
	}
}

// Remember saves good addresses of names for the next setup, beside those that
// are known of names that are not among them. What is saved already costs a look
// at a file.
func (s *System) Remember(iface string, good state.Names) error {
	if len(good) == 0 {
		return nil
	}
	unlock, err := s.State.Lock(iface)
	if err != nil {
		return err
	}
	defer unlock()
	names, err := s.State.LoadNames(iface)
	if err != nil {
		return err
	}
	differs := false
	for host, addr := range good {
		differs = differs || names[host] != addr
		names[host] = addr
	}
	if !differs {
		return nil
	}
	return s.State.SaveNames(iface, names)
}
