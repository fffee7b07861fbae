package apply

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// maxLogged is how many problems of one interface the log gets; the status has
// them all.
const maxLogged = 100

// problems logs what the configuration has wrong and returns what netifd should
// show of it: not the notes.
func (r *Run) problems() []Problem {
	var out []Problem
	peers := len(r.Conf.Problems)
	for n := range r.Conf.Peers {
		peers -= len(r.Conf.Peers[n].Problems)
	}
	for n, p := range r.Conf.Problems {
		ofPeer := n >= peers
		switch {
		case n < maxLogged:
			r.logProblem(p, ofPeer)
		case n == maxLogged:
			r.Log.Warn("and " + strconv.Itoa(len(r.Conf.Problems)-n) + " more problems, see `wgnetifd status " + r.Conf.Name + "`")
		}
		if p.Level == schema.Note {
			continue
		}
		code := CodeOption
		if ofPeer {
			code = CodePeer
		}
		out = append(out, Problem{Code: code, Words: []string{p.Path(), p.Value, p.Text}})
	}
	return out
}

func (r *Run) logProblem(p *schema.Problem, ofPeer bool) {
	switch {
	case p.Level == schema.Note:
		r.Log.Info(p.Error())
	case ofPeer:
		r.Log.Error(p.Error() + "; the peer is left out")
	default:
		r.Log.Error(p.Error() + "; the option is left out")
	}
}

// resolve looks up the names of endpoints, writes those that are found, and
// returns what is wrong with the others. Their peers stay in the device: they can
// still call us.
func (r *Run) resolve(ctx context.Context) []Problem {
	var hosts []string
	for n := range r.Want.Peers {
		if e := r.Want.Peers[n].Config.Endpoint; !e.IsZero() && !e.Addr.IsValid() {
			hosts = append(hosts, e.Host)
		}
	}
	if len(hosts) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.ResolveTime)
	defer cancel()
	found, failed := resolve.All(ctx, r.Resolver, hosts)
	r.writeNames(context.WithoutCancel(ctx), found)
	var problems []Problem
	for n := range r.Want.Peers {
		c := r.Want.Peers[n].Config
		err := failed[c.Endpoint.Host]
		if c.Endpoint.IsZero() || c.Endpoint.Addr.IsValid() || err == nil {
			continue
		}
		p := schema.Problem{Section: c.Section, Option: "endpoint_host", Value: c.Endpoint.Host, Text: err.Error()}
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
	late := plan.DiffEndpoints(r.Want, r.Have, r.saved.Applied, r.Now())
	r.applied()
	r.Changes.Peers = append(r.Changes.Peers, late...)
	r.hostRoutes(ctx)
	if err := r.configure(plan.Changes{Peers: late}); err != nil {
		r.Log.Error("endpoints were not written", "error", err)
	}
}

// unreachable returns the endpoints that no uplink leads to. Until one does, they
// would be sent into the tunnel itself.
func (r *Run) unreachable() []Problem {
	var problems []Problem
	for _, addr := range r.lost {
		const text = "the tunnel's own routes lead to this endpoint and no uplink does"
		r.Log.Warn(text, "endpoint", addr)
		problems = append(problems, Problem{Code: CodeNoUplink, Words: []string{"network." + r.Conf.Name, addr.String(), text}})
	}
	return problems
}
