package resolve

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// nat64Name has IPv4 addresses only. A name server that gives IPv6 addresses for it
// makes them, with the prefix of the network's NAT64 (RFC 7050).
const nat64Name = "ipv4only.arpa."

// How long an answer holds while the uplink stays: the records live for an hour
// (RFC 7050, section 8.1). That there is no NAT64 is asked again sooner: it may
// have been the wrong name server that said so.
const (
	nat64Holds   = time.Hour
	noNAT64Holds = 5 * time.Minute
)

// maxFormer is how many prefixes of former uplinks are remembered.
const maxFormer = 8

// NAT64 finds the prefixes of the uplink's NAT64 and keeps them while the uplink
// stays. Its methods may be called at the same time.
type NAT64 struct {
	dns Resolver
	now func() time.Time

	mu       sync.Mutex
	prefixes []netip.Prefix
	until    time.Time // zero: nothing is known
	uplink   uint      // counts uplinks
	former   []netip.Prefix
}

// NewNAT64 returns a NAT64 that asks dns. now is a clock that never goes back, such
// as time.Now.
func NewNAT64(dns Resolver, now func() time.Time) *NAT64 { return &NAT64{dns: dns, now: now} }

// Prefixes returns the prefixes, the preferred one first; none if the network has
// no NAT64. It asks at most once for an uplink, an hour and a good answer. When no
// name server answers in time that is the error, and the next call asks again.
func (n *NAT64) Prefixes(ctx context.Context) ([]netip.Prefix, error) {
	n.mu.Lock()
	known, until, uplink := n.prefixes, n.until, n.uplink
	n.mu.Unlock()
	if !until.IsZero() && n.now().Before(until) {
		return known, nil
	}
	// Two callers at once ask twice: a lock here would let one wait for the
	// deadline of the other.
	answers, err := n.dns.LookupNetIP(ctx, "ip6", nat64Name)
	if err != nil && !isMissing(err) {
		return nil, reason(err)
	}
	prefixes := PrefixesOf(answers)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.uplink != uplink {
		return nil, errors.New("the uplink changed while it was asked for its NAT64")
	}
	holds := nat64Holds
	if len(prefixes) == 0 {
		holds = noNAT64Holds
	}
	n.prefixes, n.until = prefixes, n.now().Add(holds)
	return prefixes, nil
}

// Forget is called when the uplink changed: what was found belonged to the old
// one.
func (n *NAT64) Forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.prefixes {
		if !slices.Contains(n.former, p) {
			n.former = append(n.former, p)
		}
	}
	if over := len(n.former) - maxFormer; over > 0 {
		n.former = slices.Delete(n.former, 0, over)
	}
	n.prefixes, n.until, n.uplink = nil, time.Time{}, n.uplink+1
}

// Former returns prefixes that former uplinks had, for Uplink.Former.
func (n *NAT64) Former() []netip.Prefix {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.former)
}

// Known returns what Prefixes found of this uplink, without asking.
func (n *NAT64) Known() []netip.Prefix {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.prefixes
}
