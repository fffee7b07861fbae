package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/clock"
	"github.com/wgnetifd/wgnetifd/internal/hotplug"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// world is a router with wg0 in simulated time: hours pass in milliseconds. WireGuard
// in it makes handshakes as the real one does.
type world struct {
	t       *testing.T
	dir     string
	sim     *simDevices
	kernel  *rtnl.Fake
	names   *simNames
	scripts *told
	journal *journal
	system  *apply.System
	options Options
	daemon  *Daemon
	begin   time.Time
}

// inWorld runs a test in a world of its own, with an uplink of both families.
func inWorld(t *testing.T, network string, test func(t *testing.T, w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: dir, kernel: rtnl.NewFake(), journal: &journal{}, scripts: &told{}, begin: time.Now()}
		w.sim = &simDevices{Fake: wgdev.NewFake(), begin: w.begin, peers: map[schema.Key]*simPeer{}, works: map[netip.AddrPort]bool{}}
		w.names = &simNames{begin: w.begin, hosts: map[string][]netip.Addr{}}
		w.kernel.PutLink(rtnl.Link{Name: "wan"})
		w.uplink("0.0.0.0/0", "::/0")
		w.system = &apply.System{
			Dir:     uci.Dir{Config: dir, Save: filepath.Join(dir, ".uci")},
			Devices: w.sim, Kernel: w.kernel, State: state.Dir(filepath.Join(dir, "run")),
			Now: time.Now, Log: logline.New(w.journal),
		}
		w.options = Options{
			System: w.system, Names: w.names, Network: w.kernel, Rules: w.kernel, Clock: &clock.Fake{},
			Scripts: w.scripts, Random: func() float64 { return 0.5 }, Log: logline.New(w.journal),
		}
		w.configure(network)
		if _, err := w.system.Up(t.Context(), "wg0", apply.Kernel{}); err != nil {
			t.Fatal(err)
		}
		w.sim.writes = nil
		stop := make(chan struct{})
		go w.sim.run(stop)
		defer close(stop)
		test(t, w)
		if t.Failed() {
			t.Logf("the log:\n%s", w.journal)
		}
	})
}

func (w *world) configure(network string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "network"), []byte(network), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// uplink makes the default routes.
func (w *world) uplink(destinations ...string) {
	w.kernel.DropLink("wan")
	w.kernel.PutLink(rtnl.Link{Name: "wan"})
	for _, d := range destinations {
		w.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix(d), Device: "wan", Table: rtnl.TableMain})
	}
	w.kernel.Emit(rtnl.Event{Kind: rtnl.EventRoute, Device: "wan"})
}

// run runs the daemon while a test does something.
func (w *world) run(during func()) {
	w.t.Helper()
	w.daemon = New(w.options)
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error)
	go func() { ended <- w.daemon.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
		synctest.Wait()
	}()
	synctest.Wait()
	during()
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// seconds returns how long the world has been there.
func (w *world) seconds() int { return int(time.Since(w.begin).Seconds()) }

// state returns the state and the reason of a peer.
func (w *world) state(key int) string {
	w.t.Helper()
	var text string
	if err := w.daemon.keeper("wg0").ask(w.t.Context(), anyAge, func(time.Time) {
		if p := w.daemon.keeper("wg0").peers[keyOf(key)]; p != nil {
			text = strings.TrimSpace(string(p.step.State) + " " + string(p.step.Reason))
		}
	}); err != nil {
		w.t.Fatal(err)
	}
	return text
}

// is checks a peer's state and endpoint.
func (w *world) is(key int, state, endpoint string) {
	w.t.Helper()
	if got := w.state(key) + " " + w.sim.endpoint(keyOf(key)); got != state+" "+endpoint {
		w.t.Errorf("second %d: the peer is %s, want %s %s", w.seconds(), got, state, endpoint)
	}
}

// within waits until a peer has an endpoint, and fails when that takes too long.
func (w *world) within(limit time.Duration, key int, endpoint string) {
	w.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); w.pass(100 * time.Millisecond) {
		if w.sim.endpoint(keyOf(key)) == endpoint {
			return
		}
	}
	w.t.Fatalf("second %d: after %v the endpoint is %q, want %s; the log:\n%s", w.seconds(), limit, w.sim.endpoint(keyOf(key)), endpoint, w.journal)
}

// logged returns how many lines of the log hold a text.
func (w *world) logged(text string) int { return strings.Count(w.journal.String(), text) }

// simDevices are devices whose peers make handshakes with endpoints that work.
type simDevices struct {
	*wgdev.Fake
	begin time.Time

	mu     sync.Mutex
	peers  map[schema.Key]*simPeer
	works  map[netip.AddrPort]bool
	writes []string // endpoints that were written, as "SECOND ENDPOINT"
}

type simPeer struct {
	// heard is when the peer sent something last.
	handshake, initiated, heard time.Time
	rx, tx                      uint64
	quiet                       bool // nobody sends
}

