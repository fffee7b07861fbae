package status

import (
	"math"
	"net/netip"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Bounds of one reply. rpcd goes off the bus with a reply of more than 1 MiB; a
// peer with long texts and many allowed IPs stays within a hundredth of that.
const (
	// DefaultLimit is how many peers a page holds when nobody says.
	DefaultLimit = 100
	// MaxLimit is how many it holds at most.
	MaxLimit = 500
	// maxList is how many allowed IPs of a peer, or problems, one reply lists.
	maxList = 50
	// pageBytes of JSON are when a page ends early.
	pageBytes = 512 << 10
)

// Page selects peers of all interfaces of a snapshot, counted through in order.
type Page struct {
	Offset, Limit int
}

// Table returns the snapshot as ubus and JSON carry it:
//
//	{"time": SECONDS, "total": PEERS, "offset": N, "limit": N, "next": N,
//	 "config_error": TEXT, "interfaces": {NAME: {…, "peers": [{…}]}}}
//
// "next" is the offset of the next page and is left out on the last one. Each
// interface and each peer holds what LuCI's stock method shows under the names
// that it has there, and more.
func (s *Snapshot) Table(page Page) blobmsg.Table {
	page.Offset = max(page.Offset, 0)
	if page.Limit <= 0 {
		page.Limit = DefaultLimit
	}
	page.Limit = min(page.Limit, MaxLimit)
	return s.table(page, bounds{list: maxList, bytes: pageBytes})
}

// All returns the snapshot with all peers and all lists in full, for a file or a
// pipe; over a bus it would be too long.
func (s *Snapshot) All() blobmsg.Table {
	return s.table(Page{Limit: math.MaxInt}, bounds{list: math.MaxInt, bytes: math.MaxInt})
}

// bounds keep a reply short: how long a list may be, and when a page is full.
type bounds struct{ list, bytes int }

func (s *Snapshot) table(page Page, b bounds) blobmsg.Table {
	total, shown, size := 0, 0, 0
	full := false
	ifaces := make(blobmsg.Table, 0, len(s.Interfaces))
	for n := range s.Interfaces {
		i := &s.Interfaces[n]
		peers := blobmsg.Array{}
		for k := range i.Peers {
			at := total + k
			if at < page.Offset || full {
				continue
			}
			if full = shown == page.Limit || size > b.bytes; full {
				continue
			}
			p := i.Peers[k].table(b)
			size += jsonLen(p)
			peers = append(peers, p)
			shown++
		}
		total += len(i.Peers)
		t := i.table(b)
		if size += jsonLen(t); size > b.bytes {
			t = i.table(bounds{}) // no lists: their lengths have to do
		}
		ifaces = append(ifaces, blobmsg.Field{Name: i.Name, Value: append(t, blobmsg.Field{Name: "peers", Value: peers})})
	}
	t := blobmsg.Table{
		{Name: "time", Value: s.Time.Unix()},
		{Name: "total", Value: total},
		{Name: "offset", Value: page.Offset},
		{Name: "limit", Value: min(page.Limit, max(total, MaxLimit))},
	}
	if full {
		t = append(t, blobmsg.Field{Name: "next", Value: page.Offset + shown})
	}
	if s.ConfigError != nil {
		t = append(t, blobmsg.Field{Name: "config_error", Value: s.ConfigError.Error()})
	}
	return append(t, blobmsg.Field{Name: "interfaces", Value: ifaces})
}

// table returns what is told of the interface besides its peers.
func (i *Interface) table(b bounds) blobmsg.Table {
	t := blobmsg.Table{
		{Name: "name", Value: i.Name},
		{Name: "up", Value: i.Up},
		{Name: "disabled", Value: i.Disabled},
		{Name: "configured", Value: i.Configured},
		{Name: "reason", Value: i.Reason},
		{Name: "uptime", Value: i.Uptime},
		{Name: "public_key", Value: keyOrEmpty(i.PublicKey)},
		{Name: "listen_port", Value: int32(i.ListenPort)},
		{Name: "fwmark", Value: FwMark(i.FwMark)},
		{Name: "mtu", Value: i.MTU},
		{Name: "addresses", Value: stringArray(i.Addresses, b)},
		{Name: "routes", Value: blobmsg.Table{
			{Name: "asked", Value: i.Routes.Asked},
			{Name: "netifd", Value: i.Routes.Netifd},
			{Name: "ours", Value: i.Routes.Ours},
		}},
		{Name: "peers_total", Value: len(i.Peers)},
		{Name: "peers_active", Value: i.Active()},
		{Name: "peers_connected", Value: i.Connected()},
		{Name: "problems_total", Value: len(i.Problems)},
		{Name: "problems", Value: problemArray(i.Problems, b)},
	}
	var errs blobmsg.Array
	for _, e := range i.Errors[:min(len(i.Errors), b.list)] {
		words := blobmsg.Array{}
		for _, w := range e.Words {
			words = append(words, w)
		}
		errs = append(errs, blobmsg.Table{
			{Name: "subsystem", Value: e.Subsystem}, {Name: "code", Value: e.Code}, {Name: "data", Value: words},
		})
	}
	if len(errs) > 0 {
		t = append(t, blobmsg.Field{Name: "errors", Value: errs})
	}
	return t
}

func (p *Peer) table(b bounds) blobmsg.Table {
	handshake, age := int64(0), int64(-1)
	if !p.LastHandshake.IsZero() {
		handshake = p.LastHandshake.Unix()
		age = int64(p.Age.Seconds())
	}
	endpoint := ""
	if p.Endpoint.IsValid() {
		endpoint = p.Endpoint.String()
	}
	t := blobmsg.Table{
		{Name: "name", Value: p.Name},
		{Name: "section", Value: p.Section},
		{Name: "state", Value: string(p.State)},
		{Name: "reason", Value: p.Reason},
		{Name: "disabled", Value: p.State == Disabled},
		{Name: "public_key", Value: keyOrEmpty(p.PublicKey)},
		{Name: "has_preshared_key", Value: p.HasPresharedKey},
		{Name: "endpoint_host", Value: p.EndpointHost},
		{Name: "endpoint", Value: endpoint},
		{Name: "allowed_ips_total", Value: len(p.AllowedIPs)},
		{Name: "allowed_ips", Value: stringArray(p.AllowedIPs, b)},
		{Name: "route_allowed_ips", Value: p.RouteAllowedIPs},
		{Name: "latest_handshake", Value: handshake},
		{Name: "handshake_age", Value: age},
		{Name: "transfer_rx", Value: int64(p.RxBytes)},
		{Name: "transfer_tx", Value: int64(p.TxBytes)},
		{Name: "persistent_keepalive", Value: int32(p.Keepalive)},
	}
	if p.EndpointHost != "" {
		t = append(t, blobmsg.Field{Name: "endpoint_port", Value: int32(p.EndpointPort)})
	}
	if len(p.Problems) > 0 {
		t = append(t, blobmsg.Field{Name: "problems", Value: problemArray(p.Problems, b)})
	}
	return t
}

func problemArray(list []*schema.Problem, b bounds) blobmsg.Array {
	out := blobmsg.Array{}
	for _, p := range list[:min(len(list), b.list)] {
		out = append(out, blobmsg.Table{
			{Name: "level", Value: p.Level.String()},
			{Name: "option", Value: p.Path()},
			{Name: "value", Value: p.ShortValue()},
			{Name: "text", Value: p.Text},
		})
	}
	return out
}

func stringArray(list []netip.Prefix, b bounds) blobmsg.Array {
	out := make(blobmsg.Array, 0, min(len(list), b.list))
	for _, p := range list[:min(len(list), b.list)] {
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

func jsonLen(t blobmsg.Table) int { return len(blobmsg.AppendJSON(nil, t)) }
