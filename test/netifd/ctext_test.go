package netifd

import (
	"math"
	"testing"
)

func TestNumbers(t *testing.T) {
	tests := []struct {
		text     string
		unsigned uint64
		signed   int64
		rest     string
	}{
		{"24", 24, 24, ""},
		{" \t24", 24, 24, ""},
		{"24 ", 24, 24, " "},
		{"0x18", 24, 24, ""},
		{"0X1g", 1, 1, "g"},
		{"0x", 0, 0, "x"},
		{"030", 24, 24, ""},
		{"08", 0, 0, "8"},
		{"+5", 5, 5, ""},
		{"-5", math.MaxUint64 - 4, -5, ""},
		{"", 0, 0, ""},
		{"abc", 0, 0, "abc"},
		{"- 5", 0, 0, "- 5"},
		{"7x", 7, 7, "x"},
		{"9223372036854775807", math.MaxInt64, math.MaxInt64, ""},
		{"9223372036854775808", 1 << 63, math.MaxInt64, ""},
		{"-9223372036854775808", 1 << 63, math.MinInt64, ""},
		{"-9223372036854775809", 1<<63 - 1, math.MinInt64, ""},
		{"99999999999999999999", math.MaxUint64, math.MaxInt64, ""},
		{"-99999999999999999999", math.MaxUint64, math.MinInt64, ""},
	}
	for _, tt := range tests {
		if n, rest := strtoul(tt.text, 0); n != tt.unsigned || rest != tt.rest {
			t.Errorf("strtoul(%q) = %d, %q, want %d, %q", tt.text, n, rest, tt.unsigned, tt.rest)
		}
		if n, rest := strtol(tt.text); n != tt.signed || rest != tt.rest {
			t.Errorf("strtol(%q) = %d, %q, want %d, %q", tt.text, n, rest, tt.signed, tt.rest)
		}
	}
}

func TestParseNetmask(t *testing.T) {
	tests := []struct {
		text string
		v6   bool
		want uint32
	}{
		{"24", false, 24},
		{"", false, 0},
		{"0x18", false, 24},
		{"24 ", false, badMask},
		{"-1", false, math.MaxUint32},
		{"4294967320", false, 24}, // wraps
		{"255.255.255.0", false, 24},
		{"255.0.255.0", false, 8},
		{"255.255.255.255", false, 32},
		{"0.0.0.0", false, 0},
		{"255.255.255", false, 16}, // the last part fills 16 bits
		{"0xff.0", false, 8},
		{"255.255.255.0 x", false, 24},
		{"255.256.0.0", false, badMask},
		{"255.255.255.0.0", false, badMask},
		{"255..0.0", false, badMask},
		{"1.2.3.x", false, badMask},
		{"64", true, 64},
		{"ffff::", true, badMask},
		{"255.0.0.0", true, badMask},
	}
	for _, tt := range tests {
		if got := parseNetmask(tt.text, tt.v6); got != tt.want {
			t.Errorf("parseNetmask(%q, %v) = %d, want %d", tt.text, tt.v6, got, tt.want)
		}
	}
}

func TestAddressText(t *testing.T) {
	tests := []struct {
		text string
		v6   bool
		want string // "" is no address
	}{
		{"10.9.0.2", false, "10.9.0.2"},
		{"10.9.2", false, ""},
		{"10.9.0.02", false, ""},
		{"10.9.0.2/24", false, ""},
		{" 10.9.0.2", false, ""},
		{"fd09::2", false, ""},
		{"10.9.0.2", true, ""},
		{"FD09:0:0:0:0:0:0:A", true, "fd09::a"},
		{"fd09:2::10.1.2.3", true, "fd09:2::a01:203"},
		{"::ffff:10.1.2.3", true, "::ffff:10.1.2.3"},
		{"::10.1.2.3", true, "::10.1.2.3"},
		{"::1", true, "::1"},
		{"::", true, "::"},
		{"fe80::1%t0", true, ""},
		{"fd09::00002", true, ""},
	}
	for _, tt := range tests {
		a, ok := inetPton(tt.text, tt.v6)
		got := ""
		if ok {
			got = inetNtop(a, tt.v6)
		}
		if got != tt.want {
			t.Errorf("%q (IPv6: %v): %q, want %q", tt.text, tt.v6, got, tt.want)
		}
	}
}

func TestClearHost(t *testing.T) {
	a, _ := inetPton("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true)
	for mask, want := range map[uint32]string{
		0: "::", 1: "::", 3: "2000::", 33: "2001:db8:8000::", 64: "2001:db8:ffff:ffff::",
		127: "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe", 128: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		if got := inetNtop(clearHost(a, mask), true); got != want {
			t.Errorf("/%d: %s, want %s", mask, got, want)
		}
	}
}

// Numbers and masks come from the network: whatever stands there, they are read
// to an end.
func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"", "0x", "-0", "+ 1", "255.255.255.0", "0xff.0", "99999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, rest := strtoul(s, 0); len(rest) > len(s) || s[len(s)-len(rest):] != rest {
			t.Errorf("strtoul(%q): the rest %q is no end of it", s, rest)
		}
		for _, v6 := range []bool{false, true} {
			if a, mask, ok := parseAddrMask(s, v6, 32); ok && (mask > maxMask(v6) || inetNtop(a, v6) == "") {
				t.Errorf("%q: an address %v with the mask %d", s, a, mask)
			}
		}
	})
}
