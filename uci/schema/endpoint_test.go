package schema_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

func host(name string, port uint16) schema.Endpoint { return schema.Endpoint{Host: name, Port: port} }

func at(addr string, port uint16) schema.Endpoint {
	return schema.Endpoint{Host: addr, Addr: netip.MustParseAddr(addr), Port: port}
}

// TestEndpoints: endpoint_host first, then the list in its order; what is wrong
// in the list is told and costs the peer nothing (openwrt/openwrt#12756).
func TestEndpoints(t *testing.T) {
	const (
		form     = "HOST:PORT is right here, such as vpn.example.org:51820, 192.0.2.1:51820 or [2001:db8::1]:51820; ignored"
		port     = "the port behind the : is a number from 1 to 65535; ignored"
		brackets = "an IPv6 address stands in brackets here, such as [2001:db8::1]:51820; ignored"
	)
	for _, tt := range []struct {
		name    string
		options []string
		want    []schema.Endpoint
		problem string // TEXT of `endpoint: "VALUE": TEXT`
	}{
		{name: "none"},
		{name: "host alone", options: []string{"option endpoint_host 'a.example'"}, want: []schema.Endpoint{host("a.example", 51820)}},
		{
			name:    "host and list",
			options: []string{"option endpoint_host 'a.example'", "option endpoint_port '7'", "list endpoint 'b.example:8'", "list endpoint '192.0.2.1:9'", "list endpoint '[2001:db8::1]:10'"},
			want:    []schema.Endpoint{host("a.example", 7), host("b.example", 8), at("192.0.2.1", 9), at("2001:db8::1", 10)},
		},
		{
			name:    "list before host",
			options: []string{"list endpoint 'b.example:8'", "option endpoint_host 'a.example'"},
			want:    []schema.Endpoint{host("a.example", 51820), host("b.example", 8)},
		},
		{
			name:    "one string",
			options: []string{"option endpoint 'b.example:8, c.example:9 [2001:db8::1]'"},
			want:    []schema.Endpoint{host("b.example", 8), host("c.example", 9), at("2001:db8::1", 51820)},
		},
		{name: "list alone", options: []string{"list endpoint 'b.example'"}, want: []schema.Endpoint{host("b.example", 51820)}},
		{
			name:    "twice",
			options: []string{"option endpoint_host 'a.example'", "list endpoint 'A.example:51820'", "list endpoint 'b.example:1'", "list endpoint 'B.EXAMPLE:1'", "list endpoint 'b.example:2'"},
			want:    []schema.Endpoint{host("a.example", 51820), host("b.example", 1), host("b.example", 2)},
		},
		{name: "zone", options: []string{"list endpoint '[fe80::1%eth0]:7'"}, want: []schema.Endpoint{at("fe80::1%eth0", 7)}},
		{name: "no port", options: []string{"list endpoint 'b.example:'"}, problem: port},
		{name: "port 0", options: []string{"list endpoint 'b.example:0'"}, problem: port},
		{name: "port 65536", options: []string{"list endpoint '[2001:db8::1]:65536'"}, problem: port},
		{name: "port word", options: []string{"list endpoint '192.0.2.1:wg'"}, problem: port},
		{name: "behind the bracket", options: []string{"list endpoint '[2001:db8::1]7'"}, problem: port},
		{name: "no brackets", options: []string{"list endpoint '2001:db8::1:51820'"}, problem: brackets},
		{name: "half a bracket", options: []string{"list endpoint '[2001:db8::1'"}, problem: form},
		{name: "no host", options: []string{"list endpoint ':51820'"}, problem: form},
		{name: "no name", options: []string{"list endpoint '300.1.1.1:7'"}, problem: form},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := load(t, wg0()+peer(append([]string{"option public_key '" + peerKey1 + "'"}, tt.options...)...))
			p := i.Peers[0]
			if diff := cmp.Diff(tt.want, p.Endpoints(), equatePrefixes); diff != "" {
				t.Errorf("endpoints (-want +got):\n%s", diff)
			}
			if p.Invalid {
				t.Error("the peer is left out")
			}
			var got, want string
			for _, problem := range p.Problems {
				got += problem.Error() + "\n"
			}
			if tt.problem != "" {
				value := strings.Split(tt.options[0], "'")[1]
				want = fmt.Sprintf("network.@wireguard_wg0[0].endpoint: %q: %s\n", value, tt.problem)
			}
			if got != want {
				t.Errorf("problems %q, want %q", got, want)
			}
		})
	}
}

// TestManyEndpoints: a list without end is used as far as it makes sense.
func TestManyEndpoints(t *testing.T) {
	options := []string{"option public_key '" + peerKey1 + "'", "option endpoint_host 'a.example'"}
	for n := range schema.MaxFallbacks + 3 {
		options = append(options, fmt.Sprintf("list endpoint 'b%d.example:1'", n))
	}
	p := load(t, wg0()+peer(options...)).Peers[0]
	if n := len(p.Endpoints()); n != 1+schema.MaxFallbacks {
		t.Errorf("%d endpoints", n)
	}
	if len(p.Problems) != 3 || p.Problems[0].Level != schema.Note {
		t.Errorf("problems: %v", p.Problems)
	}
}

func TestEndpointFamilyAndFailback(t *testing.T) {
	for _, tt := range []struct {
		option   string
		family   schema.Family
		failback uint32
		problem  string
	}{
		{"option description 'x'", schema.FamilyAuto, 600, ""},
		{"option endpoint_family 'auto'", schema.FamilyAuto, 600, ""},
		{"option endpoint_family 'ipv4'", schema.FamilyIPv4, 600, ""},
		{"option endpoint_family 'IPv6'", schema.FamilyIPv6, 600, ""},
		{"option endpoint_family '6'", schema.FamilyAuto, 600, `network.@wireguard_wg0[0].endpoint_family: "6": auto, ipv4 or ipv6 is right here; ignored`},
		{"option endpoint_failback '0'", schema.FamilyAuto, 0, ""},
		{"option endpoint_failback '4294967295'", schema.FamilyAuto, 4294967295, ""},
		{"option endpoint_failback '4294967296'", schema.FamilyAuto, 600, `network.@wireguard_wg0[0].endpoint_failback: "4294967296": a whole number from 0 to 4294967295 is right here; ignored`},
		{"option endpoint_failback '-1'", schema.FamilyAuto, 600, `network.@wireguard_wg0[0].endpoint_failback: "-1": a whole number from 0 to 4294967295 is right here; ignored`},
	} {
		t.Run(tt.option, func(t *testing.T) {
			p := load(t, wg0()+peer("option public_key '"+peerKey1+"'", tt.option)).Peers[0]
			if p.EndpointFamily != tt.family || p.EndpointFailback != tt.failback || p.Invalid {
				t.Errorf("family %v, failback %d, invalid %v", p.EndpointFamily, p.EndpointFailback, p.Invalid)
			}
			got := ""
			for _, problem := range p.Problems {
				got += problem.Error()
			}
			if got != tt.problem {
				t.Errorf("problem %q, want %q", got, tt.problem)
			}
		})
	}
}
