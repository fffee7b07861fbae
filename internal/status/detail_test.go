package status

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// updating reports whether goldens are to be written; the flag is defined in
// status_test.go.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

// example is one pair of a state and a reason, as it comes about, and what it means
// for the documentation.
type example struct {
	state, reason, detail, means string
}

// peerExamples has every pair that a peer can be in.
func peerExamples() []example {
	there, six := netip.MustParseAddrPort("192.0.2.1:51820"), netip.MustParseAddrPort("[2001:db8::1]:51820")
	bad := &schema.Problem{Level: schema.LeftOut, Section: "phone", Option: "allowed_ips", Value: "10.0.0.0/33", Text: "prefix length is over 32"}
	named := Peer{
		EndpointHost: "vpn.example.org", EndpointPort: 51820, Endpoint: there, Age: -1, InKernel: true,
		clock: Clock{Set: true, Synchronised: true},
	}
	old := named
	old.Age = 310 * time.Second
	as := func(p Peer, s State, r Reason, change ...func(*Peer)) Peer {
		p.State, p.Reason = s, r
		for _, f := range change {
			f(&p)
		}
		return p
	}
	none := func(p *Peer) { p.Endpoint = netip.AddrPort{} }
	var out []example
	add := func(p Peer, means string) {
		out = append(out, example{string(p.State), string(p.Reason), p.Detail(), means})
	}
	add(as(named, Disabled, ReasonDisabled), "switched off in the configuration")
	add(as(named, Invalid, ReasonInvalid, func(p *Peer) { p.Problems = []*schema.Problem{bad} }), "left out: the configuration is wrong")
	add(as(named, Down, ReasonDown), "the interface is not up")
	add(as(named, Down, ReasonNotApplied), "configured, and not in the device")
	add(as(named, Unresolved, ReasonResolving, none), "no address of the endpoint's name is known yet")
	add(as(named, Unresolved, ReasonNoAddress, none, func(p *Peer) { p.Err = errors.New("no such host") }), "the endpoint's name has no address")
	add(as(named, Waiting, ReasonWaiting, none), "no endpoint: the other side must start")
	for _, s := range []struct {
		base  Peer
		state State
		text  string
	}{{named, Connecting, "no handshake so far"}, {old, Stale, "the last handshake is old, somebody wants to send"}} {
		add(as(s.base, s.state, ReasonNoAnswer), s.text+": nothing comes back")
		add(as(s.base, s.state, ReasonNoUplink, func(p *Peer) { p.Endpoint = six }), s.text+": no route leads to the endpoint")
		add(as(s.base, s.state, ReasonClock), s.text+": the router's clock is not set")
		add(as(s.base, s.state, ReasonResolving), s.text+": the endpoint's name is being looked up again")
		add(as(s.base, s.state, ReasonNoAddress, func(p *Peer) { p.Err = errors.New("timeout") }), s.text+": the endpoint's name has no address any more")
		add(as(s.base, s.state, ReasonReturning), s.text+": the first endpoint is being tried again")
	}
	add(as(named, Connected, ""), "a handshake within 180 s")
	add(as(named, Connected, ReasonRoamed, func(p *Peer) { p.Endpoint = netip.MustParseAddrPort("198.51.100.7:4500") }), "on an endpoint that the peer itself moved to")
	add(as(named, Connected, ReasonFailedOver), "on a further endpoint, the first did not answer")
	add(as(named, Connected, ReasonReturning), "the first endpoint is being tried again")
	add(as(named, Connected, ReasonNoUplink), "no route leads to the endpoint any more")
	add(as(old, Idle, ""), "the last handshake is old, and nobody wants to send")
	add(as(old, Idle, ReasonNoUplink), "the same, and no route leads to the endpoint")
	add(as(old, Idle, ReasonReturning), "the same, and the first endpoint will be tried again")
	return out
}

