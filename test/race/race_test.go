package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// TestNetwork: what upstream and we are given is valid, and a moved peer differs
// in its address alone.
func TestNetwork(t *testing.T) {
	for _, tt := range []struct {
		name      string
		size      int
		moved     int
		endpoints bool
	}{
		{"one", 1, -1, false},
		{"endpoints", 300, -1, true},
		{"one moved", 300, 150, false},
		{"most", maxPeers, maxPeers - 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pkg, err := uci.Parse("network", []byte(network(tt.size, tt.moved, tt.endpoints)))
			if err != nil {
				t.Fatal(err)
			}
			c, err := schema.Load(pkg, iface)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Problems) > 0 {
				t.Errorf("problems: %v", c.Problems)
			}
			if len(c.Peers) != tt.size {
				t.Fatalf("%d peers, want %d", len(c.Peers), tt.size)
			}
			seen := map[string]bool{}
			for i, p := range c.Peers {
				if got, want := p.AllowedIPs[0].Addr(), address(i, i == tt.moved); got != want {
					t.Errorf("peer %d has %v, want %v", i, got, want)
				}
				seen[p.PublicKey.String()], seen[p.AllowedIPs[0].String()] = true, true
			}
			if len(seen) != 2*tt.size {
				t.Errorf("%d keys and addresses, want %d: some are there twice", len(seen), 2*tt.size)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []int
		ok   bool
	}{
		{"1,10,5000", []int{1, 10, 5000}, true},
		{"7", []int{7}, true},
		{"", nil, false},
		{"0", nil, false},
		{"10,10", nil, false},
		{"100,10", nil, false},
		{"60001", nil, false},
		{"1,x", nil, false},
	} {
		got, err := numbers(tt.in)
		if diff := cmp.Diff(tt.want, got); diff != "" || (err == nil) != tt.ok {
			t.Errorf("%q: %v (-want +got):\n%s", tt.in, err, diff)
		}
	}
}

func TestParseStat(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want process
		ok   bool
	}{
		{"7 (netifd) S 1 7 7 0", process{parent: 1, name: "netifd"}, true},
		{"8 (a) b (c) R 7 7 7 0", process{parent: 7, name: "a) b (c"}, true},
		{"9 (wgnetifd.sh) Z 7 7 7 0", process{}, false}, // it has ended
		{"9 (x) S", process{}, false},
		{"", process{}, false},
	} {
		got, ok := parseStat(tt.in)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(process{})); diff != "" || ok != tt.ok {
			t.Errorf("%q: %t (-want +got):\n%s", tt.in, ok, diff)
		}
	}
}

func TestTimes(t *testing.T) {
	ms := func(v ...float64) (out []time.Duration) {
		for _, x := range v {
			out = append(out, time.Duration(x*float64(time.Millisecond)))
		}
		return out
	}
	for _, tt := range []struct {
		in   []time.Duration
		want string
	}{
		{nil, "–"},
		{ms(5), "5.0 ms (5.0 ms–5.0 ms)"},
		{ms(30, 10, 20), "20 ms (10 ms–30 ms)"},
		{ms(4, 1, 3, 2), "2.5 ms (1.0 ms–4.0 ms)"},
		{ms(1234, 999.6, 12340), "1.23 s (1.00 s–12.3 s)"},
	} {
		if got := times(tt.in); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestReport: who fails is named with the reason, and compared to us only where
// both came up.
func TestReport(t *testing.T) {
	us := &contestant{name: "wgnetifd", file: "wgnetifd.sh", way: ways[1]}
	shell := &contestant{name: "upstream, shell", file: "wireguard.sh", way: ways[1]}
	rows := []row{
		{size: 1000, racer: us, up: []time.Duration{100 * time.Millisecond}, memory: []int64{5e6, 6e6}},
		{size: 1000, racer: shell, up: []time.Duration{2500 * time.Millisecond}},
		{size: 5000, racer: us, up: []time.Duration{time.Second}},
		{size: 5000, racer: shell, failure: "no ifup"},
	}
	got := report(machine{processor: "P", kernel: "K", system: "S", program: "wgnetifd 1", wireguard: "W"}, settings{runs: 1, memory: 2}, []*contestant{us, shell}, rows)
	want := []string{
		"Machine: P, Linux K, S; W.",
		"| 1,000 | wgnetifd | 100 ms (100 ms–100 ms) | – | – | 6.0 MB |",
		"| 1,000 | upstream, shell | 2.50 s (2.50 s–2.50 s), × 25.0 | – | – | – |",
		"| 5,000 | upstream, shell | fails | – | – | – |",
		"- upstream, shell fails at 5,000 peers: no ifup.",
	}
	for _, line := range want {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %q in:\n%s", line, got)
		}
	}
}

// TestLookAround: all that is missing is named, each by its name.
func TestLookAround(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	nowhere := filepath.Join(t.TempDir(), "nothing")
	for _, env := range []string{envProgram, envShell, envUcode} {
		t.Setenv(env, nowhere)
	}
	err := lookAround()
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range append([]string{nowhere + ", our program", envShell, envUcode}, programs...) {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is missing, and not named in:\n%v", name, err)
		}
	}
}

// TestNeeds: programs go where a router has them, whatever folder has them here,
// and what is missing is left out.
func TestNeeds(t *testing.T) {
	here := t.TempDir()
	t.Setenv("PATH", here)
	for _, name := range []string{"netifd", "uci", "wireguard.uc", "own"} {
		if err := os.WriteFile(filepath.Join(here, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(envProgram, filepath.Join(here, "own"))
	t.Setenv(envShell, filepath.Join(here, "nothing"))
	t.Setenv(envUcode, filepath.Join(here, "wireguard.uc"))
	got := map[string]string{}
	for _, n := range needs() {
		if path, ok := strings.CutPrefix(n.from, here+"/"); ok { // the rest is the machine's
			got[n.at] = path
		}
	}
	want := map[string]string{
		"/usr/bin/netifd": "netifd", "/sbin/uci": "uci",
		"/lib/netifd/proto/wireguard.uc": "wireguard.uc", "/usr/bin/wgnetifd": "own",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
