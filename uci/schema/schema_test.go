package schema_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Keys made for the tests: private, and the public ones of two others.
const (
	privKey  = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
	ownKey   = "Y2FD6uTgrq+/bbBAXCNOtE+PGk8Papoh7qaWBpQUXn0="
	peerKey1 = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
	peerKey2 = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
	psk      = "/UwcSPg38hW/D9Y3tcS1FOV0K1wuURMbS0sesJEP5ak="
)

func load(t testing.TB, text string) *schema.Interface {
	t.Helper()
	pkg, err := uci.Parse("network", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	i, err := schema.Load(pkg, "wg0")
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func wg0(options ...string) string {
	return "config interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key '" + privKey + "'\n" + lines(options)
}

func peer(options ...string) string { return "config wireguard_wg0\n" + lines(options) }

func lines(options []string) string {
	var b strings.Builder
	for _, o := range options {
		b.WriteString("\t" + o + "\n")
	}
	return b.String()
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func key(t testing.TB, s string) schema.Key {
	t.Helper()
	k, err := schema.ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var equatePrefixes = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

// TestEveryOption reads a section that has every option that upstream's handler
// knows, in upstream's meaning.
func TestEveryOption(t *testing.T) {
	i := load(t, wg0(
		"option listen_port '51821'",
		"list addresses '10.0.0.1/24'", "list addresses 'fd00::1'", "list addresses '10.9.9.9'",
		"option mtu '1380'", "option fwmark '0x1F'",
		"list ip6prefix '2001:db8:0:100::/56'",
		"option nohostroute '1'", "option tunlink 'wan'",
		"option metric '10'", "option ip4table 'vpn'", "option ip6table '100'", "option defaultroute '0'",
	)+peer(
		"option public_key '"+peerKey1+"'", "option preshared_key '"+psk+"'",
		"list allowed_ips '10.0.0.2'", "list allowed_ips 'fd00::2/128'", "option route_allowed_ips 'on'",
		"option endpoint_host '[2001:db8::7]'", "option endpoint_port '1234'",
		"option persistent_keepalive '25'", "option description 'phone'",
	)+"config wireguard_wg0 'branch'\n"+lines([]string{
		"option public_key '" + peerKey2 + "'", "option endpoint_host 'vpn.example.org'", "option disabled 'yes'",
	}))
	want := &schema.Interface{
		Name: "wg0", PrivateKey: key(t, privKey), ListenPort: 51821, MTU: 1380, FwMark: 0x1f,
		PublicKey:   key(t, ownKey),
		Addresses:   prefixes("10.0.0.1/24", "fd00::1/128", "10.9.9.9/32"),
		IP6Prefixes: []string{"2001:db8:0:100::/56"},
		NoHostRoute: true, TunLink: "wan", Metric: 10, HasMetric: true, IP4Table: "vpn", IP6Table: "100", NoDefaultRoute: true,
		Peers: []*schema.Peer{
			{
				Section: "@wireguard_wg0[0]", Description: "phone",
				PublicKey: key(t, peerKey1), PresharedKey: key(t, psk),
				AllowedIPs: prefixes("10.0.0.2/32", "fd00::2/128"), RouteAllowedIPs: true,
				Endpoint:         schema.Endpoint{Host: "2001:db8::7", Addr: netip.MustParseAddr("2001:db8::7"), Port: 1234},
				EndpointFailback: schema.DefaultFailback, Keepalive: 25,
			},
			{
				Section: "branch", ID: "branch", PublicKey: key(t, peerKey2), Disabled: true,
				Endpoint:         schema.Endpoint{Host: "vpn.example.org", Port: 51820},
				EndpointFailback: schema.DefaultFailback,
			},
		},
	}
	if i.Peers[0].ID == "" {
		t.Error("the anonymous section has no ID")
	}
	i.Peers[0].ID = ""
	if diff := cmp.Diff(want, i, equatePrefixes, cmpopts.IgnoreUnexported(schema.Interface{})); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// TestLists: lists are taken as lists, or as one string with blanks or commas
// (openwrt/openwrt#21411), the third and later entries as well
// (openwrt/openwrt#21847), and addresses are not lost (openwrt/openwrt#22102).
func TestLists(t *testing.T) {
	want := prefixes("10.0.0.0/24", "10.1.0.0/16", "10.2.0.0/16", "fd00::/64")
	for _, options := range [][]string{
		{"list K '10.0.0.0/24'", "list K '10.1.0.0/16'", "list K '10.2.0.0/16'", "list K 'fd00::/64'"},
		{"option K '10.0.0.0/24 10.1.0.0/16 10.2.0.0/16 fd00::/64'"},
		{"option K '10.0.0.0/24,10.1.0.0/16,10.2.0.0/16,fd00::/64'"},
		{"option K '10.0.0.0/24, 10.1.0.0/16 ,\t10.2.0.0/16,,fd00::/64 '"},
		{"list K '10.0.0.0/24,10.1.0.0/16'", "list K '10.2.0.0/16 fd00::/64'"},
	} {
		name := strings.Join(options, " ")
		t.Run(name, func(t *testing.T) {
			with := func(k string) (out []string) {
				for _, o := range options {
					out = append(out, strings.Replace(o, "K", k, 1))
				}
				return out
			}
			i := load(t, wg0(with("addresses")...)+peer(append(with("allowed_ips"), "option public_key '"+peerKey1+"'")...))
			if diff := cmp.Diff(want, i.Peers[0].AllowedIPs, equatePrefixes); diff != "" {
				t.Errorf("allowed_ips (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, i.Addresses, equatePrefixes); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
			if len(i.Problems) != 0 {
				t.Errorf("problems: %v", i.Problems)
			}
		})
	}
}

// TestPresharedKeyIsRead guards openwrt/openwrt#21847: upstream's handler read
// the option peer_psk, which nobody writes.
func TestPresharedKeyIsRead(t *testing.T) {
	i := load(t, wg0()+peer("option public_key '"+peerKey1+"'", "option preshared_key '"+psk+"'"))
	if got := i.Peers[0].PresharedKey; got != key(t, psk) {
		t.Error("the preshared key was not read")
	}
}

// TestEndpointForms guards openwrt/openwrt#22116 (crash on an IPv6 endpoint).
func TestEndpointForms(t *testing.T) {
	for _, tt := range []struct {
		host string
		want string // the address, "name", or "" for refused
	}{
		{"192.0.2.1", "192.0.2.1"},
		{"2001:db8::1", "2001:db8::1"},
		{"[2001:db8::1]", "2001:db8::1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"fe80::1%eth0", "fe80::1%eth0"},
		{"vpn.example.org", "name"},
		{"router.local.", "name"},
		{"my_host", "name"},
		{"192.0.2.1:51820", ""},
		{"vpn.example.org:51820", ""},
		{"256.1.1.1", ""},
		{"192.0.2", ""},
		{"bad host", ""},
		{"-x.example", ""},
		{"a..b", ""},
		{"ex'ample", ""},
		{strings.Repeat("a", 64) + ".org", ""},
	} {
		t.Run(tt.host, func(t *testing.T) {
			pkg := &uci.Package{Name: "network", Sections: []*uci.Section{
				{Type: "interface", Name: "wg0", Options: []*uci.Option{
					{Name: "proto", Values: []string{"wireguard"}}, {Name: "private_key", Values: []string{privKey}},
				}},
				{Type: "wireguard_wg0", Name: "p", Options: []*uci.Option{
					{Name: "public_key", Values: []string{peerKey1}}, {Name: "endpoint_host", Values: []string{tt.host}},
				}},
			}}
			i, err := schema.Load(pkg, "wg0")
			if err != nil {
				t.Fatal(err)
			}
			p := i.Peers[0]
			switch {
			case tt.want == "":
				if !p.Invalid || !p.Endpoint.IsZero() {
					t.Errorf("taken as %+v", p.Endpoint)
				}
			case tt.want == "name":
				if p.Invalid || p.Endpoint.Addr.IsValid() || p.Endpoint.Host != tt.host {
					t.Errorf("got %+v, problems %v", p.Endpoint, p.Problems)
				}
			case p.Invalid || p.Endpoint.Addr.String() != tt.want:
				t.Errorf("got %+v, problems %v", p.Endpoint, p.Problems)
			}
		})
	}
}

// TestProblems: each bad value is named with network.SECTION.OPTION, the value
// and what is right; a secret's value never is.
func TestProblems(t *testing.T) {
	long := strings.Repeat("x", 500)
	tests := []struct {
		name    string
		iface   []string
		peer    []string // besides the public key
		want    []string
		invalid bool
	}{
		{
			name: "prefix too long", peer: []string{"list allowed_ips '10.0.0.0/33'"}, invalid: true,
			want: []string{`network.@wireguard_wg0[0].allowed_ips: "10.0.0.0/33": prefix length is over 32`},
		},
		{
			name: "prefix is a word", peer: []string{"list allowed_ips 'lan'"}, invalid: true,
			want: []string{`network.@wireguard_wg0[0].allowed_ips: "lan": an IPv4 or IPv6 address with or without a prefix length is right here, such as 10.0.0.2/32 or fd00::2/128`},
		},
		{
			name: "prefix length empty", peer: []string{"list allowed_ips '10.0.0.0/'"}, invalid: true,
			want: []string{`network.@wireguard_wg0[0].allowed_ips: "10.0.0.0/": the prefix length behind the / is not a number`},
		},
		{
			name: "two bad prefixes", peer: []string{"list allowed_ips '10.0.0.0/33'", "list allowed_ips '10.0.0.0/8'", "list allowed_ips 'fd00::/129'"}, invalid: true,
			want: []string{
				`network.@wireguard_wg0[0].allowed_ips: "10.0.0.0/33": prefix length is over 32`,
				`network.@wireguard_wg0[0].allowed_ips: "fd00::/129": prefix length is over 128`,
			},
		},
		{
			name: "port", peer: []string{"option endpoint_port '70000'"}, invalid: true,
			want: []string{`network.@wireguard_wg0[0].endpoint_port: "70000": a whole number from 1 to 65535 is right here`},
		},
		{
			name: "keepalive", peer: []string{"option persistent_keepalive '70000'"}, invalid: true,
			want: []string{`network.@wireguard_wg0[0].persistent_keepalive: "70000": seconds from 0 (off) to 65535 are right here; 25 is usual behind NAT`},
		},
		{
			name: "preshared key", peer: []string{"option preshared_key 'secret'"}, invalid: true,
			want: []string{`network.@wireguard_wg0[0].preshared_key: ` + schema.ErrKey.Error()},
		},
		{
			name: "boolean", peer: []string{"option route_allowed_ips 'maybe'"},
			want: []string{`network.@wireguard_wg0[0].route_allowed_ips: "maybe": 1 or 0 is right here (on/off, true/false, yes/no, enabled/disabled as well); ignored`},
		},
		{
			name: "list where one is right", peer: []string{"list endpoint_host 'a'", "list endpoint_host 'b'"}, invalid: true,
			want: []string{`network.@wireguard_wg0[0].endpoint_host: "b": one value is right here, not a list`},
		},
		{
			name: "long value", peer: []string{"list allowed_ips '" + long + "'"}, invalid: true,
			want: []string{`network.@wireguard_wg0[0].allowed_ips: "` + long[:64] + `…": an IPv4 or IPv6 address with or without a prefix length is right here, such as 10.0.0.2/32 or fd00::2/128`},
		},
		{
			name: "interface options", iface: []string{"option listen_port '-1'", "option mtu '12'", "option fwmark 'red'", "list addresses '10.0.0.1/40'", "list addresses '10.0.0.1/24'", "list ip6prefix '10.0.0.0/8'", "list ip6prefix 'fd00::/65'"},
			want: []string{
				`network.wg0.listen_port: "-1": a whole number from 0 to 65535 is right here`,
				`network.wg0.mtu: "12": a whole number from 68 to 65535 is right here`,
				`network.wg0.fwmark: "red": a 32-bit number such as 0x100 or 256, or 'off', is right here`,
				`network.wg0.addresses: "10.0.0.1/40": prefix length is over 32`,
				`network.wg0.ip6prefix: "10.0.0.0/8": an IPv6 prefix of length 1 to 64 is right here`,
				`network.wg0.ip6prefix: "fd00::/65": an IPv6 prefix of length 1 to 64 is right here`,
			},
		},
		// openwrt/packages#19715: upstream hands the host bits on, and the route is refused.
		{
			name: "host bits", peer: []string{"list allowed_ips '10.11.0.2/16'"},
			want: []string{`network.@wireguard_wg0[0].allowed_ips: "10.11.0.2/16": has bits behind its prefix length; used as 10.11.0.0/16`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := load(t, wg0(tt.iface...)+peer(append([]string{"option public_key '" + peerKey1 + "'"}, tt.peer...)...))
			var got []string
			for _, p := range i.Problems {
				got = append(got, p.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if i.Peers[0].Invalid != tt.invalid {
				t.Errorf("peer invalid: %v, want %v", i.Peers[0].Invalid, tt.invalid)
			}
			if !i.Usable() {
				t.Error("the interface is not usable; a peer or an option never costs it")
			}
		})
	}
}

// TestLoadWith: the interface's public key is asked for once, and only where a peer
// could have the same.
func TestLoadWith(t *testing.T) {
	const nobody = "config interface wg0\n option proto wireguard\n"
	for _, tt := range []struct {
		name, config string
		asked        int
		left         int // peers that are left out
	}{
		{"two peers", wg0() + peer("option public_key '"+peerKey1+"'") + peer("option public_key '"+peerKey2+"'"), 1, 1},
		{"no peer", wg0(), 0, 0},
		{"no peer that could", wg0() + peer("option public_key '"+peerKey1+"'", "option disabled '1'") + peer("option public_key 'x'"), 0, 1},
		{"no private key", nobody + peer("option public_key '"+peerKey1+"'"), 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pkg, err := uci.Parse("network", []byte(tt.config))
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			i, err := schema.LoadWith(pkg, "wg0", func(private schema.Key) schema.Key {
				if asked++; private != key(t, privKey) {
					t.Errorf("asked for the public key of %v", private)
				}
				return key(t, peerKey2)
			})
			if err != nil {
				t.Fatal(err)
			}
			left := 0
			for _, p := range i.Peers {
				if p.Invalid {
					left++
				}
			}
			if asked != tt.asked || left != tt.left || i.PublicKey.IsZero() != (asked == 0) {
				t.Errorf("asked %d times, %d peers left out, public key %v", asked, left, i.PublicKey)
			}
		})
	}
}

// TestBetweenPeers: the interface's own key, the same key twice, and a missing
// one leave a peer out; the first of two with one key stays.
func TestBetweenPeers(t *testing.T) {
	i := load(t, wg0()+
		peer("option public_key '"+ownKey+"'")+
		peer("option public_key '"+peerKey1+"'")+
		peer("option public_key '"+peerKey1+"'")+
		peer("option public_key '"+peerKey1+"'", "option disabled '1'")+
		peer("option description 'no key'")+
		peer("option public_key 'abc'")+
		peer("option public_key '"+strings.Repeat("A", 43)+"='")+
		peer("option public_key '"+peerKey2+"'"))
	own := key(t, privKey).PublicKey()
	if own != key(t, ownKey) {
		t.Fatalf("public key of the test's private key is %v", own)
	}
	var active, got []string
	for _, p := range i.Peers {
		if p.Active() {
			active = append(active, p.Section)
		}
	}
	for _, p := range i.Problems {
		got = append(got, p.Error())
	}
	if diff := cmp.Diff([]string{"@wireguard_wg0[1]", "@wireguard_wg0[7]"}, active); diff != "" {
		t.Errorf("active peers (-want +got):\n%s", diff)
	}
	want := []string{
		`network.@wireguard_wg0[0].public_key: "` + ownKey + `": this is the interface's own public key; the other side's is right here`,
		`network.@wireguard_wg0[2].public_key: "` + peerKey1 + `": the same key as network.@wireguard_wg0[1].public_key; each peer needs a key of its own`,
		`network.@wireguard_wg0[4].public_key: the peer has no public key; without it, it cannot be reached`,
		`network.@wireguard_wg0[5].public_key: "abc": ` + schema.ErrKey.Error(),
		`network.@wireguard_wg0[6].public_key: "` + strings.Repeat("A", 43) + `=": a key of zeros is no key`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestOverlap: of two peers with one allowed IP the later has it, and it is said
// (openwrt/openwrt#16210, openwrt/packages#25974).
func TestOverlap(t *testing.T) {
	i := load(t, wg0()+
		peer("option public_key '"+peerKey1+"'", "option allowed_ips '0.0.0.0/0 10.0.0.1/32'")+
		peer("option public_key '"+peerKey2+"'", "option allowed_ips '0.0.0.0/0'"))
	if diff := cmp.Diff(prefixes("10.0.0.1/32"), i.Peers[0].AllowedIPs, equatePrefixes); diff != "" {
		t.Errorf("first peer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(prefixes("0.0.0.0/0"), i.Peers[1].AllowedIPs, equatePrefixes); diff != "" {
		t.Errorf("second peer (-want +got):\n%s", diff)
	}
	if len(i.Problems) != 1 || i.Problems[0].Level != schema.Note || i.Peers[0].Invalid {
		t.Errorf("problems: %v", i.Problems)
	}
}

func TestPrivateKey(t *testing.T) {
	for _, tt := range []struct {
		option string
		needs  bool
		fatal  string
	}{
		{"", true, ""},
		{"option private_key ''", true, ""},
		{"option private_key ' '", true, ""},
		{"list private_key ''", true, ""},
		{"option private_key 'generate'", true, ""},
		{"option private_key '" + privKey + "'", false, ""},
		{"option private_key 'secret'", false, "network.wg0.private_key: " + schema.ErrKey.Error()},
		{"option private_key '" + strings.Repeat("A", 43) + "='", false, "network.wg0.private_key: a key of zeros is no key"},
	} {
		t.Run(tt.option, func(t *testing.T) {
			i := load(t, "config interface wg0\n option proto wireguard\n "+tt.option+"\n")
			if i.NeedsKey != tt.needs {
				t.Errorf("NeedsKey is %v", i.NeedsKey)
			}
			if i.Usable() != (tt.fatal == "") {
				t.Errorf("Usable is %v", i.Usable())
			}
			if tt.fatal != "" && (len(i.Problems) != 1 || i.Problems[0].Error() != tt.fatal) {
				t.Errorf("problems: %v, want %s", i.Problems, tt.fatal)
			}
		})
	}
}

// TestBlankPublicKey: a peer with nothing but a blank for its key has none.
func TestBlankPublicKey(t *testing.T) {
	for _, option := range []string{"option public_key ' '", "list public_key ''"} {
		i := load(t, wg0()+"config wireguard_wg0\n "+option+"\n")
		if len(i.Peers) != 1 || !i.Peers[0].Invalid || len(i.Problems) != 1 || !strings.Contains(i.Problems[0].Text, "no public key") {
			t.Errorf("%s: %+v", option, i.Problems)
		}
	}
}

// TestNetmask: addresses may have a netmask in place of the length, as LuCI of 24.10
// lets people write it.
func TestNetmask(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1/255.255.255.0":   "10.0.0.1/24",
		"10.0.0.1/255.255.255.255": "10.0.0.1/32",
		"10.0.0.1/0.0.0.0":         "10.0.0.1/0",
		"10.0.0.1/255.0.255.0":     "",
		"10.0.0.1/ffff::":          "",
		"fd00::1/255.255.255.0":    "",
	} {
		i := load(t, wg0("list addresses '"+text+"'"))
		got := ""
		if len(i.Addresses) > 0 {
			got = i.Addresses[0].String()
		}
		if got != want || (len(i.Problems) > 0) != (want == "") {
			t.Errorf("%s: %q, want %q; problems: %v", text, got, want, i.Problems)
		}
	}
}

func TestIP6Prefix(t *testing.T) {
	i := load(t, wg0("option ip6prefix '2001:db8::/56,3600,7200,class=wan 2001:db8:1::/64,fd00::/48'"))
	want := []string{"2001:db8::/56,3600,7200,class=wan", "2001:db8:1::/64", "fd00::/48"}
	if diff := cmp.Diff(want, i.IP6Prefixes); diff != "" {
		t.Errorf("prefixes (-want +got):\n%s", diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	pkg, err := uci.Parse("network", []byte("config interface lan\n option proto static\nconfig device wgx\n option proto wireguard\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"lan": `network.lan.proto: "static": the interface is not of protocol wireguard`,
		"wgx": `network.wgx: there is no such interface section`,
		"wg9": `network.wg9: there is no such interface section`,
	} {
		if _, err := schema.Load(pkg, name); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestLongName(t *testing.T) {
	const name = "a_very_long_name" // 16
	pkg, err := uci.Parse("network", []byte("config interface "+name+"\n option proto wireguard\n option private_key "+privKey+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	i, err := schema.Load(pkg, name)
	if err != nil {
		t.Fatal(err)
	}
	if i.Usable() {
		t.Error("usable: the kernel would refuse the device")
	}
}

// TestTableIsWhole: every option that upstream's users have is in the table, once,
// with a help text.
func TestTableIsWhole(t *testing.T) {
	names := func(specs []schema.Spec) map[string]bool {
		m := map[string]bool{}
		for _, s := range specs {
			if m[s.Name] {
				t.Errorf("%s is there twice", s.Name)
			}
			if s.Help == "" || s.Type == "" {
				t.Errorf("%s has no help or no type", s.Name)
			}
			m[s.Name] = true
		}
		return m
	}
	iface, peer := names(schema.InterfaceOptions()), names(schema.PeerOptions())
	for _, name := range strings.Fields("private_key listen_port addresses mtu fwmark ip6prefix nohostroute tunlink metric ip4table ip6table defaultroute dns peerdns delegate ip6assign auto disabled force_link") {
		if !iface[name] {
			t.Errorf("interface option %s is missing", name)
		}
	}
	for _, name := range strings.Fields("public_key preshared_key private_key allowed_ips route_allowed_ips endpoint_host endpoint_port persistent_keepalive description disabled") {
		if !peer[name] {
			t.Errorf("peer option %s is missing", name)
		}
	}
}

func manyPeers(n int) string {
	var b strings.Builder
	b.WriteString(wg0())
	for k := range n {
		var pub schema.Key
		pub[0], pub[1], pub[2], pub[31] = byte(k), byte(k>>8), byte(k>>16), 1
		b.WriteString(peer("option public_key '"+pub.String()+"'", fmt.Sprintf("list allowed_ips '10.%d.%d.%d/32'", k>>16, k>>8&255, k&255), "option persistent_keepalive '25'"))
	}
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		pkg, err := uci.Parse("network", []byte(manyPeers(n)))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("peers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if i, err := schema.Load(pkg, "wg0"); err != nil || len(i.Problems) > 0 {
					b.Fatal(err, i.Problems)
				}
			}
		})
	}
}
