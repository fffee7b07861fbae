package support

import (
	"errors"
	"fmt"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// plans writes for each interface what the next run would change of its device, and
// what is wrong in its configuration.
func (s *Sources) plans(b *strings.Builder, pkg *uci.Package) error {
	var errs []error
	names := schema.Names(pkg)
	for _, name := range names {
		if err := s.plan(b, pkg, name); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	if len(names) == 0 {
		b.WriteString("no interface is configured\n")
	}
	return errors.Join(errs...)
}

func (s *Sources) plan(b *strings.Builder, pkg *uci.Package, name string) error {
	conf, err := schema.Load(pkg, name)
	if err != nil {
		return err
	}
	want := plan.For(conf, plan.FactsOf(pkg, conf))
	fmt.Fprintf(b, "%s: %d peers of %d, %d addresses, %d routes by netifd, %d by us\n",
		name, len(want.Peers), len(conf.Peers), len(want.Addresses), len(want.Routes), len(want.KernelRoutes))
	for _, p := range conf.Problems { // those of the peers among them
		b.WriteString("  " + p.Level.String() + ": " + p.Error() + "\n")
	}
	have, err := s.Devices.Read(name)
	if err != nil {
		return err
	}
	if !have.Exists {
		b.WriteString("  the device is to be made\n")
		return nil
	}
	var applied plan.Applied
	if saved, err := s.State.Load(name); err == nil {
		applied = saved.Applied
	}
	changes := plan.Diff(want, &have, applied, s.Now())
	if changes.Empty() {
		b.WriteString("  the device is as configured\n")
		return nil
	}
	writeChanges(b, want, &changes)
	return nil
}

func writeChanges(b *strings.Builder, want *plan.Desired, c *plan.Changes) {
	if c.PrivateKey != nil {
		b.WriteString("  to change: private key\n")
	}
	if c.ListenPort != nil {
		fmt.Fprintf(b, "  to change: listen port, to %d\n", *c.ListenPort)
	}
	if c.FwMark != nil {
		fmt.Fprintf(b, "  to change: fwmark, to %#x\n", *c.FwMark)
	}
	names := map[schema.Key]string{}
	for n := range want.Peers {
		names[want.Peers[n].PublicKey] = want.Peers[n].Config.Name()
	}
	for n := range c.Peers {
		b.WriteString("  " + peerChange(&c.Peers[n], names[c.Peers[n].PublicKey]) + "\n")
	}
}

// peerChange says which fields of a peer are to be written.
func peerChange(c *plan.PeerChange, name string) string {
	if c.Remove {
		return "to remove: peer " + c.PublicKey.String()
	}
	if !c.Update {
		return "to add: peer " + name
	}
	var fields []string
	for _, f := range []struct {
		name    string
		differs bool
	}{
		{"preshared key", c.PresharedKey != nil},
		{"keepalive", c.Keepalive != nil},
		{"endpoint", c.Endpoint.IsValid()},
		{"allowed IPs", c.ReplaceAllowedIPs || len(c.AllowedIPs) > 0},
	} {
		if f.differs {
			fields = append(fields, f.name)
		}
	}
	return "to change: peer " + name + ": " + strings.Join(fields, ", ")
}
