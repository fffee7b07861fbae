package wgdev

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// The messages of these tests are put together byte by byte in the machine's own
// order, so that they mean the same on every machine.

func u8(v uint8) []byte   { return []byte{v} }
func u16(v uint16) []byte { return native.AppendUint16(nil, v) }
func u32(v uint32) []byte { return native.AppendUint32(nil, v) }
func u64(v uint64) []byte { return native.AppendUint64(nil, v) }

// nla is an attribute, padded.
func nla(kind uint16, parts ...[]byte) []byte {
	size := 4
	for _, p := range parts {
		size += len(p)
	}
	b := append(u16(uint16(size)), u16(kind)...)
	for _, p := range parts {
		b = append(b, p...)
	}
	return append(b, make([]byte, -len(b)&3)...)
}

func nested(kind uint16, parts ...[]byte) []byte { return nla(kind|unix.NLA_F_NESTED, parts...) }

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func keyBytes(n byte) []byte {
	k := testKey(n)
	return k[:]
}

func testKey(n byte) schema.Key { return schema.Key{0: n, 31: n} }

func sockaddr4(addr string, port uint16) []byte {
	a := netip.MustParseAddr(addr).As4()
	return join(u16(unix.AF_INET), binary.BigEndian.AppendUint16(nil, port), a[:], make([]byte, 8))
}

func allowedIP(family uint16, addr []byte, bits uint8) []byte {
	return nested(0,
		nla(unix.WGALLOWEDIP_A_CIDR_MASK, u8(bits)),
		nla(unix.WGALLOWEDIP_A_FAMILY, u16(family)),
		nla(unix.WGALLOWEDIP_A_IPADDR, addr))
}

func ip4(prefix string) []byte {
	p := netip.MustParsePrefix(prefix)
	return allowedIP(unix.AF_INET, p.Addr().AsSlice(), uint8(p.Bits()))
}

func ip6(prefix string) []byte {
	p := netip.MustParsePrefix(prefix)
	return allowedIP(unix.AF_INET6, p.Addr().AsSlice(), uint8(p.Bits()))
}

// device is a message as the kernel sends it, with all that it may hold.
func deviceMessage() []byte {
	return join(
		nla(unix.WGDEVICE_A_LISTEN_PORT, u16(51820)),
		nla(unix.WGDEVICE_A_FWMARK, u32(0xfedcba98)),
		nla(unix.WGDEVICE_A_IFINDEX, u32(7)),
		nla(unix.WGDEVICE_A_IFNAME, []byte("wg0\x00")),
		nla(unix.WGDEVICE_A_PRIVATE_KEY, keyBytes(1)),
		nla(unix.WGDEVICE_A_PUBLIC_KEY, keyBytes(2)),
		nested(unix.WGDEVICE_A_PEERS,
			nested(0,
				nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(3)),
				nla(unix.WGPEER_A_PRESHARED_KEY, keyBytes(4)),
				nla(unix.WGPEER_A_LAST_HANDSHAKE_TIME, u64(1700000000), u64(999)),
				nla(unix.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, u16(65535)),
				nla(unix.WGPEER_A_TX_BYTES, u64(1<<40)),
				nla(unix.WGPEER_A_RX_BYTES, u64(1<<63)),
				nla(unix.WGPEER_A_PROTOCOL_VERSION, u32(1)),
				nla(unix.WGPEER_A_ENDPOINT, sockaddr4("192.0.2.1", 65535)),
				nested(unix.WGPEER_A_ALLOWEDIPS, ip4("10.0.0.0/8"), ip6("fd00::/8"), ip4("0.0.0.0/0"), ip6("::/0")),
			),
			nested(0,
				nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(5)),
				nla(unix.WGPEER_A_PRESHARED_KEY, make([]byte, 32)),
				nla(unix.WGPEER_A_LAST_HANDSHAKE_TIME, u64(0), u64(0)),
				nested(unix.WGPEER_A_ALLOWEDIPS),
			),
		),
	)
}

