package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// grace is how long the second family's answer is waited for once the first has
// come. Some name servers never answer for AAAA; one that is well answers for
// both at about the same time (RFC 8305, section 3, waits 50 ms in front of
// a person).
const grace = 500 * time.Millisecond

// Names finds the addresses at which an endpoint may be reached. Its methods may
// be called at the same time.
type Names struct {
	// DNS is asked for "ip4" and "ip6" in turn, for all names but those of Local.
	DNS Resolver
	// Local is asked for names that end in .local, and for no others: multicast DNS
	// (RFC 6762). nil: there is none, and such names have no addresses.
	Local Resolver
	// Source decides which family comes first; nil is KernelSource.
	Source Source
}

// ErrNoLocal is that nothing can look up names that end in .local.
var ErrNoLocal = errors.New("names that end in .local are found by Avahi or umdns, and neither runs here")

// IsLocal reports whether a name belongs to multicast DNS (RFC 6762, section 3).
func IsLocal(host string) bool {
	host = strings.TrimSuffix(host, ".")
	const suffix = ".local"
	return len(host) > len(suffix) && strings.EqualFold(host[len(host)-len(suffix):], suffix)
}

// Candidates returns the addresses of a host, at least one and at most
// MaxCandidates, in the order in which they are to be tried: the families take
// turns, as RFC 8305 has it, and RFC 6724 decides with which they begin. An
// address is its only candidate, whatever the family that is wanted.
//
// Errors say why in words for people, without the name.
func (n *Names) Candidates(ctx context.Context, host string, family Family) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	r := n.DNS
	if IsLocal(host) {
		if r = n.Local; r == nil {
			return nil, ErrNoLocal
		}
	}
	four, six := ask(ctx, r, host, family)
	source := n.Source
	if source == nil {
		source = KernelSource
	}
	four.good, six.good = possible(host, four.addrs), possible(host, six.addrs)
	switch {
	case len(four.good) == 0 && len(six.good) == 0:
		return nil, why(family, four, six)
	case len(four.good) == 0:
		return six.good, nil
	case len(six.good) == 0:
		return four.good, nil
	case sixFirst(six.good[0], four.good[0], source):
		return alternate(six.good, four.good), nil
	}
	return alternate(four.good, six.good), nil
}

// answer is what came of asking for one family.
type answer struct {
	six   bool
	addrs []netip.Addr
	good  []netip.Addr // those of addrs that a peer can have
	err   error
}

// ask asks for the wanted families at the same time. One that does not answer
// holds up the other for no longer than the grace, and does not take it away.
func ask(ctx context.Context, r Resolver, host string, family Family) (four, six answer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, 2)
	waiting := 0
	look := func(network string, six bool) {
		waiting++
		go func() {
			addrs, err := r.LookupNetIP(ctx, network, host)
			answers <- answer{six: six, addrs: ofFamily(addrs, six), err: err}
		}()
	}
	four, six = answer{err: errNotAsked}, answer{six: true, err: errNotAsked}
	late := context.DeadlineExceeded
	if family != IPv6 {
		four.err = late
		look("ip4", false)
	}
	if family != IPv4 {
		six.err = late
		look("ip6", true)
	}
	var enough <-chan time.Time
	for ; waiting > 0; waiting-- {
		select {
		case a := <-answers:
			if a.six {
				six = a
			} else {
				four = a
			}
			if len(a.addrs) > 0 && enough == nil {
				enough = time.After(grace)
			}
		case <-enough:
			return four, six
		case <-ctx.Done():
			return four, six
		}
	}
	return four, six
}

// ofFamily returns the addresses of one family. Go's resolver gives IPv4 addresses
// in IPv6-mapped form; asked for ip6 it gives no mapped ones.
func ofFamily(addrs []netip.Addr, six bool) (out []netip.Addr) {
	for _, a := range addrs {
		if a.Unmap().Is6() == six {
			out = append(out, a)
		}
	}
	return out
}

// why says why there is no candidate: what is wrong with what was answered; that
// a server did not answer, for then the name may be there; or that it is not.
func why(family Family, four, six answer) error {
	for _, a := range []answer{four, six} {
		if len(a.addrs) > 0 {
			return fmt.Errorf("the answer is %v, which no peer can have (a filter list?)", a.addrs[0])
		}
	}
	for _, a := range []answer{four, six} {
		if a.err != nil && !isMissing(a.err) && a.err != errNotAsked {
			return reason(a.err)
		}
	}
	switch {
	case family == IPv4:
		return errors.New("there is no such name, or it has no IPv4 address")
	case family == IPv6:
		return errors.New("there is no such name, or it has no IPv6 address")
	case isMissing(four.err) && isMissing(six.err):
		return reason(four.err)
	}
	return errors.New("the name has no address")
}

// isMissing reports whether a name server said that there is no such name or that
// it has no such addresses.
func isMissing(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// errNotAsked is the error of a family that is not wanted.
var errNotAsked = errors.New("not asked for")
