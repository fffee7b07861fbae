package plan_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

var publicKeys sync.Map

// publicKey is Key.PublicKey for keys that come again and again.
func publicKey(private schema.Key) schema.Key {
	public, ok := publicKeys.Load(private)
	if !ok {
		public, _ = publicKeys.LoadOrStore(private, private.PublicKey())
	}
	return public.(schema.Key)
}

// sketch is a configuration that is changed by chance, a little at a time. The keys
// and addresses are so few that peers get into each other's way.
type sketch struct {
	*rand.Rand
	iface []string
	peers [][]string
	made  int
}

func (s *sketch) one(list ...string) string { return list[s.IntN(len(list))] }

func (s *sketch) option() string {
	switch s.IntN(12) {
	case 0, 1:
		return fmt.Sprintf("list allowed_ips '10.%d.%d.0/24'", s.IntN(2), s.IntN(40))
	case 2:
		return s.one("list allowed_ips '0.0.0.0/0'", "list allowed_ips '::/0'", "list allowed_ips '10.0.0.0/33'", "list allowed_ips '10.7.7.7/8'")
	case 3, 4:
		return "option route_allowed_ips '1'"
	case 5:
		return s.one("option endpoint_host 'far.example'", "option endpoint_host '192.0.2.1'", "option endpoint_host '300.0.0.1'")
	case 6:
		return "option disabled '1'"
	case 7:
		return fmt.Sprintf("option preshared_key '%v'", key(byte(1+s.IntN(200))))
	default:
		return fmt.Sprintf("option persistent_keepalive '%d'", s.IntN(100))
	}
}

func (s *sketch) peer() []string {
	head := "config wireguard_wg0"
	if s.IntN(4) > 0 {
		s.made++
		head += fmt.Sprintf(" 'p%d'", s.made)
	}
	p := []string{head, s.publicKey()}
	for range s.IntN(4) {
		p = append(p, s.option())
	}
	return p
}

func (s *sketch) publicKey() string {
	switch s.IntN(40) {
	case 0:
		return "option public_key 'none'"
	case 1:
		return fmt.Sprintf("option public_key '%v'", publicKey(key(99))) // our own
	}
	return fmt.Sprintf("option public_key '%v'", schema.Key{byte(s.IntN(250)), 7})
}

// change changes one thing, mostly of a peer.
func (s *sketch) change() {
	n := s.IntN(max(len(s.peers), 1))
	if len(s.peers) == 0 {
		s.peers = append(s.peers, s.peer())
	}
	p := s.peers[n]
	switch s.IntN(10) {
	case 0:
		s.peers = slices.Insert(s.peers, s.IntN(len(s.peers)+1), s.peer())
	case 1:
		s.peers = append(s.peers, s.peer())
	case 2:
		s.peers = slices.Delete(s.peers, n, n+1)
	case 3:
		s.peers[n] = slices.Concat(p[:1], []string{s.publicKey()}, p[2:])
	case 4:
		s.iface = nil
		for range s.IntN(3) {
			s.iface = append(s.iface, s.one("option mtu '1300'", "option metric '5'", "option defaultroute '0'", "option mtu 'x'",
				fmt.Sprintf("option private_key '%v'", key(98)), "list addresses '10.0.0.1/24'", "option disabled '1'"))
		}
	case 5:
		s.peers[n] = slices.Clone(p[:len(p)-s.IntN(len(p)-1)])
	default:
		s.peers[n] = append(slices.Clone(p), s.option())
	}
}

func (s *sketch) text() string {
	var b strings.Builder
	section := func(lines []string) { b.WriteString(strings.Join(lines, "\n\t") + "\n\n") }
	section([]string{"config interface 'wan'", "option proto 'dhcp'"})
	section(append([]string{"config interface 'wg0'", "option proto 'wireguard'", fmt.Sprintf("option private_key '%v'", key(99))}, s.iface...))
	for _, p := range s.peers {
		section(p)
	}
	return b.String()
}

// TestNextByChance: a configuration that is read, checked and planned on the basis of
// what it was is what it is when that is done anew.
func TestNextByChance(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dir := uci.Dir{Config: t.TempDir()}
	shared, planned := 0, 0
	// Chance may have it that little is shared for a while.
	rare := func() bool { return uci.Shares && (shared < 10 || planned < 10) }
	for round := uint64(0); round < 6 || rare() && round < 60; round++ {
		s := &sketch{Rand: rand.New(rand.NewPCG(seed, round))}
		for range s.IntN(18) {
			s.peers = append(s.peers, s.peer())
		}
		var (
			pkg    *uci.Package
			reader schema.Reader
			was    *schema.Interface
			last   *plan.Desired
		)
		for range 20 {
			text := s.text()
			if err := os.WriteFile(filepath.Join(dir.Config, "network"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			if pkg, err = dir.LoadAgain("network", pkg); err != nil {
				t.Fatal(err)
			}
			got, err := reader.Load(pkg, "wg0", publicKey)
			if err != nil {
				t.Fatal(err)
			}
			anew, err := uci.Parse("network", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			want, err := schema.LoadWith(anew, "wg0", publicKey)
			if err != nil {
				t.Fatal(err)
			}
			if want.PublicKey.IsZero() && got.PublicKey == publicKey(got.PrivateKey) {
				want.PublicKey = got.PublicKey // of when there was a peer
			}
			if diff := cmp.Diff(want, got, opts, cmpopts.IgnoreUnexported(schema.Interface{})); diff != "" {
				t.Fatalf("round %d: read again (-anew +again):\n%s\n%s", round, diff, text)
			}
			if was != nil && slices.ContainsFunc(got.Peers, func(p *schema.Peer) bool { return slices.Contains(was.Peers, p) }) {
				shared++
			}
			was = got
			next := plan.Next(last, got, plan.FactsOf(pkg, got))
			if diff := cmp.Diff(plan.For(want, plan.FactsOf(anew, want)), next, opts, cmpopts.IgnoreUnexported(plan.Desired{})); diff != "" {
				t.Fatalf("round %d: planned again (-anew +again):\n%s\n%s", round, diff, text)
			}
			if got, want := next.Numbers(), plan.NumbersOf(anew, want); got != want {
				t.Fatalf("round %d: %+v routes, want %+v\n%s", round, got, want, text)
			}
			if last != nil && slices.ContainsFunc(next.Peers, func(p *plan.Peer) bool { return slices.Contains(last.Peers, p) }) {
				planned++
			}
			last = next
			for range 1 + s.IntN(2) {
				s.change()
			}
		}
	}
	t.Logf("%d times peers were shared, %d times their plans", shared, planned)
	if rare() {
		t.Error("it hardly ever happened")
	}
}
