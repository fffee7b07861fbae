package bypass

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
)

const protoStatic = 4

// route reads a route in the words of `ip route`, of the protocol static.
func route(s string) rtnl.Route {
	words := strings.Fields(s)
	r := rtnl.Route{Dst: netip.MustParsePrefix(words[0]), Table: rtnl.TableMain, Protocol: protoStatic}
	for n := 1; n+1 < len(words); n += 2 {
		v := words[n+1]
		switch words[n] {
		case "via":
			r.Gateway = netip.MustParseAddr(v)
		case "dev":
			r.Device = v
		case "src":
			r.Source = netip.MustParseAddr(v)
		case "metric":
			fmt.Sscan(v, &r.Metric)
		case "proto":
			fmt.Sscan(v, &r.Protocol)
		case "table":
			fmt.Sscan(v, &r.Table)
		default:
			panic(s)
		}
	}
	return r
}

func routes(list []string) (out []rtnl.Route) {
	for _, s := range list {
		out = append(out, route(s))
	}
	return out
}

// texts returns what differs between routes of the bypass.
func texts(list []rtnl.Route) (out []string) {
	for _, r := range list {
		if r.Table != Table || r.Protocol != rtnl.Protocol {
			out = append(out, fmt.Sprintf("%v is in table %d under protocol %d", r, r.Table, r.Protocol))
			continue
		}
		s := strings.Replace(r.String(), " table 8787", "", 1)
		if r.Source.IsValid() {
			s += " src " + r.Source.String()
		}
		out = append(out, s)
	}
	return out
}

func isTunnel(device string) bool { return strings.HasPrefix(device, "wg") }

func TestWant(t *testing.T) {
	tests := []struct {
		name      string
		main, own []string
		want      []string
	}{
		{name: "nothing"},
		{
			name: "a full tunnel of halves",
			main: []string{
				"0.0.0.0/0 via 192.0.2.1 dev wan",
				"192.0.2.0/24 dev wan src 192.0.2.9 proto 2",
				"192.168.1.0/24 dev br-lan src 192.168.1.1 proto 2",
				"0.0.0.0/1 dev wg0", "128.0.0.0/1 dev wg0", "10.0.0.0/24 dev wg0 src 10.0.0.2 proto 2",
				"198.51.100.7/32 via 192.0.2.1 dev wan proto 87",
			},
			want: []string{
				"192.0.2.0/24 dev wan src 192.0.2.9",
				"192.168.1.0/24 dev br-lan src 192.168.1.1",
				"0.0.0.0/0 via 192.0.2.1 dev wan",
			},
		},
		{
			name: "two uplinks, two tunnels, and a static route",
			main: []string{
				"0.0.0.0/0 dev wg1 metric 5", "0.0.0.0/0 dev wg0 metric 7",
				"0.0.0.0/0 via 192.0.2.1 dev wan metric 10", "0.0.0.0/0 via 198.51.100.1 dev wan2 metric 20",
				"10.8.0.0/16 via 192.168.1.2 dev br-lan",
			},
			want: []string{
				"0.0.0.0/0 via 192.0.2.1 dev wan metric 10", "0.0.0.0/0 via 198.51.100.1 dev wan2 metric 20",
				"10.8.0.0/16 via 192.168.1.2 dev br-lan",
			},
		},
		{
			name: "the links' own routes of IPv6",
			main: []string{
				"::1/128 dev lo proto 2 metric 256",
				"fe80::/64 dev br-lan metric 256 proto 2", "fe80::/64 dev wan metric 256 proto 2", "fe80::/64 dev wan2 metric 256 proto 2",
				"::/0 via fe80::1 dev wan metric 512", "::/0 dev wg0 metric 1024",
			},
			want: []string{
				"fe80::/64 dev br-lan metric 256", "fe80::/64 dev wan metric 257", "fe80::/64 dev wan2 metric 258",
				"::/0 via fe80::1 dev wan metric 512",
			},
		},
		{
			name: "a route whose link went meanwhile",
			main: []string{"0.0.0.0/0 via 192.0.2.1"},
		},
		{
			name: "a tunnel's default route took the uplink's place",
			main: []string{"0.0.0.0/0 dev wg0", "::/0 dev wg0 metric 1024", "192.0.2.0/24 dev wan"},
			own: []string{
				"0.0.0.0/0 via 192.0.2.1 dev wan proto 87", "::/0 via fe80::1 dev wan metric 1024 proto 87",
				"10.8.0.0/16 dev wan proto 87",
			},
			want: []string{
				"192.0.2.0/24 dev wan",
				"0.0.0.0/0 via 192.0.2.1 dev wan", "::/0 via fe80::1 dev wan metric 1024",
			},
		},
		{
			name: "what took its place, and is to be gone past now as well",
			main: []string{"0.0.0.0/0 dev wg0"},
			own:  []string{"0.0.0.0/0 dev wg1 proto 87"},
		},
		{
			name: "somebody else's route in our table",
			main: []string{"0.0.0.0/0 dev wg0"},
			own:  []string{"0.0.0.0/0 via 192.0.2.1 dev wan"},
		},
		{
			name: "the uplink has another gateway",
			main: []string{"0.0.0.0/0 via 192.0.2.2 dev wan", "0.0.0.0/0 dev wg0 metric 5"},
			own:  []string{"0.0.0.0/0 via 192.0.2.1 dev wan proto 87"},
			want: []string{"0.0.0.0/0 via 192.0.2.2 dev wan"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Want(routes(tt.main), routes(tt.own), isTunnel)
			if diff := cmp.Diff(tt.want, texts(got.Routes)); diff != "" {
				t.Errorf("routes (-want +got):\n%s", diff)
			}
			var rules []string
			for six, family := range map[bool]string{false: "", true: "IPv6 "} {
				if slices.ContainsFunc(got.Routes, func(r rtnl.Route) bool { return r.Dst.Addr().Is6() == six }) {
					for _, service := range []string{"17 dport 123", "17 dport 53", "6 dport 53"} {
						rules = append(rules, family+"priority 8787 iif lo ipproto "+service+" lookup 8787")
					}
				}
			}
			var gotRules []string
			for _, r := range got.Rules {
				gotRules = append(gotRules, r.String())
			}
			slices.Sort(rules)
			slices.Sort(gotRules)
			if diff := cmp.Diff(rules, gotRules); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			again := Want(routes(tt.main), got.Routes, isTunnel)
			if diff := cmp.Diff(texts(got.Routes), texts(again.Routes)); diff != "" {
				t.Errorf("once it is there (-first +then):\n%s", diff)
			}
		})
	}
}

