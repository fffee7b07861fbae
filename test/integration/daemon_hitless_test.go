package integration

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// edit is a change of the configuration while the daemon runs: of the interface, or
// of the peer that is called other.
type edit struct {
	name string
	// iface are options of the interface, other the section of the peer.
	iface, other string
	// answer is what the reload has to say of it.
	answer change
	// is tells by the device that it has been applied; p is the peer, nil if there is
	// none.
	is func(l *lab, d *wgtypes.Device, p *wgtypes.Peer) bool
	// device: something of the device itself is written.
	device bool
}

// writes reports whether something is written to the device.
func (e *edit) writes() bool {
	return e.device || len(e.answer.Added)+len(e.answer.Removed)+len(e.answer.Changed) > 0
}

func present(_ *lab, _ *wgtypes.Device, p *wgtypes.Peer) bool { return p != nil }
func absent(_ *lab, _ *wgtypes.Device, p *wgtypes.Peer) bool  { return p == nil }

func allows(list ...string) func(*lab, *wgtypes.Device, *wgtypes.Peer) bool {
	return func(_ *lab, _ *wgtypes.Device, p *wgtypes.Peer) bool {
		return p != nil && slices.Equal(allowed(*p), list)
	}
}

func endpointAt(s string) func(*lab, *wgtypes.Device, *wgtypes.Peer) bool {
	return func(_ *lab, _ *wgtypes.Device, p *wgtypes.Peer) bool {
		return p != nil && p.Endpoint != nil && p.Endpoint.String() == s
	}
}

// otherKeys are the keys that other has, one after the other.
var otherKeys = []wgtypes.Key{public(5), public(6)}