var compareActual = cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}, netip.Prefix{}), cmpopts.EquateEmpty()}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestParse(t *testing.T) {
	peer := func(parts ...[]byte) []byte {
		return nested(unix.WGDEVICE_A_PEERS, nested(0, join(nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(3)), join(parts...))))
	}
	withPeer := func(p plan.ActualPeer) plan.Actual {
		p.PublicKey = testKey(3)
		return plan.Actual{Peers: []plan.ActualPeer{p}}
	}
	addr6 := netip.MustParseAddr("fe80::1").As16()
	sockaddr6 := func(scope uint32, addr [16]byte) []byte {
		return join(u16(unix.AF_INET6), []byte{0x12, 0x34}, u32(0), addr[:], u32(scope))
	}
	tests := []struct {
		name     string
		messages [][]byte
		want     plan.Actual
	}{
		{name: "nothing"},
		{name: "a message without attributes", messages: [][]byte{{}}},
		{
			name:     "all there is",
			messages: [][]byte{deviceMessage()},
			want: plan.Actual{
				ListenPort: 51820, FwMark: 0xfedcba98, PrivateKey: testKey(1), PublicKey: testKey(2),
				Peers: []plan.ActualPeer{
					{
						PublicKey: testKey(3), PresharedKey: testKey(4), Keepalive: 65535,
						LastHandshake: time.Unix(1700000000, 999), TxBytes: 1 << 40, RxBytes: 1 << 63,
						Endpoint:   netip.MustParseAddrPort("192.0.2.1:65535"),
						AllowedIPs: prefixes("10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::/0"),
					},
					{PublicKey: testKey(5)},
				},
			},
		},
		{
			name: "a peer goes on in the next messages",
			messages: [][]byte{
				join(nla(unix.WGDEVICE_A_FWMARK, u32(1)), nested(unix.WGDEVICE_A_PEERS,
					nested(0, nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(1)), nested(unix.WGPEER_A_ALLOWEDIPS, ip4("10.1.0.0/16"))),
					nested(0, nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(2)), nla(unix.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, u16(5)),
						nested(unix.WGPEER_A_ALLOWEDIPS, ip4("10.2.0.0/16"))),
				)),
				nested(unix.WGDEVICE_A_PEERS,
					nested(0, nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(2)), nested(unix.WGPEER_A_ALLOWEDIPS, ip4("10.3.0.0/16"), ip4("10.4.0.0/16"))),
				),
				nested(unix.WGDEVICE_A_PEERS,
					nested(0, nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(2)), nested(unix.WGPEER_A_ALLOWEDIPS, ip4("10.5.0.0/16"))),
					nested(0, nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(3)), nested(unix.WGPEER_A_ALLOWEDIPS, ip4("10.6.0.0/16"))),
				),
			},
			want: plan.Actual{FwMark: 1, Peers: []plan.ActualPeer{
				{PublicKey: testKey(1), AllowedIPs: prefixes("10.1.0.0/16")},
				{PublicKey: testKey(2), Keepalive: 5, AllowedIPs: prefixes("10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16", "10.5.0.0/16")},
				{PublicKey: testKey(3), AllowedIPs: prefixes("10.6.0.0/16")},
			}},
		},
		{
			name:     "an endpoint of IPv6",
			messages: [][]byte{peer(nla(unix.WGPEER_A_ENDPOINT, sockaddr6(0, netip.MustParseAddr("2001:db8::1").As16())))},
			want:     withPeer(plan.ActualPeer{Endpoint: netip.MustParseAddrPort("[2001:db8::1]:4660")}),
		},
		{
			name:     "a zone with a name",
			messages: [][]byte{peer(nla(unix.WGPEER_A_ENDPOINT, sockaddr6(2, addr6)))},
			want:     withPeer(plan.ActualPeer{Endpoint: netip.MustParseAddrPort("[fe80::1%br-lan]:4660")}),
		},
		{
			name:     "a zone without a name",
			messages: [][]byte{peer(nla(unix.WGPEER_A_ENDPOINT, sockaddr6(4294967295, addr6)))},
			want:     withPeer(plan.ActualPeer{Endpoint: netip.MustParseAddrPort("[fe80::1%4294967295]:4660")}),
		},
		{
			name:     "IPv4 in IPv6 is IPv4",
			messages: [][]byte{peer(nla(unix.WGPEER_A_ENDPOINT, sockaddr6(2, netip.MustParseAddr("::ffff:192.0.2.1").As16())))},
			want:     withPeer(plan.ActualPeer{Endpoint: netip.MustParseAddrPort("192.0.2.1:4660")}),
		},
		{
			name:     "a time in 32 bits",
			messages: [][]byte{peer(nla(unix.WGPEER_A_LAST_HANDSHAKE_TIME, u32(1700000000), u32(5)))},
			want:     withPeer(plan.ActualPeer{LastHandshake: time.Unix(1700000000, 5)}),
		},
		{
			name:     "a time after 2038",
			messages: [][]byte{peer(nla(unix.WGPEER_A_LAST_HANDSHAKE_TIME, u64(1<<33), u64(0)))},
			want:     withPeer(plan.ActualPeer{LastHandshake: time.Unix(1<<33, 0)}),
		},
		{
			name:     "attributes that nobody knows yet",
			messages: [][]byte{join(nla(900, u64(1)), peer(nla(77, []byte("x"))), nla(901))},
			want:     withPeer(plan.ActualPeer{}),
		},
		{
			name:     "host bits of allowed IPs",
			messages: [][]byte{peer(nested(unix.WGPEER_A_ALLOWEDIPS, ip4("10.1.2.3/8")))},
			want:     withPeer(plan.ActualPeer{AllowedIPs: prefixes("10.0.0.0/8")}),
		},
		{
			name:     "the last attribute is not padded",
			messages: [][]byte{nla(unix.WGDEVICE_A_LISTEN_PORT, u16(1))[:6]},
			want:     plan.Actual{ListenPort: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := dumpParser{zone: func(index uint32) string { return map[uint32]string{2: "br-lan"}[index] }}
			for _, m := range tt.messages {
				if err := d.parse(m); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tt.want, d.device, compareActual); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	peers := func(parts ...[]byte) []byte { return nested(unix.WGDEVICE_A_PEERS, nested(0, parts...)) }
	public := nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(1))
	field := func(kind uint16, data []byte) []byte { return peers(public, nla(kind, data)) }
	ips := func(data []byte) []byte { return peers(public, nested(unix.WGPEER_A_ALLOWEDIPS, data)) }
	tests := []struct {
		name string
		msg  []byte
		want string
	}{
		{"less than a header", []byte{1, 0, 0}, "3 bytes are too few"},
		{"a length of 0", make([]byte, 8), "claims 0 of 8"},
		{"a length of 3", join(u16(3), u16(1), u32(0)), "claims 3 of 8"},
		{"a length past the end", join(u16(9), u16(1), u32(0)), "claims 9 of 8"},
		{"a short key", nla(unix.WGDEVICE_A_PRIVATE_KEY, make([]byte, 31)), "31 bytes instead of 32"},
		{"a long key", nla(unix.WGDEVICE_A_PUBLIC_KEY, make([]byte, 33)), "33 bytes instead of 32"},
		{"a port of 4 bytes", nla(unix.WGDEVICE_A_LISTEN_PORT, u32(1)), "4 bytes instead of 2"},
		{"a fwmark of 2 bytes", nla(unix.WGDEVICE_A_FWMARK, u16(1)), "2 bytes instead of 4"},
		{"a peer without a key", peers(nla(unix.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, u16(1))), "without a public key"},
		{"a peer that is cut off", nested(unix.WGDEVICE_A_PEERS, public[:3]), "too few"},
		{"a keepalive of 1 byte", field(unix.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, u8(1)), "1 bytes instead of 2"},
		{"a counter of 4 bytes", field(unix.WGPEER_A_RX_BYTES, u32(1)), "4 bytes instead of 8"},
		{"a time of 12 bytes", field(unix.WGPEER_A_LAST_HANDSHAKE_TIME, make([]byte, 12)), "time of 12 bytes"},
		{"an endpoint of 3 bytes", field(unix.WGPEER_A_ENDPOINT, make([]byte, 3)), "3 bytes are too few"},
		{"an endpoint of IPv4 as long as IPv6", field(unix.WGPEER_A_ENDPOINT, join(sockaddr4("192.0.2.1", 1), make([]byte, 12))), "family 2 in 28 bytes"},
		{"an endpoint of another family", field(unix.WGPEER_A_ENDPOINT, join(u16(99), make([]byte, 14))), "family 99"},
		{"an allowed IP of 5 bytes", ips(allowedIP(unix.AF_INET, make([]byte, 5), 8)), "allowed IP"},
		{"an allowed IP of the other family", ips(allowedIP(unix.AF_INET6, make([]byte, 4), 8)), "allowed IP"},
		{"an allowed IP without address", ips(nested(0, nla(unix.WGALLOWEDIP_A_FAMILY, u16(unix.AF_INET)))), "allowed IP"},
		{"a prefix of 33 bits", ips(allowedIP(unix.AF_INET, make([]byte, 4), 33)), "prefix length 33"},
		{"a prefix of 129 bits", ips(allowedIP(unix.AF_INET6, make([]byte, 16), 129)), "prefix length 129"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d dumpParser
			err := d.parse(tt.msg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want an error with %q", err, tt.want)
			}
		})
	}
}

