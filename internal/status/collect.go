package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// ErrNoInterface: neither the configuration nor the kernel has it.
var ErrNoInterface = errors.New("there is no such WireGuard interface")

// Sources is where a snapshot comes from.
type Sources struct {
	Config  uci.Dir
	Devices wgdev.Devices
	Kernel  rtnl.Kernel
	// State says which interfaces netifd has no part in.
	State state.Dir
	// Netifd is nil where there is none.
	Netifd *netifd.Client
	Now    func() time.Time
	// Clock says how far Now is right; nil: it is.
	Clock func(now time.Time) Clock
}

// Collect takes a snapshot of the interface only, or of all if only is empty:
// those of the configuration in its order, then those that the kernel has
// besides. Reading costs one dump of each device.
func (s *Sources) Collect(ctx context.Context, only string) (*Snapshot, error) {
	snap := &Snapshot{Time: s.Now(), Clock: Clock{Set: true, Synchronised: true}}
	if s.Clock != nil {
		snap.Clock = s.Clock(snap.Time)
	}
	pkg, err := s.Config.Load(schema.PackageName)
	switch {
	case errors.Is(err, fs.ErrPermission):
		// The kernel would answer nothing either.
		return nil, fmt.Errorf("%w (run this as root)", err)
	case err != nil:
		pkg, snap.ConfigError = &uci.Package{Name: schema.PackageName}, err
	}
	names := schema.Names(pkg)
	if only != "" {
		names = []string{only}
	} else {
		names = append(names, s.foreign(names)...)
	}
	var inputs []*Input
	for _, name := range names {
		in, err := s.read(ctx, pkg, name)
		switch {
		case err != nil:
			return nil, err
		case in != nil:
			in.Now, in.Clock = snap.Time, snap.Clock
			inputs = append(inputs, in)
		case only == "":
		case snap.ConfigError != nil:
			return nil, fmt.Errorf("%s: the kernel does not have it, and the configuration cannot be read: %w", name, snap.ConfigError)
		default:
			return nil, fmt.Errorf("%s: %w", name, ErrNoInterface)
		}
	}
	snap.Fill(inputs)
	return snap, nil
}

// Fill adds the interfaces that the inputs make.
func (s *Snapshot) Fill(inputs []*Input) {
	connected := false
	for _, in := range inputs {
		connected = connected || AnyConnected(&in.Actual, in.Now)
	}
	for _, in := range inputs {
		in.OthersConnected = connected
		s.Interfaces = append(s.Interfaces, Build(in))
	}
}

// foreign returns the WireGuard devices of the kernel that are not in known.
func (s *Sources) foreign(known []string) []string {
	links, err := s.Kernel.Links()
	if err != nil {
		return nil
	}
	seen := make(map[string]struct{}, len(known))
	for _, name := range known {
		seen[name] = struct{}{}
	}
	var out []string
	for _, l := range links {
		if _, there := seen[l.Name]; !there && l.Kind == "wireguard" {
			out = append(out, l.Name)
		}
	}
	return out
}

// read gathers what there is to know of an interface. It returns nil without an
// error when there is no such interface.
func (s *Sources) read(ctx context.Context, pkg *uci.Package, name string) (*Input, error) {
	in := &Input{Name: name}
	in.Actual, in.ReadErr = s.Devices.Read(name)
	in.Conf, _ = schema.LoadWith(pkg, name, in.Actual.PublicKeyOf) // nil when it is not there
	if in.ReadErr != nil {
		if errors.Is(in.ReadErr, fs.ErrPermission) {
			return nil, in.ReadErr
		}
		if in.Conf == nil {
			return nil, nil // a link of another kind is none of ours
		}
	}
	if in.Conf == nil && !in.Actual.Exists {
		return nil, nil
	}
	if in.Actual.Exists {
		in.Addresses, _ = s.Kernel.Addresses(name)
	}
	if in.Conf == nil {
		return in, nil
	}
	in.Routes = plan.NumbersOf(pkg, in.Conf)
	if saved, _ := s.State.Load(name); in.Actual.Exists {
		in.Alone = saved.Alone // it made the device
	}
	if s.Netifd != nil && !in.Alone {
		in.Netifd, in.NetifdErr = s.Netifd.Status(ctx, name)
	}
	return in, nil
}
