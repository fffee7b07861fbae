package plan_test

import (
	"net/netip"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// tunnelTo is the configuration of a tunnel: options of its interface, and what is
// routed.
func tunnelTo(options, allowed string) string {
	return "config interface wg0\n option proto wireguard\n" + options +
		"config wireguard_wg0\n option public_key '" + key(1).String() + "'\n option route_allowed_ips 1\n list allowed_ips '" + allowed + "'\n"
}

func parseConf(t *testing.T, text string) (*uci.Package, *schema.Interface) {
	t.Helper()
	pkg, err := uci.Parse("network", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.Load(pkg, "wg0")
	if err != nil {
		t.Fatal(err)
	}
	return pkg, c
}

// TestSharedDefaults: a default route is made of halves where the configuration
// has another one of the same metric in the main table (openwrt/openwrt#20511,
// openwrt/packages#4597), and is left as it is where somebody ordered them.
func TestSharedDefaults(t *testing.T) {
	const (
		both = "0.0.0.0/0 ::/0"
		wan  = "config interface wan\n option proto dhcp\n"
		lan  = "config interface lan\n option proto static\n option ipaddr 192.168.1.1\n"
	)
	for _, tt := range []struct {
		name, config string
		want         plan.Families
	}{
		{"beside an uplink", tunnelTo("", both) + wan + lan, plan.Families{IPv4: true, IPv6: true}},
		{"of IPv4 alone", tunnelTo("", "0.0.0.0/0 fd00::/8") + wan, plan.Families{IPv4: true}},
		{"of IPv6 alone", tunnelTo("", "::/0") + wan, plan.Families{IPv6: true}},
		{"split tunnel", tunnelTo("", "10.0.0.0/8") + wan, plan.Families{}},
		{"defaultroute 0", tunnelTo(" option defaultroute 0\n", both) + wan, plan.Families{}},
		{"routes that nobody asked for", "config interface wg0\n option proto wireguard\nconfig wireguard_wg0\n option public_key '" + key(1).String() + "'\n list allowed_ips 0.0.0.0/0\n" + wan, plan.Families{}},
		{"a default route that a later peer got", tunnelTo("", "0.0.0.0/0") + "config wireguard_wg0\n option public_key '" + key(9).String() + "'\n list allowed_ips 0.0.0.0/0\n" + wan, plan.Families{IPv4: true}},

		{"a metric of its own", tunnelTo(" option metric 5\n", both) + wan, plan.Families{}},
		{"metric 0 is the same as none", tunnelTo(" option metric 0\n", both) + wan, plan.Families{IPv4: true, IPv6: true}},
		{"the uplink's metric", tunnelTo(" option metric 20\n", both) + wan + " option metric 20\n", plan.Families{IPv4: true, IPv6: true}},
		{"the uplink has a metric", tunnelTo("", both) + wan + " option metric 20\n", plan.Families{}},
		{"of two uplinks one has it", tunnelTo(" option metric 20\n", both) + wan + "config interface wwan\n option proto qmi\n option metric 20\n", plan.Families{IPv4: true, IPv6: true}},
		{"1024 is what IPv6 makes of 0", tunnelTo(" option metric 1024\n", both) + wan, plan.Families{IPv6: true}},

		{"another table", tunnelTo(" option ip4table 100\n", both) + wan, plan.Families{IPv6: true}},
		{"other tables", tunnelTo(" option ip4table vpn\n option ip6table 100\n", both) + wan, plan.Families{}},
		{"the main table by name", tunnelTo(" option ip4table main\n option ip6table 254\n", both) + wan, plan.Families{IPv4: true, IPv6: true}},
		{"the uplink in another table", tunnelTo(" option metric 5\n", both) + wan + " option metric 5\n option ip4table 100\n", plan.Families{IPv6: true}},

		{"nobody else has a default route", tunnelTo("", both) + lan, plan.Families{IPv4: true, IPv6: true}},
		{"nobody else, and a metric", tunnelTo(" option metric 5\n", both) + lan, plan.Families{}},
		{"nobody else in one family", tunnelTo("", both) + lan + " option gateway 192.168.1.254\n option metric 7\n", plan.Families{IPv6: true}},
		{"a disabled uplink is none", tunnelTo(" option metric 5\n", both) + wan + " option metric 5\n option disabled 1\n", plan.Families{}},
		{"another tunnel is none", tunnelTo(" option metric 5\n", both) + "config interface wg1\n option proto wireguard\n option metric 5\n", plan.Families{}},
		{"a section of type route", tunnelTo(" option metric 5\n", both) + lan + "config route\n option interface lan\n option target 0.0.0.0/0\n option metric 5\n", plan.Families{IPv4: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pkg, c := parseConf(t, tt.config)
			if got := plan.SharedDefaults(pkg, c); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got := plan.FactsOf(pkg, c).Halves; got != tt.want {
				t.Errorf("facts say %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestMeetsDefaults(t *testing.T) {
	uplink := func(dst, device string, metric uint32) plan.Uplink {
		return plan.Uplink{Dst: netip.MustParsePrefix(dst), Device: device, Metric: metric}
	}
	for _, tt := range []struct {
		name, config string
		uplinks      []plan.Uplink
		want         plan.Families
	}{
		{"none", tunnelTo("", "0.0.0.0/0"), nil, plan.Families{}},
		{"the same metric", tunnelTo(" option metric 5\n", "0.0.0.0/0 ::/0"), []plan.Uplink{uplink("0.0.0.0/0", "eth0", 5), uplink("::/0", "eth0", 6)}, plan.Families{IPv4: true}},
		{"IPv6 without a metric", tunnelTo("", "::/0"), []plan.Uplink{uplink("::/0", "eth0", 1024)}, plan.Families{IPv6: true}},
		{"no default route", tunnelTo("", "0.0.0.0/0"), []plan.Uplink{uplink("0.0.0.0/1", "eth0", 0)}, plan.Families{}},
		{"its own", tunnelTo("", "0.0.0.0/0"), []plan.Uplink{uplink("0.0.0.0/0", "wg0", 0)}, plan.Families{}},
		{"a family that the tunnel has not", tunnelTo("", "::/0"), []plan.Uplink{uplink("0.0.0.0/0", "eth0", 0)}, plan.Families{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, c := parseConf(t, tt.config)
			if got := plan.MeetsDefaults(c, tt.uplinks); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestHalvesInTheBudget: what the routes cost is reckoned with the halves.
func TestHalvesInTheBudget(t *testing.T) {
	const wan = "config interface wan\n option proto dhcp\n"
	one, c1 := parseConf(t, tunnelTo(" option metric 5\n", "0.0.0.0/0")+wan)
	two, c2 := parseConf(t, tunnelTo("", "0.0.0.0/0")+wan)
	if a, b := plan.RouteCost(one, c1), plan.RouteCost(two, c2); b != 2*a {
		t.Errorf("halves cost %d, a whole %d", b, a)
	}
	if n := plan.NumbersOf(two, c2); n != (plan.RouteNumbers{Asked: 2, Netifd: 2}) {
		t.Errorf("numbers: %+v", n)
	}
}
