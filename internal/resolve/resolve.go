// Package resolve finds the addresses of endpoints' host names.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// Resolver looks up the addresses of one name. *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of host; network is "ip", "ip4" or "ip6".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// System returns Go's own resolver over /etc/resolv.conf and /etc/hosts. It
// returns the addresses in the order of RFC 6724.
func System() Resolver { return &net.Resolver{PreferGo: true} }

// parallel bounds the look-ups under way: as many sockets and goroutines as a
// router of 64 MB has to spare, and enough that one dead server cannot hold up
// the others.
const parallel = 64

// All looks up all hosts at once and returns when the last has answered or ctx
// ends, whichever comes first. Names that were not found in time have an error;
// they never hold up a name that was found.
func All(ctx context.Context, r Resolver, hosts []string) (found map[string]netip.Addr, failed map[string]error) {
	found, failed = make(map[string]netip.Addr, len(hosts)), map[string]error{}
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		jobs = make(chan string)
	)
	for range min(parallel, len(hosts)) {
		wg.Go(func() {
			for host := range jobs {
				addr, err := first(ctx, r, host)
				mu.Lock()
				if err != nil {
					failed[host] = err
				} else {
					found[host] = addr
				}
				mu.Unlock()
			}
		})
	}
	seen := make(map[string]struct{}, len(hosts))
	for _, host := range hosts {
		if _, twice := seen[host]; !twice {
			seen[host] = struct{}{}
			jobs <- host
		}
	}
	close(jobs)
	wg.Wait()
	return found, failed
}

// first returns the address that RFC 6724 puts first.
func first(ctx context.Context, r Resolver, host string) (netip.Addr, error) {
	if err := ctx.Err(); err != nil {
		return netip.Addr{}, reason(err)
	}
	type answer struct {
		addrs []netip.Addr
		err   error
	}
	// A resolver that does not keep to its context must not hold us up.
	ch := make(chan answer, 1)
	go func() {
		addrs, err := r.LookupNetIP(ctx, "ip", host)
		ch <- answer{addrs, err}
	}()
	select {
	case <-ctx.Done():
		return netip.Addr{}, reason(ctx.Err())
	case a := <-ch:
		if a.err != nil {
			return netip.Addr{}, reason(a.err)
		}
		for _, addr := range a.addrs {
			if addr = addr.Unmap(); addr.IsValid() && !addr.IsUnspecified() {
				return addr, nil
			}
		}
		return netip.Addr{}, errors.New("the name has no address")
	}
}

// reason puts a resolver's error into words without the name, which the caller
// has, and the server's address, which helps nobody.
func reason(err error) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return errors.New("there is no such name")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		return errors.New("no answer from a name server in time")
	case errors.As(err, &dns):
		return fmt.Errorf("name servers did not answer: %s", dns.Err)
	}
	return err
}