// edits is every change that touches nobody's session. Each begins where the one
// before has ended. One in three is asked for by `wgnetifd reload`, by `ubus call
// wireguard reload` and by SIGHUP.
var edits = []edit{
	{name: "added", other: peerSection("other", 5, ""), answer: change{Added: []string{"other"}}, is: present},
	{
		name: "allowed IP", other: peerSection("other", 5, "\tlist allowed_ips '10.7.0.0/16'\n"),
		answer: change{Changed: []string{"other"}}, is: allows("10.7.0.0/16"),
	},
	{
		name: "another allowed IP, and routes", other: peerSection("other", 5, "\tlist allowed_ips '10.8.0.0/16'\n\toption route_allowed_ips '1'\n"),
		answer: change{Changed: []string{"other"}, Device: []string{"routes"}}, is: func(l *lab, d *wgtypes.Device, p *wgtypes.Peer) bool {
			return allows("10.8.0.0/16")(l, d, p) && slices.Contains(routesOf(l.t, l.Host, "wg0"), "10.8.0.0/16"+netifdProto)
		},
	},
	{
		name: "neither of them", other: peerSection("other", 5, ""),
		answer: change{Changed: []string{"other"}, Device: []string{"routes"}}, is: func(l *lab, d *wgtypes.Device, p *wgtypes.Peer) bool {
			return allows()(l, d, p) && len(routesOf(l.t, l.Host, "wg0")) == 1
		},
	},
	{
		name: "endpoint", other: peerSection("other", 5, "\toption endpoint_host '192.0.2.77'\n"),
		answer: change{Changed: []string{"other"}}, is: endpointAt("192.0.2.77:51820"),
	},
	{
		name: "another endpoint", other: peerSection("other", 5, "\toption endpoint_host '2001:db8::77'\n\toption endpoint_port '7'\n"),
		answer: change{Changed: []string{"other"}}, is: endpointAt("[2001:db8::77]:7"),
	},
	{
		name: "keepalive", other: peerSection("other", 5, "\toption persistent_keepalive '9'\n"),
		answer: change{Changed: []string{"other"}}, is: func(_ *lab, _ *wgtypes.Device, p *wgtypes.Peer) bool {
			return p != nil && p.PersistentKeepaliveInterval == 9*time.Second
		},
	},
	{
		name: "preshared key", other: peerSection("other", 5, fmt.Sprintf("\toption preshared_key '%s'\n", psk)),
		answer: change{Changed: []string{"other"}}, is: func(_ *lab, _ *wgtypes.Device, p *wgtypes.Peer) bool {
			return p != nil && p.PresharedKey == psk && p.PersistentKeepaliveInterval == 0
		},
	},
	{
		name: "description", other: peerSection("other", 5, fmt.Sprintf("\toption preshared_key '%s'\n\toption description 'another'\n", psk)),
		is: func(l *lab, _ *wgtypes.Device, p *wgtypes.Peer) bool {
			reply, _ := l.Call("wireguard", "peer", blobmsg.Table{ // fails while the daemon is busy for seconds
				{Name: "interface", Value: "wg0"}, {Name: "public_key", Value: p.PublicKey.String()},
			})
			return textOf(reply, "name") == "another"
		},
	},
	{
		name: "disabled", other: peerSection("other", 5, fmt.Sprintf("\toption preshared_key '%s'\n\toption disabled '1'\n", psk)),
		answer: change{Removed: []string{"another"}}, is: absent,
	},
	{name: "enabled", other: peerSection("other", 5, ""), answer: change{Added: []string{"other"}}, is: present},
	{
		name: "another public key", other: peerSection("other", 6, ""),
		answer: change{Added: []string{"other"}, Removed: []string{"other"}}, is: func(_ *lab, _ *wgtypes.Device, p *wgtypes.Peer) bool {
			return p != nil && p.PublicKey == public(6)
		},
	},
	{name: "removed", answer: change{Removed: []string{"other"}}, is: absent},
	{
		name: "fwmark", iface: "\toption fwmark '0x10'\n", answer: change{Device: []string{"fwmark"}}, device: true,
		is: func(_ *lab, d *wgtypes.Device, _ *wgtypes.Peer) bool { return d.FirewallMark == 0x10 },
	},
	{
		name: "no fwmark", answer: change{Device: []string{"fwmark"}}, device: true,
		is: func(_ *lab, d *wgtypes.Device, _ *wgtypes.Peer) bool { return d.FirewallMark == 0 },
	},
	{
		name: "mtu", iface: "\toption mtu '1300'\n", answer: change{Device: []string{"mtu"}},
		is: func(l *lab, _ *wgtypes.Device, _ *wgtypes.Peer) bool { return l.Link("wg0").Attrs().MTU == 1300 },
	},
	{
		name: "address", iface: "\toption mtu '1300'\n\tlist addresses 'fd00::1/64'\n", answer: change{Device: []string{"addresses"}},
		is: func(l *lab, _ *wgtypes.Device, _ *wgtypes.Peer) bool {
			return slices.Equal(addressesOf(l.t, l.Host, "wg0"), []string{"10.0.0.1/24", "fd00::1/64"})
		},
	},
	{
		name: "no such address", iface: "\toption mtu '1300'\n", answer: change{Device: []string{"addresses"}},
		is: func(l *lab, _ *wgtypes.Device, _ *wgtypes.Peer) bool {
			return slices.Equal(addressesOf(l.t, l.Host, "wg0"), []string{"10.0.0.1/24"})
		},
	},
}

