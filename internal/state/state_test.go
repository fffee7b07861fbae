package state

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

var equateAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func sample() *State {
	return &State{
		Applied: plan.Applied{
			{1}: {Host: "vpn.example.org", Port: 51820},
			{2}: {Host: "2001:db8::1", Port: 7},
		},
		HostRoutes: []plan.HostRoute{
			{Dst: netip.MustParseAddr("192.0.2.1"), Gateway: netip.MustParseAddr("198.51.100.1"), Device: "eth0"},
			{Dst: netip.MustParseAddr("2001:db8::1"), Device: "br-lan"},
		},
		KernelRoutes: true,
		Met:          plan.Families{IPv4: true},
		MetMetric:    4294967295,
		Alone:        true,
		Ousted:       true,
		Announced:    Sums{Addresses: "1f", Routes: "2e"},
	}
}

func TestSaveAndLoad(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "run"))
	want := sample()
	if err := d.Save("wg0", want); err != nil {
		t.Fatal(err)
	}
	got, err := d.Load("wg0")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equateAddr); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	path := filepath.Join(string(d), "wg0.state")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if before.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v", before.Mode())
	}
	if err := d.Save("wg0", got); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("what was saved already was written again")
	}
	if others := d.OtherHostRoutes("wg1"); len(others) != 2 {
		t.Errorf("wg1 sees %v", others)
	}
	if others := d.OtherHostRoutes("wg0"); len(others) != 0 {
		t.Errorf("wg0 sees %v", others)
	}
	for range 2 {
		if err := d.Remove("wg0"); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.Load("wg0"); err != nil || len(got.Applied)+len(got.HostRoutes) > 0 {
		t.Errorf("after Remove: %+v, %v", got, err)
	}
}

// TestNames: the name of an interface is never a path.
func TestNames(t *testing.T) {
	d := Dir(t.TempDir())
	for _, name := range []string{"", ".", "..", "../x", "a/b", "a\x00"} {
		if err := d.Save(name, sample()); err == nil {
			t.Errorf("%q: saved", name)
		}
		if _, err := d.Lock(name); err == nil {
			t.Errorf("%q: locked", name)
		}
	}
}

func TestLock(t *testing.T) {
	d := Dir(t.TempDir())
	unlock, err := d.Lock("wg0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan struct{})
	go func() {
		second, err := d.Lock("wg0")
		if err != nil {
			t.Error(err)
		}
		close(got)
		second()
	}()
	other, err := d.Lock("wg1") // another interface does not wait
	if err != nil {
		t.Fatal(err)
	}
	other()
	select {
	case <-got:
		t.Fatal("locked twice")
	default:
	}
	unlock()
	<-got
}

// FuzzParse: whatever the file holds, reading it is safe, and what was read is
// saved and read the same.
func FuzzParse(f *testing.F) {
	f.Add(string(sample().bytes()))
	f.Add("endpoint x y z\nroute 1 2 3\nroute 1.2.3.4 - eth0\nkernelroutes\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := parse([]byte(text))
		again := parse(s.bytes())
		if diff := cmp.Diff(s.Applied, again.Applied); diff != "" {
			t.Errorf("applied:\n%s", diff)
		}
		if len(s.HostRoutes) != len(again.HostRoutes) {
			t.Errorf("%d host routes became %d in %q", len(s.HostRoutes), len(again.HostRoutes), text)
		}
		for key := range s.Applied {
			if key == (schema.Key{}) && !strings.Contains(text, key.String()) {
				t.Error("a key from nowhere")
			}
		}
	})
}
