package status

import (
	"math"
	"net/netip"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// The names and kinds of all fields stand in docs/ubus.md.

const (
	// maxReply is how many bytes a reply has at most, as JSON and as blobmsg: with
	// one of more than 1 MiB rpcd itself goes off the bus, and ubusd drops the
	// connection.
	maxReply = 900 << 10

	// maxName is how many bytes of a name, a section or a description are shown.
	maxName = 200
	// maxText is the same for sentences of errors.
	maxText = 600
)

// bounds say how long the lists of a reply may be.
type bounds struct{ allowedIPs, problems, errors, addresses, text int }

var (
	pageBounds = bounds{allowedIPs: 10, problems: 3, errors: 10, addresses: 50, text: maxName}
	peerBounds = bounds{allowedIPs: 500, problems: 50, text: 4096}
	fullBounds = bounds{math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt}
)

// interfaceProblems is how many problems of an interface a page lists: its own and
// those of its peers.
const interfaceProblems = 10

// All returns the snapshot with all peers and all lists in full, for a file or a
// pipe; over a bus it would be too long. Peers stand with their interfaces:
//
//	{"time": …, "interfaces": {NAME: {…, "peers": [{…}]}}}
//
// with the fields of PeersTable.
func (s *Snapshot) All() blobmsg.Table {
	ifaces := make(blobmsg.Table, 0, len(s.Interfaces))
	total, m := 0, newMatcher(s.Text)
	for n := range s.Interfaces {
		i := &s.Interfaces[n]
		peers := make(blobmsg.Array, 0, len(i.Peers))
		for k := range i.Peers {
			if p := &i.Peers[k]; m.matches(p) {
				peers = append(peers, p.table(i.Name, fullBounds))
			}
		}
		total += len(peers)
		t := i.table(fullBounds)
		ifaces = append(ifaces, blobmsg.Field{Name: i.Name, Value: append(t, blobmsg.Field{Name: "peers", Value: peers})})
	}
	return append(s.head(), blobmsg.Table{
		{Name: "total", Value: total},
		{Name: "interfaces", Value: ifaces},
	}...)
}

// head returns what every reply begins with.
func (s *Snapshot) head() blobmsg.Table {
	t := blobmsg.Table{
		{Name: "time", Value: s.Time.Unix()},
		{Name: "clock", Value: blobmsg.Table{
			{Name: "set", Value: s.Clock.Set},
			{Name: "synchronised", Value: s.Clock.Synchronised},
		}},
		{Name: "daemon", Value: s.Daemon},
	}
	if s.ConfigError != nil {
		t = append(t, blobmsg.Field{Name: "config_error", Value: plain(s.ConfigError.Error(), maxText)})
	}
	return t
}

// table returns what is told of the interface besides its peers.
func (i *Interface) table(b bounds) blobmsg.Table {
	sum := i.sums()
	t := blobmsg.Table{
		{Name: "name", Value: i.Name},
		{Name: "state", Value: string(i.State)},
		{Name: "reason", Value: string(i.Reason)},
		{Name: "detail", Value: plain(i.Detail, maxText)},
		{Name: "up", Value: i.Up},
		{Name: "disabled", Value: i.Disabled},
		{Name: "configured", Value: i.Configured},
		{Name: "public_key", Value: keyOrEmpty(i.PublicKey)},
		{Name: "listen_port", Value: int(i.ListenPort)},
		{Name: "fwmark", Value: FwMark(i.FwMark)},
		{Name: "mtu", Value: i.MTU},
		{Name: "addresses", Value: prefixArray(i.Addresses, b.addresses)},
		{Name: "routes", Value: blobmsg.Table{
			{Name: "asked", Value: i.Routes.Asked},
			{Name: "netifd", Value: i.Routes.Netifd},
			{Name: "ours", Value: i.Routes.Ours},
		}},
		{Name: "uptime", Value: i.Uptime},
		{Name: "peers_total", Value: len(i.Peers)},
		{Name: "peers_active", Value: sum.active},
		{Name: "peers_connected", Value: sum.connected},
		{Name: "counts", Value: sum.table()},
		{Name: "rx_bytes", Value: size(sum.rx)},
		{Name: "tx_bytes", Value: size(sum.tx)},
	}
	t = append(t, i.Rate.fields()...)
	t = append(t,
		blobmsg.Field{Name: "problems_total", Value: len(i.Problems)},
		blobmsg.Field{Name: "problems", Value: problemArray(i.Problems, i.problems(b))},
	)
	if errs := errorArray(i.Errors, b.errors); len(errs) > 0 {
		t = append(t, blobmsg.Field{Name: "errors", Value: errs})
	}
	return t
}

func (i *Interface) problems(b bounds) int {
	if b.problems > 0 && b.problems < interfaceProblems {
		return interfaceProblems
	}
	return b.problems
}

func (p *Peer) table(iface string, b bounds) blobmsg.Table {
	handshake, age := int64(0), int64(-1)
	if !p.LastHandshake.IsZero() {
		handshake = p.LastHandshake.Unix()
	}
	if p.Age >= 0 {
		age = int64(p.Age.Seconds())
	}
	t := make(blobmsg.Table, 0, 26)
	t = append(t,
		blobmsg.Field{Name: "interface", Value: iface},
		blobmsg.Field{Name: "name", Value: plain(p.Name, b.text)},
		blobmsg.Field{Name: "section", Value: plain(p.Section, b.text)},
	)
	if p.Description != "" {
		t = append(t, blobmsg.Field{Name: "description", Value: plain(p.Description, b.text)})
	}
	t = append(t, blobmsg.Table{
		{Name: "state", Value: string(p.State)},
		{Name: "reason", Value: string(p.Reason)},
		{Name: "detail", Value: plain(p.Detail(), maxText)},
		{Name: "public_key", Value: keyOrEmpty(p.PublicKey)},
		{Name: "has_preshared_key", Value: p.HasPresharedKey},
		{Name: "endpoint_host", Value: plain(p.EndpointHost, b.text)},
		{Name: "endpoint_port", Value: int(p.EndpointPort)},
		{Name: "endpoint", Value: p.endpoint()},
		{Name: "allowed_ips_total", Value: len(p.AllowedIPs)},
		{Name: "allowed_ips", Value: prefixArray(p.AllowedIPs, b.allowedIPs)},
		{Name: "route_allowed_ips", Value: p.RouteAllowedIPs},
		{Name: "latest_handshake", Value: handshake},
		{Name: "handshake_age", Value: age},
		{Name: "transfer_rx", Value: size(p.RxBytes)},
		{Name: "transfer_tx", Value: size(p.TxBytes)},
		{Name: "persistent_keepalive", Value: int(p.Keepalive)},
		{Name: "disabled", Value: p.State == Disabled},
	}...)
	t = append(t, p.Rate.fields()...)
	if len(p.Problems) > 0 && b.problems > 0 {
		t = append(t, blobmsg.Field{Name: "problems", Value: problemArray(p.Problems, b.problems)})
	}
	return t
}

func (p *Peer) endpoint() string {
	if !p.Endpoint.IsValid() {
		return ""
	}
	return p.Endpoint.String()
}

func (r Rate) fields() blobmsg.Table {
	if !r.Measured {
		return nil
	}
	return blobmsg.Table{{Name: "rx_rate", Value: size(r.Rx)}, {Name: "tx_rate", Value: size(r.Tx)}}
}

// size keeps a number of bytes within what ubus can say.
func size(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// plain makes UTF-8 of a text, of so many bytes at most.
func plain(s string, most int) string {
	return strings.ToValidUTF8(cut(s, most), "\ufffd")
}

func problemArray(list []*schema.Problem, most int) blobmsg.Array {
	out := make(blobmsg.Array, 0, min(len(list), most))
	for _, p := range list[:min(len(list), most)] {
		out = append(out, blobmsg.Table{
			{Name: "level", Value: p.Level.String()},
			{Name: "option", Value: plain(p.Path(), maxText)},
			{Name: "value", Value: plain(p.ShortValue(), maxText)},
			{Name: "text", Value: plain(p.Text, maxText)},
		})
	}
	return out
}

// maxWords is how many words of an error netifd can hold.
const maxWords = 15

func errorArray(list []netifd.Error, most int) blobmsg.Array {
	var out blobmsg.Array
	for _, e := range list[:min(len(list), most)] {
		words := blobmsg.Array{}
		for _, w := range e.Words[:min(len(e.Words), maxWords)] {
			words = append(words, plain(w, maxText))
		}
		out = append(out, blobmsg.Table{
			{Name: "subsystem", Value: plain(e.Subsystem, maxName)},
			{Name: "code", Value: plain(e.Code, maxName)},
			{Name: "data", Value: words},
		})
	}
	return out
}

func prefixArray(list []netip.Prefix, most int) blobmsg.Array {
	out := make(blobmsg.Array, 0, min(len(list), most))
	for _, p := range list[:min(len(list), most)] {
		out = append(out, p.String())
	}
	return out
}

func keyOrEmpty(k schema.Key) string {
	if k.IsZero() {
		return ""
	}
	return k.String()
}
