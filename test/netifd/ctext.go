package netifd

import (
	"math"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// This file reads text as the C library does for netifd: what it lets pass
// decides which lists of a message lose what.

// ipAddr holds an IPv4 address in its first four bytes or an IPv6 address.
type ipAddr [16]byte

// strtoul returns the number at the start of s and what follows it. Base 0
// takes 0x and 0 prefixes as C does. Without a number, rest is s.
func strtoul(s string, base int) (n uint64, rest string) {
	neg, n, over, rest := scanNumber(s, base)
	switch {
	case over:
		n = math.MaxUint64 // with either sign
	case neg:
		n = -n
	}
	return n, rest
}

// strtol is strtoul with base 0 for signed numbers: of what is out of range it
// returns the nearest.
func strtol(s string) (n int64, rest string) {
	neg, u, over, rest := scanNumber(s, 0)
	switch {
	case neg && (over || u > math.MaxInt64):
		return math.MinInt64, rest
	case over || u > math.MaxInt64:
		return math.MaxInt64, rest
	case neg:
		return -int64(u), rest
	}
	return int64(u), rest
}

func scanNumber(s string, base int) (neg bool, n uint64, over bool, rest string) {
	t := strings.TrimLeft(s, " \t\n\v\f\r")
	if t != "" && (t[0] == '+' || t[0] == '-') {
		neg = t[0] == '-'
		t = t[1:]
	}
	if (base == 0 || base == 16) && len(t) > 2 && t[0] == '0' && t[1]|0x20 == 'x' && hexDigit(t[2]) < 16 {
		t, base = t[2:], 16
	}
	if base == 0 {
		base = 10
		if t != "" && t[0] == '0' {
			base = 8
		}
	}
	digits := 0
	for digits < len(t) && hexDigit(t[digits]) < base {
		digits++
	}
	if digits == 0 {
		return false, 0, false, s
	}
	n, err := strconv.ParseUint(t[:digits], base, 64)
	return neg, n, err != nil, t[digits:]
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return 99
}

// badMask is what parseNetmask returns for what it cannot read.
const badMask = math.MaxUint32

// parseNetmask reads a prefix length in C notation or, for IPv4, a dotted mask.
// "" is 0. A dotted mask with holes counts up to its first zero bit from the
// left.
func parseNetmask(s string, v6 bool) uint32 {
	if !strings.Contains(s, ".") {
		n, rest := strtoul(s, 0)
		if rest != "" {
			return badMask
		}
		return uint32(n)
	}
	if v6 {
		return badMask
	}
	a, ok := inetAton(s)
	if !ok {
		return badMask
	}
	return uint32(bits.LeadingZeros32(^a))
}

// inetAton reads the classful notations: one to four parts, each in C notation,
// the last filling what is left.
func inetAton(s string) (uint32, bool) {
	if i := strings.IndexAny(s, " \t\n\v\f\r"); i >= 0 {
		s = s[:i] // what follows white space is ignored
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return 0, false
	}
	var a uint64
	for i, p := range parts {
		if p == "" || p[0] < '0' || p[0] > '9' {
			return 0, false
		}
		n, rest := strtoul(p, 0)
		limit := uint64(255)
		if i == len(parts)-1 {
			limit = 1<<(8*(4-i)) - 1
		}
		if rest != "" || n > limit {
			return 0, false
		}
		if i == len(parts)-1 {
			a |= n
		} else {
			a |= n << (8 * (3 - i))
		}
	}
	return uint32(a), true
}

// inetPton reads an address of one family in its full notation.
func inetPton(s string, v6 bool) (a ipAddr, ok bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Zone() != "" || ip.Is4() == v6 {
		return a, false
	}
	copy(a[:], ip.AsSlice())
	return a, true
}

// inetNtop writes an address as the C library does, which spells IPv6 addresses
// with an embedded IPv4 address (::a.b.c.d, ::ffff:a.b.c.d) as such.
func inetNtop(a ipAddr, v6 bool) string {
	if !v6 {
		return netip.AddrFrom4([4]byte(a[:4])).String()
	}
	ip := netip.AddrFrom16(a)
	if [12]byte(a[:12]) == [12]byte{} && (a[12] != 0 || a[13] != 0) {
		return "::" + netip.AddrFrom4([4]byte(a[12:])).String()
	}
	return ip.String()
}

// parseAddrMask reads ADDRESS or ADDRESS/MASK; without a mask, mask stays.
func parseAddrMask(s string, v6 bool, mask uint32) (a ipAddr, m uint32, ok bool) {
	addr, text, has := strings.Cut(s, "/")
	if has {
		mask = parseNetmask(text, v6)
	}
	if mask > maxMask(v6) {
		return a, 0, false
	}
	a, ok = inetPton(addr, v6)
	return a, mask, ok
}

func maxMask(v6 bool) uint32 {
	if v6 {
		return 128
	}
	return 32
}

// clearHost clears what is behind the first mask bits.
func clearHost(a ipAddr, mask uint32) ipAddr {
	for i := range a {
		switch bit := uint32(i) * 8; {
		case bit >= mask:
			a[i] = 0
		case mask-bit < 8:
			a[i] &= ^byte(0) << (8 - (mask - bit))
		}
	}
	return a
}

// sameNet tells whether two addresses agree in the first mask bits.
func sameNet(a, b ipAddr, mask uint32) bool { return clearHost(a, mask) == clearHost(b, mask) }
