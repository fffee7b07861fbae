package plan_test

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

var (
	now  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	opts = cmp.Options{
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmpopts.EquateEmpty(),
	}
)

// key returns a key. Private ones of numbers with the same quotient by 8 are the
// same to WireGuard.
func key(n byte) schema.Key { return schema.Key{n, 31: 1} }

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for n, s := range list {
		out[n] = netip.MustParsePrefix(s)
	}
	return out
}

func addrPort(s string) netip.AddrPort {
	if s == "" {
		return netip.AddrPort{}
	}
	return netip.MustParseAddrPort(s)
}

func ptr[T any](v T) *T { return &v }

// device applies changes as the kernel does, so that a test can see what comes of
// them: an allowed IP is with the peer that got it last.
func device(have plan.Actual, c plan.Changes) plan.Actual {
	out := have
	if c.PrivateKey != nil {
		out.PrivateKey = *c.PrivateKey
	}
	if c.ListenPort != nil {
		out.ListenPort = *c.ListenPort
	}
	if c.FwMark != nil {
		out.FwMark = *c.FwMark
	}
	out.Peers = nil
	for _, p := range have.Peers {
		p.AllowedIPs = slices.Clone(p.AllowedIPs)
		out.Peers = append(out.Peers, p)
	}
	for _, pc := range c.Peers {
		at := slices.IndexFunc(out.Peers, func(p plan.ActualPeer) bool { return p.PublicKey == pc.PublicKey })
		if pc.Remove {
			if at >= 0 {
				out.Peers = slices.Delete(out.Peers, at, at+1)
			}
			continue
		}
		if at < 0 {
			if pc.Update {
				continue
			}
			out.Peers = append(out.Peers, plan.ActualPeer{PublicKey: pc.PublicKey})
			at = len(out.Peers) - 1
		}
		p := &out.Peers[at]
		if pc.PresharedKey != nil {
			p.PresharedKey = *pc.PresharedKey
		}
		if pc.Keepalive != nil {
			p.Keepalive = *pc.Keepalive
		}
		if pc.Endpoint.IsValid() {
			p.Endpoint = pc.Endpoint
		}
		if pc.ReplaceAllowedIPs {
			p.AllowedIPs = nil
		}
		for _, ip := range pc.AllowedIPs {
			for k := range out.Peers {
				out.Peers[k].AllowedIPs = slices.DeleteFunc(out.Peers[k].AllowedIPs, func(x netip.Prefix) bool { return x == ip })
			}
			p.AllowedIPs = append(p.AllowedIPs, ip)
		}
	}
	return out
}

func peerConf(n byte, ips ...string) *schema.Peer {
	return &schema.Peer{Section: "p", PublicKey: key(n), AllowedIPs: prefixes(ips...), Endpoint: schema.Endpoint{Port: 51820}}
}

func withEndpoint(p *schema.Peer, addr string, port uint16) *schema.Peer {
	p.Endpoint = schema.Endpoint{Host: addr, Port: port}
	if a, err := netip.ParseAddr(addr); err == nil {
		p.Endpoint.Addr = a
	}
	return p
}

