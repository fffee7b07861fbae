package mdns

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// nobody is a ubus without a umdns.
type nobody struct{}

func (nobody) Call(context.Context, string, string, blobmsg.Table) (blobmsg.Table, error) {
	return nil, ubus.StatusNotFound
}

// responder is a umdns: it knows what was asked for on the network, as the real one
// does, from 23.05's version (old) on.
type responder struct {
	old bool

	mu      sync.Mutex
	asked   []string
	network map[string]map[string][]string // by link, then by name: addresses
	heard   map[string]map[string][]string // by name, then by link
}

func (r *responder) query(args blobmsg.Table) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	link, named := args.String("interface")
	if r.old && !named {
		return ubus.StatusInvalidArgument
	}
	if named && r.network[link] == nil {
		return ubus.StatusNotFound
	}
	question, _ := args.String("question")
	kind, _ := args.Int("type")
	r.asked = append(r.asked, question)
	for on, hosts := range r.network {
		for name, addrs := range hosts {
			if named && on != link || !strings.EqualFold(name, question) {
				continue
			}
			for _, a := range addrs {
				if netip.MustParseAddr(a).Is6() != (kind == int64(typeAAAA)) {
					continue
				}
				if r.heard[name] == nil {
					r.heard[name] = map[string][]string{}
				}
				if !slices.Contains(r.heard[name][on], a) {
					r.heard[name][on] = append(r.heard[name][on], a)
				}
			}
		}
	}
	return nil
}

func (r *responder) hosts(args blobmsg.Table) blobmsg.Table {
	r.mu.Lock()
	defer r.mu.Unlock()
	lists, _ := args.Bool("array")
	out := blobmsg.Table{}
	for name, links := range r.heard {
		var records blobmsg.Table
		list := map[string]blobmsg.Array{}
		for _, addrs := range links {
			for _, a := range addrs {
				member := "ipv4"
				if strings.Contains(a, ":") {
					member = "ipv6"
				}
				list[member] = append(list[member], a)
				if r.old || !lists {
					records = append(records, blobmsg.Field{Name: member, Value: a})
				}
			}
		}
		for member, l := range list {
			if !r.old && lists {
				records = append(records, blobmsg.Field{Name: member, Value: l})
			}
		}
		out = append(out, blobmsg.Field{Name: name, Value: records})
	}
	return out
}

func (r *responder) fetch(args blobmsg.Table) (blobmsg.Table, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	link, _ := args.String("interface")
	if r.network[link] == nil {
		return nil, ubus.StatusNotFound
	}
	question, _ := args.String("question")
	records := blobmsg.Array{}
	for _, a := range r.heard[question][link] {
		kind := "A"
		if strings.Contains(a, ":") {
			kind = "AAAA"
		}
		records = append(records, blobmsg.Table{{Name: "name", Value: question}, {Name: "type", Value: kind}, {Name: "ttl", Value: int32(120)}, {Name: "target", Value: a}})
	}
	return blobmsg.Table{{Name: "records", Value: records}}, nil
}

