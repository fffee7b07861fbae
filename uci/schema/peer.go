package schema

import (
	"errors"
	"math"
	"net/netip"
)

// DefaultEndpointPort is the port of an endpoint whose section names none
// (upstream's handler).
const DefaultEndpointPort = 51820

// Peer is a section `config wireguard_IFACE`.
type Peer struct {
	// Section as `uci show network` prints it: a name, or @wireguard_wg0[3].
	Section string
	// ID is the section's name for `uci`, the generated one if it has no other.
	ID string

	Description     string
	Disabled        bool
	PublicKey       Key
	PresharedKey    Key            // zero: none
	AllowedIPs      []netip.Prefix // masked, each with one active peer alone, and there once
	LostIPs         []netip.Prefix // allowed IPs that a later peer has too, and gets
	RouteAllowedIPs bool
	// Endpoint is the first endpoint: endpoint_host and endpoint_port, or, where
	// there is no endpoint_host, the first of the list.
	Endpoint Endpoint
	// Fallbacks are the endpoints behind it, in the order of the list: at most
	// MaxFallbacks.
	Fallbacks []Endpoint
	// EndpointFamily says which addresses of the endpoints' names are used.
	EndpointFamily Family
	// EndpointFailback is after how many seconds on a fallback the first endpoint
	// is tried again; 0: never. DefaultFailback where it is not configured.
	EndpointFailback uint32
	Keepalive        uint16 // seconds; 0: off

	// Invalid: something is wrong that the peer cannot do without; it is left
	// out. Problems say why.
	Invalid  bool
	Problems []*Problem
}

// Active reports whether the peer belongs into the device.
func (p *Peer) Active() bool { return !p.Disabled && !p.Invalid }

// Name returns what people call the peer: its description, otherwise the name
// of its section.
func (p *Peer) Name() string {
	if p.Description != "" {
		return p.Description
	}
	return p.Section
}

// Endpoint is where a peer is reached. The zero Endpoint is none.
type Endpoint struct {
	// Host is a name or an address, without brackets.
	Host string
	// Addr is valid when Host is an address.
	Addr netip.Addr
	Port uint16
}

// IsZero reports whether no endpoint is configured.
func (e Endpoint) IsZero() bool { return e.Host == "" }

// AddrPort returns the endpoint when it is an address; otherwise it is invalid.
func (e Endpoint) AddrPort() netip.AddrPort {
	if !e.Addr.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(e.Addr, e.Port)
}

// Endpoints returns all endpoints of the peer in the order in which they are to
// be used; none if the peer has none.
func (p *Peer) Endpoints() []Endpoint {
	if p.Endpoint.IsZero() {
		return nil
	}
	return append([]Endpoint{p.Endpoint}, p.Fallbacks...)
}

