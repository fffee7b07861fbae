package schema_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

func TestDefaultRoutes(t *testing.T) {
	const (
		wan  = "config interface wan\n option proto static\n option gateway 192.0.2.254\n"
		lan  = "config interface lan\n option proto static\n option ipaddr 192.168.1.1\n"
		loop = "config interface loopback\n option proto static\n option device lo\n"
	)
	four := func(name string, metric uint32, table string) schema.DefaultRoute {
		return schema.DefaultRoute{Interface: name, Metric: metric, Table: table}
	}
	six := func(name string, metric uint32, table string) schema.DefaultRoute {
		return schema.DefaultRoute{Interface: name, IPv6: true, Metric: metric, Table: table}
	}
	for _, tt := range []struct {
		name, config string
		want         []schema.DefaultRoute
	}{
		{"nothing", "", nil},
		{"lan and loopback", lan + loop, nil},
		{"the interface itself", "config interface wg0\n option proto dhcp\n", nil},
		{"dhcp", "config interface wan\n option proto dhcp\n", []schema.DefaultRoute{four("wan", 0, ""), six("wan", 0, "")}},
		{"metric and tables", "config interface wan\n option proto pppoe\n option metric 20\n option ip4table 100\n option ip6table vpn\n", []schema.DefaultRoute{four("wan", 20, "100"), six("wan", 20, "vpn")}},
		{"a metric that is none", "config interface wan\n option proto dhcp\n option metric x\n", []schema.DefaultRoute{four("wan", 0, ""), six("wan", 0, "")}},
		{"static with a gateway", wan, []schema.DefaultRoute{four("wan", 0, "")}},
		{"static with an IPv6 gateway", "config interface wan\n option proto static\n option ip6gw fe80::1\n", []schema.DefaultRoute{six("wan", 0, "")}},
		{"an empty gateway", "config interface wan\n option proto static\n option gateway ''\n", nil},
		{"defaultroute 0", "config interface wan\n option proto dhcp\n option defaultroute 0\n", nil},
		{"defaultroute is no boolean", wan + " option defaultroute maybe\n", []schema.DefaultRoute{four("wan", 0, "")}},
		{"disabled", wan + " option disabled 1\n", nil},
		{"not started by itself", wan + " option auto 0\n", []schema.DefaultRoute{four("wan", 0, "")}},
		{"no protocol", "config interface a\nconfig interface b\n option proto none\n", nil},
		{"another tunnel of ours", "config interface wg1\n option proto wireguard\n", nil},
		{"no interface", "config wan 'wan'\n option proto dhcp\n", nil},

		{"a route", lan + "config route\n option interface lan\n option target 0.0.0.0/0\n option gateway 192.168.1.254\n", []schema.DefaultRoute{four("lan", 0, "")}},
		{"a route before its interface", "config route\n option interface lan\n option target 0.0.0.0\n option netmask 0.0.0.0\n" + lan, []schema.DefaultRoute{four("lan", 0, "")}},
		{"a route without target", lan + "config route\n option interface lan\n option netmask 0\n", []schema.DefaultRoute{four("lan", 0, "")}},
		{"a route with neither target nor netmask", lan + "config route\n option interface lan\n", nil},
		{"a route to an address", lan + "config route\n option interface lan\n option target 0.0.0.0\n", nil},
		{"a route to a subnet", lan + "config route\n option interface lan\n option target 10.0.0.0/8\n", nil},
		{"a route of IPv6", lan + "config route6\n option interface lan\n option target ::/0\n", []schema.DefaultRoute{six("lan", 0, "")}},
		{"a route of the other family", lan + "config route6\n option interface lan\n option target 0.0.0.0/0\n", nil},
		{"a route that is no address", lan + "config route\n option interface lan\n option target wan/0\n", nil},
		{"a route with all of its own", lan + " option metric 7\n option ip4table 8\nconfig route\n option interface lan\n option target 0.0.0.0/0\n option metric 9\n option table 10\n", []schema.DefaultRoute{four("lan", 9, "10")}},
		{"a route as its interface has it", lan + " option metric 7\n option ip4table 8\nconfig route\n option interface lan\n option target 0.0.0.0/0\n", []schema.DefaultRoute{four("lan", 7, "8")}},
		{"a route whatever its interface's defaultroute", lan + " option defaultroute 0\nconfig route\n option interface lan\n option target 0.0.0.0/0\n", []schema.DefaultRoute{four("lan", 0, "")}},
		{"a route that is disabled", lan + "config route\n option interface lan\n option target 0.0.0.0/0\n option disabled 1\n", nil},
		{"a route of an interface that is disabled", lan + " option disabled 1\nconfig route\n option interface lan\n option target 0.0.0.0/0\n", nil},
		{"a route of the interface itself", "config interface wg0\n option proto wireguard\nconfig route\n option interface wg0\n option target 0.0.0.0/0\n", nil},
		{"a route of no interface", loop + "config route\n option target 0.0.0.0/0\n option type blackhole\n option metric 5\n", []schema.DefaultRoute{four("loopback", 5, "")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pkg, err := uci.Parse("network", []byte(tt.config))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, schema.DefaultRoutes(pkg, "wg0")); diff != "" {
				t.Errorf("default routes (-want +got):\n%s", diff)
			}
		})
	}
}