// TestDiff compares the writes with those that are expected, and applies them:
// afterwards nothing is left to write.
func TestDiff(t *testing.T) {
	base := func() *schema.Interface {
		return &schema.Interface{Name: "wg0", PrivateKey: key(99), ListenPort: 51820, Peers: []*schema.Peer{
			withEndpoint(peerConf(1, "10.0.0.1/32", "10.1.0.0/16"), "192.0.2.1", 51820),
			peerConf(2, "10.0.0.2/32"),
			peerConf(3, "10.0.0.3/32", "fd00::3/128"),
		}}
	}
	up := func(c *schema.Interface) plan.Actual {
		return device(plan.Actual{Exists: true}, plan.Diff(plan.For(c, plan.Facts{Budget: plan.RouteBudget}), &plan.Actual{Exists: true}, nil, now))
	}
	tests := []struct {
		name   string
		change func(c *schema.Interface)
		have   func(a *plan.Actual)
		want   plan.Changes
	}{
		{name: "nothing"},
		{
			name:   "listen port, fwmark and key",
			change: func(c *schema.Interface) { c.ListenPort, c.FwMark, c.PrivateKey = 1000, 7, key(48) },
			want:   plan.Changes{ListenPort: ptr(uint16(1000)), FwMark: ptr(uint32(7)), PrivateKey: ptr(key(48))},
		},
		{
			name:   "a listen port that is not configured stays",
			change: func(c *schema.Interface) { c.ListenPort = 0 },
		},
		{
			name:   "disabled peer goes, the others stay",
			change: func(c *schema.Interface) { c.Peers[1].Disabled = true },
			want:   plan.Changes{Peers: []plan.PeerChange{{PublicKey: key(2), Remove: true}}},
		},
		{
			name:   "invalid peer goes, the others stay",
			change: func(c *schema.Interface) { c.Peers[0].Invalid = true },
			want:   plan.Changes{Peers: []plan.PeerChange{{PublicKey: key(1), Remove: true}}},
		},
		{
			name: "new peer",
			change: func(c *schema.Interface) {
				p := peerConf(4, "10.0.0.4/32")
				p.PresharedKey, p.Keepalive = key(50), 25
				c.Peers = append(c.Peers, p)
			},
			want: plan.Changes{Peers: []plan.PeerChange{{
				PublicKey: key(4), PresharedKey: ptr(key(50)), Keepalive: ptr(uint16(25)), AllowedIPs: prefixes("10.0.0.4/32"),
			}}},
		},
		{
			name: "preshared key and keepalive set, then cleared",
			have: func(a *plan.Actual) { a.Peers[1].PresharedKey, a.Peers[1].Keepalive = key(50), 25 },
			want: plan.Changes{Peers: []plan.PeerChange{{
				PublicKey: key(2), Update: true, PresharedKey: &schema.Key{}, Keepalive: ptr(uint16(0)),
			}}},
		},
		{
			name: "an allowed IP more is added, nothing is replaced",
			change: func(c *schema.Interface) {
				c.Peers[0].AllowedIPs = append(c.Peers[0].AllowedIPs, prefixes("10.9.0.0/16")...)
			},
			want: plan.Changes{Peers: []plan.PeerChange{{PublicKey: key(1), Update: true, AllowedIPs: prefixes("10.9.0.0/16")}}},
		},
		{
			name:   "an allowed IP less replaces the list of that peer",
			change: func(c *schema.Interface) { c.Peers[0].AllowedIPs = prefixes("10.0.0.1/32") },
			want: plan.Changes{Peers: []plan.PeerChange{{
				PublicKey: key(1), Update: true, ReplaceAllowedIPs: true, AllowedIPs: prefixes("10.0.0.1/32"),
			}}},
		},
		{
			name: "an allowed IP that moves is written to the peer that gets it alone",
			change: func(c *schema.Interface) {
				c.Peers[0].AllowedIPs = prefixes("10.0.0.1/32")
				c.Peers[1].AllowedIPs = prefixes("10.0.0.2/32", "10.1.0.0/16")
			},
			want: plan.Changes{Peers: []plan.PeerChange{{PublicKey: key(2), Update: true, AllowedIPs: prefixes("10.1.0.0/16")}}},
		},
		{
			name: "two peers swap their allowed IPs",
			change: func(c *schema.Interface) {
				c.Peers[1].AllowedIPs, c.Peers[2].AllowedIPs = c.Peers[2].AllowedIPs, c.Peers[1].AllowedIPs
			},
			want: plan.Changes{Peers: []plan.PeerChange{
				{PublicKey: key(2), Update: true, AllowedIPs: prefixes("10.0.0.3/32", "fd00::3/128")},
				{PublicKey: key(3), Update: true, AllowedIPs: prefixes("10.0.0.2/32")},
			}},
		},
		{
			name: "a removed peer's allowed IPs go to another",
			change: func(c *schema.Interface) {
				c.Peers[2].Disabled = true
				c.Peers[1].AllowedIPs = prefixes("10.0.0.2/32", "10.0.0.3/32")
			},
			want: plan.Changes{Peers: []plan.PeerChange{
				{PublicKey: key(3), Remove: true},
				{PublicKey: key(2), Update: true, AllowedIPs: prefixes("10.0.0.3/32")},
			}},
		},
		{
			name: "another order of allowed IPs is the same",
			have: func(a *plan.Actual) { slices.Reverse(a.Peers[0].AllowedIPs) },
		},
		{
			name: "a peer that somebody else added goes",
			have: func(a *plan.Actual) { a.Peers = append(a.Peers, plan.ActualPeer{PublicKey: key(77)}) },
			want: plan.Changes{Peers: []plan.PeerChange{{PublicKey: key(77), Remove: true}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := base()
			have := up(c)
			if tt.change != nil {
				tt.change(c)
			}
			if tt.have != nil {
				tt.have(&have)
			}
			want := plan.For(c, plan.Facts{Budget: plan.RouteBudget})
			got := plan.Diff(want, &have, nil, now)
			if diff := cmp.Diff(tt.want, got, opts); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			after := device(have, got)
			if again := plan.Diff(want, &after, nil, now); !again.Empty() {
				t.Errorf("the second time would write %+v", again)
			}
		})
	}
}

// TestRoaming: an endpoint that the peer moved to by itself stays while it works.
func TestRoaming(t *testing.T) {
	const configured = "192.0.2.1"
	tests := []struct {
		name      string
		device    string // endpoint in the device
		handshake time.Time
		applied   plan.Applied
		write     bool
	}{
		{name: "as configured", device: "192.0.2.1:51820"},
		{name: "none in the device", write: true},
		{
			name: "roamed and works", device: "203.0.113.9:4000", handshake: now.Add(-10 * time.Second),
			applied: plan.Applied{key(1): {Host: configured, Port: 51820}},
		},
		{name: "roamed, taken over from another manager", device: "203.0.113.9:4000", handshake: now.Add(-179 * time.Second)},
		{
			name: "roamed and went silent", device: "203.0.113.9:4000", handshake: now.Add(-180 * time.Second), write: true,
			applied: plan.Applied{key(1): {Host: configured, Port: 51820}},
		},
		{
			name: "the user changed the endpoint", device: "192.0.2.99:51820", handshake: now.Add(-10 * time.Second), write: true,
			applied: plan.Applied{key(1): {Host: "192.0.2.99", Port: 51820}},
		},
		{
			name: "the user changed the port", device: "192.0.2.1:1", handshake: now.Add(-10 * time.Second), write: true,
			applied: plan.Applied{key(1): {Host: configured, Port: 1}},
		},
		{name: "never a handshake", device: "203.0.113.9:4000", write: true},
		{name: "clock was set back", device: "203.0.113.9:4000", handshake: now.Add(time.Hour), write: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &schema.Interface{Name: "wg0", PrivateKey: key(99), Peers: []*schema.Peer{withEndpoint(peerConf(1), configured, 51820)}}
			have := plan.Actual{Exists: true, PrivateKey: key(99), Peers: []plan.ActualPeer{
				{PublicKey: key(1), Endpoint: addrPort(tt.device), LastHandshake: tt.handshake},
			}}
			got := plan.Diff(plan.For(c, plan.Facts{Budget: plan.RouteBudget}), &have, tt.applied, now)
			if wrote := len(got.Peers) > 0; wrote != tt.write {
				t.Errorf("writes: %v, want %v", wrote, tt.write)
			}
		})
	}
}

