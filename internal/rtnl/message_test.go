package rtnl

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

var equate = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func bytesOf(data []nl.NetlinkRequestData) (out []byte) {
	for _, d := range data {
		out = append(out, d.Serialize()...)
	}
	return out
}

// TestMessage: a route that is written is read the same.
func TestMessage(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	for _, want := range []Route{
		{Dst: prefix("0.0.0.0/0"), Gateway: addr("192.0.2.1")},
		{Dst: prefix("10.0.0.0/8"), Metric: 7, Table: 100000},
		{Dst: prefix("10.0.0.1/32"), Gateway: addr("fe80::1"), OnLink: true},
		{Dst: prefix("::/0"), Gateway: addr("fe80::1"), Metric: 1 << 31},
		{Dst: prefix("2001:db8::/32"), Source: addr("2001:db8::1"), Table: 253, Protocol: 4},
		{Dst: prefix("192.0.2.9/32"), Gateway: addr("10.0.0.1"), Source: addr("10.0.0.2"), MTU: 1492},
	} {
		want.Ifindex = 7
		got, ok, err := parseRoute(bytesOf(want.data(7)))
		if !ok || err != nil {
			t.Errorf("%v: %v, %v", want, ok, err)
			continue
		}
		want.Table, want.Protocol = want.table(), want.protocol()
		if diff := cmp.Diff(want, got, equate); diff != "" {
			t.Errorf("%v (-want +got):\n%s", want, diff)
		}
	}
}

// FuzzParseRoute and FuzzParseAddress: whatever bytes come, they are refused or
// read, never read beyond.
func FuzzParseRoute(f *testing.F) {
	f.Add(bytesOf((&Route{Dst: netip.MustParsePrefix("10.0.0.0/8"), Gateway: netip.MustParseAddr("fe80::1"), Metric: 7}).data(3)))
	f.Add([]byte{2, 33, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0})
	f.Add(bytesOf((&Route{Dst: netip.MustParsePrefix("::/0"), Source: netip.MustParseAddr("fd00::1"), MTU: 1492}).data(3)))
	// Two hops, the first of them dead.
	f.Add([]byte{
		2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0, 36, 0, 9, 0,
		16, 0, 1, 0, 2, 0, 0, 0, 8, 0, 5, 0, 192, 0, 2, 1,
		16, 0, 0, 0, 3, 0, 0, 0, 8, 0, 5, 0, 192, 0, 2, 2,
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok, err := parseRoute(b)
		if ok && (err != nil || !r.Dst.IsValid() || r.Dst != r.Dst.Masked()) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	f.Add([]byte{2, 24, 0, 0, 3, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 1})
	f.Add([]byte{10, 200, 0, 0, 3, 0, 0, 0, 20, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, p, err := parseAddress(b); err != nil && len(b) == 0 && p.IsValid() {
			t.Errorf("%v, %v", p, err)
		}
	})
}

// TestHops: of a route over several, the first that is alive counts.
func TestHops(t *testing.T) {
	hop := func(flags byte, index uint32, gateway ...byte) (b []byte) {
		b = native.AppendUint16(b, 16)
		b = append(b, flags, 0)
		b = native.AppendUint32(b, index)
		b = native.AppendUint16(b, 8)
		b = native.AppendUint16(b, unix.RTA_GATEWAY)
		return append(b, gateway...)
	}
	b := []byte{unix.AF_INET, 0, 0, 0, 254, 4, 0, unix.RTN_UNICAST, 0, 0, 0, 0}
	b = native.AppendUint16(b, 4+2*16)
	b = native.AppendUint16(b, unix.RTA_MULTIPATH)
	b = append(b, hop(unix.RTNH_F_DEAD, 2, 192, 0, 2, 1)...)
	b = append(b, hop(0, 3, 192, 0, 2, 2)...)
	r, ok, err := parseRoute(b)
	if err != nil || !ok || r.Ifindex != 3 || r.Gateway != netip.MustParseAddr("192.0.2.2") {
		t.Errorf("%+v, %v, %v", r, ok, err)
	}
}
