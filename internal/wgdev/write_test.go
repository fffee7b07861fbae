package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// recorder is a client that keeps what it is told to write.
type recorder struct {
	sent []wgtypes.Config
	// refuse decides about a message; nil: every one is taken.
	refuse func(wgtypes.Config) error
}

func (r *recorder) send(cfg wgtypes.Config) error {
	cfg.Peers = slices.Clone(cfg.Peers) // the writer uses its portions again
	r.sent = append(r.sent, cfg)
	if r.refuse != nil {
		return r.refuse(cfg)
	}
	return nil
}

// write writes changes to a recorder.
func (r *recorder) write(c plan.Changes, user bool) error {
	w := writer{name: "wg0", send: r.send}
	w.device(&c, user)
	w.peers(c.Peers)
	return errors.Join(w.errs...)
}

func numberedKey(n int) schema.Key {
	return schema.Key{0: byte(n), 1: byte(n >> 8), 2: byte(n >> 16), 3: 1}
}

func numberedPeers(n, ips int) []plan.PeerChange {
	list := make([]plan.PeerChange, n)
	for i := range list {
		list[i] = plan.PeerChange{PublicKey: numberedKey(i), AllowedIPs: numberedIPs(i, ips)}
	}
	return list
}

func numberedIPs(peer, n int) (out []netip.Prefix) {
	for i := range n {
		a := netip.AddrFrom16([16]byte{0: 0xfd, 10: byte(peer >> 8), 11: byte(peer), 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
		out = append(out, netip.PrefixFrom(a, 128))
	}
	return out
}

// The fields of the device are sent once, and no message is so large that wgctrl
// would take it apart: then it would send one for each peer.
func TestPortions(t *testing.T) {
	port, mark := uint16(1), uint32(0xffffffff)
	device := plan.Changes{PrivateKey: &schema.Key{1}, ListenPort: &port, FwMark: &mark}
	tests := []struct {
		name     string
		peers    []plan.PeerChange
		messages int // beside the one of the device
	}{
		{"no peer", nil, 0},
		{"one peer", numberedPeers(1, 2), 1},
		{"as many peers as fit", numberedPeers(32, 1), 1},
		{"one more", numberedPeers(33, 1), 2},
		{"10,000 peers", numberedPeers(10000, 2), 313},
		{"as many allowed IPs as fit", numberedPeers(32, 8), 1},
		{"more allowed IPs", numberedPeers(32, 9), 2},
		{"one peer with as many as fit", numberedPeers(1, 256), 1},
		{"one peer with one more", numberedPeers(1, 257), 2},
		{"one peer with 20,000", numberedPeers(1, 20000), 79},
		{"peers without any", numberedPeers(100, 0), 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r recorder
			c := device
			c.Peers = tt.peers
			if err := r.write(c, false); err != nil {
				t.Fatal(err)
			}
			if len(r.sent) != tt.messages+1 {
				t.Errorf("%d messages, want %d and that of the device", len(r.sent), tt.messages)
			}
			if d := r.sent[0]; *d.PrivateKey != (wgtypes.Key{1}) || *d.ListenPort != 1 || uint32(*d.FirewallMark) != mark || len(d.Peers) != 0 {
				t.Errorf("the first message is %+v", d)
			}
			for n, m := range r.sent[1:] {
				ips := 0
				for _, p := range m.Peers {
					ips += len(p.AllowedIPs)
				}
				if len(m.Peers) == 0 || len(m.Peers) > 32 || ips > 256 {
					t.Errorf("message %d has %d peers and %d allowed IPs", n, len(m.Peers), ips)
				}
				if m.PrivateKey != nil || m.ListenPort != nil || m.FirewallMark != nil || m.ReplacePeers {
					t.Errorf("message %d has fields of the device: %+v", n, m)
				}
			}
			if diff := cmp.Diff(tt.peers, together(r.sent[1:]), compareActual); diff != "" {
				t.Errorf("what was sent, put together (-want +got):\n%.2000s", diff)
			}
		})
	}
}

// together makes of messages what a device makes of them.
func together(messages []wgtypes.Config) (list []plan.PeerChange) {
	for _, m := range messages {
		for _, p := range m.Peers {
			ips := prefixesOf(p.AllowedIPs)
			last := len(list) - 1
			if p.UpdateOnly && last >= 0 && list[last].PublicKey == schema.Key(p.PublicKey) {
				list[last].AllowedIPs = append(list[last].AllowedIPs, ips...)
				continue
			}
			list = append(list, plan.PeerChange{
				PublicKey: schema.Key(p.PublicKey), Update: p.UpdateOnly, ReplaceAllowedIPs: p.ReplaceAllowedIPs, AllowedIPs: ips,
			})
		}
	}
	return list
}

func TestNothingIsWritten(t *testing.T) {
	var r recorder
	if err := r.write(plan.Changes{}, false); err != nil || len(r.sent) != 0 {
		t.Errorf("%d messages, %v", len(r.sent), err)
	}
}

// A peer that is continued carries its other fields, and the flag that replaces,
// in its first message alone.
func TestContinuedPeer(t *testing.T) {
	keepalive := uint16(65535)
	c := plan.PeerChange{
		PublicKey: numberedKey(1), PresharedKey: &schema.Key{7}, Keepalive: &keepalive,
		Endpoint: netip.MustParseAddrPort("192.0.2.1:65535"), ReplaceAllowedIPs: true, AllowedIPs: numberedIPs(1, 600),
	}
	var r recorder
	if err := r.write(plan.Changes{Peers: []plan.PeerChange{c}}, false); err != nil {
		t.Fatal(err)
	}
	if len(r.sent) != 3 {
		t.Fatalf("%d messages, want 3", len(r.sent))
	}
	d := 65535 * time.Second
	want := wgtypes.PeerConfig{
		PublicKey: wgtypes.Key(c.PublicKey), PresharedKey: &wgtypes.Key{7}, PersistentKeepaliveInterval: &d,
		Endpoint: &net.UDPAddr{IP: net.IP{192, 0, 2, 1}, Port: 65535}, ReplaceAllowedIPs: true,
	}
	for n, m := range r.sent {
		got := m.Peers[0]
		got.AllowedIPs = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("message %d (-want +got):\n%s", n, diff)
		}
		want = wgtypes.PeerConfig{PublicKey: want.PublicKey, UpdateOnly: true}
	}
}

