package schema

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// The words that OpenWrt's scripts take for a boolean (config_get_bool of
// functions.sh and netifd's own list together). Another word counts as if the
// option were not there, as it does for them, and is noted.
func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "on", "true", "yes", "enabled":
		return true, nil
	case "0", "off", "false", "no", "disabled":
		return false, nil
	}
	return false, note("1 or 0 is right here (on/off, true/false, yes/no, enabled/disabled as well); ignored")
}

// parseNumber reads a decimal number of the range min to max. The range is part
// of the message.
func parseNumber(s string, min, max uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < min || n > max {
		return 0, errors.New("a whole number from " + strconv.FormatUint(min, 10) + " to " +
			strconv.FormatUint(max, 10) + " is right here")
	}
	return n, nil
}

// parseFwMark reads a firewall mark as wg(8) does: "off", decimal or 0x… .
func parseFwMark(s string) (uint32, error) {
	if strings.EqualFold(s, "off") {
		return 0, nil
	}
	base, digits := 10, s
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		base, digits = 16, s[2:]
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil {
		return 0, errors.New("a 32-bit number such as 0x100 or 256, or 'off', is right here")
	}
	return uint32(n), nil
}

// parseKeepalive reads a persistent keepalive in seconds as wg(8) does: "off" or
// 0 to 65535.
func parseKeepalive(s string) (uint16, error) {
	if strings.EqualFold(s, "off") {
		return 0, nil
	}
	n, err := parseNumber(s, 0, 65535)
	if err != nil {
		return 0, errors.New("seconds from 0 (off) to 65535 are right here; 25 is usual behind NAT")
	}
	return uint16(n), nil
}

// parsePrefix reads ADDRESS or ADDRESS/LENGTH; without a length it is the one
// address. Host bits stay.
func parsePrefix(s string) (netip.Prefix, error) {
	host, length, cut := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}, errors.New("an IPv4 or IPv6 address with or without a prefix length is right here, such as 10.0.0.2/32 or fd00::2/128")
	}
	if addr.Zone() != "" {
		return netip.Prefix{}, errors.New("an address without a zone (no %) is right here")
	}
	if addr.Is4In6() {
		return netip.Prefix{}, errors.New("an IPv4 address is written without ::ffff: here")
	}
	if !cut {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	bits, err := strconv.ParseUint(length, 10, 16)
	if err != nil || length[0] == '+' {
		return netip.Prefix{}, errors.New("the prefix length behind the / is not a number")
	}
	if int(bits) > addr.BitLen() {
		return netip.Prefix{}, errors.New("prefix length is over " + strconv.Itoa(addr.BitLen()))
	}
	return netip.PrefixFrom(addr, int(bits)), nil
}

// withLength returns ADDRESS/NETMASK of IPv4 as ADDRESS/LENGTH, and all else as it is:
// LuCI of 24.10 lets people write 10.0.0.1/255.255.255.0, and upstream's handler takes it.
func withLength(s string) string {
	host, text, _ := strings.Cut(s, "/")
	mask, err := netip.ParseAddr(text)
	if err != nil || !mask.Is4() || strings.Contains(host, ":") {
		return s
	}
	b := mask.As4()
	m := binary.BigEndian.Uint32(b[:])
	ones := bits.LeadingZeros32(^m)
	if m<<ones != 0 {
		return s
	}
	return host + "/" + strconv.Itoa(ones)
}

// splitList splits one string of a list option on blanks and commas, as LuCI,
// wg(8) and hand-written files mix them (openwrt/openwrt#21411).
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || isBlank(r) })
}

// listSeparators are what values of lists are split on.
const listSeparators = ", \t\n\r"

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// checkHostName says whether s can be a host name: letters, digits, '-', '_' and
// dots, labels of 1 to 63 and in all at most 253 characters (RFC 1035, with the
// underscore that real names have).
func checkHostName(s string) error {
	bad := errors.New("a host name (letters, digits, '-' and dots) or an IP address is right here; the port goes into endpoint_port")
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return bad
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return bad
		}
		for i := range len(label) {
			c := label[i]
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return bad
			}
		}
	}
	// 1.2.3 or 300.1.1.1 are not names: no top-level domain is a number.
	last := s[strings.LastIndexByte(s, '.')+1:]
	if strings.Trim(last, "0123456789") == "" {
		return bad
	}
	return nil
}