// TestHitless: a thousand peers, and packets flow through one. Whatever is changed
// of another and of the interface, no packet is lost, the handshake and the counters
// stay, and nobody else is written (openwrt/luci#8984, openwrt/luci#21784).
func TestHitless(t *testing.T) {
	const peers = 1000
	many := manyPeers(peers-2, "\toption persistent_keepalive '25'\n")
	far := strings.TrimPrefix(simple(""), ifaceSection(""))
	network := func(iface, other string) string { return ifaceSection(iface) + far + other + many }
	l := newLab(t, network("", ""))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	writes := l.record("wg0")
	d := l.StartDaemon()
	mustPing(t, l.far, "10.0.0.1")
	l.awaitHandlers()
	l.settle()
	before, index := l.sessions(), l.Link("wg0").Attrs().Index
	writes()

	packets := startTraffic(t, l.far, l.Host, "10.0.0.1")
	for n, e := range edits {
		l.Configure(network(e.iface, e.other))
		l.reloadBy(n%3, d, &e)
		written := writes()
		for _, text := range written {
			checkWrite(t, &e, text)
		}
		if e.writes() && len(written) == 0 && !l.kernel {
			t.Errorf("%s: nobody wrote it", e.name)
		}
		packets.flows("after: " + e.name)
	}
	// Only the kernel can be held to every packet: on a busy machine wireguard-go
	// loses some when nothing changes at all.
	if sent, lost := packets.lost(); l.kernel && lost > 0 {
		t.Errorf("%d of %d packets were lost", lost, sent)
	} else {
		t.Logf("%d packets, %d lost", sent, lost)
	}
	equal(t, "index of wg0", l.Link("wg0").Attrs().Index, index)
	l.sameSessions(before)

	// The far end learns of another port by the next packet that we send, and the
	// session goes on.
	port := edit{name: "listen port", answer: change{Device: []string{"listen_port"}}, device: true, is: func(_ *lab, d *wgtypes.Device, _ *wgtypes.Peer) bool {
		return d.ListenPort == 51999
	}}
	l.Configure(network("\toption listen_port '51999'\n", ""))
	l.reloadBy(1, d, &port)
	mustPing(t, l.Host, "10.0.0.2")
	mustPing(t, l.far, "10.0.0.1")
	l.sameSessions(before)

	// Another private key ends every session: the kernel has new keys made. The peers
	// and their counters stay, and the far end gets through as soon as it knows.
	key := edit{name: "private key", answer: change{Device: []string{"private_key"}}, device: true, is: func(_ *lab, d *wgtypes.Device, _ *wgtypes.Peer) bool {
		return d.PrivateKey == private(7)
	}}
	l.Configure(network(fmt.Sprintf("\toption listen_port '51999'\n\toption private_key '%s'\n", private(7)), ""))
	l.reloadBy(1, d, &key)
	equal(t, "index of wg0", l.Link("wg0").Attrs().Index, index)
	equal(t, "peers", len(router.ReadDevice(t, l.Host, "wg0").Peers), peers-1)
	if now := l.peerOf("wg0", them); now.ReceiveBytes < before.ours.ReceiveBytes || now.TransmitBytes < before.ours.TransmitBytes {
		t.Errorf("another private key has reset counters: %+v", now)
	}
	router.Configure(t, l.far, farDevice, wgtypes.Config{ReplacePeers: true, Peers: []wgtypes.PeerConfig{
		{PublicKey: public(7), AllowedIPs: ipNets("10.0.0.0/24"), Endpoint: udpAddr("192.0.2.1:51999")},
	}})
	mustPing(t, l.far, "10.0.0.1")
	for _, line := range d.Log() {
		// Whoever asks for a peer while a slow machine applies a change may be told to come back.
		if strings.Contains(line, "error") && !strings.Contains(line, "method=peer error=\"wg0: somebody is working") {
			t.Errorf("the daemon's log has an error: %s", line)
		}
	}
}

// reloadBy has the daemon apply a change in one of three ways, and looks at the
// device, and at the answer if there is one.
func (l *lab) reloadBy(way int, d *router.Daemon, e *edit) {
	l.t.Helper()
	want, got := reloaded{Changed: map[string]change{"wg0": e.answer}}, reloaded{}
	if cmp.Equal(e.answer, change{}) {
		want.Changed = nil
	}
	switch way {
	case 0:
		out, err := l.Wgnetifd("reload", "--json").Output()
		if err != nil {
			l.t.Fatal(err)
		}
		if err := json.Unmarshal(out, &got); err != nil {
			l.t.Fatalf("%v: %s", err, out)
		}
	case 1:
		got = l.reloadDaemon()
	case 2:
		d.Signal(unix.SIGHUP)
		pause := 20 * time.Millisecond
		for begin := time.Now(); !l.shows(e); time.Sleep(pause) {
			if time.Since(begin) > 3*patience {
				l.t.Fatalf("the change does not arrive: %s", e.name)
			}
			pause = min(2*pause, time.Second) // a reading takes its time on an emulated processor
		}
		return
	}
	equal(l.t, "answer of the reload: "+e.name, got, want)
	if !l.shows(e) {
		l.t.Errorf("the device does not have it: %s", e.name)
	}
}