// Blocks of allowed IPs are shared between peers: none may write into another's.
func TestParseKeepsPeersApart(t *testing.T) {
	var msg []byte
	for n := range 100 {
		var ips []byte
		for i := range n {
			ips = append(ips, allowedIP(unix.AF_INET, []byte{10, byte(n), byte(i), 0}, 24)...)
		}
		msg = append(msg, nested(0, nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(byte(n+1))), nested(unix.WGPEER_A_ALLOWEDIPS, ips))...)
	}
	var d dumpParser
	for start := 0; start < len(msg); {
		size := (int(native.Uint16(msg[start:])) + 3) &^ 3
		if err := d.parse(nested(unix.WGDEVICE_A_PEERS, msg[start:start+size])); err != nil {
			t.Fatal(err)
		}
		start += size
	}
	if len(d.device.Peers) != 100 {
		t.Fatalf("%d peers, want 100", len(d.device.Peers))
	}
	for n, p := range d.device.Peers {
		if len(p.AllowedIPs) != n {
			t.Fatalf("peer %d has %d allowed IPs, want %d", n, len(p.AllowedIPs), n)
		}
		_ = append(p.AllowedIPs, netip.Prefix{}) // as a caller may
	}
	for n, p := range d.device.Peers {
		for i, ip := range p.AllowedIPs {
			if want := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n), byte(i), 0}), 24); ip != want {
				t.Fatalf("allowed IP %d of peer %d is %v, want %v", i, n, ip, want)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(deviceMessage())
	f.Add([]byte{})
	f.Add(make([]byte, 16))
	f.Add(nested(unix.WGDEVICE_A_PEERS, nested(0, nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(1)))))
	f.Fuzz(func(t *testing.T, msg []byte) {
		d := dumpParser{zone: func(uint32) string { return "" }}
		for range 2 { // the second one may go on with a peer of the first
			if err := d.parse(msg); err != nil {
				return
			}
		}
		ips := 0
		for _, p := range d.device.Peers {
			if p.PublicKey.IsZero() {
				t.Error("a peer without a public key")
			}
			for _, ip := range p.AllowedIPs {
				if !ip.IsValid() || ip != ip.Masked() {
					t.Errorf("allowed IP %v", ip)
				}
			}
			ips += len(p.AllowedIPs)
		}
		// A peer takes 40 bytes at least, an allowed IP 24: memory is bounded by the
		// message.
		if max := 2 * len(msg); len(d.device.Peers)*40 > max || ips*24 > max {
			t.Errorf("%d peers and %d allowed IPs from %d bytes", len(d.device.Peers), ips, len(msg))
		}
	})
}

// Linear in peers, and nothing for a single one of them.
func BenchmarkParse(b *testing.B) {
	peer := nested(0,
		nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(3)),
		nla(unix.WGPEER_A_ENDPOINT, sockaddr4("192.0.2.1", 1)),
		nested(unix.WGPEER_A_ALLOWEDIPS, ip4("10.0.0.0/8"), ip6("fd00::/8")))
	other := nested(0, nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(4)), nested(unix.WGPEER_A_ALLOWEDIPS, ip4("10.0.0.0/8")))
	var peers []byte
	for range 50 {
		peers = append(append(peers, peer...), other...)
	}
	msg := nested(unix.WGDEVICE_A_PEERS, peers)
	b.ReportAllocs()
	for b.Loop() {
		var d dumpParser
		for range 10 {
			if err := d.parse(msg); err != nil {
				b.Fatal(err)
			}
		}
		if len(d.device.Peers) != 1000 {
			b.Fatal(len(d.device.Peers))
		}
	}
}
