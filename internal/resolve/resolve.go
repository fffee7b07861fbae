// Package resolve finds the addresses of endpoints' host names.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
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

// Finder finds the addresses of a host in the order in which they are to be tried.
// *Names is one.
type Finder interface {
	// Candidates returns at least one address, or why there is none in words for
	// people, without the name. It returns when ctx ends.
	Candidates(ctx context.Context, host string, family Family) ([]netip.Addr, error)
}

// Question is a host that is looked up, and which of its addresses are wanted.
type Question struct {
	Host   string
	Family Family
}

// Answer is what came of a Question: addresses or an error.
type Answer struct {
	Addrs []netip.Addr
	Err   error
}

// All asks all questions at once, each once, and returns when the last is answered
// or ctx ends, whichever comes first. Those that have no answer in time have an
// error; they never hold up the others: where there are more than may be asked at
// once, each has its share of the time.
func All(ctx context.Context, f Finder, questions []Question) map[Question]Answer {
	answers := make(map[Question]Answer, len(questions))
	list := make([]Question, 0, len(questions))
	for _, q := range questions {
		if _, twice := answers[q]; !twice {
			answers[q] = Answer{}
			list = append(list, q)
		}
	}
	share := share(ctx, len(list))
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		jobs = make(chan Question)
	)
	for range min(parallel, len(list)) {
		wg.Go(func() {
			for q := range jobs {
				a := one(ctx, f, q, share)
				mu.Lock()
				answers[q] = a
				mu.Unlock()
			}
		})
	}
	for _, q := range list {
		jobs <- q
	}
	close(jobs)
	wg.Wait()
	return answers
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

// one asks one question, for no longer than limit where that is not 0.
func one(ctx context.Context, f Finder, q Question, limit time.Duration) Answer {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	if err := ctx.Err(); err != nil {
		return Answer{Err: reason(err)}
	}
	addrs, err := f.Candidates(ctx, q.Host, q.Family)
	return Answer{addrs, err}
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
