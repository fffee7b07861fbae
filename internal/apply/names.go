package apply

import (
	"context"
	"net/netip"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// useKnown gives peers that the device has no endpoint for the last good address
// of theirs: they need not wait for a name server, nor for one that is down. An
// endpoint that the device has is newer than what was kept of it.
func (r *Run) useKnown() {
	if len(r.names) == 0 {
		return
	}
	there := make(map[schema.Key]struct{}, len(r.Have.Peers))
	for n := range r.Have.Peers {
		if p := &r.Have.Peers[n]; p.Endpoint.IsValid() {
			there[p.PublicKey] = struct{}{}
		}
	}
	for n := range r.Want.Peers {
		w := r.Want.Peers[n]
		if _, has := there[w.PublicKey]; has || !w.Late {
			continue
		}
		if addr, ok := r.known(w.Config.Endpoint.Host, w.Config.EndpointFamily); ok {
			w.Endpoint, r.early = netip.AddrPortFrom(addr, w.Config.Endpoint.Port), true
		}
	}
}

// known returns the last good address of a host, if it is one that is wanted and
// that can be reached as the uplink is now.
func (r *Run) known(host string, family schema.Family) (netip.Addr, bool) {
	addr, ok := r.names[host]
	if !ok || addr.Is4() && family == schema.FamilyIPv6 {
		return netip.Addr{}, false
	}
	ways := r.uplinkWays()
	if addr.Is6() && family == schema.FamilyIPv4 && ways.Default.IPv4 {
		return netip.Addr{}, false // not what NAT64 made of an IPv4 address
	}
	return addr, ways.Default == plan.Families{} || ways.Reach(addr)
}

// keepNames keeps what was found, and of hosts that were not found what was known
// of them. Those that the configuration has no more are forgotten.
func (r *Run) keepNames(found state.Names) {
	next := make(state.Names, len(found))
	for n := range r.Want.Peers {
		w := r.Want.Peers[n]
		for k, e := range w.Config.Endpoints() {
			if e.Addr.IsValid() && (k > 0 || !w.Late) {
				continue
			}
			if addr, ok := found[e.Host]; ok {
				next[e.Host] = addr
			} else if addr, ok := r.names[e.Host]; ok {
				next[e.Host] = addr
			}
		}
	}
	if err := r.State.SaveNames(r.Conf.Name, next); err != nil {
		r.Log.Error("cannot save the addresses of names", "error", err)
	}
}

// resolve looks up the hosts of endpoints, writes the endpoints that are found, and
// returns what is wrong with the others. Their peers stay in the device: they can
// still call us.
func (r *Run) resolve(ctx context.Context) []Problem {
	late := func(w *plan.Peer) bool { return w.Late }
	if !slices.ContainsFunc(r.Want.Peers, late) {
		if len(r.names) > 0 {
			r.keepNames(nil)
		}
		return nil
	}
	look, cancel := context.WithTimeout(ctx, r.ResolveTime)
	defer cancel()
	nat64 := r.askNAT64(look)
	s := search{run: r, found: state.Names{}, answers: resolve.All(look, r.Names, r.questions()), nat64: nat64()}
	var problems []Problem
	for n := range r.Want.Peers {
		if w := r.Want.Peers[n]; w.Late {
			problems = append(problems, s.choose(w)...)
		}
	}
	r.writeLate(ctx)
	r.keepNames(s.found)
	return problems
}

// questions returns what is to be looked up: all names of the peers that have to
// wait for one, the further ones too, as there is no time for one after the other.
func (r *Run) questions() (list []resolve.Question) {
	for n := range r.Want.Peers {
		w := r.Want.Peers[n]
		if !w.Late {
			continue
		}
		for _, e := range w.Config.Endpoints() {
			if !e.Addr.IsValid() {
				list = append(list, question(w, e))
			}
		}
	}
	return list
}

func question(w *plan.Peer, e schema.Endpoint) resolve.Question {
	return resolve.Question{Host: e.Host, Family: resolve.Family(w.Config.EndpointFamily)}
}

// search is what was looked up.
type search struct {
	run     *Run
	answers map[resolve.Question]resolve.Answer
	nat64   []netip.Prefix
	found   state.Names // hosts and the address of each that is used
}

// choose gives a peer the first of its endpoints that has an address at all, and
// returns what is wrong.
func (s *search) choose(w *plan.Peer) []Problem {
	c, first := w.Config, w.Config.Endpoint
	var next netip.AddrPort
	for _, e := range c.Fallbacks {
		// All of them: what they are is kept for later.
		if addr, err := s.address(w, e); err == nil && !next.IsValid() {
			next = netip.AddrPortFrom(addr, e.Port)
		}
	}
	addr, err := s.address(w, first)
	if err == nil {
		w.Endpoint = netip.AddrPortFrom(addr, first.Port)
		return nil
	}
	log := s.run.Log.With("peer", c.Name(), "public_key", w.PublicKey.Short())
	p := schema.Problem{Section: c.Section, Option: "endpoint_host", Value: first.Host, Text: err.Error()}
	if _, known := s.run.names[first.Host]; known {
		log.Warn(p.Error() + "; the peer keeps the endpoint that it has")
		return nil
	}
	if next.IsValid() {
		w.Endpoint = next
		log.Warn(p.Error()+"; the peer's next endpoint is used", "endpoint", next)
		return nil
	}
	log.Error(p.Error() + "; the peer has no endpoint from it")
	return []Problem{{Code: CodeResolve, Words: []string{p.Path(), p.Value, p.Text}}}
}

// address returns the address of an endpoint to begin with: the last good one,
// where it is still among those that the host has and can be reached, otherwise
// the first.
func (s *search) address(w *plan.Peer, e schema.Endpoint) (netip.Addr, error) {
	addrs := []netip.Addr{e.Addr}
	if !e.Addr.IsValid() {
		a := s.answers[question(w, e)]
		if a.Err != nil {
			return netip.Addr{}, a.Err
		}
		addrs = a.Addrs
	}
	ways := s.run.uplinkWays()
	addrs = asReached(ways, s.nat64, addrs)
	addr, good := addrs[0], s.run.names[e.Host]
	switch {
	case slices.Contains(addrs, good):
		if ways.Reach(good) || !ways.Reach(addr) {
			addr = good
		}
	case addr == e.Addr && good.IsValid() && ways.Reach(good) && !ways.Reach(addr):
		addr = good // the NAT64 of the last time, which nobody could be asked for now
	}
	if addr != e.Addr {
		s.found[e.Host] = addr
	}
	return addr, nil
}

// writeLate writes the endpoints that were found: host routes first, so that no
// packet goes the wrong way.
func (r *Run) writeLate(ctx context.Context) {
	have := r.Have
	if r.early {
		// Have is from before the last addresses were written, which may have led to
		// a handshake meanwhile.
		if now, err := r.Devices.Read(r.Conf.Name); err == nil {
			have = &now
		}
	}
	late := plan.DiffEndpoints(r.Want, have, r.saved.Applied, r.Now())
	r.applied()
	r.Changes.Peers = append(r.Changes.Peers, late...)
	r.hostRoutes(ctx)
	if err := r.configure(plan.Changes{Peers: late}); err != nil {
		r.Log.Error("endpoints were not written", "error", err)
	}
}