// One peer that is refused costs the others of its message nothing, nor those of
// later ones, and none of its own parts is tried again.
func TestRefusedPeer(t *testing.T) {
	for _, bad := range []int{0, 5, 31, 32, 99} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			peers := numberedPeers(100, 2)
			peers[bad].AllowedIPs = numberedIPs(bad, 700)
			r := recorder{refuse: func(cfg wgtypes.Config) error {
				for _, p := range cfg.Peers {
					if schema.Key(p.PublicKey) == numberedKey(bad) {
						return unix.EINVAL
					}
				}
				return nil
			}}
			err := r.write(plan.Changes{Peers: peers}, false)
			var refused *PeerError
			if !errors.As(err, &refused) || refused.PublicKey != numberedKey(bad) || !errors.Is(err, unix.EINVAL) {
				t.Fatalf("%v, want a PeerError about peer %d", err, bad)
			}
			if joined := err.(interface{ Unwrap() []error }).Unwrap(); len(joined) != 1 {
				t.Errorf("%d errors, want one: %v", len(joined), err)
			}
			written := map[schema.Key]int{}
			for _, m := range r.sent {
				if r.refuse(m) == nil {
					for _, p := range m.Peers {
						written[schema.Key(p.PublicKey)]++
					}
				}
			}
			for n := range peers {
				want := 1
				if n == bad {
					want = 0
				}
				if got := written[numberedKey(n)]; got != want {
					t.Errorf("peer %d was written %d times, want %d", n, got, want)
				}
			}
		})
	}
}

// A peer that makes no sense is not sent at all.
func TestSenselessPeer(t *testing.T) {
	peers := numberedPeers(4, 1)
	peers[0].PublicKey = schema.Key{}
	peers[1].AllowedIPs = []netip.Prefix{{}}
	peers[2].AllowedIPs = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")} // wgctrl makes 10.0.0.0/104 of it
	var r recorder
	err := r.write(plan.Changes{Peers: peers}, false)
	for n := range 3 {
		if !strings.Contains(err.Error(), (&PeerError{peers[n].PublicKey, errors.New("")}).Error()) {
			t.Errorf("no error about peer %d: %v", n, err)
		}
	}
	if len(r.sent) != 1 || len(r.sent[0].Peers) != 1 || schema.Key(r.sent[0].Peers[0].PublicKey) != peers[3].PublicKey {
		t.Errorf("sent: %+v", r.sent)
	}
}

// Where nothing can be written, nothing more is tried, and no peer is blamed.
func TestHopeless(t *testing.T) {
	port := uint16(1)
	for _, cause := range []error{
		unix.EPERM, fs.ErrNotExist, unix.ENODEV, unix.EOPNOTSUPP,
		&net.OpError{Op: "dial", Net: "unix", Err: unix.ECONNREFUSED},
	} {
		for _, c := range []plan.Changes{
			{Peers: numberedPeers(1000, 1)},
			{PrivateKey: &schema.Key{1}, Peers: numberedPeers(1000, 1)},
			{PrivateKey: &schema.Key{1}, ListenPort: &port, Peers: numberedPeers(1000, 1)},
		} {
			r := recorder{refuse: func(wgtypes.Config) error { return cause }}
			err := r.write(c, false)
			var refused *PeerError
			if !errors.Is(err, cause) || errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "wg0: ") {
				t.Errorf("%v: %v", cause, err)
			}
			if len(r.sent) != 1 {
				t.Errorf("%v: %d messages, want 1", cause, len(r.sent))
			}
		}
	}
}