// publish puts the responder on a bus and returns a client of that.
func (r *responder) publish(t *testing.T) *ubus.Conn {
	t.Helper()
	broker, err := ubusd.Start(filepath.Join(t.TempDir(), "ubus.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	dial := func() *ubus.Conn {
		conn, err := ubus.Dial(context.Background(), broker.Socket())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	method := func(name string, call func(blobmsg.Table) (blobmsg.Table, error)) ubus.Method {
		return ubus.Method{Name: name, Call: func(_ context.Context, req *ubus.Request) (blobmsg.Table, error) { return call(req.Args) }}
	}
	_, err = dial().Publish(context.Background(), "umdns", []ubus.Method{
		method("query", func(args blobmsg.Table) (blobmsg.Table, error) { return nil, r.query(args) }),
		method("hosts", func(args blobmsg.Table) (blobmsg.Table, error) { return r.hosts(args), nil }),
		method("fetch", r.fetch),
	})
	if err != nil {
		t.Fatal(err)
	}
	return dial()
}

// TestUmdns: over ubus, as the versions of OpenWrt 23.05 and 24.10, and as the one
// of 25.12, do it.
func TestUmdns(t *testing.T) {
	for name, old := range map[string]bool{"24.10": true, "25.12": false} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			r := &responder{
				old: old,
				network: map[string]map[string][]string{
					"br-lan": {"NAS.local": {"192.168.1.5", "192.168.1.6", "fd00::5", "fe80::5"}, "nasx.local": {"192.168.1.9"}},
					"eth9":   {},
				},
				heard: map[string]map[string][]string{},
			}
			u := NewUmdns(r.publish(t))
			u.links = func() []string { return []string{"br-lan", "eth9", "wan"} }
			for _, tt := range []struct {
				network, host string
				want          []string
			}{
				{"ip4", "nas.local", []string{"192.168.1.5", "192.168.1.6"}},
				{"ip6", "nas.LOCAL.", []string{"fd00::5", "fe80::5%br-lan"}},
				{"ip4", "nasx.local", []string{"192.168.1.9"}},
			} {
				got, err := lookup(u, patience, tt.network, tt.host)
				if err != nil {
					t.Fatal(err)
				}
				var want []netip.Addr
				for _, a := range tt.want {
					want = append(want, netip.MustParseAddr(a))
				}
				if diff := cmp.Diff(want, got, equateAddr); diff != "" {
					t.Errorf("%s %s (-want +got):\n%s", tt.network, tt.host, diff)
				}
			}
			if _, err := lookup(u, 400*time.Millisecond, "ip4", "gone.local"); !isNotFound(err) {
				t.Errorf("a name that nobody has: %v", err)
			}
			if _, err := lookup(u, time.Second, "ip4", "nas.example"); err == nil {
				t.Error("was asked for a name that does not end in .local")
			}
			r.mu.Lock() // A question may be under way whose answer nobody waits for.
			defer r.mu.Unlock()
			for _, q := range r.asked {
				if !resolve.IsLocal(q) {
					t.Errorf("asked the network for %q", q)
				}
			}
		})
	}
}

// TestUmdnsComesLate: a host that was asleep is found when the question is repeated.
func TestUmdnsComesLate(t *testing.T) {
	checkLeaks(t)
	r := &responder{network: map[string]map[string][]string{"br-lan": {}}, heard: map[string]map[string][]string{}}
	u := NewUmdns(r.publish(t))
	time.AfterFunc(300*time.Millisecond, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.network["br-lan"] = map[string][]string{"nas.local": {"192.168.1.5"}}
	})
	got, err := lookup(u, patience, "ip4", "nas.local")
	if err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestUmdnsIsNotThere(t *testing.T) {
	if _, err := lookup(NewUmdns(nobody{}), time.Second, "ip4", "nas.local"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error: %v", err)
	}
	names := &resolve.Names{Local: First{NewAvahi(filepath.Join(t.TempDir(), "none")), NewUmdns(nobody{})}}
	if _, err := names.Candidates(context.Background(), "nas.local", resolve.Auto); !errors.Is(err, resolve.ErrNoLocal) {
		t.Errorf("neither there: %v", err)
	}
}

// TestLinks: the links of the machine can be asked for.
func TestLinks(t *testing.T) {
	if slices.Contains(links(), "lo") {
		t.Error("names are looked for on loopback")
	}
}

// FuzzHosts: whatever umdns shows, only addresses of the wanted family come out of
// it, and not too many.
func FuzzHosts(f *testing.F) {
	f.Add(blobmsg.Append(nil, blobmsg.Table{{Name: "nas.local", Value: blobmsg.Table{
		{Name: "ipv4", Value: "192.168.1.5"}, {Name: "ipv6", Value: blobmsg.Array{"fe80::5", "fe80::5%x", 7}},
	}}}), false)
	f.Fuzz(func(t *testing.T, data []byte, six bool) {
		table, err := blobmsg.Decode(data)
		if err != nil {
			return
		}
		kind := typeA
		if six {
			kind = typeAAAA
		}
		_, addrs := hostAddresses(table, "nas.local", kind)
		for _, a := range addrs {
			if a.Is6() != six || a.Zone() != "" {
				t.Errorf("%v", a)
			}
		}
		for _, a := range targets(table) {
			if !a.IsValid() || a.Zone() != "" {
				t.Errorf("target %v", a)
			}
		}
		if len(addrs) > resolve.MaxCandidates {
			t.Errorf("%d addresses", len(addrs))
		}
	})
}
