package apply

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

// Kernel is the Network where there is no netifd: addresses and routes are made
// with netlink.
type Kernel struct{}

var _ Network = Kernel{}

// Up makes the device's addresses those that are wanted. The routes are made by
// kernelRoutes, like those above netifd's limit.
func (Kernel) Up(_ context.Context, r *Run) error {
	r.routes = plan.Routes{Ours: slices.Concat(r.routes.Netifd, r.routes.Ours)}
	dev := r.Conf.Name
	// Old ones go first: a new address of the same subnet would be a secondary of
	// an old one and go with it.
	have, err := r.deleteAddresses()
	if err != nil {
		return deviceFailure(err)
	}
	for _, a := range r.Want.Addresses {
		if !slices.Contains(have, a) {
			r.Wrote++
			if err := r.Kernel.AddAddress(dev, a); err != nil {
				r.Log.Error("the kernel refused an address", "address", a, "error", err)
			}
		}
	}
	return nil
}

// Update has nothing to add to Up: kernelRoutes makes the routes.
func (Kernel) Update(_ context.Context, r *Run) error {
	r.routes = plan.Routes{Ours: slices.Concat(r.routes.Netifd, r.routes.Ours)}
	return nil
}

// deleteAddresses deletes the addresses of the device that are not wanted, and
// returns those that it has then; the link-local ones are the kernel's own.
func (r *Run) deleteAddresses() ([]netip.Prefix, error) {
	dev := r.Conf.Name
	have, err := r.Kernel.Addresses(dev)
	wrote := r.Wrote
	for _, a := range have {
		if slices.Contains(r.Want.Addresses, a) || a.Addr().IsLinkLocalUnicast() {
			continue
		}
		r.Wrote++
		if err := r.Kernel.DeleteAddress(dev, a); err != nil {
			r.Log.Warn("cannot delete an address", "address", a, "error", err)
		}
	}
	if err != nil || r.Wrote == wrote {
		return have, err
	}
	return r.Kernel.Addresses(dev) // Secondaries of those are gone too.
}

// protoStatic is the protocol of the routes that netifd makes (RTPROT_STATIC).
const protoStatic = 4

// clearLeftovers deletes from a device that is taken over what netifd, or we,
// gave it in another life and nobody wants any more.
func (r *Run) clearLeftovers() {
	if _, err := r.deleteAddresses(); err != nil {
		r.Log.Warn("cannot read the addresses of the device", "error", err)
	}
	have, err := r.Kernel.DeviceRoutes(r.Conf.Name)
	if err != nil {
		r.Log.Warn("cannot read the routes of the device", "error", err)
		return
	}
	wanted := make(map[netip.Prefix]struct{}, len(r.Want.Routes)+len(r.Want.KernelRoutes))
	for _, dst := range slices.Concat(r.Want.Routes, r.Want.KernelRoutes) {
		wanted[dst] = struct{}{}
	}
	for _, t := range have {
		if _, keep := wanted[t.Dst]; keep || t.Protocol != protoStatic && t.Protocol != rtnl.Protocol {
			continue
		}
		if r.subnet(t.Dst) {
			continue // netifd makes these itself where the interface has a metric
		}
		r.Wrote++
		if err := r.Kernel.DeleteRoute(t); err != nil {
			r.Log.Warn("cannot delete a route", "route", t.Dst, "error", err)
		}
	}
}

// subnet reports whether dst is the subnet of one of the interface's addresses.
func (r *Run) subnet(dst netip.Prefix) bool {
	return slices.ContainsFunc(r.Want.Addresses, func(a netip.Prefix) bool { return a.Masked() == dst })
}

// Uplink takes the name for the interface's section, whose device it is, or for
// the device itself.
func (Kernel) Uplink(_ context.Context, r *Run, name string) (string, error) {
	if s := r.pkg.Section(name); s != nil && s.Type == "interface" {
		if device, ok := s.Get("device"); ok {
			return device, nil
		}
	}
	return name, nil
}

// Problems has nobody to tell: they are in the log.
func (Kernel) Problems(context.Context, *Run, []Problem) {}

// kernelRoutes makes the routes through the device that are ours to make and
// deletes those that were, and returns what went wrong.
func (r *Run) kernelRoutes() []Problem {
	if len(r.routes.Ours) == 0 && (r.Created || !r.saved.KernelRoutes) {
		return nil // none is wanted, none was there: the tables need not be read
	}
	r.saved.KernelRoutes = len(r.routes.Ours) > 0
	err := r.syncRoutes()
	if err == nil {
		return nil
	}
	if !r.live { // The daemon, which tries again and again, logs it when it tells of it.
		r.Log.Error("not all routes were made", "error", err)
	}
	return []Problem{{Code: CodeDevice, Words: []string{"network." + r.Conf.Name, "routes", err.Error()}}}
}

// wantKernelRoutes returns our routes through the device. A table that does not
// exist costs only the routes of its family.
func (r *Run) wantKernelRoutes() (want []rtnl.Route, err error) {
	four, err4 := rtnl.Table(r.Conf.IP4Table)
	six, err6 := rtnl.Table(r.Conf.IP6Table)
	want = make([]rtnl.Route, 0, len(r.routes.Ours))
	for _, dst := range r.routes.Ours {
		table, bad := six, err6
		if dst.Addr().Is4() {
			table, bad = four, err4
		}
		if bad != nil {
			err = bad
			continue
		}
		want = append(want, rtnl.Route{Dst: dst, Device: r.Conf.Name, Metric: r.Conf.Metric, Table: table, Protocol: rtnl.Protocol})
	}
	return want, err
}

func (r *Run) syncRoutes() error {
	want, badTable := r.wantKernelRoutes()
	have, err := r.Kernel.DeviceRoutes(r.Conf.Name)
	if err != nil {
		return errors.Join(badTable, err)
	}
	add, remove := rtnl.Diff(want, have)
	if len(remove) > 0 {
		// Host routes of other tunnels may lead through this one.
		others := r.State.OtherHostRoutes(r.Conf.Name)
		remove = slices.DeleteFunc(remove, func(t rtnl.Route) bool {
			return t.Dst.IsSingleIP() && slices.ContainsFunc(others, func(o plan.HostRoute) bool {
				return o.Dst == t.Dst.Addr() && o.Device == t.Device
			})
		})
	}
	errs := []error{badTable}
	if len(add) > 0 {
		r.Wrote++
		errs = append(errs, r.Kernel.ReplaceRoute(add...))
	}
	if len(remove) > 0 {
		r.Wrote++
		errs = append(errs, r.Kernel.DeleteRoute(remove...))
	}
	return errors.Join(errs...)
}
