package support

import (
	"net/netip"
	"strconv"
	"strings"
)

// Mask takes out of a text what is nobody's business. Each thing that it takes out
// gets a number, and the same one wherever it stands.
type Mask struct {
	// hosts are names that are looked up label by label; literals are known, too, but
	// look like nothing in particular. The longest ones stand first.
	hosts    map[string]bool
	literals []string
	numbers  map[string]int
	counts   map[string]int
}

// minKnown is how long a secret or a name has to be before it is looked for: in a
// shorter one, half of the text would be taken for it.
const minKnown = 4

// NewMask makes a mask for secrets and names of hosts, beside all that looks like a
// key or a public address.
func NewMask(secrets, hosts []string) *Mask {
	m := &Mask{hosts: map[string]bool{}, numbers: map[string]int{}, counts: map[string]int{}}
	for _, s := range secrets {
		if run(s, isKey) < minKey { // others are found by what they look like
			m.literal(s)
		}
	}
	for _, h := range hosts {
		switch {
		case len(h) < minKnown:
		case run(h, isHost) == len(h):
			m.hosts[asciiLower(strings.Trim(h, "."))] = true
		default:
			m.literal(h)
		}
	}
	return m
}

func (m *Mask) literal(s string) {
	if len(s) < minKnown {
		return
	}
	at := 0
	for at < len(m.literals) && len(m.literals[at]) >= len(s) {
		at++
	}
	m.literals = append(m.literals, "")
	copy(m.literals[at+1:], m.literals[at:])
	m.literals[at] = s
}

// number returns the stand-in for a thing of a kind.
func (m *Mask) number(kind, thing string) string {
	id := kind + "\x00" + thing
	n, ok := m.numbers[id]
	if !ok {
		m.counts[kind]++
		n = m.counts[kind]
		m.numbers[id] = n
	}
	return "<" + kind + "-" + strconv.Itoa(n) + ">"
}

// Text returns the text with the mask on.
func (m *Mask) Text(s string) string {
	for _, secret := range m.literals {
		s = strings.ReplaceAll(s, secret, "<secret>")
	}
	var b strings.Builder
	b.Grow(len(s))
	inName := false // a name was looked for already where the next byte is in it
	for len(s) > 0 {
		if n := run(s, isHost); n > 0 && !inName {
			if before, name, after := m.findHost(s[:n]); name != "" {
				b.WriteString(m.Text(before) + m.number("host", name))
				s = after + s[n:]
				continue
			}
		}
		n, kind, thing := look(s)
		if kind == "" {
			b.WriteString(s[:n])
		} else {
			b.WriteString(m.number(kind, thing))
		}
		inName = isHost(s[n-1])
		s = s[n:]
	}
	return b.String()
}

// findHost looks for the name of a host in a word, from one label to another.
func (m *Mask) findHost(word string) (before, name, after string) {
	if len(m.hosts) == 0 {
		return "", "", ""
	}
	lower := asciiLower(word)
	for start := 0; start < len(word); {
		for end := len(word); end > start; {
			if m.hosts[lower[start:end]] {
				return word[:start], lower[start:end], word[end:]
			}
			dot := strings.LastIndexByte(lower[start:end], '.')
			if dot < 0 {
				break
			}
			end = start + dot
		}
		dot := strings.IndexByte(lower[start:], '.')
		if dot < 0 {
			break
		}
		start += dot + 1
	}
	return "", "", ""
}

// asciiLower keeps the length of the text, which strings.ToLower does not.
func asciiLower(s string) string {
	b := []byte(s)
	for n, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[n] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// minKey is the length of a run of base64 or hexadecimal digits that is taken for a
// key: a whole one has 44 characters or 64, and one that was cut when it was copied
// is a secret too.
const minKey = 36

// look says of the start of a text what it is: n bytes of a kind, or, where kind is
// empty, n bytes that may be shown.
func look(s string) (n int, kind, thing string) {
	if n = run(s, isKey); n >= minKey {
		return n + run(s[n:], func(c byte) bool { return c == '=' }), "key", s[:n]
	}
	if n, kind, thing = address(s); n > 0 {
		return n, kind, thing
	}
	return word(s), "", ""
}

// word is how much of s cannot be the start of an address: a run of digits and
// letters that has one within is looked at again from there.
func word(s string) int {
	n := 0
	for n < len(s) && isKey(s[n]) && s[n] != '+' && s[n] != '/' {
		n++
	}
	if n < len(s) && (s[n] == ':' || s[n] == '.') {
		// What stands before the sign may be the first group of an address, with
		// letters in front of it that do not belong to it.
		for n > 0 && isHex(s[n-1]) {
			n--
		}
	}
	return max(n, 1)
}

func run(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isKey(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '+' || c == '/'
}

func isHost(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.'
}

// address finds an address of n bytes at the start of s; where kind is empty it may
// be shown. n is 0 where there is none.
func address(s string) (n int, kind, thing string) {
	if n = run(s, func(c byte) bool { return isHex(c) || c == ':' || c == '.' }); n == 0 {
		return 0, "", ""
	}
	candidate := s[:n]
	if mac := 17; n >= mac && isMAC(candidate[:mac]) && (n == mac || !isHex(candidate[mac])) {
		return mac, "mac", asciiLower(candidate[:mac])
	}
	// The longest start that is an address: what follows may be a full stop, the
	// colon before a port, or a word.
	for end := n; end > 1; end-- {
		a, err := netip.ParseAddr(candidate[:end])
		if err != nil {
			continue
		}
		if a = a.Unmap(); shown(a) {
			return end, "", ""
		}
		return end, "address", a.String()
	}
	if strings.Contains(candidate, "::") || strings.Count(candidate, ":") > 4 {
		return n, "address", candidate // damaged, but it was one
	}
	return 0, "", ""
}

// isMAC reports whether s is six pairs of hexadecimal digits.
func isMAC(s string) bool {
	for n := range len(s) {
		if (n%3 == 2) != (s[n] == ':') || (n%3 != 2 && !isHex(s[n])) {
			return false
		}
	}
	return true
}

// sharedSpace is what providers have behind their own NAT (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// shown reports whether an address says nothing of whose it is.
func shown(a netip.Addr) bool {
	return a.IsUnspecified() || a.IsLoopback() || a.IsPrivate() || a.IsMulticast() ||
		a.IsLinkLocalUnicast() && a.Is4() || a.IsLinkLocalUnicast() && !fromMAC(a) ||
		sharedSpace.Contains(a) || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// fromMAC reports whether a hardware address is in the address (RFC 4291, 2.5.1).
func fromMAC(a netip.Addr) bool {
	b := a.As16()
	return b[11] == 0xff && b[12] == 0xfe
}
