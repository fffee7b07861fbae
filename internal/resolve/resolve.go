// Package resolve finds the addresses of endpoints' host names.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Resolver looks up the addresses of one name. *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of host; network is "ip", "ip4" or "ip6".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// System returns Go's own resolver over /etc/resolv.conf and /etc/hosts. It
// returns the addresses in the order of RFC 6724.
func System() Resolver { return &net.Resolver{PreferGo: true} }

// parallel bounds the look-ups under way: each holds two sockets, of the 1,024
// that a process on OpenWrt may have.
const parallel = 128

// All looks up all hosts at once and returns when the last has answered or ctx
// ends, whichever comes first. Names that were not found in time have an error;
// they never hold up a name that was found: where there are more names than may
// be asked for at once, each has its share of the time.
func All(ctx context.Context, r Resolver, hosts []string) (found map[string]netip.Addr, failed map[string]error) {
	found, failed = make(map[string]netip.Addr, len(hosts)), map[string]error{}
	names := slices.Compact(slices.Sorted(slices.Values(hosts)))
	share := share(ctx, len(names))
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		jobs = make(chan string)
	)
	for range min(parallel, len(names)) {
		wg.Go(func() {
			for host := range jobs {
				addr, err := first(ctx, r, host, share)
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
	for _, host := range names {
		jobs <- host
	}
	close(jobs)
	wg.Wait()
	return found, failed
}

// share returns how long one of n look-ups may take; 0: as long as ctx lasts.
func share(ctx context.Context, n int) time.Duration {
	end, ok := ctx.Deadline()
	if !ok || n <= parallel {
		return 0
	}
	turns := (n + parallel - 1) / parallel
	return time.Until(end) / time.Duration(turns)
}

// first returns the address that RFC 6724 puts first.
func first(ctx context.Context, r Resolver, host string, limit time.Duration) (netip.Addr, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
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
// has, and the addresses of a socket: with a port that is another one each time,
// no two errors were the same, and whoever collects them never had enough.
func reason(err error) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return errors.New("there is no such name")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		return errors.New("no answer from a name server in time")
	case errors.As(err, &dns):
		// "read udp [::1]:35064->[::1]:53: read: connection refused": all that there
		// is of the cause is its text.
		return fmt.Errorf("name servers did not answer: %s", strings.TrimSpace(dns.Err[strings.LastIndex(dns.Err, ": ")+1:]))
	}
	return err
}
