package status_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// bound is how long a reply may be, in bytes.
const bound = 900 << 10

// length returns how long a reply is, as JSON and as blobmsg.
func length(t blobmsg.Table) (text, wire int) {
	return len(blobmsg.AppendJSON(nil, t)), len(blobmsg.Append(nil, t))
}

// TestPages: every peer is on exactly one page, and no page is too long, also where
// the peers have long texts.
func TestPages(t *testing.T) {
	const peers = 523
	long := map[string]string{
		"plain": "", "long": strings.Repeat("x", 3000), "control": strings.Repeat("\x01", 3000),
		"not UTF-8": strings.Repeat("\xff", 300), "wide": strings.Repeat("ä", 300),
	}
	for name, text := range long {
		snap := many(peers, func(n int, c *schema.Peer, _ *plan.ActualPeer) {
			if text == "" {
				return
			}
			c.Description, c.Endpoint.Host = text, text
			for range 100 {
				c.Problems = append(c.Problems, &schema.Problem{Section: c.Section, Option: "allowed_ips", Value: text, Text: text})
			}
		})
		for _, limit := range []int{0, 1000, 7} {
			seen := map[string]bool{}
			for offset := 0; ; {
				table := page(t, snap, status.Query{Offset: offset, Limit: limit})
				if text, wire := length(table); text > bound || wire > bound {
					t.Fatalf("%s, limit %d: a page of %d bytes, %d on the bus", name, limit, text, wire)
				}
				if total, _ := table.Int("total"); total != peers {
					t.Fatalf("total is %d", total)
				}
				list, _ := table.Array("peers")
				for _, p := range list {
					k, _ := p.(blobmsg.Table).String("public_key")
					if seen[k] {
						t.Fatalf("limit %d: %s is there twice", limit, k)
					}
					seen[k] = true
				}
				next, more := table.Int("next")
				if !more {
					break
				}
				if int(next) <= offset {
					t.Fatalf("%s, limit %d: no progress at %d", name, limit, offset)
				}
				offset = int(next)
			}
			if len(seen) != peers {
				t.Errorf("%s, limit %d: %d peers on all pages, want %d", name, limit, len(seen), peers)
			}
		}
	}
}

// TestPageOfHundred: a poll's answer stays under 100 KB.
func TestPageOfHundred(t *testing.T) {
	snap := many(5000, func(n int, c *schema.Peer, a *plan.ActualPeer) {
		c.Endpoint = schema.Endpoint{Host: "some-quite-long-name.dyndns.example.org", Port: 51820}
		a.LastHandshake, a.Keepalive = now.Add(-time.Hour), 25 // a long sentence
	})
	if text, _ := length(page(t, snap, status.Query{})); text > 100_000 {
		t.Errorf("a page of 100 peers has %d bytes", text)
	}
}

// TestManyInterfaces: hundreds of them with long texts do not make a reply too long.
func TestManyInterfaces(t *testing.T) {
	snap := &status.Snapshot{Time: now}
	for n := range 1000 {
		i := status.Interface{Name: fmt.Sprintf("wg%d", n), Detail: strings.Repeat("\x01", 2000)}
		for range 20 {
			i.Errors = append(i.Errors, netifd.Error{Code: "X", Words: slices.Repeat([]string{strings.Repeat("\x02", 1000)}, 100)})
		}
		snap.Interfaces = append(snap.Interfaces, i)
	}
	for name, table := range map[string]blobmsg.Table{"peers": page(t, snap, status.Query{}), "status": snap.StatusTable()} {
		if text, wire := length(table); text > bound || wire > bound {
			t.Errorf("%s: %d bytes, %d on the bus", name, text, wire)
		}
	}
}

