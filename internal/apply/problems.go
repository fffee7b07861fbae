package apply

import (
	"strconv"

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

// unreachable returns the endpoints that no uplink leads to. Until one does, they
// would be sent into the tunnel itself. The daemon, which finds the same again with
// every change of routes, logs them when it tells of them.
func (r *Run) unreachable() []Problem {
	var problems []Problem
	for _, addr := range r.lost {
		problems = append(problems, Problem{Code: CodeNoUplink, Words: []string{"network." + r.Conf.Name, addr.String(), noUplink}})
	}
	if !r.live {
		r.logUnreachable()
	}
	return problems
}

const noUplink = "the tunnel's own routes lead to this endpoint and no uplink does"

func (r *Run) logUnreachable() {
	for _, addr := range r.lost {
		r.Log.Warn(noUplink, "endpoint", addr)
	}
}
