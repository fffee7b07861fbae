package support

import (
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	const key = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"nothing to hide: eth0, 24.10.4, 6.12.48, 15:43:30", "nothing to hide: eth0, 24.10.4, 6.12.48, 15:43:30"},
		{"public key   " + key, "public key   <key-1>"},
		{"a=" + key + " b=hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo= c=" + key, "a=<key-1> b=<key-2> c=<key-1>"},
		{"cut off: " + key[:40], "cut off: <key-1>"},
		{"without its end: " + key[:43] + ".", "without its end: <key-1>."},
		{"in hexadecimal: " + strings.Repeat("0f", 32), "in hexadecimal: <key-1>"},
		{"endpoint 203.0.113.9:51820", "endpoint <address-1>:51820"},
		{"endpoint [2001:db8::7]:4711", "endpoint [<address-1>]:4711"},
		{"203.0.113.9, 203.0.113.9/32 and 198.51.100.1.", "<address-1>, <address-1>/32 and <address-2>."},
		{"::ffff:203.0.113.9 is 203.0.113.9", "<address-1> is <address-1>"},
		{"64:ff9b::203.0.113.9", "<address-1>"},
		{"2001:DB8::7 2001:db8:0:0::7", "<address-1> <address-1>"},
		{"inet6:2001:db8::7", "inet<address-1>"},
		{"via=203.0.113.9 dev=wan", "via=<address-1> dev=wan"},
		{"10.0.0.1/24 172.16.0.1 192.168.1.1 100.64.0.1 127.0.0.1 169.254.1.1 0.0.0.0/0", "10.0.0.1/24 172.16.0.1 192.168.1.1 100.64.0.1 127.0.0.1 169.254.1.1 0.0.0.0/0"},
		{"fd00::1/64 ::/0 ::1 fe80::1 ff02::1", "fd00::1/64 ::/0 ::1 fe80::1 ff02::1"},
		{"fe80::0211:22ff:fe33:4455", "<address-1>"},
		{"00:11:22:aa:BB:cc and 00:11:22:AA:bb:cc", "<mac-1> and <mac-1>"},
		{"2001:db8:1::2:3::4", "<address-1><address-2>"},
		{"2001:db8:1:2:3:4:5:6:7:8", "<address-1>:7:8"},
		{"2a02:xyz", "2a02:xyz"},
		{"VPN.Example.org and vpn.example.org:51820", "<host-1> and <host-1>:51820"},
		{"vpn.example.org.backup.example.net", "<host-1>"},
		{"vpn.example.org.lan _wg._udp.VPN.example.org. nextvpn.example.org", "<host-1>.lan _wg._udp.<host-1>. nextvpn.example.org"},
		{"203.0.113.9.vpn.example.org", "<address-1>.<host-1>"},
		{"host=vpn.example.org addr=203.0.113.9 odd name", "host=<host-1> addr=<address-1> <secret>"},
		{"psk-in-words is a secret", "<secret> is a secret"},
		{"/lib/netifd/proto/wgnetifd.sh -> /usr/sbin/wgnetifd", "/lib/netifd/proto/wgnetifd.sh -> /usr/sbin/wgnetifd"},
		{"wireguard: wg0: Handshake for peer 5 (203.0.113.9:51820) did not complete", "wireguard: wg0: Handshake for peer 5 (<address-1>:51820) did not complete"},
		{"deadbeef:203.0.113.9", "deadbeef:<address-1>"},
	} {
		m := NewMask([]string{"psk-in-words", "x"}, []string{"vpn.example.org", "vpn.example.org.backup.example.net", "odd name", ""})
		if got := m.Text(c.text); got != c.want {
			t.Errorf("%q:\n got %q\nwant %q", c.text, got, c.want)
		}
	}
}

// Whatever looks like a key or an address, found with other means than the mask's.
var (
	anyKey = regexp.MustCompile(`[A-Za-z0-9+/]{42,}`)
	any4   = regexp.MustCompile(`[0-9]{1,3}(\.[0-9]{1,3}){3}`)
	any6   = regexp.MustCompile(`[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,7}`)
)

// leaks returns what of a masked text should not be there.
func leaks(text string) []string {
	out := anyKey.FindAllString(text, -1)
	for _, find := range []*regexp.Regexp{any4, any6} {
		for _, candidate := range find.FindAllString(text, -1) {
			if a, err := netip.ParseAddr(candidate); err == nil && !shown(a.Unmap()) {
				out = append(out, candidate)
			}
		}
	}
	return out
}

// FuzzMask: of a key and of addresses, put anywhere between words, nothing is left.
func FuzzMask(f *testing.F) {
	f.Add([]byte("a key of thirty-two bytes, made up"), uint32(0xcb007109), uint64(0x20010db8_00000000), uint64(7), "endpoint ", ":51820 (not in use)")
	f.Add(make([]byte, 32), uint32(0x08080808), uint64(0x2a02_0000_0000_0000), uint64(0), "=[", "]:1")
	f.Add([]byte("0123456789abcdef0123456789abcdef"), uint32(1), uint64(1)<<61, ^uint64(0), "x", ".")
	f.Fuzz(func(t *testing.T, key []byte, four uint32, high, low uint64, before, after string) {
		key = append(key, make([]byte, 32)...)[:32]
		a4 := netip.AddrFrom4([4]byte{byte(four >> 24), byte(four >> 16), byte(four >> 8), byte(four)})
		var b [16]byte
		for n := range 8 {
			b[n], b[8+n] = byte(high>>(56-8*n)), byte(low>>(56-8*n))
		}
		a6 := netip.AddrFrom16(b)
		m := NewMask(nil, nil)
		for _, secret := range []string{
			base64.StdEncoding.EncodeToString(key), hex.EncodeToString(key), a4.String(), a6.String(), a6.StringExpanded(), "::ffff:" + a4.String(),
		} {
			if a, err := netip.ParseAddr(secret); err == nil && shown(a.Unmap()) {
				continue
			}
			got := m.Text(before + " " + secret + " " + after)
			if strings.Contains(got, secret) && !strings.Contains(before+after, secret) {
				t.Errorf("%q is left in %q", secret, got)
			}
			if left := leaks(m.Text("x " + secret + " x")); len(left) > 0 {
				t.Errorf("%q is left of %q", left, secret)
			}
		}
		// Masked again, nothing more is found.
		once := m.Text(before + after)
		if twice := m.Text(once); twice != once {
			t.Errorf("%q became %q", once, twice)
		}
	})
}
