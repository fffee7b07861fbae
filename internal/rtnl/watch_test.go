package rtnl

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// notification returns a message of rtnetlink with its header and padding.
func notification(kind uint16, body ...byte) []byte {
	b := native.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	b = native.AppendUint16(b, kind)
	b = append(b, make([]byte, 10)...) // flags, sequence, port
	b = append(b, body...)
	return append(b, make([]byte, -len(b)&3)...)
}

// attribute returns an attribute of netlink with its padding.
func attribute(kind uint16, data ...byte) []byte {
	b := native.AppendUint16(nil, uint16(4+len(data)))
	b = append(native.AppendUint16(b, kind), data...)
	return append(b, make([]byte, -len(b)&3)...)
}

// linkBody returns a struct ifinfomsg and the link's name.
func linkBody(family byte, index uint32, name string) []byte {
	b := append([]byte{family, 0, 1, 0}, native.AppendUint32(nil, index)...)
	b = append(b, make([]byte, 8)...) // flags, change
	return append(b, attribute(unix.IFLA_IFNAME, append([]byte(name), 0)...)...)
}

func addressBody(family, bits byte, index uint32, addr ...byte) []byte {
	b := append([]byte{family, bits, 0, 0}, native.AppendUint32(nil, index)...)
	return append(b, attribute(unix.IFA_ADDRESS, addr...)...)
}