// TestDiffInAnyOrder: peers are told apart by their keys, wherever they stand in the
// configuration and in the device.
func TestDiffInAnyOrder(t *testing.T) {
	for _, tt := range []struct {
		name       string
		want, have string // a letter for each peer
		added      string
		removed    string
	}{
		{"the same", "abcd", "abcd", "", ""},
		{"backwards", "abcd", "dcba", "", ""},
		{"all new", "abcd", "", "abcd", ""},
		{"none left", "", "abcd", "", "abcd"},
		{"one more at the beginning", "xabc", "abc", "x", ""},
		{"one more in the middle", "abxc", "abc", "x", ""},
		{"one more at the end", "abcx", "abc", "x", ""},
		{"one less at the beginning", "bcd", "abcd", "", "a"},
		{"one less in the middle", "abd", "abcd", "", "c"},
		{"one less at the end", "abc", "abcd", "", "d"},
		{"one for another", "abxd", "abcd", "x", "c"},
		{"moved to the end", "bcda", "abcd", "", ""},
		{"swapped", "acbd", "abcd", "", ""},
		{"some of each", "xbdya", "abcde", "xy", "ce"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &schema.Interface{Name: "wg0", PrivateKey: key(99)}
			for _, r := range tt.want {
				p := withEndpoint(peerConf(byte(r), "10.0.0."+strconv.Itoa(int(r))+"/32"), "far.example", 7)
				c.Peers = append(c.Peers, p)
			}
			have := plan.Actual{Exists: true, PrivateKey: key(99)}
			for _, r := range tt.have {
				have.Peers = append(have.Peers, plan.ActualPeer{
					PublicKey: key(byte(r)), AllowedIPs: prefixes("10.0.0." + strconv.Itoa(int(r)) + "/32"),
					Endpoint: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r)}), 7),
				})
			}
			var added, removed string
			d := plan.For(c, plan.Facts{Budget: plan.RouteBudget})
			changes := plan.Diff(d, &have, nil, now)
			for _, p := range changes.Peers {
				switch letter := string(rune(p.PublicKey[0])); {
				case p.Remove:
					removed += letter
				case !p.Update:
					added += letter
				default:
					t.Errorf("%s is changed: %+v", letter, p)
				}
			}
			if added != tt.added || removed != tt.removed {
				t.Errorf("added %q, removed %q; want %q and %q", added, removed, tt.added, tt.removed)
			}
			var at, want string
			for _, a := range plan.Endpoints(d, &have, changes.Peers) {
				at += string(rune(a.As4()[3]))
			}
			for _, r := range tt.want {
				if strings.ContainsRune(tt.have, r) {
					want += string(r)
				}
			}
			if at != want {
				t.Errorf("endpoints of %q, want those of %q", at, want)
			}
		})
	}
}

