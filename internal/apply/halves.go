package apply

import (
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

// facts returns what the interface is planned by beside its own sections.
func (r *Run) facts() plan.Facts {
	f := plan.FactsOf(r.pkg, r.Conf)
	if _, alone := r.Net.(Kernel); alone {
		f.Halves = r.besideOthers(f.Halves)
	}
	return f
}

// besideOthers adds the families in which the kernel has somebody else's default
// route of the interface's metric: without netifd the configuration does not tell
// of all uplinks. Once that was so it stays, as long as the interface is up with
// that metric: the other route may come back at any time.
func (r *Run) besideOthers(halves plan.Families) plan.Families {
	mine := plan.MainDefaults(r.Conf)
	if mine == halves {
		return halves
	}
	met := r.saved.Met
	if r.saved.MetMetric != r.Conf.Metric {
		met = plan.Families{}
	}
	table, err := r.Kernel.Routes(rtnl.TableMain)
	if err != nil {
		r.Log.Warn("cannot read the routing table, other default routes are not known", "error", err)
	}
	now := plan.MeetsDefaults(r.Conf, uplinksOf(table))
	met = plan.Families{IPv4: mine.IPv4 && met.IPv4 || now.IPv4, IPv6: mine.IPv6 && met.IPv6 || now.IPv6}
	r.saved.Met, r.saved.MetMetric = met, r.Conf.Metric
	return plan.Families{IPv4: halves.IPv4 || met.IPv4, IPv6: halves.IPv6 || met.IPv6}
}