// interfaceExamples has every pair that an interface can be in.
func interfaceExamples() []example {
	conf := func(change ...func(*schema.Interface)) *schema.Interface {
		c := &schema.Interface{Name: "wg0"}
		for _, f := range change {
			f(c)
		}
		return c
	}
	fatal := &schema.Problem{Level: schema.Fatal, Section: "wg0", Option: "private_key", Text: schema.ErrKey.Error()}
	failed := func(code, word string) *netifd.Status {
		return &netifd.Status{Errors: []netifd.Error{{Code: code, Words: []string{word}}}}
	}
	up := plan.Actual{Exists: true, Up: true}
	var out []example
	add := func(in Input, means string) {
		in.Name = "wg0"
		if in.Conf == nil {
			in.Conf = conf()
		}
		i := Build(&in)
		out = append(out, example{string(i.State), string(i.Reason), i.Detail, means})
	}
	add(Input{Actual: up}, "the device is up, and netifd says so too")
	add(Input{Conf: conf(func(c *schema.Interface) { c.Disabled = true })}, "switched off in the configuration")
	add(Input{Netifd: &netifd.Status{Pending: true}}, "netifd is bringing it up")
	add(Input{Conf: conf(func(c *schema.Interface) { c.Problems = []*schema.Problem{fatal} })}, "it cannot come up: the configuration is wrong")
	add(Input{Netifd: failed("NO_WIREGUARD", "")}, "the kernel has no WireGuard")
	add(Input{Netifd: failed("DEVICE_FAILED", "wg0: no more memory")}, "something else failed, as netifd holds it")
	add(Input{ReadErr: errors.New("wg0: a bridge, not a WireGuard interface")}, "the device cannot be read")
	add(Input{NetifdErr: netifd.ErrNoInterface}, "netifd does not know it")
	add(Input{Netifd: &netifd.Status{}}, "nobody brought it up, or somebody took it down")
	add(Input{Actual: plan.Actual{Exists: true}}, "its device is down")
	add(Input{Netifd: &netifd.Status{Up: true}}, "netifd says up, and its device is gone")
	return out
}

// TestSentences: all pairs with their sentences, as people read them.
func TestSentences(t *testing.T) {
	var b strings.Builder
	for _, list := range [][]example{peerExamples(), interfaceExamples()} {
		for _, e := range list {
			b.WriteString(e.state + "/" + e.reason + "\n    " + e.detail + "\n")
		}
	}
	golden(t, "testdata/sentences.txt", b.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if updating() {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestDocumented: the tables of states in docs/ubus.md are these.
func TestDocumented(t *testing.T) {
	const path, begin, end = "../../docs/ubus.md", "`go test ./internal/status -update`, do not edit -->\n", "<!-- end of states -->\n"
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(old, []byte(begin))
	_, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatal(path + " has no marks around the states")
	}
	var b strings.Builder
	b.Write(head)
	b.WriteString(begin)
	for _, list := range []struct {
		of       string
		examples []example
	}{{"a peer", peerExamples()}, {"an interface", interfaceExamples()}} {
		b.WriteString("\n| `state` of " + list.of + " | `reason` | |\n|---|---|---|\n")
		for _, e := range list.examples {
			reason := "`" + e.reason + "`"
			if e.reason == "" {
				reason = "empty"
			}
			b.WriteString("| `" + e.state + "` | " + reason + " | " + e.means + " |\n")
		}
	}
	b.WriteString("\n" + end)
	b.Write(tail)
	golden(t, path, b.String())
}

// TestEverySentence: a peer that is not connected always says why, whatever its
// reason.
func TestEverySentence(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range peerExamples() {
		if seen[e.state+e.reason] {
			t.Errorf("%s/%s is there twice", e.state, e.reason)
		}
		seen[e.state+e.reason] = true
	}
	reasons := []Reason{
		"", ReasonDisabled, ReasonInvalid, ReasonDown, ReasonNotApplied, ReasonWaiting, ReasonResolving, ReasonNoAddress,
		ReasonNoAnswer, ReasonNoUplink, ReasonClock, ReasonRoamed, ReasonFailedOver, ReasonReturning,
	}
	for _, s := range states {
		for _, r := range reasons {
			p := Peer{State: s, Reason: r, Age: -1}
			if p.Detail() == "" && s != Connected {
				t.Errorf("%s/%s says nothing", s, r)
			}
		}
		if !strings.Contains(strings.Join(keys(seen), " "), string(s)) {
			t.Errorf("%s is not documented", s)
		}
	}
}

func keys(m map[string]bool) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}

// TestCut: texts end at a character.
func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text string
		most int
		want string
	}{{"abc", 3, "abc"}, {"abcdef", 5, "ab…"}, {"äöü", 5, "ä…"}, {"äöü", 4, "…"}, {"\x80\x80\x80\x80", 3, "…"}} {
		if got := cut(tt.text, tt.most); got != tt.want || len(got) > tt.most {
			t.Errorf("%q to %d: %q, want %q", tt.text, tt.most, got, tt.want)
		}
	}
}
