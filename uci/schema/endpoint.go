package schema

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultFailback is endpoint_failback where it is not configured, in seconds. An
// attempt to go back to an endpoint that is still dead costs up to some 20 s of
// the tunnel's traffic: with ten minutes between them that is 3 %, and a line that
// is paid by the byte is not used for hours after the first one came back.
const DefaultFailback = 600

// MaxFallbacks is how many values of `list endpoint` are used. Each one that is
// dead takes its time: nobody waits for a seventeenth.
const MaxFallbacks = 16

// Family says which addresses of a name are used.
type Family uint8

const (
	FamilyAuto Family = iota // IPv4 and IPv6
	FamilyIPv4
	FamilyIPv6
)

// String returns the word of `option endpoint_family`.
func (f Family) String() string {
	switch f {
	case FamilyIPv4:
		return "ipv4"
	case FamilyIPv6:
		return "ipv6"
	default:
		return "auto"
	}
}

// parseFamily reads a word of endpoint_family. Another one counts as if the
// option were not there: it must not cost the peer.
func parseFamily(s string) (Family, error) {
	switch strings.ToLower(s) {
	case "auto":
		return FamilyAuto, nil
	case "ipv4":
		return FamilyIPv4, nil
	case "ipv6":
		return FamilyIPv6, nil
	}
	return FamilyAuto, note("auto, ipv4 or ipv6 is right here; ignored")
}

// parseHost reads a name or an address, with brackets or without. The port of
// what it returns is 0.
func parseHost(s string) (Endpoint, error) {
	host := s
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return Endpoint{Host: host, Addr: addr.Unmap()}, nil
	}
	if err := checkHostName(host); err != nil {
		return Endpoint{}, err
	}
	return Endpoint{Host: host}, nil
}

// parseEndpoint reads HOST:PORT, [IPV6]:PORT, or either without a port. An IPv6
// address without brackets is refused: its last group could be the port.
func parseEndpoint(s string) (Endpoint, error) {
	host, port := s, ""
	switch end := strings.LastIndexByte(s, ']'); {
	case strings.HasPrefix(s, "[") && end > 0:
		host, port = s[:end+1], s[end+1:]
	case strings.Count(s, ":") == 1:
		host, port = s[:strings.IndexByte(s, ':')], s[strings.IndexByte(s, ':'):]
	}
	if strings.Contains(strings.Trim(host, "[]"), ":") && host[0] != '[' {
		return Endpoint{}, errors.New("an IPv6 address stands in brackets here, such as [2001:db8::1]:51820")
	}
	e, err := parseHost(host)
	if err != nil {
		return Endpoint{}, errors.New("HOST:PORT is right here, such as vpn.example.org:51820, 192.0.2.1:51820 or [2001:db8::1]:51820")
	}
	e.Port = DefaultEndpointPort
	if port == "" {
		return e, nil
	}
	n, err := strconv.ParseUint(port[1:], 10, 16)
	if port[0] != ':' || err != nil || n == 0 {
		return Endpoint{}, errors.New("the port behind the : is a number from 1 to 65535")
	}
	e.Port = uint16(n)
	return e, nil
}

// addFallback takes one value of `list endpoint`. One that is wrong costs the
// peer nothing but that endpoint.
func addFallback(p *Peer, v string) error {
	e, err := parseEndpoint(v)
	switch {
	case err != nil:
		return note(err.Error() + "; ignored")
	case len(p.Fallbacks) == MaxFallbacks:
		return note("there are more than " + strconv.Itoa(MaxFallbacks) + " endpoints in the list; ignored")
	}
	p.Fallbacks = append(p.Fallbacks, e)
	return nil
}

// orderEndpoints makes the first of the list the endpoint of a peer that has no
// endpoint_host, and drops what stands there twice.
func (p *Peer) orderEndpoints() {
	if p.Endpoint.IsZero() && len(p.Fallbacks) > 0 {
		p.Endpoint, p.Fallbacks = p.Fallbacks[0], p.Fallbacks[1:]
	}
	kept := p.Fallbacks[:0]
	for n, e := range p.Fallbacks {
		if !e.same(p.Endpoint) && !containsEndpoint(p.Fallbacks[:n], e) {
			kept = append(kept, e)
		}
	}
	p.Fallbacks = kept
}

func containsEndpoint(list []Endpoint, e Endpoint) bool {
	for _, other := range list {
		if e.same(other) {
			return true
		}
	}
	return false
}

// same reports whether two endpoints are one: names are alike whatever their
// case (RFC 4343).
func (e Endpoint) same(other Endpoint) bool {
	return e.Port == other.Port && e.Addr == other.Addr && (e.Addr.IsValid() || strings.EqualFold(e.Host, other.Host))
}
