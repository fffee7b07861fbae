package schema

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/wgnetifd/wgnetifd/uci"
)

// DefaultRoute is a default route that an interface can bring, by its
// configuration.
type DefaultRoute struct {
	Interface string
	IPv6      bool
	Metric    uint32
	Table     string // number or name; empty: main
}

// DefaultRoutes returns the default routes that other interfaces than name can
// bring: by their protocol, or by sections `config route` and `config route6`.
// Whether they are up makes no difference, nor does what their name server,
// provider or user has done so far. WireGuard interfaces are left out: theirs are
// ours to plan.
func DefaultRoutes(p *uci.Package, name string) (out []DefaultRoute) {
	there := map[string]*uci.Section{}
	for _, s := range p.Sections {
		if s.Type != "interface" || s.Name == name || isDisabled(s) {
			continue
		}
		there[s.Name] = s
		for _, six := range [2]bool{false, true} {
			if bringsDefault(s, six) {
				out = append(out, DefaultRoute{s.Name, six, metricOf(s, 0), tableOf(s, six)})
			}
		}
	}
	for _, s := range p.Sections {
		six := s.Type == "route6"
		if (s.Type != "route" && !six) || isDisabled(s) || !leadsEverywhere(s, six) {
			continue
		}
		of, ok := s.Get("interface")
		if !ok {
			of = "loopback" // where netifd keeps a route without an interface
		}
		owner := there[of]
		if owner == nil {
			continue
		}
		r := DefaultRoute{of, six, metricOf(s, metricOf(owner, 0)), tableOf(owner, six)}
		if table, ok := s.Get("table"); ok {
			r.Table = table
		}
		out = append(out, r)
	}
	return out
}

// bringsDefault reports whether the protocol of an interface can bring a default
// route. Of most protocols the other side decides, and which family it has may
// change with it: only what is known to have none is left out.
func bringsDefault(s *uci.Section, six bool) bool {
	if v, ok := s.Get("defaultroute"); ok {
		if b, err := parseBool(v); err == nil && !b {
			return false
		}
	}
	proto, _ := s.Get("proto")
	switch proto {
	case "", "none", Proto:
		return false
	case "static":
		option := "gateway"
		if six {
			option = "ip6gw"
		}
		v, _ := s.Get(option)
		return v != ""
	}
	return true
}

// leadsEverywhere reports whether a section `config route` is a default route.
// Without a netmask it is to the one address.
func leadsEverywhere(s *uci.Section, six bool) bool {
	target, _ := s.Get("target")
	addr, mask, cut := strings.Cut(target, "/")
	if !cut {
		mask, _ = s.Get("netmask")
	}
	if a, err := netip.ParseAddr(addr); addr != "" && (err != nil || a.Is6() != six) {
		return false
	}
	if mask == "0.0.0.0" {
		return !six
	}
	n, err := strconv.ParseUint(mask, 10, 8)
	return err == nil && n == 0
}

func isDisabled(s *uci.Section) bool {
	v, ok := s.Get("disabled")
	if !ok {
		return false
	}
	b, err := parseBool(v)
	return err == nil && b
}

func metricOf(s *uci.Section, otherwise uint32) uint32 {
	v, _ := s.Get("metric")
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		return otherwise
	}
	return uint32(n)
}

func tableOf(s *uci.Section, six bool) string {
	option := "ip4table"
	if six {
		option = "ip6table"
	}
	v, _ := s.Get(option)
	return v
}

// IsMainTable reports whether a value of ip4table, ip6table or table is the table
// that every look-up ends in: RT_TABLE_MAIN, 254.
func IsMainTable(table string) bool { return table == "" || table == "main" || table == "254" }

// Table returns the routing table of the interface's own routes of a family, as
// configured.
func (i *Interface) Table(six bool) string {
	if six {
		return i.IP6Table
	}
	return i.IP4Table
}
