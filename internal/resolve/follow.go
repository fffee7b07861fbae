package resolve

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ResolvConf is where the name servers stand.
const ResolvConf = "/etc/resolv.conf"

// Follow returns Go's own resolver with the name servers of path as they are at
// every question. By itself Go's resolver looks at the file once in five seconds at
// most: after a change of uplink it would go on asking the servers of the one that
// is gone, which take five seconds each not to answer.
//
// Only the servers are followed at once. What else stands in /etc/resolv.conf
// (search, options) comes from Go's own reading of it.
func Follow(path string) *Follower {
	return &Follower{path: path, dialer: (&net.Dialer{}).DialContext}
}

// Follower is a Resolver; see Follow.
type Follower struct {
	path   string
	dialer func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	mark    mark
	servers []string
	version uint64
}

var _ Resolver = (*Follower)(nil)

// mark tells one state of a file from another: files are replaced (another inode)
// or written in place, and the time alone can be that of a clock that stands.
type mark struct {
	info os.FileInfo
	mod  time.Time
	size int64
}

func (m mark) same(info os.FileInfo) bool {
	return m.info != nil && os.SameFile(m.info, info) && m.mod.Equal(info.ModTime()) && m.size == info.Size()
}

// LookupNetIP implements Resolver.
func (f *Follower) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	// A net.Resolver lets a question join one about the same name that is under way:
	// asked again after the uplink changed, it would wait for the server that is
	// gone. One of its own keeps it apart.
	q := question{Follower: f}
	return (&net.Resolver{PreferGo: true, Dial: q.dial}).LookupNetIP(ctx, network, host)
}

// question is one look-up.
type question struct {
	*Follower
	turn atomic.Uint32 // servers of the file that were asked so far
}

// dial connects to the server that Go's resolver wants to ask, if it is one of
// those in the file, otherwise to the next of those.
func (q *question) dial(ctx context.Context, network, address string) (net.Conn, error) {
	servers := q.current()
	if !slices.Contains(servers, address) {
		turn := q.turn.Load()
		if network != "tcp" {
			turn = q.turn.Add(1) - 1
		} else if turn > 0 {
			turn-- // after an answer that was cut: the same server again
		}
		address = servers[int(turn%uint32(len(servers)))]
	}
	return q.dialer(ctx, network, address)
}

// current returns the servers that the file names now, at least one.
func (f *Follower) current() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err == nil && f.mark.same(info) {
		return f.servers
	}
	before := f.servers
	f.mark, f.servers = mark{}, nil
	if err == nil {
		if data, err := readSome(f.path); err == nil {
			f.servers = parseServers(data)
			f.mark = mark{info: info, mod: info.ModTime(), size: info.Size()}
		}
	}
	if len(f.servers) == 0 {
		f.servers = defaultServers
	}
	if !slices.Equal(before, f.servers) {
		f.version++
	}
	return f.servers
}

// Version returns a number that is another one when the file names other servers
// than before, and never 0.
func (f *Follower) Version() uint64 {
	f.current()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version
}

// readSome reads a file as far as a resolv.conf can make sense.
func readSome(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, 64<<10))
}

// defaultServers are asked where the file names none (resolv.conf(5)).
var defaultServers = []string{"127.0.0.1:53", "[::1]:53"}

// maxServers is how many servers of a resolv.conf are used (MAXNS of resolv.h).
const maxServers = 3

// parseServers returns the servers of a resolv.conf, as addresses with port.
func parseServers(data []byte) (servers []string) {
	for line := range bytes.Lines(data) {
		words := bytes.Fields(line)
		if len(words) < 2 || string(words[0]) != "nameserver" || len(servers) == maxServers {
			continue
		}
		if addr, err := netip.ParseAddr(string(words[1])); err == nil {
			const port = 53
			servers = append(servers, netip.AddrPortFrom(addr, port).String())
		}
	}
	return servers
}
