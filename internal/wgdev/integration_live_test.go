package wgdev_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// A port that another device has does not keep the key from being set.
func TestPortTaken(t *testing.T) {
	s, _ := system(t)
	conn, err := net.ListenPacket("udp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	taken := uint16(conn.LocalAddr().(*net.UDPAddr).Port)
	const name = "wgport"
	create(t, s, name)
	configure(t, s, name, plan.Changes{ListenPort: &ourPort})
	if err := s.SetUp(name, true); err != nil {
		t.Fatal(err)
	}
	awaitUp(t, name)
	err = s.Configure(name, plan.Changes{PrivateKey: &ourKey, ListenPort: &taken, FwMark: &ourMark, Peers: manyPeers(2)})
	if err == nil || !strings.Contains(err.Error(), "listen on port "+strconv.Itoa(int(taken))) {
		t.Errorf("%v, want an error about port %d", err, taken)
	}
	var refused *wgdev.PeerError
	if errors.As(err, &refused) {
		t.Errorf("%v is about a peer", err)
	}
	a := read(t, s, name)
	if a.PrivateKey != ourKey || a.FwMark != ourMark || len(a.Peers) != 2 {
		t.Errorf("the device has key %v, fwmark %#x, %d peers; want the rest written", a.PublicKey, a.FwMark, len(a.Peers))
	}
}

// awaitUp waits for a userspace device, which opens its port some time after the
// link is up. To try whether the port is free would take it from the device.
func awaitUp(t *testing.T, name string) {
	t.Helper()
	port := fmt.Sprintf(":%04X ", ourPort)
	if !await(func() bool {
		sockets, err := os.ReadFile("/proc/thread-self/net/udp")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(sockets), port)
	}) {
		t.Fatalf("%s does not listen on port %d", name, ourPort)
	}
}

// await waits until something is so, and reports whether it is.
func await(so func() bool) bool {
	for limit := time.Now().Add(30 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			return false
		}
	}
	return true
}

func TestHandshakeIsRead(t *testing.T) {
	system(t)
	a, b := netns.New(t, "a"), netns.New(t, "b")
	netns.Connect(a, "eth0", b, "eth0")
	a.AddAddress("eth0", "192.0.2.1/24")
	b.AddAddress("eth0", "192.0.2.2/24")
	keys := map[*netns.Host]schema.Key{a: {0: 8, 31: 64}, b: {0: 16, 31: 64}}
	devices := map[*netns.Host]string{a: "wga", b: "wgb"}
	begin := time.Now().Add(-time.Second)
	inTunnel := func(h, peer *netns.Host, peerAddr, endpoint string) {
		h.Do(func() {
			s := wgdev.NewSystem()
			defer s.Close()
			name, private := devices[h], keys[h]
			if err := s.Create(name); err != nil {
				t.Fatal(err)
			}
			c := plan.PeerChange{PublicKey: keys[peer].PublicKey(), AllowedIPs: []netip.Prefix{netip.MustParsePrefix(peerAddr)}}
			if endpoint != "" {
				c.Endpoint = netip.MustParseAddrPort(endpoint)
			}
			configure(t, s, name, plan.Changes{PrivateKey: &private, ListenPort: &ourPort, Peers: []plan.PeerChange{c}})
			if err := s.SetUp(name, true); err != nil {
				t.Fatal(err)
			}
		})
	}
	inTunnel(b, a, "10.0.0.1/32", "")
	inTunnel(a, b, "10.0.0.2/32", "192.0.2.2:51820")
	a.AddAddress("wga", "10.0.0.1/24")
	b.AddAddress("wgb", "10.0.0.2/24")
	if err := a.Ping("10.0.0.2"); err != nil {
		t.Fatal(err)
	}
	b.Do(func() {
		s := wgdev.NewSystem()
		defer s.Close()
		var p plan.ActualPeer
		await(func() bool { // What was sent is counted a little later.
			got, err := s.Read("wgb")
			if err != nil || len(got.Peers) != 1 {
				t.Fatalf("%d peers, %v", len(got.Peers), err)
			}
			p = got.Peers[0]
			return p.TxBytes > 0
		})
		if p.LastHandshake.Before(begin) || p.LastHandshake.After(time.Now()) {
			t.Errorf("last handshake %v, want one since %v", p.LastHandshake, begin)
		}
		if p.RxBytes == 0 || p.TxBytes == 0 {
			t.Errorf("received %d, sent %d bytes", p.RxBytes, p.TxBytes)
		}
		if want := netip.MustParseAddrPort("192.0.2.1:51820"); p.Endpoint != want {
			t.Errorf("it learned the endpoint %v, want %v", p.Endpoint, want)
		}
	})
	for h, name := range devices {
		h.Do(func() {
			s := wgdev.NewSystem()
			defer s.Close()
			if err := s.Delete(name); err != nil {
				t.Error(err)
			}
		})
	}
}

// Without CAP_NET_ADMIN the error says who may.
func TestNotRoot(t *testing.T) {
	s, _ := system(t)
	const name = "wgnotroot"
	create(t, s, name)
	for what, op := range map[string]func(*wgdev.System) error{
		"Create": func(s *wgdev.System) error { return s.Create("wgnotroot2") },
		"SetMTU": func(s *wgdev.System) error { return s.SetMTU(name, 1400) },
		"SetUp":  func(s *wgdev.System) error { return s.SetUp(name, true) },
		"Delete": func(s *wgdev.System) error { return s.Delete(name) },
	} {
		failed := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends
			var none [2]unix.CapUserData
			if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
				failed <- err
				return
			}
			s := wgdev.NewSystem()
			defer s.Close()
			failed <- op(s)
		}()
		if err := <-failed; !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "must be root") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want one that matches fs.ErrPermission, names the interface and says what to do", what, err)
		}
	}
	if a := read(t, s, name); !a.Exists || a.Up {
		t.Errorf("the device was changed: %+v", a)
	}
}
