package netifd

import (
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestParsePrefix(t *testing.T) {
	tests := []struct {
		text string
		want string // "" is no prefix
	}{
		{"2001:db8:77::/48", "2001:db8:77::/48 0 0"},
		{"2001:db8:77::5/48", "2001:db8:77::/48 0 0"}, // host bits
		{"2001:db8:77::/48,600,1200", "2001:db8:77::/48 600 1200"},
		{"2001:db8:77::/48,4294967295,4294967295", "2001:db8:77::/48 0 0"}, // for ever
		{"2001:db8:77::/48,600,1200,class=abc", "2001:db8:77::/48 600 1200 abc"},
		{"2001:db8:77::/48,600,1200,excluded=2001:db8:77:1::/64,class=x", "2001:db8:77::/48 600 1200 x -2001:db8:77:1::/64"},
		{"2001:db8:77::/48,600,1200,excluded=2001:db8:77:1::/70", "2001:db8:77::/48 600 1200 -2001:db8:77:1::/64"},
		{"2001:db8:77::/48,600,1200,excluded=2001:db8:77:1::", ""},
		{"2001:db8:77::/48,600,1200,excluded=2001:db8::/32", ""},
		{"2001:db8:77::/48,600,1200,other=1,nothing", "2001:db8:77::/48 600 1200"},
		{"2001:db8:77::", ""},
		{"2001:db8:77::/", ""},
		{"2001:db8:77::/65", ""},
		{"2001:db8:77::/0", ""},
		{"2001:db8:77::/304", "2001:db8:77::/48 0 0"}, // one byte
		{"10.0.0.0/8", ""},
		{"", ""},
		{fmt.Sprintf("2001:db8:77::/48,600,1200,class=%0100d", 0), ""}, // too long
	}
	for _, tt := range tests {
		got := ""
		if p := parsePrefix(tt.text); p != nil {
			left := func(until int64) int64 {
				if until == 0 {
					return 0
				}
				return until - rtime()
			}
			got = fmt.Sprintf("%s/%d %d %d", inetNtop(p.addr, true), p.len, left(p.preferredUntil), left(p.validUntil))
			if p.class != "" {
				got += " " + p.class
			}
			if p.excludedLen != 0 {
				got += fmt.Sprintf(" -%s/%d", inetNtop(p.excluded, true), p.excludedLen)
			}
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestAssignments(t *testing.T) {
	excluded, _ := inetPton("2001:db8::", true)
	type wish struct {
		name         string
		length       uint32
		hint, weight int32
		classes      []string
	}
	tests := []struct {
		name   string
		prefix devPrefix
		wishes []wish
		want   []string // in the order of the list
	}{
		{
			"one after the other, by name",
			devPrefix{len: 56},
			[]wish{{"b", 64, -1, 0, nil}, {"a", 64, -1, 0, nil}},
			[]string{"a 0/64", "b 1/64"},
		},
		{
			"large parts first, then weights",
			devPrefix{len: 56},
			[]wish{{"a", 64, -1, 0, nil}, {"b", 60, -1, 0, nil}, {"c", 64, -1, 5, nil}},
			[]string{"b 0/60", "c 16/64", "a 17/64"},
		},
		{
			"a place of its own",
			devPrefix{len: 56},
			[]wish{{"a", 64, -1, 0, nil}, {"b", 60, 0x10, 0, nil}},
			[]string{"a 0/64", "b 16/60"},
		},
		{
			"a place that is not in the prefix",
			devPrefix{len: 60},
			[]wish{{"a", 64, 0x20, 0, nil}},
			[]string{"a 0/64"},
		},
		{
			"the part that the uplink keeps",
			devPrefix{len: 62, excluded: excluded, excludedLen: 64},
			[]wish{{"a", 64, -1, 0, nil}},
			[]string{"!excluded 0/64", "a 1/64"},
		},
		{
			"smaller than wished, or nothing",
			devPrefix{len: 63},
			[]wish{{"a", 60, -1, 0, nil}, {"b", 64, -1, 0, nil}, {"c", 64, -1, 0, nil}},
			[]string{"a 0/63"},
		},
		{
			"class",
			devPrefix{len: 56, class: "wan"},
			[]wish{{"a", 64, -1, 0, []string{"other"}}, {"b", 64, -1, 0, []string{"x", "wan"}}},
			[]string{"b 0/64"},
		},
		{
			"none wished, or too much",
			devPrefix{len: 48},
			[]wish{{"a", 0, -1, 0, nil}, {"b", 47, -1, 0, nil}},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &engine{}
			for _, w := range tt.wishes {
				e.ifaces.insert(&iface{e: e, name: w.name, assign: assign{
					assignLength: w.length, assignHint: w.hint, assignWeight: w.weight, assignClasses: w.classes,
				}})
			}
			p := tt.prefix
			e.assignPrefix(&p, true)
			var got []string
			for _, a := range p.assignments {
				if a.name != "" {
					got = append(got, fmt.Sprintf("%s %d/%d", a.name, a.offset, a.length))
				}
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
			if e.assignPrefix(&p, false); len(p.assignments) != 0 {
				t.Errorf("taken back, but there are %d", len(p.assignments))
			}
		})
	}
}