// router returns a kernel with an uplink, and a tunnel that holds everything.
func router() *rtnl.Fake {
	f := rtnl.NewFake()
	f.PutLink(rtnl.Link{Name: "wan", Up: true})
	f.PutLink(rtnl.Link{Name: "wg0", Kind: "wireguard", Up: true})
	f.PutLink(rtnl.Link{Name: "wgu", Kind: "tun", Up: true})
	for _, s := range []string{
		"0.0.0.0/0 via 192.0.2.1 dev wan", "192.0.2.0/24 dev wan", "0.0.0.0/1 dev wg0", "128.0.0.0/1 dev wg0",
		"::/0 via fe80::1 dev wan metric 512", "::/1 dev wgu metric 1024",
		"10.0.0.0/8 dev wan table 8787", // somebody else's
		"10.0.0.0/8 dev wan table 100 proto 87",
	} {
		f.PutRoute(route(s))
	}
	f.PutRule(rtnl.Rule{Priority: 1, Table: 100})
	return f
}

func ops(f *rtnl.Fake) (out []rtnl.Op) {
	for _, w := range f.Writes() {
		out = append(out, w.Op)
	}
	return slices.Compact(out)
}

func TestApply(t *testing.T) {
	f := router()
	apply := func(on bool, want int, wantOps ...rtnl.Op) {
		t.Helper()
		f.Forget()
		wrote, err := Apply(f, on, "wgu")
		if err != nil || wrote != want || len(f.Writes()) != want {
			t.Errorf("wrote %d, and says %d, %v; want %d", len(f.Writes()), wrote, err, want)
		}
		if got := ops(f); !slices.Equal(got, wantOps) {
			t.Errorf("wrote %q, want %q", got, wantOps)
		}
	}
	apply(false, 0)
	apply(true, 3+6, rtnl.OpReplaceRoute, rtnl.OpAddRule)
	for range 3 {
		apply(true, 0)
	}
	// The uplink's gateway is another now.
	f.PutRoute(route("0.0.0.0/0 via 192.0.2.2 dev wan"))
	apply(true, 1, rtnl.OpReplaceRoute)
	// IPv6 is gone.
	if err := f.DeleteRoute(route("::/0 via fe80::1 dev wan metric 512")); err != nil {
		t.Fatal(err)
	}
	apply(true, 3+1, rtnl.OpDeleteRule, rtnl.OpDeleteRoute)
	// One who was killed has left half of it.
	if err := f.DeleteRoute(route("0.0.0.0/0 via 192.0.2.2 dev wan table 8787 proto 87")); err != nil {
		t.Fatal(err)
	}
	f.PutRule(rtnl.Rule{Priority: 42, Table: Table})
	apply(true, 2, rtnl.OpReplaceRoute, rtnl.OpDeleteRule)
	apply(false, 3+2, rtnl.OpDeleteRule, rtnl.OpDeleteRoute)
	apply(false, 0)
	if got, err := f.Rules(); err != nil || len(got) != 1 {
		t.Errorf("rules that are left: %v, %v", got, err)
	}
	if got, err := f.Routes(Table); err != nil || len(got) != 1 || got[0].Protocol != protoStatic {
		t.Errorf("routes that are left: %v, %v", got, err)
	}
	if got, err := f.Routes(100); err != nil || len(got) != 1 {
		t.Errorf("routes of table 100 that are left: %v, %v", got, err)
	}
}