// A field of the device that is refused does not keep the others from being
// written, nor the peers.
func TestRefusedPort(t *testing.T) {
	port, mark := uint16(53), uint32(7)
	r := recorder{refuse: func(cfg wgtypes.Config) error {
		if cfg.ListenPort != nil {
			return unix.EADDRINUSE
		}
		return nil
	}}
	err := r.write(plan.Changes{PrivateKey: &schema.Key{1}, ListenPort: &port, FwMark: &mark, Peers: numberedPeers(3, 1)}, false)
	if want := "wg0: cannot listen on port 53: address already in use"; err == nil || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
	var fields, peers int
	for _, m := range r.sent[1:] {
		if m.PrivateKey != nil && m.ListenPort == nil || m.FirewallMark != nil && m.ListenPort == nil {
			fields++
		}
		peers += len(m.Peers)
	}
	if fields != 2 || peers != 3 {
		t.Errorf("%d other fields and %d peers were written, want 2 and 3: %+v", fields, peers, r.sent)
	}
}

// An error never holds what must not be seen.
func TestErrorsHoldNoSecret(t *testing.T) {
	private, psk := schema.Key{1, 2, 3, 4, 5}, schema.Key{9, 8, 7, 6, 5}
	r := recorder{refuse: func(wgtypes.Config) error { return unix.EINVAL }}
	err := r.write(plan.Changes{PrivateKey: &private, Peers: []plan.PeerChange{{PublicKey: numberedKey(1), PresharedKey: &psk}}}, false)
	for _, secret := range []schema.Key{private, psk} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret.String()[:6]) {
			t.Errorf("%v holds a secret", err)
		}
	}
}

func TestZonedPeerOrder(t *testing.T) {
	var log []string
	w := writer{
		name: "wg0",
		send: func(cfg wgtypes.Config) error {
			for _, p := range cfg.Peers {
				log = append(log, fmt.Sprintf("peer %d endpoint %v remove %v", p.PublicKey[0], p.Endpoint, p.Remove))
			}
			return nil
		},
		sendZoned: func(c *plan.PeerChange) error {
			log = append(log, fmt.Sprintf("zoned %d %v", c.PublicKey[0], c.Endpoint))
			return nil
		},
	}
	zoned := netip.MustParseAddrPort("[fe80::1%eth0]:1")
	w.peers([]plan.PeerChange{
		{PublicKey: numberedKey(1), Remove: true},
		{PublicKey: numberedKey(2)},
		{PublicKey: numberedKey(1), Endpoint: zoned},
		{PublicKey: numberedKey(3), Remove: true, Endpoint: zoned},
	})
	want := []string{
		"peer 1 endpoint <nil> remove true",
		"peer 2 endpoint <nil> remove false",
		"zoned 1 [fe80::1%eth0]:1",
		"peer 1 endpoint <nil> remove false",
		"peer 3 endpoint <nil> remove true",
	}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEndpointAttributes(t *testing.T) {
	c := plan.PeerChange{PublicKey: testKey(1), Update: true, Endpoint: netip.MustParseAddrPort("[fe80::1%eth0]:4660")}
	got, err := endpointAttributes("wg0", &c, 0x01020304)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("fe80::1").As16()
	want := join(
		nla(unix.WGDEVICE_A_IFNAME, []byte("wg0\x00")),
		nested(unix.WGDEVICE_A_PEERS, nested(0,
			nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(1)),
			nla(unix.WGPEER_A_FLAGS, u32(unix.WGPEER_F_UPDATE_ONLY)),
			nla(unix.WGPEER_A_ENDPOINT, u16(unix.AF_INET6), []byte{0x12, 0x34}, u32(0), addr[:], u32(0x01020304)),
		)),
	)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// fakeClient stands for wgctrl.Client.
type fakeClient struct {
	missing bool // made before the module was loaded
	closed  *int
}

func (c *fakeClient) Device(string) (*wgtypes.Device, error) { return nil, os.ErrNotExist }
func (c *fakeClient) Close() error                           { *c.closed++; return nil }
func (c *fakeClient) ConfigureDevice(string, wgtypes.Config) error {
	if c.missing {
		return os.ErrNotExist
	}
	return nil
}

// A client that was made before the kernel's WireGuard was loaded never finds a
// device: it is made again.
func TestClientIsMadeAgain(t *testing.T) {
	for _, loaded := range []bool{true, false} {
		made, closed := 0, 0
		s := NewSystem()
		s.newClient = func() (client, error) {
			made++
			return &fakeClient{missing: made == 1 || !loaded, closed: &closed}, nil
		}
		for range 2 {
			err := s.send("wg0", wgtypes.Config{})
			if loaded && err != nil {
				t.Errorf("the module is loaded by now: %v", err)
			}
			if !loaded && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no device: %v, want one that matches fs.ErrNotExist", err)
			}
		}
		if loaded && (made != 2 || closed != 1) {
			t.Errorf("%d clients made and %d closed, want 2 and 1", made, closed)
		}
		if err := s.Close(); err != nil || closed != made {
			t.Errorf("after Close, %d of %d clients are closed, %v", closed, made, err)
		}
	}
}
