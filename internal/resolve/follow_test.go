package resolve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/netns"
)

func TestMain(m *testing.M) { netns.Main(m) }

func TestParseServers(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"nameserver 192.0.2.53\n", []string{"192.0.2.53:53"}},
		{"# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nsearch lan\n\tnameserver  2001:db8::53   # ours\r\n", []string{"[2001:db8::53]:53"}},
		{"nameserver fe80::1%eth0", []string{"[fe80::1%eth0]:53"}},
		{"nameserver\nnameserver dns.example\nnameservers 192.0.2.1\nnameserver 192.0.2.1:53\nnameserver 300.1.1.1\n", nil},
		{"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n", []string{"192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"}},
	} {
		if diff := cmp.Diff(tt.want, parseServers([]byte(tt.text))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

func FuzzParseServers(f *testing.F) {
	f.Add([]byte("nameserver 192.0.2.53\noptions timeout:1\nnameserver fe80::1%eth0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		servers := parseServers(data)
		if len(servers) > maxServers {
			t.Errorf("%d servers", len(servers))
		}
		for _, s := range servers {
			if _, err := netip.ParseAddrPort(s); err != nil || !strings.HasSuffix(s, ":53") {
				t.Errorf("%q: %v", s, err)
			}
		}
	})
}

// TestServersAreFollowed: whatever happens to the file, the servers that are asked
// next are those that stand in it, and all of them in turn.
func TestServersAreFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	var (
		mu     sync.Mutex
		dialed []string
	)
	f := &Follower{path: path}
	f.dialer = func(_ context.Context, _, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		dialed = append(dialed, address)
		return nil, fmt.Errorf("%s is down", address)
	}
	ask := func() []string {
		mu.Lock()
		dialed = nil
		mu.Unlock()
		if _, err := f.LookupNetIP(context.Background(), "ip4", "a.example."); err == nil {
			t.Fatal("found a name without a server")
		}
		return slices.Compact(slices.Sorted(slices.Values(dialed)))
	}
	write := func(text string) func() error {
		return func() error { return os.WriteFile(path, []byte(text), 0o644) }
	}
	for _, step := range []struct {
		name   string
		change func() error
		want   []string
	}{
		{"no file", func() error { return nil }, []string{"127.0.0.1:53", "[::1]:53"}},
		{"made", write("nameserver 192.0.2.1\nnameserver 192.0.2.2\n"), []string{"192.0.2.1:53", "192.0.2.2:53"}},
		{"written in place", write("nameserver 192.0.2.33\n"), []string{"192.0.2.33:53"}},
		{"replaced, as old and as long", func() error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			other := path + ".new"
			if err := os.WriteFile(other, []byte("nameserver 192.0.2.44\n"), 0o644); err != nil {
				return err
			}
			if err := os.Chtimes(other, info.ModTime(), info.ModTime()); err != nil {
				return err
			}
			return os.Rename(other, path)
		}, []string{"192.0.2.44:53"}},
		{"emptied", write("# nothing\n"), []string{"127.0.0.1:53", "[::1]:53"}},
		{"gone", func() error { return os.Remove(path) }, []string{"127.0.0.1:53", "[::1]:53"}},
		{"a link, as on OpenWrt", func() error {
			if err := os.WriteFile(path+".auto", []byte("nameserver 192.0.2.5\n"), 0o644); err != nil {
				return err
			}
			return os.Symlink(path+".auto", path)
		}, []string{"192.0.2.5:53"}},
		{"what the link leads to", func() error {
			return os.WriteFile(path+".auto", []byte("nameserver 192.0.2.66\n"), 0o644)
		}, []string{"192.0.2.66:53"}},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, ask()); diff != "" {
			t.Errorf("%s: asked (-want +got):\n%s", step.name, diff)
		}
	}
}

// TestUplinkChanges: the real file, whose only server goes silent and is replaced
// by another: the next question goes there, although Go's resolver has not looked
// at the file again.
func TestUplinkChanges(t *testing.T) {
	netns.Require(t)
	file := filepath.Join(t.TempDir(), "resolv.conf")
	write := func(server string) {
		if err := os.WriteFile(file, []byte("nameserver "+server+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("127.0.53.1")
	if err := unix.Mount(file, ResolvConf, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(ResolvConf, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	silent, err := net.ListenPacket("udp", "127.0.53.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := serve(t, "127.0.53.2:53", map[string]record{"vpn.example.": {four: addrs("192.0.2.1")}})
	n := &Names{DNS: Follow(ResolvConf), Source: dual}
	ask := func(limit time.Duration) ([]netip.Addr, error) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		return n.Candidates(ctx, "vpn.example", IPv4)
	}
	if got, err := ask(200 * time.Millisecond); err == nil {
		t.Fatalf("the silent server answered %v", got)
	}
	write("127.0.53.2")
	got, err := ask(patience)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(addrs("192.0.2.1"), got, equateAddr); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	if s.questions("vpn.example. TypeA") != 1 {
		t.Errorf("asked %v times", s.asked)
	}
}