// TestPeerIsBounded: one peer with very much of everything.
func TestPeerIsBounded(t *testing.T) {
	text := strings.Repeat("\x01", 1<<16)
	snap := many(1, func(_ int, c *schema.Peer, a *plan.ActualPeer) {
		c.Description, c.Endpoint.Host = text, text
		for n := range 100_000 {
			c.AllowedIPs = append(c.AllowedIPs, netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 2: 0xff, 4: 0xff, 6: 0xff, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}), 128))
			c.Problems = append(c.Problems, &schema.Problem{Section: text, Option: text, Value: text, Text: text})
		}
		a.AllowedIPs = c.AllowedIPs
	})
	candidates := slices.Repeat([]status.Candidate{{Host: text, Addresses: slices.Repeat([]string{"2001:db8::1"}, 1000), Err: errors.New(text)}}, 100)
	table, err := snap.PeerTable(status.PeerRef{Interface: "wg0", PublicKey: snap.Interfaces[0].Peers[0].PublicKey}, candidates)
	if err != nil {
		t.Fatal(err)
	}
	if text, wire := length(table); text > bound || wire > bound {
		t.Errorf("%d bytes, %d on the bus", text, wire)
	}
	if total, _ := table.Int("allowed_ips_total"); total < 100_000 {
		t.Errorf("allowed_ips_total is %d", total)
	}
}

// TestStatusIsBounded: allowed IPs go first, then peers, and what is missing is
// said.
func TestStatusIsBounded(t *testing.T) {
	for _, tt := range []struct {
		peers, more      int // allowed IPs of each
		shown, withoutIP bool
	}{
		{peers: 100},
		{peers: 500, more: 100, withoutIP: true},
		{peers: 10_000, shown: true, withoutIP: true},
	} {
		snap := many(tt.peers, func(_ int, c *schema.Peer, a *plan.ActualPeer) {
			c.AllowedIPs = append(c.AllowedIPs, slices.Repeat([]netip.Prefix{netip.MustParsePrefix("2001:db8:1234:5678::/64")}, tt.more)...)
			a.AllowedIPs = c.AllowedIPs
		})
		table := snap.StatusTable()
		if text, wire := length(table); text > bound || wire > bound || tt.shown && text < bound/2 {
			t.Errorf("%d peers: %d bytes, %d on the bus", tt.peers, text, wire)
		}
		wg0, _ := table.Table("wg0")
		peers, _ := wg0.Table("peers")
		shown, said := wg0.Int("peers_shown")
		if said != tt.shown || said && int(shown) != len(peers) || !said && len(peers) != tt.peers {
			t.Errorf("%d peers: %d are there, peers_shown is %d, %v", tt.peers, len(peers), shown, said)
		}
		first, _ := peers[0].Value.(blobmsg.Table)
		if ips, _ := first.Array("allowed_ips"); (len(ips) == 0) != tt.withoutIP {
			t.Errorf("%d peers: %d allowed IPs", tt.peers, len(ips))
		}
		if total, _ := wg0.Int("peers_total"); int(total) != tt.peers {
			t.Errorf("%d peers: peers_total is %d", tt.peers, total)
		}
	}
}

func BenchmarkPeersPage10000(b *testing.B) {
	for _, q := range []status.Query{{}, {Sort: status.SortName}, {Sort: status.SortHandshake, Reverse: true}, {Text: "user 99"}} {
		b.Run(string(q.Sort)+q.Text, func(b *testing.B) {
			in := inputOf(b, 10_000)
			b.ReportAllocs()
			for b.Loop() {
				snap := &status.Snapshot{Time: now}
				snap.Fill([]*status.Input{in})
				if len(blobmsg.AppendJSON(nil, page(b, snap, q))) == 0 {
					b.Fatal("nothing")
				}
			}
		})
	}
}

func BenchmarkStatus10000(b *testing.B) {
	in := inputOf(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		snap := &status.Snapshot{Time: now}
		snap.Fill([]*status.Input{in})
		if len(blobmsg.AppendJSON(nil, snap.StatusTable())) == 0 {
			b.Fatal("nothing")
		}
	}
}

func inputOf(b *testing.B, peers int) (in *status.Input) {
	b.Helper()
	conf, dev := &schema.Interface{Name: "wg0"}, plan.Actual{Exists: true, Up: true}
	many(peers, func(_ int, c *schema.Peer, a *plan.ActualPeer) {
		conf.Peers, dev.Peers = append(conf.Peers, c), append(dev.Peers, *a)
	})
	return &status.Input{Name: "wg0", Conf: conf, Actual: dev, Now: now}
}
