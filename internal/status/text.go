package status

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// maxShown is how many allowed IPs of a peer people are shown.
	maxShown = 20
	// maxWhole is up to how many peers of an interface are shown with all they have;
	// more of them get one line each.
	maxWhole = 20
)

// WriteText prints the snapshot for people.
func (s *Snapshot) WriteText(w io.Writer) error {
	t := &text{}
	if s.ConfigError != nil {
		t.line("The configuration cannot be read; this is what the kernel has.")
		t.line("  " + clean(s.ConfigError.Error()))
		t.line("")
	}
	switch {
	case len(s.Interfaces) > 0:
	case s.ConfigError != nil:
		t.line("The kernel has no WireGuard interfaces.")
	default:
		t.line("There are no WireGuard interfaces: none is configured, and the kernel has none.")
	}
	m := newMatcher(s.Text)
	for n := range s.Interfaces {
		if n > 0 {
			t.line("")
		}
		t.iface(&s.Interfaces[n])
		t.peers(&s.Interfaces[n], m)
	}
	if note := s.daemonNote(); note != "" && len(s.Interfaces) > 0 {
		t.line("")
		t.line(clean(note))
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

type text struct{ b strings.Builder }

func (t *text) line(s string) { t.b.WriteString(s); t.b.WriteByte('\n') }

func (t *text) field(name, value string) {
	if value != "" {
		fmt.Fprintf(&t.b, "  %-13s%s\n", name, clean(value))
	}
}

func (t *text) iface(i *Interface) {
	state := string(i.State)
	if i.Detail != "" {
		state += ": " + clean(i.Detail)
	}
	t.line("interface " + i.Name + ": " + state)
	if !i.PublicKey.IsZero() {
		t.field("public key", i.PublicKey.String())
	}
	if i.ListenPort != 0 {
		t.field("listen port", strconv.Itoa(int(i.ListenPort)))
	}
	t.field("addresses", prefixes(i.Addresses))
	if i.FwMark != 0 {
		t.field("fwmark", FwMark(i.FwMark))
	}
	if i.MTU != 0 {
		t.field("mtu", strconv.Itoa(i.MTU))
	}
	if r := i.Routes; r.Netifd+r.Ours != r.Asked || r.Ours > 0 {
		t.field("routes", fmt.Sprintf("%d, more than netifd takes: %d by netifd after aggregation, %d by us", r.Asked, r.Netifd, r.Ours))
	}
	t.field("peers", i.summary())
	if i.Rate.Measured {
		t.field("traffic", "receiving "+Bytes(i.Rate.Rx)+"/s, sending "+Bytes(i.Rate.Tx)+"/s")
	}
	if !i.Configured {
		t.field("note", "not in the configuration")
	}
	for _, p := range i.Problems {
		if text := p.Error(); p.Section == i.Name && text != i.Detail { // those of peers stand with the peers
			t.field("problem", text)
		}
	}
	for _, e := range i.Errors {
		if text := strings.Join(e.Words, ": "); len(i.Problems) == 0 && text != i.Detail {
			t.field("netifd", strings.TrimSpace(e.Code+" "+text))
		}
	}
}

// summary says how many peers are connected, and what the others are.
func (i *Interface) summary() string {
	sum := i.sums()
	text := strconv.Itoa(sum.connected) + " connected of " + strconv.Itoa(sum.active)
	var others []string
	for n, count := range sum.counts {
		if count > 0 && states[n] != Connected {
			others = append(others, strconv.Itoa(count)+" "+string(states[n]))
		}
	}
	if len(others) > 0 {
		text += " (" + strings.Join(others, ", ") + ")"
	}
	return text
}

// peers prints those that match.
func (t *text) peers(i *Interface, m *matcher) {
	var shown []*Peer
	for n := range i.Peers {
		if p := &i.Peers[n]; m.matches(p) {
			shown = append(shown, p)
		}
	}
	if len(shown) > maxWhole {
		t.list(i, shown)
		return
	}
	for _, p := range shown {
		t.line("")
		t.peer(p)
	}
}

// clean keeps what came from a configuration from steering the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}

func prefixes(list []netip.Prefix) string {
	var b strings.Builder
	for n, p := range list {
		if n == maxShown {
			fmt.Fprintf(&b, " and %d more", len(list)-n)
			break
		}
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// FwMark writes a firewall mark as wg(8) does: "off" or hexadecimal.
func FwMark(m uint32) string {
	if m == 0 {
		return "off"
	}
	return "0x" + strconv.FormatUint(uint64(m), 16)
}

// Ago writes how long ago something was, in the largest unit and the next.
func Ago(d time.Duration) string {
	if d < 0 {
		return "in the future: the router's clock was set back"
	}
	return duration(d) + " ago"
}

// duration writes a time that is not negative, in the largest unit and the next.
func duration(d time.Duration) string {
	s := int64(d / time.Second)
	two := func(n int64, unit string, m int64, smaller string) string {
		return strconv.FormatInt(n, 10) + " " + unit + " " + strconv.FormatInt(m, 10) + " " + smaller
	}
	switch {
	case s < 60:
		return strconv.FormatInt(s, 10) + " s"
	case s < 3600:
		return two(s/60, "min", s%60, "s")
	case s < 86400:
		return two(s/3600, "h", s%3600/60, "min")
	default:
		return two(s/86400, "d", s%86400/3600, "h")
	}
}

// Bytes writes a number of bytes with a binary unit.
func Bytes(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10) + " B"
	}
	value, unit := float64(n), -1
	for value >= 1024 && unit < 5 {
		value /= 1024
		unit++
	}
	return strconv.FormatFloat(value, 'f', 2, 64) + " " + "KMGTPE"[unit:unit+1] + "iB"
}