var peerOptions = []option[Peer]{
	{
		Spec{Name: "public_key", Type: "key", Help: "Public key of the peer. Required."},
		func(p *Peer, v string) error {
			k, err := ParseKey(v)
			if err == nil && k.IsZero() {
				err = errors.New("a key of zeros is no key")
			}
			p.PublicKey = k
			return err
		},
	},
	{
		Spec{Name: "preshared_key", Type: "key", Secret: true, Help: "Preshared key, the same on both sides."},
		func(p *Peer, v string) (err error) {
			p.PresharedKey, err = ParseKey(v)
			return err
		},
	},
	{Spec{
		Name: "private_key", Type: "key", Secret: true,
		Help: "Private key of the peer, kept only so that LuCI can show the peer's own configuration and QR code.",
	}, nil},
	{
		Spec{
			Name: "allowed_ips", Type: "address[/length]", List: true,
			Help: "Addresses that the peer may use, and that are sent to it. Without a length: /32 or /128.",
		},
		func(p *Peer, v string) error {
			prefix, err := parsePrefix(v)
			if err != nil {
				return err
			}
			masked := prefix.Masked()
			p.AllowedIPs = append(p.AllowedIPs, masked)
			if masked != prefix {
				return note("has bits behind its prefix length; used as " + masked.String())
			}
			return nil
		},
	},
	{
		Spec{
			Name: "route_allowed_ips", Type: "boolean", Default: "0",
			Help: "Make a route through the tunnel for each of the allowed IPs.",
		},
		func(p *Peer, v string) (err error) {
			p.RouteAllowedIPs, err = parseBool(v)
			return err
		},
	},
	{
		Spec{
			Name: "endpoint_host", Type: "name or address",
			Help: "Where the peer is reached: a name, an IPv4 or an IPv6 address, with or without brackets. Empty: the peer calls us.",
		},
		setEndpointHost,
	},
	{
		Spec{Name: "endpoint_port", Type: "port 1–65535", Default: "51820", Help: "UDP port of the peer."},
		func(p *Peer, v string) error {
			n, err := parseNumber(v, 1, 65535)
			p.Endpoint.Port = uint16(n)
			return err
		},
	},
	{
		Spec{
			Name: "endpoint_family", Type: "auto, ipv4 or ipv6", Default: "auto",
			Help: "Which addresses of the endpoints' names are used. auto: all of them, one after the other until the peer answers.",
		},
		func(p *Peer, v string) (err error) {
			p.EndpointFamily, err = parseFamily(v)
			return err
		},
	},
	{
		Spec{
			Name: "endpoint", Type: "name:port or address:port", List: true, Daemon: true,
			Help: "Further endpoints of the same peer, tried in this order when the one before does not answer; an IPv6 address stands in brackets. Without a port: 51820.",
		},
		addFallback,
	},
	{
		Spec{
			Name: "endpoint_failback", Type: "seconds 0–4294967295", Default: "600", Daemon: true,
			Help: "After so long on a further endpoint the first one is tried again, for one handshake. 0: stay until the one in use fails.",
		},
		func(p *Peer, v string) error {
			n, err := parseNumber(v, 0, math.MaxUint32)
			if err != nil {
				return note(err.Error() + "; ignored")
			}
			p.EndpointFailback = uint32(n)
			return nil
		},
	},
	{
		Spec{
			Name: "persistent_keepalive", Type: "seconds 0–65535 or 'off'", Default: "off",
			Help: "Send something to the peer this often, so that NAT and firewalls on the way keep the connection open.",
		},
		func(p *Peer, v string) (err error) {
			p.Keepalive, err = parseKeepalive(v)
			return err
		},
	},
	{
		Spec{Name: "description", Type: "text", Help: "Name of the peer for people."},
		func(p *Peer, v string) error { p.Description = v; return nil },
	},
	// What the other side's own configuration says: kept with the peer so that its
	// QR code and file are the same whenever they are shown (openwrt/luci#6050,
	// openwrt/luci#7420). Nothing here acts on it.
	{Spec{Name: "client_addresses", Type: "address[/length]", List: true, Help: "Addresses in the peer's own configuration. Empty: those of its allowed IPs that are single addresses."}, nil},
	{Spec{Name: "client_dns", Type: "address or domain", List: true, Help: "DNS servers and search domains in the peer's own configuration."}, nil},
	{Spec{Name: "client_allowed_ips", Type: "address[/length]", List: true, Help: "What the peer sends through the tunnel, in its own configuration. Empty: everything."}, nil},
	{Spec{Name: "client_endpoint", Type: "name[:port] or address[:port]", Help: "Where the peer reaches this router, in its own configuration. Without a port: listen_port."}, nil},
	{Spec{Name: "client_keepalive", Type: "seconds 0–65535", Help: "Persistent keepalive in the peer's own configuration. Empty: persistent_keepalive."}, nil},
	{
		Spec{Name: "disabled", Type: "boolean", Default: "0", Help: "1: leave the peer out, its configuration stays."},
		func(p *Peer, v string) (err error) {
			p.Disabled, err = parseBool(v)
			return err
		},
	},
}

func setEndpointHost(p *Peer, v string) error {
	e, err := parseHost(v)
	if err == nil {
		p.Endpoint.Host, p.Endpoint.Addr = e.Host, e.Addr
	}
	return err
}