func TestDiffEndpoints(t *testing.T) {
	c := &schema.Interface{Name: "wg0", PrivateKey: key(99), Peers: []*schema.Peer{
		withEndpoint(peerConf(1), "a.example", 1), withEndpoint(peerConf(2), "b.example", 2),
		withEndpoint(peerConf(3), "192.0.2.3", 3), peerConf(4),
	}}
	want := plan.For(c, plan.Facts{Names: plan.Resolved{"a.example": netip.MustParseAddr("192.0.2.1")}, Budget: plan.RouteBudget})
	got := plan.DiffEndpoints(want, &plan.Actual{}, nil, now)
	if diff := cmp.Diff([]plan.PeerChange{{PublicKey: key(1), Update: true, Endpoint: addrPort("192.0.2.1:1")}}, got, opts); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestRoutes(t *testing.T) {
	conf := func(change func(c *schema.Interface)) *schema.Interface {
		a, b, off := peerConf(1, "0.0.0.0/0", "::/0"), peerConf(2, "10.0.0.0/24", "10.2.0.0/16"), peerConf(3, "10.3.0.0/16")
		a.LostIPs = prefixes("10.0.0.0/24")
		a.RouteAllowedIPs, b.RouteAllowedIPs, off.RouteAllowedIPs = true, true, false
		c := &schema.Interface{Name: "wg0", Peers: []*schema.Peer{a, b, off}}
		change(c)
		return c
	}
	tests := []struct {
		name   string
		change func(c *schema.Interface)
		limit  int
		halves plan.Families
		want   []string
		kernel []string
	}{
		{
			name: "each once, only where asked for", limit: 100 * 124, change: func(*schema.Interface) {},
			want: []string{"0.0.0.0/0", "::/0", "10.0.0.0/24", "10.2.0.0/16"},
		},
		{
			name: "defaultroute 0", limit: 100 * 124, change: func(c *schema.Interface) { c.NoDefaultRoute = true },
			want: []string{"10.0.0.0/24", "10.2.0.0/16"},
		},
		{
			name: "disabled", limit: 100 * 124, change: func(c *schema.Interface) { c.Peers[0].Disabled = true },
			want: []string{"10.0.0.0/24", "10.2.0.0/16"},
		},
		{name: "an allowed IP that a later peer got is routed all the same", limit: 100 * 124, change: func(c *schema.Interface) {
			c.Peers = c.Peers[:1]
			c.Peers[0].AllowedIPs, c.Peers[0].LostIPs = prefixes("10.0.0.0/24"), prefixes("10.7.0.0/16")
		}, want: []string{"10.0.0.0/24", "10.7.0.0/16"}},
		{
			name: "halves", limit: 100 * 124, halves: plan.Families{IPv4: true, IPv6: true}, change: func(*schema.Interface) {},
			want: []string{"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1", "10.0.0.0/24", "10.2.0.0/16"},
		},
		{
			name: "halves of one family", limit: 100 * 124, halves: plan.Families{IPv6: true}, change: func(*schema.Interface) {},
			want: []string{"0.0.0.0/0", "::/1", "8000::/1", "10.0.0.0/24", "10.2.0.0/16"},
		},
		{
			name: "halves that stand there too", limit: 100 * 124, halves: plan.Families{IPv4: true}, change: func(c *schema.Interface) {
				c.Peers[1].AllowedIPs = prefixes("0.0.0.0/1", "128.0.0.0/1")
			},
			want: []string{"0.0.0.0/1", "128.0.0.0/1", "::/0", "10.0.0.0/24"},
		},
		{
			name: "halves and defaultroute 0", limit: 100 * 124, halves: plan.Families{IPv4: true, IPv6: true},
			change: func(c *schema.Interface) { c.NoDefaultRoute = true },
			want:   []string{"10.0.0.0/24", "10.2.0.0/16"},
		},
		{
			name: "halves count as two", limit: 4 * 108, halves: plan.Families{IPv4: true}, change: func(*schema.Interface) {},
			want: []string{"0.0.0.0/1", "10.0.0.0/24", "10.2.0.0/16", "128.0.0.0/1"}, kernel: []string{"::/0"},
		},
		{
			name: "above the limit", limit: 2*108 + 124, change: func(*schema.Interface) {},
			want: []string{"0.0.0.0/0", "10.0.0.0/24", "10.2.0.0/16"}, kernel: []string{"::/0"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := plan.For(conf(tt.change), plan.Facts{Budget: tt.limit, Halves: tt.halves})
			if diff := cmp.Diff(prefixes(tt.want...), d.Routes, opts); diff != "" {
				t.Errorf("routes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(prefixes(tt.kernel...), d.KernelRoutes, opts); diff != "" {
				t.Errorf("kernel routes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRouteLimit(t *testing.T) {
	for _, tt := range []struct {
		counts []int
		max    int
		want   int
	}{
		{[]int{10}, 8000, 8000},
		{[]int{9000}, 8000, 8000},
		{[]int{5000, 5000}, 8000, 4000},
		{[]int{9000, 100}, 8000, 7900},
		{[]int{9000, 9000, 1}, 8000, 3999},
		{nil, 8000, 8000},
		{[]int{3, 3, 3}, 2, 0},
	} {
		got := plan.RouteLimit(tt.counts, tt.max)
		if got != tt.want {
			t.Errorf("RouteLimit(%v, %d) = %d, want %d", tt.counts, tt.max, got, tt.want)
		}
		sum := 0
		for _, n := range tt.counts {
			sum += min(n, got)
		}
		if sum > tt.max {
			t.Errorf("RouteLimit(%v, %d): %d routes in all", tt.counts, tt.max, sum)
		}
	}
}

func TestHostRoutes(t *testing.T) {
	addr := netip.MustParseAddr
	wan := func(dst, gw, dev string, metric uint32) plan.Uplink {
		u := plan.Uplink{Dst: netip.MustParsePrefix(dst), Device: dev, Metric: metric}
		if gw != "" {
			u.Gateway = addr(gw)
		}
		return u
	}
	def := wan("0.0.0.0/0", "192.0.2.254", "eth0", 0)
	lan := wan("192.168.1.0/24", "", "br-lan", 0)
	lte := wan("0.0.0.0/0", "198.51.100.254", "wwan0", 20)
	tests := []struct {
		name      string
		endpoints []string
		tunnel    []string
		uplinks   []plan.Uplink
		uplink    *string
		want      []plan.HostRoute
		lost      []string
	}{
		{name: "split tunnel needs none", endpoints: []string{"203.0.113.1"}, tunnel: []string{"10.0.0.0/8"}, uplinks: []plan.Uplink{def}},
		{
			name: "full tunnel", endpoints: []string{"203.0.113.1", "203.0.113.1"}, tunnel: []string{"0.0.0.0/0"}, uplinks: []plan.Uplink{lan, lte, def},
			want: []plan.HostRoute{{Dst: addr("203.0.113.1"), Gateway: addr("192.0.2.254"), Device: "eth0"}},
		},
		{
			name: "two halves of the default route", endpoints: []string{"203.0.113.1"}, tunnel: []string{"0.0.0.0/1", "128.0.0.0/1"}, uplinks: []plan.Uplink{def},
			want: []plan.HostRoute{{Dst: addr("203.0.113.1"), Gateway: addr("192.0.2.254"), Device: "eth0"}},
		},
		{name: "an endpoint on the LAN is not swallowed", endpoints: []string{"192.168.1.7"}, tunnel: []string{"0.0.0.0/0"}, uplinks: []plan.Uplink{lan, def}},
		{
			name: "on the link: no gateway", endpoints: []string{"192.168.1.7"}, tunnel: []string{"192.168.1.0/24"}, uplinks: []plan.Uplink{lan, def},
			want: []plan.HostRoute{{Dst: addr("192.168.1.7"), Device: "br-lan"}},
		},
		{
			name: "a host route of the user's own is kept", endpoints: []string{"203.0.113.1"}, tunnel: []string{"0.0.0.0/0"},
			uplinks: []plan.Uplink{def, wan("203.0.113.1/32", "198.51.100.254", "wwan0", 0)},
		},
		{
			name: "the tunnel's own default route is no uplink", endpoints: []string{"203.0.113.1"}, tunnel: []string{"0.0.0.0/0"},
			uplinks: []plan.Uplink{wan("0.0.0.0/0", "", "wg0", 0)}, lost: []string{"203.0.113.1"},
		},
		{
			name: "IPv6", endpoints: []string{"2001:db8::1"}, tunnel: []string{"0.0.0.0/0", "::/0"}, uplinks: []plan.Uplink{def, wan("::/0", "fe80::1", "eth0", 512)},
			want: []plan.HostRoute{{Dst: addr("2001:db8::1"), Gateway: addr("fe80::1"), Device: "eth0"}},
		},
		{name: "no IPv6 uplink", endpoints: []string{"2001:db8::1"}, tunnel: []string{"::/0"}, uplinks: []plan.Uplink{def}, lost: []string{"2001:db8::1"}},
		{
			name: "tunlink picks another uplink", endpoints: []string{"203.0.113.1"}, uplinks: []plan.Uplink{def, lte}, uplink: ptr("wwan0"),
			want: []plan.HostRoute{{Dst: addr("203.0.113.1"), Gateway: addr("198.51.100.254"), Device: "wwan0"}},
		},
		{name: "tunlink is the way it goes anyway", endpoints: []string{"203.0.113.1"}, uplinks: []plan.Uplink{def, lte}, uplink: ptr("eth0")},
		{
			name: "the user's own route decides, whatever tunlink says", endpoints: []string{"203.0.113.1"},
			uplinks: []plan.Uplink{def, lte, wan("203.0.113.1/32", "192.0.2.254", "eth0", 0)}, uplink: ptr("wwan0"),
		},
		{name: "tunlink is down", endpoints: []string{"203.0.113.1"}, uplinks: []plan.Uplink{def}, uplink: ptr(""), lost: []string{"203.0.113.1"}},
		{name: "link-local is never routed", endpoints: []string{"fe80::1%eth0", "127.0.0.1"}, tunnel: []string{"::/0", "0.0.0.0/0"}, uplinks: []plan.Uplink{def}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var endpoints, lost []netip.Addr
			for _, e := range tt.endpoints {
				endpoints = append(endpoints, addr(e))
			}
			for _, e := range tt.lost {
				lost = append(lost, addr(e))
			}
			got, gotLost := plan.HostRoutes(endpoints, "wg0", prefixes(tt.tunnel...), tt.uplinks, tt.uplink)
			if diff := cmp.Diff(tt.want, got, opts); diff != "" {
				t.Errorf("host routes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(lost, gotLost, opts); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
			swallowed := plan.Swallowed(endpoints, prefixes(tt.tunnel...))
			for _, r := range got {
				if tt.uplink == nil && !slices.Contains(swallowed, r.Dst) {
					t.Errorf("%v has a host route and does not count as swallowed", r.Dst)
				}
			}
		})
	}
}

// FuzzDiff: whatever device and configuration are, one run of writes makes the
// device what is wanted and a second one has nothing to write.
func FuzzDiff(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, []byte{4, 3, 2, 1})
	f.Add([]byte{0x11, 0x12, 0x21, 0x22, 0x33}, []byte{0x12, 0x11, 0x22, 0x31})
	f.Fuzz(func(t *testing.T, want, have []byte) {
		// One byte: the high half is the peer, the low half an allowed IP, which
		// belongs to one peer only.
		owners := func(data []byte) map[byte]byte {
			m := map[byte]byte{}
			for _, b := range data {
				m[b&15] = b >> 4
			}
			return m
		}
		lists := func(m map[byte]byte) (out [16][]netip.Prefix) {
			for ip, p := range m {
				out[p] = append(out[p], netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, ip}), 32))
			}
			return out
		}
		c := &schema.Interface{Name: "wg0", PrivateKey: key(200)}
		var dev plan.Actual
		for p, list := range lists(owners(want)) {
			if len(list) > 0 {
				c.Peers = append(c.Peers, &schema.Peer{PublicKey: key(byte(p)), AllowedIPs: list})
			}
		}
		for p, list := range lists(owners(have)) {
			if len(list) > 0 {
				dev.Peers = append(dev.Peers, plan.ActualPeer{PublicKey: key(byte(p)), AllowedIPs: list})
			}
		}
		d := plan.For(c, plan.Facts{Budget: plan.RouteBudget})
		after := device(dev, plan.Diff(d, &dev, nil, now))
		if again := plan.Diff(d, &after, nil, now); !again.Empty() {
			t.Errorf("the second time would write %+v", again)
		}
		for _, p := range d.Peers {
			at := slices.IndexFunc(after.Peers, func(a plan.ActualPeer) bool { return a.PublicKey == p.PublicKey })
			if at < 0 || !sameSet(after.Peers[at].AllowedIPs, p.AllowedIPs) {
				t.Errorf("peer %v is not what is wanted", p.PublicKey)
			}
		}
		if len(after.Peers) != len(d.Peers) {
			t.Errorf("%d peers, want %d", len(after.Peers), len(d.Peers))
		}
	})
}

func sameSet(a, b []netip.Prefix) bool {
	if len(a) != len(b) {
		return false
	}
	for _, p := range a {
		if !slices.Contains(b, p) {
			return false
		}
	}
	return true
}

func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		c := &schema.Interface{Name: "wg0", PrivateKey: key(200)}
		for k := range n {
			pub := schema.Key{byte(k), byte(k >> 8), byte(k >> 16), 31: 1}
			c.Peers = append(c.Peers, &schema.Peer{PublicKey: pub, AllowedIPs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(k >> 16), byte(k >> 8), byte(k)}), 32)}})
		}
		d := plan.For(c, plan.Facts{Budget: plan.RouteBudget})
		empty := plan.Actual{}
		full := device(plan.Actual{}, plan.Diff(d, &empty, nil, now))
		b.Run("unchanged/peers="+itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c := plan.Diff(d, &full, nil, now); !c.Empty() {
					b.Fatal("changes")
				}
			}
		})
	}
}

func itoa(n int) string { return map[int]string{100: "100", 1000: "1000", 10000: "10000"}[n] }