// TestRefused: what the kernel refuses keeps nothing else from being written, and
// nothing is written where it cannot be read.
func TestRefused(t *testing.T) {
	refused := errors.New("refused")
	for _, op := range []rtnl.Op{rtnl.OpRoutes, rtnl.OpRules, rtnl.OpLinks} {
		f := router()
		f.Fail = func(w rtnl.Write) error {
			if w.Op == op {
				return refused
			}
			return nil
		}
		wrote, err := Apply(f, true)
		if !errors.Is(err, refused) || wrote != 0 || len(f.Writes()) != 0 {
			t.Errorf("%s fails: %d, %v, %v", op, wrote, err, f.Writes())
		}
	}
	f := router()
	f.Fail = func(w rtnl.Write) error {
		if w.Rule.IPv6 || w.Route.Gateway.Is4() {
			return refused
		}
		return nil
	}
	if _, err := Apply(f, true, "wgu"); !errors.Is(err, refused) {
		t.Error(err)
	}
	f.Fail = nil
	f.Forget()
	if wrote, err := Apply(f, true, "wgu"); err != nil || wrote != 3+1 {
		t.Errorf("then %d, %v; want the 4 that were refused", wrote, err)
	}
}

func TestSync(t *testing.T) {
	f := router()
	plan := Want([]rtnl.Route{route("0.0.0.0/0 via 192.0.2.1 dev wan")}, nil, isTunnel)
	for _, step := range []struct {
		plan Plan
		want int
	}{{plan, 1 + 3}, {plan, 0}, {Plan{}, 1 + 3}, {Plan{}, 0}} {
		if got, err := Sync(f, step.plan); err != nil || got != step.want {
			t.Errorf("wrote %d, %v; want %d", got, err, step.want)
		}
	}
}

func TestFull(t *testing.T) {
	for _, tt := range []struct {
		routes string
		want   bool
	}{
		{"", false},
		{"0.0.0.0/0", true},
		{"::/0", true},
		{"0.0.0.0/1 128.0.0.0/1", true},
		{"2000::/3", true},
		{"::/1 8000::/1", true},
		{"10.0.0.0/8 fd00::/8", false},
		{"0.0.0.0/1", false},
		{"8000::/1 fe80::/10", false},
		{"0.0.0.0/1 0.0.0.0/1 64.0.0.0/2 10.0.0.0/8", false},
		{"64.0.0.0/2 0.0.0.0/1 128.0.0.0/32", true},
		{"2000::/4 2800::/5 2000::/16", false},
		{"3000::/4 2000::/5 2000::/16", true},
		// Everything but private addresses.
		{"0.0.0.0/5 8.0.0.0/7 11.0.0.0/8 12.0.0.0/6 16.0.0.0/4 32.0.0.0/3 64.0.0.0/2 128.0.0.0/3 160.0.0.0/5 168.0.0.0/6", true},
	} {
		var list []netip.Prefix
		for s := range strings.FieldsSeq(tt.routes) {
			list = append(list, netip.MustParsePrefix(s))
		}
		before := slices.Clone(list)
		if got := Full(list); got != tt.want {
			t.Errorf("%s: %v", tt.routes, got)
		}
		if !slices.Equal(before, list) {
			t.Errorf("%s became %v", tt.routes, list)
		}
	}
}

// BenchmarkWant plans beside a tunnel with 8,000 routes.
func BenchmarkWant(b *testing.B) {
	list := routes([]string{"0.0.0.0/0 via 192.0.2.1 dev wan", "192.0.2.0/24 dev wan"})
	for n := range 8000 {
		dst := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24)
		list = append(list, rtnl.Route{Dst: dst, Device: "wg0", Table: rtnl.TableMain, Protocol: protoStatic})
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := Want(list, nil, isTunnel); len(got.Routes) != 2 {
			b.Fatal(got)
		}
	}
}
