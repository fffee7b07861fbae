package status

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// peer prints a peer with all it has.
func (t *text) peer(p *Peer) {
	t.line("  peer " + clean(p.Name) + ": " + string(p.State))
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&t.b, "    %-15s%s\n", name, clean(value))
		}
	}
	detail := p.Detail()
	field("reason", detail)
	for _, problem := range p.Problems[:min(len(p.Problems), maxShown)] {
		if text := problem.Error(); text != detail {
			field("problem", text)
		}
	}
	if !p.PublicKey.IsZero() {
		field("public key", p.PublicKey.String())
	}
	switch {
	case p.Endpoint.IsValid():
		field("endpoint", p.Endpoint.String())
	case p.EndpointHost != "":
		field("endpoint", p.first()+" (not in use)")
	}
	field("allowed ips", prefixes(p.AllowedIPs))
	if !p.LastHandshake.IsZero() {
		field("handshake", Ago(p.Age))
	}
	if p.RxBytes|p.TxBytes != 0 {
		field("transfer", "received "+Bytes(p.RxBytes)+", sent "+Bytes(p.TxBytes))
	}
	if p.Rate.Rx|p.Rate.Tx != 0 {
		field("now", "receiving "+Bytes(p.Rate.Rx)+"/s, sending "+Bytes(p.Rate.Tx)+"/s")
	}
	if p.Keepalive != 0 {
		field("keepalive", "every "+strconv.Itoa(int(p.Keepalive))+" s")
	}
}

// list prints a line for each peer, what needs somebody first.
func (t *text) list(i *Interface, peers []*Peer) {
	t.line("")
	t.row("PEER", "STATE", "REASON", "HANDSHAKE", "RECEIVED", "SENT", "ENDPOINT")
	for _, p := range byRank(peers) {
		handshake := ""
		if !p.LastHandshake.IsZero() && p.Age >= 0 {
			handshake = duration(p.Age)
		}
		reason := string(p.Reason)
		if reason == string(p.State) {
			reason = ""
		}
		t.row(p.Name, string(p.State), reason, handshake, traffic(p.RxBytes), traffic(p.TxBytes), p.endpoint())
	}
	t.line("")
	t.line("  One with all it has, and what to do: wgnetifd status " + i.Name + " PEER (a part of its name, key or address)")
}

// byRank returns peers state by state, those of one state in the order of the file.
func byRank(peers []*Peer) []*Peer {
	out := make([]*Peer, 0, len(peers))
	for rank := range len(states) + 1 {
		for _, p := range peers {
			if p.State.rank() == rank {
				out = append(out, p)
			}
		}
	}
	return out
}

// traffic leaves nothing where there was none.
func traffic(n uint64) string {
	if n == 0 {
		return ""
	}
	return Bytes(n)
}

// columns are the widths of a row's cells, in characters; the last one has none.
var columns = [...]int{24, 10, 11, 11, 10, 10}

func (t *text) row(cells ...string) {
	var b strings.Builder
	b.WriteString(" ")
	for n, c := range cells {
		c = clean(c)
		b.WriteByte(' ')
		if n == len(columns) {
			b.WriteString(c)
			break
		}
		width := utf8.RuneCountInString(c)
		if width > columns[n] {
			c, width = string([]rune(c)[:columns[n]-1])+"…", columns[n]
		}
		b.WriteString(c)
		b.WriteString(strings.Repeat(" ", columns[n]-width))
	}
	t.line(strings.TrimRight(b.String(), " "))
}
