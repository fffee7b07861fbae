package netifd

import (
	"net/netip"
	"strconv"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// Actions of notify_proto (netifd's proto-ext.c). Host dependency (6) is left
// out on purpose: it takes the tunnel down together with the uplink
// (openwrt/openwrt#11086).
const (
	actionUpdate      = 0
	actionError       = 3
	actionBlock       = 4
	actionSetupFailed = 7
)

// maxErrorWords is how many strings one error holds, its code included.
const maxErrorWords = 15

// State is what a handler announces of an interface that is up.
type State struct {
	Device      string
	Addresses   []netip.Prefix
	IP6Prefixes []string
	Routes      []netip.Prefix // masked
	// External: the addresses are in the kernel already and not netifd's to make.
	// A device that netifd hears of for the first time in such a state is left as
	// it is; otherwise netifd sets it down and clears its addresses and routes
	// first.
	External bool
}

// message returns the argument of notify_proto. Masks are strings: netifd takes
// an integer for a missing one.
func (s *State) message(iface string) blobmsg.Table {
	t := blobmsg.Table{
		{Name: "interface", Value: iface},
		{Name: "action", Value: int32(actionUpdate)},
		{Name: "link-up", Value: true},
		{Name: "ifname", Value: s.Device},
	}
	if s.External {
		t = append(t, blobmsg.Field{Name: "address-external", Value: true})
	}
	var lists [4]blobmsg.Array // addresses and routes of IPv4, then of IPv6
	names := [4]string{"ipaddr", "routes", "ip6addr", "routes6"}
	for _, a := range s.Addresses {
		n := 2 * family(a)
		lists[n] = append(lists[n], blobmsg.Table{
			{Name: "ipaddr", Value: a.Addr().String()},
			{Name: "mask", Value: strconv.Itoa(a.Bits())},
		})
	}
	for _, r := range s.Routes {
		n := 2*family(r) + 1
		// Metric and table are those of the interface, which netifd adds: told
		// explicitly they would cost room in its status.
		lists[n] = append(lists[n], blobmsg.Table{
			{Name: "target", Value: r.Addr().String()},
			{Name: "netmask", Value: strconv.Itoa(r.Bits())},
		})
	}
	for n, list := range lists {
		if len(list) > 0 {
			t = append(t, blobmsg.Field{Name: names[n], Value: list})
		}
	}
	if len(s.IP6Prefixes) > 0 {
		prefixes := make(blobmsg.Array, len(s.IP6Prefixes))
		for n, p := range s.IP6Prefixes {
			prefixes[n] = p
		}
		t = append(t, blobmsg.Field{Name: "ip6prefix", Value: prefixes})
	}
	return t
}

func errorMessage(iface, code string, words []string) blobmsg.Table {
	list := blobmsg.Array{code}
	for _, w := range words[:min(len(words), maxErrorWords-1)] {
		list = append(list, w)
	}
	return blobmsg.Table{
		{Name: "interface", Value: iface},
		{Name: "action", Value: int32(actionError)},
		{Name: "error", Value: list},
	}
}

func actionMessage(iface string, action int32) blobmsg.Table {
	return blobmsg.Table{
		{Name: "interface", Value: iface},
		{Name: "action", Value: action},
	}
}

func family(p netip.Prefix) int {
	if p.Addr().Is4() {
		return 0
	}
	return 1
}
