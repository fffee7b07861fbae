package bypass

import (
	"errors"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

// Kernel is what the bypass needs of the kernel. rtnl.System and rtnl.Fake have
// it.
type Kernel interface {
	rtnl.Ruler
	Routes(table uint32) ([]rtnl.Route, error)
	ReplaceRoute(routes ...rtnl.Route) error
	DeleteRoute(routes ...rtnl.Route) error
	Links() ([]rtnl.Link, error)
}

// kindWireGuard is the kind of the kernel's WireGuard devices.
const kindWireGuard = "wireguard"

// Apply makes the bypass what it has to be now, or takes it away when on is
// false, and returns how many rules and routes it wrote. What has to be there is
// read from the kernel: it is called again whenever a route, an address or a link
// has changed, and when on has. All WireGuard devices of the kernel are gone past,
// and those named in tunnels, such as userspace ones.
//
// What a process that was killed has left behind is found by our protocol number;
// rules and routes of others are not touched.
func Apply(k Kernel, on bool, tunnels ...string) (wrote int, err error) {
	own, err := k.Routes(Table)
	if err != nil {
		return 0, err
	}
	var want Plan
	if on {
		// Links after routes: a device that a route leads through is among them, or gone.
		main, err := k.Routes(rtnl.TableMain)
		if err != nil {
			return 0, err
		}
		links, err := k.Links()
		if err != nil {
			return 0, err
		}
		past := map[string]bool{}
		for _, name := range tunnels {
			past[name] = true
		}
		for _, l := range links {
			if l.Kind == kindWireGuard {
				past[l.Name] = true
			}
		}
		want = Want(main, own, func(device string) bool { return past[device] })
	}
	return write(k, want, own)
}

// Sync writes what differs from the plan and returns how many rules and routes
// that were. It has no say over Table's routes of others, nor over rules of ours
// to other tables.
func Sync(k Kernel, want Plan) (wrote int, err error) {
	own, err := k.Routes(Table)
	if err != nil {
		return 0, err
	}
	return write(k, want, own)
}

func write(k Kernel, want Plan, own []rtnl.Route) (wrote int, err error) {
	rules, err := k.Rules()
	if err != nil {
		return 0, err
	}
	rules = slices.DeleteFunc(rules, func(r rtnl.Rule) bool { return r.Table != Table })
	addRules, removeRules := rtnl.DiffRules(want.Rules, rules)
	addRoutes, removeRoutes := rtnl.Diff(want.Routes, own)
	// No rule without its routes: neither before they are there, nor after.
	return len(addRules) + len(removeRules) + len(addRoutes) + len(removeRoutes), errors.Join(
		some(k.ReplaceRoute, addRoutes),
		some(k.DeleteRule, removeRules),
		some(k.AddRule, addRules),
		some(k.DeleteRoute, removeRoutes),
	)
}

func some[T any](do func(...T) error, list []T) error {
	if len(list) == 0 {
		return nil
	}
	return do(list...)
}
