package apply

import (
	"context"
	"net/netip"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

// NAT64 finds the prefixes by which an uplink without IPv4 reaches it, the
// preferred one first. *resolve.NAT64 is one.
type NAT64 interface {
	Prefixes(ctx context.Context) ([]netip.Prefix, error)
}

// uplinkWays returns the ways that packets can leave by past all tunnels. They are
// read once, when they are first needed; where that fails there are none, which
// counts as if no uplink were there yet.
func (r *Run) uplinkWays() *plan.Ways {
	if r.ways != nil {
		return r.ways
	}
	table, err := r.Kernel.Routes(rtnl.TableMain)
	if err != nil {
		r.Log.Warn("cannot read the routing table, all addresses count as reached", "error", err)
	}
	tunnels := []string{r.Conf.Name}
	links, _ := r.Kernel.Links() // Without them the other tunnels count as uplinks.
	for _, l := range links {
		if l.Kind == "wireguard" {
			tunnels = append(tunnels, l.Name)
		}
	}
	r.ways = plan.WaysOf(uplinksOf(table), func(device string) bool { return slices.Contains(tunnels, device) })
	return r.ways
}

// behindNAT64 makes the endpoints late that are IPv4 addresses and that no way
// leads to, while the uplink has IPv6: which address stands for them there has to
// be found first.
func (r *Run) behindNAT64() {
	four := func(w *plan.Peer) bool { return w.Config.Endpoint.Addr.Is4() }
	if r.NAT64 == nil || !slices.ContainsFunc(r.Want.Peers, four) || !lacksIPv4(r.uplinkWays()) {
		return
	}
	for n := range r.Want.Peers {
		if w := r.Want.Peers[n]; four(w) && !r.ways.Reach(w.Config.Endpoint.Addr) {
			w.Late, w.Endpoint = true, netip.AddrPort{}
		}
	}
}

func lacksIPv4(w *plan.Ways) bool { return w.Default.IPv6 && !w.Default.IPv4 }

// askNAT64 begins to look up the prefixes where they are needed. The function that
// it returns waits for them, until ctx ends.
func (r *Run) askNAT64(ctx context.Context) func() []netip.Prefix {
	if r.NAT64 == nil || !lacksIPv4(r.uplinkWays()) {
		return func() []netip.Prefix { return nil }
	}
	type answer struct {
		prefixes []netip.Prefix
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		prefixes, err := r.NAT64.Prefixes(ctx)
		answers <- answer{prefixes, err}
	}()
	return func() []netip.Prefix {
		var a answer
		select {
		case a = <-answers:
		case <-ctx.Done():
			a.err = ctx.Err()
		}
		if a.err != nil {
			r.Log.Warn("cannot find out how the uplink reaches IPv4 (NAT64)", "error", a.err)
		}
		return a.prefixes
	}
}

// asReached returns addresses as the uplink has them, at least one: those that a way
// leads to first. IPv4 addresses become what the uplink's NAT64 has for them.
func asReached(ways *plan.Ways, nat64 []netip.Prefix, addrs []netip.Addr) []netip.Addr {
	if ways.Default == (plan.Families{}) {
		return addrs // no uplink is there yet
	}
	lost := func(a netip.Addr) bool { return a.Is4() && !ways.Reach(a) }
	if len(nat64) > 0 && slices.ContainsFunc(addrs, lost) {
		addrs = resolve.Uplink{IPv6: true, NAT64: nat64}.Candidates(addrs)
	}
	var near, far []netip.Addr
	for _, a := range addrs {
		if ways.Reach(a) {
			near = append(near, a)
		} else {
			far = append(far, a)
		}
	}
	return append(near, far...)
}
