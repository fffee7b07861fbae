package daemon

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
)

// maxLookups is how many names are looked up at a time: each is two questions, and
// dnsmasq refuses more than 150 at a time (its option dns-forward-max).
const maxLookups = 64

const (
	// lookupTime is how long a look-up may take: Go's resolver asks each server for
	// 5 s, and all of them twice.
	lookupTime = 15 * time.Second
	// crowdTime is how long while others wait for their turn. A name server that
	// answers does so within it; names that hang must not keep others waiting.
	crowdTime = 2 * time.Second
)

// question is what is looked up. Peers that ask the same share the answer.
type question struct {
	epoch  *epoch
	host   string
	family resolve.Family
}

// lookups runs look-ups, as many at a time as there may be.
type lookups struct {
	// find looks a question up.
	find func(ctx context.Context, q question) found

	mu    sync.Mutex
	queue []*lookup // that wait for their turn
	known map[question]*lookup
	// running are under way, in the order in which they began.
	running []*lookup
}

// lookup is one question that somebody waits for.
type lookup struct {
	question
	answer []func(found)
	cancel context.CancelFunc
	ripe   bool // it has had crowdTime
}

// put has a question looked up as soon as there is room, and answer called with
// what came of it.
func (l *lookups) put(q question, answer func(found)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if same := l.known[q]; same != nil {
		same.answer = append(same.answer, answer)
		return
	}
	if l.known == nil {
		l.known = map[question]*lookup{}
	}
	job := &lookup{question: q, answer: []func(found){answer}}
	l.known[q] = job
	l.queue = append(l.queue, job)
	l.advance()
}

// advance begins what there is room for, and makes room. The caller holds the lock.
func (l *lookups) advance() {
	for len(l.queue) > 0 && len(l.running) < maxLookups {
		job := l.queue[0]
		l.queue = l.queue[1:]
		l.running = append(l.running, job)
		var ctx context.Context
		ctx, job.cancel = context.WithTimeout(job.epoch.ctx, lookupTime)
		go l.run(ctx, job)
	}
	if len(l.queue) == 0 {
		l.queue = nil // and the memory that a burst took
		return
	}
	waiting := len(l.queue)
	for _, job := range l.running {
		if job.ripe && waiting > 0 {
			job.cancel()
			waiting--
		}
	}
}

func (l *lookups) run(ctx context.Context, job *lookup) {
	ripe := time.AfterFunc(crowdTime, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		job.ripe = true
		l.advance()
	})
	f := l.find(ctx, job.question)
	ripe.Stop()
	job.cancel()
	l.mu.Lock()
	delete(l.known, job.question)
	l.running = slices.DeleteFunc(l.running, func(other *lookup) bool { return other == job })
	answers := job.answer
	l.advance()
	l.mu.Unlock()
	for _, answer := range answers {
		answer(f)
	}
}

// find looks a host up.
func (d *Daemon) find(ctx context.Context, q question) (f found) {
	f.asked = time.Now()
	f.addrs, f.doubt, f.err = d.candidates(ctx, q.host, q.family)
	return f
}

// candidates looks up the addresses of a host as the uplink has them. doubt: there
// may be others before long.
func (d *Daemon) candidates(ctx context.Context, host string, family resolve.Family) (addrs []netip.Addr, doubt bool, err error) {
	addrs, err = d.o.Names.Candidates(ctx, host, family)
	if err != nil || !d.behindNAT64(addrs) {
		return addrs, false, err
	}
	prefixes, err := d.o.NAT64.Prefixes(ctx)
	// Without any: what there is, in case the routes are not all.
	return d.translated(addrs, prefixes), err != nil || len(prefixes) == 0, nil
}

// behindNAT64 reports whether some of the addresses are of IPv4, no route leads to
// them, and the uplink has IPv6.
func (d *Daemon) behindNAT64(addrs []netip.Addr) bool {
	u := d.uplink.Load()
	lost := func(a netip.Addr) bool { return a.Is4() && !u.Reach(a) }
	return d.o.NAT64 != nil && !u.unknown && !u.Default.IPv4 && u.Default.IPv6 && slices.ContainsFunc(addrs, lost)
}

func (d *Daemon) translated(addrs []netip.Addr, prefixes []netip.Prefix) []netip.Addr {
	return resolve.Uplink{IPv6: true, NAT64: prefixes, Former: d.o.NAT64.Former()}.Candidates(addrs)
}

// literal returns the candidates of a host that is an address, where nobody has to
// be asked for them.
func (d *Daemon) literal(host string) (addrs []netip.Addr, ok bool) {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return nil, false
	}
	addrs = []netip.Addr{a.Unmap()}
	if !d.behindNAT64(addrs) {
		return addrs, true
	}
	prefixes := d.o.NAT64.Known()
	return d.translated(addrs, prefixes), len(prefixes) > 0
}
