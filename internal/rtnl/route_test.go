package rtnl

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compare = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}

func route(dst, gateway, device string) Route {
	r := Route{Dst: netip.MustParsePrefix(dst), Device: device, Protocol: Protocol}
	if gateway != "" {
		r.Gateway = netip.MustParseAddr(gateway)
	}
	return r
}

func with(r Route, change func(*Route)) Route {
	change(&r)
	return r
}

func TestDiff(t *testing.T) {
	var (
		a     = route("10.0.0.0/8", "", "wg0")
		b     = route("fd00::/8", "", "wg0")
		c     = route("192.0.2.1/32", "198.51.100.1", "eth0")
		moved = route("192.0.2.1/32", "198.51.100.2", "eth0")
		other = with(c, func(r *Route) { r.Device = "eth1" })
		read  = func(r Route) Route { // as the kernel says it
			r.Table, r.Ifindex = TableMain, 5
			if r.Dst.Addr().Is6() && r.Metric == 0 {
				r.Metric = 1024
			}
			return r
		}
	)
	tests := []struct {
		name              string
		want, have        []Route
		wantAdd, wantLess []Route
	}{
		{name: "nothing"},
		{name: "new", want: []Route{a, b}, wantAdd: []Route{a, b}},
		{name: "gone", have: []Route{read(a), read(b)}, wantLess: []Route{read(a), read(b)}},
		{name: "the same", want: []Route{a, b, c}, have: []Route{read(c), read(b), read(a)}},
		{name: "another gateway", want: []Route{moved}, have: []Route{read(c)}, wantAdd: []Route{moved}},
		{name: "another device", want: []Route{other}, have: []Route{read(c)}, wantAdd: []Route{other}},
		{
			name: "another metric", want: []Route{with(a, func(r *Route) { r.Metric = 7 })}, have: []Route{read(a)},
			wantAdd: []Route{with(a, func(r *Route) { r.Metric = 7 })}, wantLess: []Route{read(a)},
		},
		{
			name: "another table", want: []Route{with(a, func(r *Route) { r.Table = 100 })}, have: []Route{read(a)},
			wantAdd: []Route{with(a, func(r *Route) { r.Table = 100 })}, wantLess: []Route{read(a)},
		},
		{name: "onlink", want: []Route{with(c, func(r *Route) { r.OnLink = true })}, have: []Route{read(c)}, wantAdd: []Route{with(c, func(r *Route) { r.OnLink = true })}},
		{
			name: "metric 1024 of IPv6 is that of IPv4 not", want: []Route{with(a, func(r *Route) { r.Metric = 1024 }), with(b, func(r *Route) { r.Metric = 1024 })},
			have: []Route{read(a), read(b)}, wantAdd: []Route{with(a, func(r *Route) { r.Metric = 1024 })}, wantLess: []Route{read(a)},
		},
		{name: "host bits", want: []Route{route("10.9.9.9/8", "", "wg0")}, have: []Route{read(a)}},
		{name: "twice", want: []Route{a, a}, wantAdd: []Route{a}},
		{name: "not ours", have: []Route{with(read(a), func(r *Route) { r.Protocol = 4 })}},
		{
			name: "not ours in the place of ours", want: []Route{a}, have: []Route{with(read(a), func(r *Route) { r.Protocol = 4 })},
			wantAdd: []Route{a},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			add, remove := Diff(tt.want, tt.have)
			if diff := cmp.Diff(tt.wantAdd, add, compare); diff != "" {
				t.Errorf("add (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantLess, remove, compare); diff != "" {
				t.Errorf("remove (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRouteString(t *testing.T) {
	tests := []struct {
		r    Route
		want string
	}{
		{route("10.0.0.0/8", "", "wg0"), "10.0.0.0/8 dev wg0"},
		{with(route("::/0", "fe80::1", "eth0"), func(r *Route) { r.Table, r.Metric = 100, 7 }), "::/0 via fe80::1 dev eth0 table 100 metric 7"},
		{with(route("0.0.0.0/0", "192.0.2.1", ""), func(r *Route) { r.Table = 254 }), "0.0.0.0/0 via 192.0.2.1"},
	}
	for _, tt := range tests {
		if got := tt.r.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rt_tables")
	text := "#\n# reserved values\n#\n255\tlocal\n254\tmain\n#7 comment\n100 vpn\n  200\twan # no comment\n0x12 hex\n0 zero\n4294967295 last\n999"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		want uint32
		err  string
	}{
		{name: "", want: 254},
		{name: "main", want: 254},
		{name: "local", want: 255},
		{name: "default", want: 253},
		{name: "100", want: 100},
		{name: "0x64", want: 100},
		{name: "0144", want: 100},
		{name: "4294967295", want: 4294967295},
		{name: "vpn", want: 100},
		{name: "wan", want: 200},
		{name: "hex", want: 0x12},
		{name: "last", want: 4294967295},
		{name: "0", err: "from 1 to"},
		{name: "4294967296", err: "from 1 to"},
		{name: "99999999999999999999999", err: "from 1 to"},
		{name: "comment", err: "no number"},
		{name: "zero", err: "no number"},
		{name: "nobody", err: "no number"},
		{name: "-1", err: "no number"},
		{name: "1x", err: "no number"},
		{name: "0x", err: "no number"},
		{name: "09", err: "no number"},
	}
	for _, tt := range tests {
		got, err := tableIn(file, tt.name)
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%q: %d, %v; want %d", tt.name, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), tt.name)):
			t.Errorf("%q: %d, %v; want an error with %q", tt.name, got, err, tt.err)
		}
	}
	if got, err := tableIn(filepath.Join(t.TempDir(), "nothing"), "main"); err != nil || got != 254 {
		t.Errorf("without the file: %d, %v", got, err)
	}
	if _, err := tableIn(filepath.Join(t.TempDir(), "nothing"), "vpn"); err == nil {
		t.Error("without the file a name is known")
	}
}

// The fake takes routes as the kernel does.
func TestFakeRoutes(t *testing.T) {
	f := NewFake()
	f.PutRoute(with(route("0.0.0.0/0", "192.0.2.1", "eth0"), func(r *Route) { r.Protocol = 4 }))
	six := route("fd00::/8", "", "wg0")
	if err := f.ReplaceRoute(six, route("10.1.2.3/8", "", "wg0"), with(six, func(r *Route) { r.Table = 100 })); err != nil {
		t.Fatal(err)
	}
	got, err := f.Routes(0)
	if err != nil {
		t.Fatal(err)
	}
	main := func(r Route) Route { r.Table = TableMain; return r }
	want := []Route{
		main(with(route("0.0.0.0/0", "192.0.2.1", "eth0"), func(r *Route) { r.Protocol = 4 })),
		main(route("10.0.0.0/8", "", "wg0")),
		main(with(six, func(r *Route) { r.Metric = 1024 })),
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(f.Writes()); n != 3 {
		t.Errorf("%d writes, want 3", n)
	}
	// Somebody else's route is not deleted as ours.
	if err := f.DeleteRoute(route("0.0.0.0/0", "192.0.2.1", "eth0"), six); err != nil {
		t.Fatal(err)
	}
	if got, _ := f.Routes(TableMain); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
	f.DropLink("wg0")
	if got, _ := f.DeviceRoutes("wg0"); len(got) != 0 {
		t.Errorf("left of a link that is gone: %v", got)
	}
	f.Strict = true
	if err := f.ReplaceRoute(six); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want one that matches fs.ErrNotExist", err)
	}
}
