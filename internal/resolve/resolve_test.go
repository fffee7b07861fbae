package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"
)

type fake struct {
	answers map[string][]string
	mu      sync.Mutex
	asked   map[string]int
}

func (f *fake) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	f.mu.Lock()
	if f.asked == nil {
		f.asked = map[string]int{}
	}
	f.asked[host]++
	f.mu.Unlock()
	if network != "ip" {
		return nil, errors.New("asked for " + network)
	}
	answer, ok := f.answers[host]
	switch {
	case !ok:
		<-make(chan struct{}) // a resolver that does not keep to its context either
	case host == "refused.example":
		return nil, &net.DNSError{Err: "read udp [::1]:35064->[::1]:53: read: connection refused", Name: host, Server: "[::1]:53"}
	case host == "broken.example":
		return nil, &net.DNSError{Err: "server misbehaving", Name: host, Server: "[::1]:53"}
	case answer == nil:
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true, Name: host, Server: "192.0.2.53:53"}
	}
	var out []netip.Addr
	for _, a := range answer {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

func TestAll(t *testing.T) {
	f := &fake{answers: map[string][]string{
		"a.example": {"192.0.2.1", "192.0.2.2"}, "b.example": {"::ffff:192.0.2.3"}, "gone.example": nil,
		"refused.example": nil, "broken.example": nil,
		"none.example": {}, "zero.example": {"0.0.0.0", "::", "2001:db8::1"},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	found, failed := All(ctx, f, []string{"a.example", "dead.example", "b.example", "a.example", "gone.example", "none.example", "zero.example", "refused.example", "broken.example"})
	for host, want := range map[string]string{"a.example": "192.0.2.1", "b.example": "192.0.2.3", "zero.example": "2001:db8::1"} {
		if got := found[host]; got != netip.MustParseAddr(want) {
			t.Errorf("%s: %v, want %s", host, got, want)
		}
	}
	for host, want := range map[string]string{
		"dead.example": "no answer from a name server in time", "gone.example": "there is no such name", "none.example": "the name has no address",
		"refused.example": "name servers did not answer: connection refused",
		"broken.example":  "name servers did not answer: server misbehaving",
	} {
		if err := failed[host]; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", host, err, want)
		}
	}
	if len(found)+len(failed) != 8 {
		t.Errorf("found %v, failed %v", found, failed)
	}
	if f.asked["a.example"] != 1 {
		t.Errorf("a.example was asked for %d times", f.asked["a.example"])
	}
}

// TestDeadNamesDoNotQueue: names that are dead, more than may be asked for at
// once, leave time for the one behind them.
func TestDeadNamesDoNotQueue(t *testing.T) {
	hosts := make([]string, 3*parallel, 3*parallel+1)
	for n := range hosts {
		hosts[n] = strconv.Itoa(n) + ".dead.example"
	}
	hosts = append(hosts, "zz.example")
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	found, failed := All(ctx, &fake{answers: map[string][]string{"zz.example": {"192.0.2.1"}}}, hosts)
	if len(found) != 1 || len(failed) != 3*parallel {
		t.Errorf("%d found, %d failed", len(found), len(failed))
	}
}

func TestNoHosts(t *testing.T) {
	found, failed := All(context.Background(), &fake{}, nil)
	if len(found)+len(failed) != 0 {
		t.Error("found something")
	}
}
