package apply

import (
	"context"
	"net/netip"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// named reports whether an endpoint has a name that is looked up.
func named(e schema.Endpoint) bool { return !e.IsZero() && !e.Addr.IsValid() }

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
		w := &r.Want.Peers[n]
		addr, known := r.names[w.Config.Endpoint.Host]
		if _, has := there[w.PublicKey]; known && !has && named(w.Config.Endpoint) {
			w.Endpoint, r.early = netip.AddrPortFrom(addr, w.Config.Endpoint.Port), true
		}
	}
}

// keepNames keeps what was found, and of names that were not found what was known
// of them. Names that the configuration has no more are forgotten.
func (r *Run) keepNames(found plan.Resolved) {
	next := make(state.Names, len(found))
	for n := range r.Want.Peers {
		host := r.Want.Peers[n].Config.Endpoint.Host
		if !named(r.Want.Peers[n].Config.Endpoint) {
			continue
		}
		if addr, ok := found[host]; ok {
			next[host] = addr
		} else if addr, ok := r.names[host]; ok {
			next[host] = addr
		}
	}
	if err := r.State.SaveNames(r.Conf.Name, next); err != nil {
		r.Log.Error("cannot save the addresses of names", "error", err)
	}
}

// resolve looks up the names of endpoints, writes those that are found, and
// returns what is wrong with the others. Their peers stay in the device: they can
// still call us.
func (r *Run) resolve(ctx context.Context) []Problem {
	var hosts []string
	for n := range r.Want.Peers {
		if e := r.Want.Peers[n].Config.Endpoint; named(e) {
			hosts = append(hosts, e.Host)
		}
	}
	if len(hosts) == 0 {
		if len(r.names) > 0 {
			r.keepNames(nil)
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.ResolveTime)
	defer cancel()
	found, failed := resolve.All(ctx, r.Resolver, hosts)
	r.writeNames(context.WithoutCancel(ctx), found)
	r.keepNames(found)
	var problems []Problem
	for n := range r.Want.Peers {
		c := r.Want.Peers[n].Config
		err := failed[c.Endpoint.Host]
		if c.Endpoint.IsZero() || c.Endpoint.Addr.IsValid() || err == nil {
			continue
		}
		p := schema.Problem{Section: c.Section, Option: "endpoint_host", Value: c.Endpoint.Host, Text: err.Error()}
		if _, known := r.names[c.Endpoint.Host]; known {
			r.Log.Warn(p.Error()+"; the peer keeps the endpoint that it has", "peer", c.Name(), "public_key", c.PublicKey.Short())
			continue
		}
		r.Log.Error(p.Error()+"; the peer has no endpoint from it", "peer", c.Name(), "public_key", c.PublicKey.Short())
		problems = append(problems, Problem{Code: CodeResolve, Words: []string{p.Path(), p.Value, p.Text}})
	}
	return problems
}

// writeNames writes the endpoints whose names were found: host routes first, so
// that no packet goes the wrong way.
func (r *Run) writeNames(ctx context.Context, found plan.Resolved) {
	for n := range r.Want.Peers {
		w := &r.Want.Peers[n]
		if addr, ok := found[w.Config.Endpoint.Host]; ok && !w.Config.Endpoint.Addr.IsValid() {
			w.Endpoint = netip.AddrPortFrom(addr, w.Config.Endpoint.Port)
		}
	}
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