func (s *simDevices) peer(key schema.Key) *simPeer {
	if s.peers[key] == nil {
		s.peers[key] = &simPeer{}
	}
	return s.peers[key]
}

// quiet has nobody send to a peer, or somebody.
func (s *simDevices) quiet(key schema.Key, quiet bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peer(key).quiet = quiet
}

// work makes an endpoint answer, or not.
func (s *simDevices) work(endpoint string, works bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.works[netip.MustParseAddrPort(endpoint)] = works
}

// Read implements wgdev.Devices.
func (s *simDevices) Read(name string) (plan.Actual, error) {
	a, err := s.Fake.Read(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Peers = slices.Clone(a.Peers)
	for n := range a.Peers {
		p := s.peer(a.Peers[n].PublicKey)
		a.Peers[n].LastHandshake, a.Peers[n].RxBytes, a.Peers[n].TxBytes = p.handshake, p.rx, p.tx
	}
	return a, err
}

// Configure implements wgdev.Devices.
func (s *simDevices) Configure(name string, c plan.Changes) error {
	s.mu.Lock()
	for _, p := range c.Peers {
		if p.Endpoint.IsValid() {
			s.writes = append(s.writes, fmt.Sprintf("%d %v", int(time.Since(s.begin).Seconds()), p.Endpoint))
		}
	}
	s.mu.Unlock()
	return s.Fake.Configure(name, c)
}

// wrote returns the endpoints that were written since the last call.
func (s *simDevices) wrote() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.writes
	s.writes = nil
	return w
}

// roam has a peer send from elsewhere.
func (s *simDevices) roam(key schema.Key, to string) error {
	return s.Fake.Configure("wg0", plan.Changes{Peers: []plan.PeerChange{{PublicKey: key, Update: true, Endpoint: netip.MustParseAddrPort(to)}}})
}

func (s *simDevices) endpoint(key schema.Key) string {
	for _, p := range s.Device("wg0").Peers {
		if p.PublicKey == key && p.Endpoint.IsValid() {
			return p.Endpoint.String()
		}
	}
	return ""
}

// run is WireGuard, until stop is closed.
func (s *simDevices) run(stop chan struct{}) {
	const rekey, reject, again, unanswered = 120 * time.Second, 180 * time.Second, 5 * time.Second, 15 * time.Second
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-stop:
			tick.Stop()
			return
		case <-tick.C:
		}
		now := time.Now()
		peers := s.Device("wg0").Peers
		s.mu.Lock()
		for n := range peers {
			p, at := s.peer(peers[n].PublicKey), peers[n].Endpoint
			if p.quiet || !at.IsValid() {
				continue
			}
			age := now.Sub(p.handshake)
			session := !p.handshake.IsZero() && age < reject
			renew := !session || age >= rekey
			if session {
				p.tx += 96
				if s.works[at] {
					p.rx, p.heard = p.rx+96, now
				}
				renew = renew || now.Sub(p.heard) >= unanswered
			}
			if !renew || now.Sub(p.initiated) < again {
				continue
			}
			p.initiated, p.tx = now, p.tx+148
			if s.works[at] {
				p.handshake, p.heard, p.rx = now, now, p.rx+92
			}
		}
		s.mu.Unlock()
	}
}

// simNames is a name server. Hosts without an entry hang, those with an empty one
// do not exist.
type simNames struct {
	begin time.Time

	mu    sync.Mutex
	hosts map[string][]netip.Addr
	asked []string // as "SECOND HOST FAMILY"
	under int      // questions under way
	most  int      // of them at a time
}

var (
	errNoName   = errors.New("there is no such name")
	errNoServer = errors.New("no answer from a name server in time")
)

// Candidates implements Names.
func (s *simNames) Candidates(ctx context.Context, host string, family resolve.Family) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	s.mu.Lock()
	s.asked = append(s.asked, fmt.Sprintf("%d %s %v", int(time.Since(s.begin).Seconds()), host, family))
	addrs, there := s.hosts[host]
	s.under++
	s.most = max(s.most, s.under)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.under--
	}()
	if !there {
		<-ctx.Done()
		return nil, errNoServer
	}
	select {
	case <-ctx.Done():
		return nil, errNoServer
	case <-time.After(20 * time.Millisecond):
	}
	if len(addrs) == 0 {
		return nil, errNoName
	}
	return addrs, nil
}

// put gives a host addresses.
func (s *simNames) put(host string, addrs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[host] = nil
	for _, a := range addrs {
		s.hosts[host] = append(s.hosts[host], netip.MustParseAddr(a))
	}
}

// questions returns what was asked since the last call.
func (s *simNames) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// told are scripts that note what they are told.
type told struct {
	mu    sync.Mutex
	lines []string
}

// Run implements Scripts.
func (s *told) Run(ctx context.Context) { <-ctx.Done() }

// Any implements Scripts.
func (s *told) Any() bool { return false }

// Put implements Scripts.
func (s *told) Put(e hotplug.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, strings.TrimSpace(e.Name+" "+e.State+" "+e.Reason))
}

// news returns what was told since the last call.
func (s *told) news() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}