// shows reports whether the device is what a change makes of it.
func (l *lab) shows(e *edit) bool {
	l.t.Helper()
	d := router.ReadDevice(l.t, l.Host, "wg0")
	var other *wgtypes.Peer
	for n := range d.Peers {
		if slices.Contains(otherKeys, d.Peers[n].PublicKey) {
			other = &d.Peers[n]
		}
	}
	return e.is(l, d, other)
}

// sessions is what must not change of the session with far, as both ends see it,
// and what the device has of everybody but other.
type sessions struct {
	ours, theirs wgtypes.Peer
	rest         map[wgtypes.Key]string
}

func (l *lab) sessions() (s sessions) {
	l.t.Helper()
	s.ours, s.rest = l.peerOf("wg0", them), map[wgtypes.Key]string{}
	s.theirs = router.ReadDevice(l.t, l.far, farDevice).Peers[0]
	for _, p := range router.ReadDevice(l.t, l.Host, "wg0").Peers {
		if p.PublicKey != s.ours.PublicKey {
			s.rest[p.PublicKey] = fmt.Sprintf("%v %v %v %v %v %v %d %d", p.Endpoint, allowed(p), p.PresharedKey == wgtypes.Key{},
				p.PersistentKeepaliveInterval, p.LastHandshakeTime, p.ProtocolVersion, p.ReceiveBytes, p.TransmitBytes)
		}
	}
	return s
}

// sameSessions fails if a session was made anew since.
func (l *lab) sameSessions(before sessions) {
	l.t.Helper()
	now := l.sessions()
	for end, p := range map[string][2]wgtypes.Peer{"our": {before.ours, now.ours}, "the far": {before.theirs, now.theirs}} {
		was, is := p[0], p[1]
		sameHandshake(l.t, end+" end", was, is)
		if is.ReceiveBytes < was.ReceiveBytes || is.TransmitBytes < was.TransmitBytes || is.ReceiveBytes == was.ReceiveBytes {
			l.t.Errorf("at %s end: %d and %d bytes, before %d and %d", end, is.ReceiveBytes, is.TransmitBytes, was.ReceiveBytes, was.TransmitBytes)
		}
	}
	equal(l.t, "the peers that nobody changed", now.rest, before.rest)
}

// sameHandshake fails if a handshake was made since the first reading that was not
// due: sessions are made anew every two minutes, and on slow machines a test may take
// so long. Whoever did not begin it notes it by the first packet that comes, which may
// have been late the first time and is not the second: the difference is less then.
func sameHandshake(t testing.TB, where string, was, is wgtypes.Peer) {
	t.Helper()
	if age := is.LastHandshakeTime.Sub(was.LastHandshakeTime); age != 0 && age < 2*time.Minute-10*time.Second {
		t.Errorf("%s: a new handshake was made %v after the first", where, age)
	}
}

// settle waits until no more handshakes are due to what was sent so far. Wireguard-go
// begins to wait for an answer after it has sent an initiation; if the answer was there
// before, on a busy machine, then it sends another one 5 s later (RekeyTimeout, with up
// to a third of a second of jitter), in a session that works. The kernel's workers on
// one processor do not overtake each other.
func (l *lab) settle() {
	l.t.Helper()
	if l.kernel {
		return
	}
	await(l.t, "no more handshakes", func() bool {
		return time.Since(l.peerOf("wg0", them).LastHandshakeTime) > 6*time.Second
	})
}

// checkWrite fails if what was written to a device of wireguard-go is about
// anybody but other, or about the device where nothing of it has changed.
func checkWrite(t *testing.T, e *edit, text string) {
	t.Helper()
	own := []string{}
	for _, key := range otherKeys {
		own = append(own, "public_key="+hex.EncodeToString(key[:]))
	}
	peer := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key := strings.HasPrefix(line, "public_key=")
		peer = peer || key
		switch {
		case key && !slices.Contains(own, line), line == "replace_peers=true", !peer && !e.device && line != "" && line != "set=1":
			t.Errorf("%s: was written:\n%s", e.name, strings.ReplaceAll(text, hex.EncodeToString(psk[:]), "PSK"))
			return
		}
	}
}
