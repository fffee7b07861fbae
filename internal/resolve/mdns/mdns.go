// Package mdns finds names that end in .local (multicast DNS, RFC 6762) through the
// service that the router has for that: Avahi over D-Bus, or OpenWrt's umdns over
// ubus. Both are resolve.Resolvers, and so is First of them.
//
// It is a package of its own because of D-Bus, which the plain resolver does
// without.
package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
)

// ErrUnavailable is that a service does not run here.
var ErrUnavailable = errors.New("not available")

// First asks the first of several services that is there. Without any the error is
// resolve.ErrNoLocal.
type First []resolve.Resolver

var _ resolve.Resolver = First{}

// LookupNetIP implements resolve.Resolver.
func (f First) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	for _, service := range f {
		addrs, err := service.LookupNetIP(ctx, network, host)
		if !errors.Is(err, ErrUnavailable) {
			return addrs, err
		}
	}
	return nil, resolve.ErrNoLocal
}

// localName returns the name as both services take it, without the last dot. Other
// names than those of multicast DNS are refused: Avahi never answers for them.
func localName(host string) (string, error) {
	if !resolve.IsLocal(host) {
		return "", fmt.Errorf("%q does not end in .local", host)
	}
	return strings.TrimSuffix(host, "."), nil
}

// noSuchName is the error for a name that nobody on the network answers to.
func noSuchName(host string) error {
	return &net.DNSError{Err: "nobody answers to this name", Name: host, IsNotFound: true}
}

// onLink returns an address with its link, where it needs one.
func onLink(a netip.Addr, link string) netip.Addr {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(link)
	}
	return a
}
