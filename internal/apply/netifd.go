package apply

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/state"
)

// maxTold is how many errors of one interface netifd is told of. It keeps all of
// them and shows them in every status and dump.
const maxTold = 20

// Netifd is the Network where netifd runs: it makes the addresses and routes.
type Netifd struct{ Client netifd.Client }

var _ Network = Netifd{}

// Up announces the interface. Netifd compares with what it announced to the
// kernel before, not with what the kernel has: where addresses are missing
// afterwards, a state without them goes first.
func (n Netifd) Up(ctx context.Context, r *Run) error {
	full := r.netifdState()
	if r.live && !r.saved.Lost && r.saved.Announced == sumsOf(full) && r.addressesThere() {
		return nil // netifd knows it, and a daemon that has nothing to say says nothing
	}
	s, err := n.Client.Status(ctx, r.Conf.Name)
	switch {
	case err != nil:
		// It is asked for the cases below alone.
	case !s.Up && r.live:
		return ErrNotUp // It is being taken down.
	case s.Up && r.saved.Lost:
		// The device was deleted behind netifd's back: all that it had is gone. Or it
		// was set down: its routes are.
		if err := n.update(ctx, r, bare(full)); err != nil {
			return err
		}
	case !s.Up && r.Have.Up:
		if err := n.takeOver(ctx, r, full); err != nil {
			return err
		}
	}
	if err := n.update(ctx, r, full); err != nil {
		return err
	}
	if r.addressesThere() {
		return nil
	}
	// Seen when an address moves within its subnet: netifd adds before it removes,
	// and the kernel drops the new one, a secondary, with its primary.
	if err := n.update(ctx, r, bare(full)); err != nil {
		return err
	}
	if err := n.update(ctx, r, full); err != nil {
		return err
	}
	if !r.addressesThere() {
		r.Log.Warn("the kernel does not have all the addresses that netifd was told of")
	}
	return nil
}

// takeOver announces a device that runs while netifd says down: netifd was
// restarted, or another manager made the device. Announced as external first, it
// is not set down and cleared, and no session drops. What netifd would have
// cleared and is not wanted any more is cleared here.
func (n Netifd) takeOver(ctx context.Context, r *Run, full *netifd.State) error {
	r.clearLeftovers()
	return n.update(ctx, r, &netifd.State{
		Device: full.Device, Addresses: full.Addresses, IP6Prefixes: full.IP6Prefixes, External: true,
	})
}

// Update announces routes that were held back.
func (n Netifd) Update(ctx context.Context, r *Run) error {
	return n.update(ctx, r, r.netifdState())
}

func (n Netifd) update(ctx context.Context, r *Run, s *netifd.State) error {
	r.Told++
	if err := n.Client.Update(ctx, r.Conf.Name, s); err != nil {
		return fail(CodeDevice, fmt.Errorf("netifd did not take the interface's state: %w", err))
	}
	r.saved.Announced = sumsOf(s)
	return nil
}

func (r *Run) netifdState() *netifd.State {
	return &netifd.State{
		Device:      r.Conf.Name,
		Addresses:   r.Want.Addresses,
		IP6Prefixes: r.Want.IP6Prefixes,
		Routes:      r.routes.Netifd,
	}
}

// bare is the state without what the kernel lost.
func bare(s *netifd.State) *netifd.State {
	return &netifd.State{Device: s.Device, IP6Prefixes: s.IP6Prefixes}
}

// addressesThere reports whether the device has every address that it should
// have. When the kernel cannot be asked, it is believed.
func (r *Run) addressesThere() bool {
	if len(r.Want.Addresses) == 0 {
		return true
	}
	have, err := r.Kernel.Addresses(r.Conf.Name)
	if err != nil {
		r.Log.Warn("cannot read the addresses of the device", "error", err)
		return true
	}
	for _, a := range r.Want.Addresses {
		if !slices.Contains(have, a) {
			return false
		}
	}
	return true
}

var errUplinkDown = errors.New("the interface is down")

// Uplink asks netifd for the device of the interface that tunlink names.
func (n Netifd) Uplink(ctx context.Context, _ *Run, name string) (string, error) {
	s, err := n.Client.Status(ctx, name)
	if err != nil {
		return "", err
	}
	if !s.Up || s.Device == "" {
		return "", errUplinkDown
	}
	return s.Device, nil
}

// Problems adds to the errors of the interface.
func (n Netifd) Problems(ctx context.Context, r *Run, problems []Problem) {
	if len(problems) > maxTold {
		more := Problem{Code: CodeMore, Words: []string{strconv.Itoa(len(problems) - maxTold)}}
		problems = append(slices.Clip(problems[:maxTold]), more)
	}
	errs := make([]netifd.Error, len(problems))
	for k, p := range problems {
		errs[k] = netifd.Error{Code: p.Code, Words: p.Words}
	}
	if err := n.Client.Report(ctx, r.Conf.Name, errs...); err != nil {
		r.Log.Warn("cannot tell netifd of all problems", "error", err)
	}
}

// KeepRunning announces a device as it is, addresses and all, because the
// configuration cannot be used. Neither netifd nor we change anything about it.
func (s *System) KeepRunning(ctx context.Context, iface string, client netifd.Client) error {
	have, err := s.Kernel.Addresses(iface)
	if err != nil {
		s.Log.Warn("cannot read the addresses of the device", "interface", iface, "error", err)
	}
	have = slices.DeleteFunc(have, func(a netip.Prefix) bool { return a.Addr().IsLinkLocalUnicast() })
	s.amend(iface, func(saved *state.State) { saved.Announced = state.Sums{} })
	return client.Update(ctx, iface, &netifd.State{Device: iface, Addresses: have, External: true})
}

// NoteLost looks for routes that netifd was told of and that the kernel has dropped, as
// the device was down for a while: netifd believes that they are there. The next Reload
// has them made again. last is the run that announced them.
func (s *System) NoteLost(last *Run) {
	iface := last.Conf.Name
	have, err := s.Kernel.DeviceRoutes(iface)
	if err != nil {
		return
	}
	there := make(map[netip.Prefix]struct{}, len(have))
	for n := range have {
		there[have[n].Dst] = struct{}{}
	}
	for _, dst := range last.routes.Netifd {
		if _, ok := there[dst]; !ok {
			s.amend(iface, func(saved *state.State) { saved.Lost = true })
			return
		}
	}
}

// amend changes what was saved of an interface.
func (s *System) amend(iface string, change func(*state.State)) {
	unlock, err := s.State.Lock(iface)
	if err != nil {
		return
	}
	defer unlock()
	if saved, err := s.State.Load(iface); err == nil {
		change(saved)
		if err := s.State.Save(iface, saved); err != nil {
			s.Log.Warn("cannot save what was done", "interface", iface, "error", err)
		}
	}
}
