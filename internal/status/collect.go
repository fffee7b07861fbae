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
	// Netifd is nil where there is none.
	Netifd *netifd.Client
	Now    func() time.Time
}

// Collect takes a snapshot of the interface only, or of all if only is empty:
// those of the configuration in its order, then those that the kernel has
// besides. Reading costs one dump of each device.
func (s *Sources) Collect(ctx context.Context, only string) (*Snapshot, error) {
	snap := &Snapshot{Time: s.Now()}
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
	for _, name := range names {
		i, err := s.collect(ctx, pkg, name, snap.Time)
		if err != nil {
			return nil, err
		}
		if i == nil {
			if only == "" {
				continue
			}
			if snap.ConfigError != nil {
				return nil, fmt.Errorf("%s: the kernel does not have it, and the configuration cannot be read: %w", name, snap.ConfigError)
			}
			return nil, fmt.Errorf("%s: %w", name, ErrNoInterface)
		}
		snap.Interfaces = append(snap.Interfaces, *i)
	}
	return snap, nil
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

// collect returns nil without an error when there is no such interface.
func (s *Sources) collect(ctx context.Context, pkg *uci.Package, name string, now time.Time) (*Interface, error) {
	i := &Interface{Name: name}
	conf, err := schema.Load(pkg, name)
	i.Configured = err == nil
	dev, err := s.Devices.Read(name)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		if !i.Configured {
			return nil, nil // a link of another kind is none of ours
		}
		i.Reason = err.Error()
	}
	if !i.Configured && !dev.Exists {
		return nil, nil
	}
	i.InKernel, i.Up = dev.Exists, dev.Exists && dev.Up
	i.PublicKey, i.ListenPort, i.FwMark, i.MTU = dev.PublicKey, dev.ListenPort, dev.FwMark, dev.MTU
	if dev.Exists {
		i.Addresses, _ = s.Kernel.Addresses(name)
	}
	if conf != nil {
		i.configured(conf)
		i.Routes = plan.NumbersOf(pkg, conf)
	}
	s.askNetifd(ctx, i)
	if !i.Up && i.Reason == "" {
		i.Reason = whyDown(i, &dev)
	}
	i.Peers = peers(conf, &dev, i.Up, now)
	return i, nil
}

func (i *Interface) configured(conf *schema.Interface) {
	i.Disabled, i.Problems = conf.Disabled, conf.Problems
	if i.PublicKey.IsZero() && !conf.PrivateKey.IsZero() {
		i.PublicKey = conf.PrivateKey.PublicKey()
	}
	if i.ListenPort == 0 {
		i.ListenPort = conf.ListenPort
	}
	if len(i.Addresses) == 0 {
		i.Addresses = conf.Addresses
	}
}

// askNetifd adds what netifd knows. Where it cannot be asked, the kernel's word
// stands alone.
func (s *Sources) askNetifd(ctx context.Context, i *Interface) {
	if s.Netifd == nil || !i.Configured {
		return
	}
	st, err := s.Netifd.Status(ctx, i.Name)
	switch {
	case errors.Is(err, netifd.ErrNoInterface):
		// Disabled interfaces vanish from netifd.
		i.Up = false
		if !i.Disabled {
			i.Reason = "netifd does not know the interface yet: /etc/init.d/network reload"
		}
		return
	case err != nil:
		return
	}
	i.Errors, i.Uptime = st.Errors, st.Uptime
	switch {
	case i.Up && !st.Up && st.Pending:
		i.Up, i.Reason = false, "netifd is bringing it up"
	case i.Up && !st.Up:
		i.Up, i.Reason = false, "netifd took it down"
	case !i.Up && st.Up:
		i.Reason = "its device is gone although netifd says up: ifup " + i.Name
	}
}

func whyDown(i *Interface, dev *plan.Actual) string {
	for _, p := range i.Problems {
		if p.Level == schema.Fatal {
			return p.Error()
		}
	}
	if len(i.Errors) > 0 {
		// The last word of an error says what is right.
		if last := i.Errors[0]; len(last.Words) > 0 {
			return last.Words[len(last.Words)-1]
		}
		return i.Errors[0].Code
	}
	switch {
	case i.Disabled:
		return "disabled in the configuration"
	case dev.Exists:
		return "its device is down"
	default:
		return "it was not brought up: ifup " + i.Name
	}
}

// peers puts the configured peers and those of the device together: the
// configured ones in the order of the file, then the others.
func peers(conf *schema.Interface, dev *plan.Actual, up bool, now time.Time) []Peer {
	inDevice := make(map[schema.Key]*plan.ActualPeer, len(dev.Peers))
	for n := range dev.Peers {
		inDevice[dev.Peers[n].PublicKey] = &dev.Peers[n]
	}
	var out []Peer
	if conf != nil {
		out = make([]Peer, 0, len(conf.Peers))
		for n := range conf.Peers {
			c := &conf.Peers[n]
			p := configuredPeer(c)
			if c.Active() {
				if a := inDevice[c.PublicKey]; a != nil {
					p.fill(a, now)
					delete(inDevice, c.PublicKey)
				}
			}
			p.State, p.Reason = stateOf(&p, c.Active(), c.Disabled, up)
			out = append(out, p)
		}
	}
	for n := range dev.Peers {
		a := &dev.Peers[n]
		if inDevice[a.PublicKey] == nil {
			continue
		}
		p := Peer{Name: a.PublicKey.Short(), PublicKey: a.PublicKey, Age: -1}
		p.fill(a, now)
		p.State, p.Reason = stateOf(&p, true, false, up)
		out = append(out, p)
	}
	return out
}

func configuredPeer(c *schema.Peer) Peer {
	return Peer{
		Name:            c.Name(),
		Section:         c.Section,
		PublicKey:       c.PublicKey,
		HasPresharedKey: !c.PresharedKey.IsZero(),
		RouteAllowedIPs: c.RouteAllowedIPs,
		EndpointHost:    c.Endpoint.Host,
		EndpointPort:    c.Endpoint.Port,
		AllowedIPs:      c.AllowedIPs,
		Keepalive:       c.Keepalive,
		Age:             -1,
		Problems:        c.Problems,
	}
}

// fill adds what the device says: of allowed IPs, keepalive and endpoint the
// device's word counts.
func (p *Peer) fill(a *plan.ActualPeer, now time.Time) {
	p.InKernel = true
	p.HasPresharedKey = !a.PresharedKey.IsZero()
	p.Endpoint, p.AllowedIPs, p.Keepalive = a.Endpoint, a.AllowedIPs, a.Keepalive
	p.LastHandshake, p.RxBytes, p.TxBytes = a.LastHandshake, a.RxBytes, a.TxBytes
	if !a.LastHandshake.IsZero() {
		p.Age = now.Sub(a.LastHandshake)
	}
}
