package status

import (
	"fmt"
	"strconv"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// PeersTable answers `peers`: all interfaces, and the peers that the query means.
// It is shorter than 900 KB. The error is ErrNoInterface, wrapped.
func (s *Snapshot) PeersTable(q Query) (blobmsg.Table, error) {
	if q.Interface != "" && s.find(q.Interface) == nil {
		return nil, fmt.Errorf("%s: %w", cut(q.Interface, maxName), ErrNoInterface)
	}
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	if q.NoPeers {
		q.Limit = 0
	}
	chosen, all := s.choose(&q)
	var m meter
	ifaces := s.interfaces(q.Interface, &m)

	start := min(max(q.Offset, 0), len(chosen))
	end := min(start+q.Limit, len(chosen))
	peers := make(blobmsg.Array, 0, end-start)
	for _, r := range chosen[start:end] {
		t := s.peer(r).table(s.Interfaces[r.iface].Name, pageBounds)
		if m.add(t); m.bytes > maxReply {
			break
		}
		peers = append(peers, t)
	}
	t := append(s.head(), blobmsg.Table{
		{Name: "total", Value: len(chosen)},
		{Name: "offset", Value: start},
		{Name: "limit", Value: q.Limit},
	}...)
	if next := start + len(peers); next < len(chosen) && q.Limit > 0 {
		t = append(t, blobmsg.Field{Name: "next", Value: next})
	}
	return append(t, blobmsg.Table{
		{Name: "counts", Value: all.table()},
		{Name: "interfaces_total", Value: len(s.Interfaces)},
		{Name: "interfaces", Value: ifaces},
		{Name: "peers", Value: peers},
	}...), nil
}

// interfaces returns those of a page. A third of the reply is theirs: beyond that
// they lose their lists, beyond two thirds the others are not there.
func (s *Snapshot) interfaces(only string, m *meter) blobmsg.Array {
	out := make(blobmsg.Array, 0, len(s.Interfaces))
	for n := range s.Interfaces {
		i := &s.Interfaces[n]
		if only != "" && i.Name != only {
			continue
		}
		before := m.bytes
		t := i.table(pageBounds)
		if m.add(t); m.bytes > maxReply/3 {
			m.bytes = before
			t = i.table(bounds{})
			m.add(t)
		}
		if m.bytes > maxReply*2/3 {
			m.bytes = before
			break
		}
		out = append(out, t)
	}
	return out
}

// meter adds up how long a reply gets, in the longer of its two forms.
type meter struct {
	bytes int
	buf   []byte
}

func (m *meter) add(v blobmsg.Table) {
	m.buf = blobmsg.AppendJSON(m.buf[:0], v)
	longer := len(m.buf)
	m.buf = blobmsg.Append(m.buf[:0], v)
	const header = 64 // of the attribute and its name, and what stands between
	m.bytes += max(longer, len(m.buf)) + header
}

// Candidate is an endpoint of a peer as the daemon knows it.
type Candidate struct {
	Host      string
	Port      uint16
	Addresses []string
	Err       error     // of the last look-up
	Asked     time.Time // of it; zero: never
	InUse     bool
}

// PeerTable answers `peer`: everything of one. The candidates are those that the
// daemon knows; without any, those of the configuration are shown. The error is
// ErrNoInterface or ErrNoPeer, wrapped.
func (s *Snapshot) PeerTable(ref PeerRef, candidates []Candidate) (blobmsg.Table, error) {
	i, p, err := s.Find(ref)
	if err != nil {
		return nil, err
	}
	if candidates == nil {
		candidates = p.candidates()
	}
	t := append(s.head(), p.table(i.Name, peerBounds)...)
	t = append(t, blobmsg.Table{
		{Name: "in_device", Value: p.InKernel},
		{Name: "candidates", Value: candidateArray(candidates)},
	}...)
	if p.conf != nil {
		t = append(t, blobmsg.Field{Name: "config", Value: configTable(p.conf)})
	}
	return t, nil
}

// candidates returns what is known without a daemon.
func (p *Peer) candidates() []Candidate {
	if p.conf == nil {
		return nil
	}
	var out []Candidate
	for _, e := range p.conf.Endpoints() {
		c := Candidate{Host: e.Host, Port: e.Port}
		if e.Addr.IsValid() {
			c.Addresses = []string{e.Addr.String()}
			c.InUse = p.Endpoint == e.AddrPort()
		}
		out = append(out, c)
	}
	if len(out) == 1 && !p.conf.Endpoint.Addr.IsValid() {
		// Where a name led to nobody knows; if there is one name it is likely that.
		out[0].InUse = p.Endpoint.IsValid() && p.Endpoint.Port() == out[0].Port
	}
	return out
}

// maxAddresses is how many addresses of a candidate are shown.
const maxAddresses = 16

func candidateArray(list []Candidate) blobmsg.Array {
	out := blobmsg.Array{}
	for _, c := range list[:min(len(list), schema.MaxFallbacks+1)] {
		addrs := blobmsg.Array{}
		for _, a := range c.Addresses[:min(len(c.Addresses), maxAddresses)] {
			addrs = append(addrs, a)
		}
		t := blobmsg.Table{
			{Name: "host", Value: plain(c.Host, maxText)},
			{Name: "port", Value: int(c.Port)},
			{Name: "addresses", Value: addrs},
		}
		if c.Err != nil {
			t = append(t, blobmsg.Field{Name: "error", Value: plain(c.Err.Error(), maxText)})
		}
		if !c.Asked.IsZero() {
			t = append(t, blobmsg.Field{Name: "asked", Value: c.Asked.Unix()})
		}
		out = append(out, append(t, blobmsg.Field{Name: "in_use", Value: c.InUse}))
	}
	return out
}

// configTable returns what the configuration says of a peer, without its secrets.
func configTable(c *schema.Peer) blobmsg.Table {
	further := blobmsg.Array{}
	for _, e := range c.Fallbacks {
		further = append(further, HostPort(e.Host, e.Port))
	}
	port := 0
	if !c.Endpoint.IsZero() {
		port = int(c.Endpoint.Port)
	}
	return blobmsg.Table{
		{Name: "public_key", Value: keyOrEmpty(c.PublicKey)},
		{Name: "has_preshared_key", Value: !c.PresharedKey.IsZero()},
		{Name: "description", Value: plain(c.Description, peerBounds.text)},
		{Name: "allowed_ips", Value: prefixArray(c.AllowedIPs, peerBounds.allowedIPs)},
		{Name: "route_allowed_ips", Value: c.RouteAllowedIPs},
		{Name: "endpoint_host", Value: plain(c.Endpoint.Host, maxText)},
		{Name: "endpoint_port", Value: port},
		{Name: "endpoint", Value: further},
		{Name: "endpoint_family", Value: c.EndpointFamily.String()},
		{Name: "endpoint_failback", Value: int(c.EndpointFailback)},
		{Name: "persistent_keepalive", Value: int(c.Keepalive)},
		{Name: "disabled", Value: c.Disabled},
	}
}

// HostPort joins an endpoint as it is written: an IPv6 address gets brackets.
func HostPort(host string, port uint16) string {
	for n := range len(host) {
		if host[n] == ':' {
			host = "[" + host + "]"
			break
		}
	}
	return host + ":" + strconv.Itoa(int(port))
}
