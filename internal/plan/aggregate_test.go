package plan

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parsed(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestAggregate(t *testing.T) {
	for _, tt := range []struct {
		name string
		list []string
		want []string
	}{
		{"two halves", []string{"10.0.1.0/24", "10.0.0.0/24"}, []string{"10.0.0.0/23"}},
		{"four quarters", []string{"10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/26", "10.0.0.192/26"}, []string{"10.0.0.0/24"}},
		{"neighbours that are no halves", []string{"10.0.1.0/24", "10.0.2.0/24"}, []string{"10.0.1.0/24", "10.0.2.0/24"}},
		{"covered", []string{"10.0.0.5/32", "10.0.0.0/8", "10.0.0.0/8"}, []string{"10.0.0.0/8"}},
		{"a half that came of halves", []string{"10.0.0.0/25", "10.0.0.128/25", "10.0.1.0/24"}, []string{"10.0.0.0/23"}},
		{"both families", []string{"fd00::/65", "10.0.0.0/9", "fd00:0:0:0:8000::/65", "10.128.0.0/9"}, []string{"10.0.0.0/8", "fd00::/64"}},
		{"two halves of everything stay", []string{"0.0.0.0/1", "128.0.0.0/1"}, []string{"0.0.0.0/1", "128.0.0.0/1"}},
		{"two halves of everything leave the others what they are", []string{"128.0.0.0/1", "0.0.0.0/1", "10.0.0.0/9", "10.128.0.0/9", "10.0.0.5/32"}, []string{"0.0.0.0/1", "10.0.0.0/8", "128.0.0.0/1"}},
		{"a default route leaves the others what they are", []string{"0.0.0.0/0", "10.0.0.0/8"}, []string{"0.0.0.0/0", "10.0.0.0/8"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := aggregate(parsed(tt.list...))
			if diff := cmp.Diff(parsed(tt.want...), got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("aggregate (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzAggregate: exactly the same addresses are covered, by no more prefixes, and
// doing it again changes nothing.
func FuzzAggregate(f *testing.F) {
	f.Add([]byte{0, 0, 1, 255, 2, 128, 8, 7})
	f.Fuzz(func(t *testing.T, data []byte) {
		// Prefixes of 10.0.0.0/24, and its 256 addresses to compare.
		var list []netip.Prefix
		for n := 0; n+1 < len(data); n += 2 {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, data[n]}), 24+int(data[n+1]%9)).Masked())
		}
		got := aggregate(list)
		if len(got) > len(list) || !slices.Equal(got, aggregate(got)) {
			t.Errorf("%v became %v", list, got)
		}
		covers := func(list []netip.Prefix, a netip.Addr) bool {
			return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
		}
		for n := range 256 {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})
			if covers(list, a) != covers(got, a) {
				t.Errorf("%v is covered by only one of %v and %v", a, list, got)
			}
		}
	})
}