func TestParseEvents(t *testing.T) {
	prefix := netip.MustParsePrefix
	route := Route{Dst: prefix("10.0.0.0/8"), Table: 8787}
	other := route
	other.Protocol = unix.RTPROT_STATIC
	local := bytesOf(route.data(5))
	local[7] = unix.RTN_LOCAL
	join := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	tests := []struct {
		name string
		in   []byte
		want []Event
		bad  bool
	}{
		{name: "nothing"},
		{
			name: "a link",
			in:   notification(unix.RTM_NEWLINK, linkBody(unix.AF_UNSPEC, 5, "wan")...),
			want: []Event{{Kind: EventLink, Index: 5, Device: "wan", Down: true}},
		},
		{
			name: "a link goes",
			in:   notification(unix.RTM_DELLINK, linkBody(unix.AF_UNSPEC, 5, "wan")...),
			want: []Event{{Kind: EventLink, Index: 5, Device: "wan", Removed: true}},
		},
		{
			name: "a link leaves a bridge",
			in:   notification(unix.RTM_DELLINK, linkBody(unix.AF_BRIDGE, 5, "lan1")...),
		},
		{
			name: "addresses",
			in: join(
				notification(unix.RTM_NEWADDR, addressBody(unix.AF_INET, 24, 5, 192, 0, 2, 1)...),
				notification(unix.RTM_DELADDR, addressBody(unix.AF_INET6, 64, 6, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)...),
			),
			want: []Event{
				{Kind: EventAddress, Index: 5, Dst: prefix("192.0.2.1/24")},
				{Kind: EventAddress, Index: 6, Dst: prefix("fe80::1/64"), Removed: true},
			},
		},
		{
			name: "routes, and something else between them",
			in: join(
				notification(unix.RTM_NEWROUTE, bytesOf(route.data(5))...),
				notification(unix.RTM_NEWROUTE, local...),
				notification(unix.RTM_NEWNEIGH, 1, 2, 3),
				notification(unix.NLMSG_NOOP),
				notification(unix.RTM_DELROUTE, bytesOf(other.data(6))...),
			),
			want: []Event{
				{Kind: EventRoute, Index: 5, Dst: route.Dst, Table: 8787, Protocol: Protocol},
				{Kind: EventRoute, Index: 6, Dst: route.Dst, Table: 8787, Protocol: unix.RTPROT_STATIC, Removed: true},
			},
		},
		{name: "half a header", in: []byte{16, 0, 0}, bad: true},
		{name: "shorter than its header", in: make([]byte, unix.SizeofNlMsghdr), bad: true},
		{name: "a link without a body", in: notification(unix.RTM_NEWLINK), bad: true},
		{name: "longer than it is", in: notification(unix.RTM_NEWLINK, linkBody(0, 5, "wan")...)[:30], bad: true},
		{name: "a link without end", in: notification(unix.RTM_NEWLINK, 0, 0, 1, 0), bad: true},
		{name: "a route without end", in: notification(unix.RTM_NEWROUTE, 2, 8), bad: true},
		{name: "an address without end", in: notification(unix.RTM_NEWADDR, 2, 8), bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []Event
			err := parseEvents(tt.in, func(e Event) { got = append(got, e) })
			if (err != nil) != tt.bad {
				t.Errorf("error %v, want one: %v", err, tt.bad)
			}
			if diff := cmp.Diff(tt.want, got, equate); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParseEvents: whatever bytes come, they are refused or read, never read
// beyond.
func FuzzParseEvents(f *testing.F) {
	f.Add(notification(unix.RTM_NEWLINK, linkBody(unix.AF_UNSPEC, 5, "wan")...))
	f.Add(notification(unix.RTM_DELADDR, addressBody(unix.AF_INET, 24, 5, 192, 0, 2, 1)...))
	f.Add(notification(unix.RTM_NEWROUTE, bytesOf((&Route{Dst: netip.MustParsePrefix("10.0.0.0/8")}).data(3))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = parseEvents(b, func(e Event) {
			if e.Kind == EventLost || e.Kind != EventLink && !e.Dst.IsValid() {
				t.Errorf("%+v", e)
			}
		})
	})
}

// TestParseRule: a rule that is written is read the same, unless it is somebody
// else's.
func TestParseRule(t *testing.T) {
	for _, want := range []Rule{
		{Priority: 7, Table: 100},
		{Priority: 8787, Table: 8787, IPProto: unix.IPPROTO_UDP, FirstPort: 53, LastPort: 53, Incoming: Router},
		{IPv6: true, Priority: 1 << 31, Table: 1 << 31, FirstPort: 1, LastPort: 65535, Incoming: "exactly15chars."},
	} {
		b := bytesOf(want.data())
		if got, ok, err := parseRule(b); !ok || err != nil || got != want {
			t.Errorf("%+v, %v, %v; want %+v", got, ok, err, want)
		}
		for name, change := range map[string]func([]byte) []byte{
			"of another protocol": func(b []byte) []byte { return append(b, attribute(unix.FRA_PROTOCOL, 4)...) },
			"that drops":          func(b []byte) []byte { b[7] = unix.FR_ACT_BLACKHOLE; return b },
			"of another family":   func(b []byte) []byte { b[0] = 128; return b },
		} {
			if got, ok, err := parseRule(change(append([]byte(nil), b...))); ok || err != nil {
				t.Errorf("a rule %s: %+v, %v, %v", name, got, ok, err)
			}
		}
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add(bytesOf((&Rule{Priority: 7, Table: 100, IPProto: 17, FirstPort: 53, LastPort: 54, Incoming: "lo"}).data()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok, err := parseRule(b); ok && err != nil {
			t.Errorf("%+v, %v", r, err)
		}
		if table, ok, err := parseOther(b); ok && (err != nil || table == 0) {
			t.Errorf("table %d, %v", table, err)
		}
	})
}

func TestRuleString(t *testing.T) {
	for want, r := range map[string]Rule{
		"priority 8787 iif lo ipproto 17 dport 53 lookup 8787": {Priority: 8787, Table: 8787, IPProto: 17, FirstPort: 53, LastPort: 53, Incoming: Router},
		"IPv6 priority 1 dport 1-2 lookup 254":                 {IPv6: true, Priority: 1, Table: 254, FirstPort: 1, LastPort: 2},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestFakeWatch: events go to those who watch then, after EventLost.
func TestFakeWatch(t *testing.T) {
	f := NewFake()
	f.Emit(Event{Kind: EventLink}) // Nobody watches.
	ctx, cancel := context.WithCancel(t.Context())
	var got []Event
	err := f.Watch(ctx, func(e Event) {
		got = append(got, e)
		switch e.Kind {
		case EventLost:
			f.Emit(Event{Kind: EventRoute, Device: "wan"}, Event{Kind: EventAddress, Device: "wan"})
		case EventAddress:
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	want := []Event{{}, {Kind: EventRoute, Device: "wan"}, {Kind: EventAddress, Device: "wan"}}
	if diff := cmp.Diff(want, got, equate); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	refused := errors.New("refused")
	f.Fail = func(Write) error { return refused }
	if err := f.Watch(t.Context(), nil); !errors.Is(err, refused) {
		t.Error(err)
	}
}
