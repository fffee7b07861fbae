package status_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/endpoint"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// TestStates: one word and a reason for each peer, without a daemon.
func TestStates(t *testing.T) {
	there := netip.MustParseAddrPort("192.0.2.1:1")
	tests := []struct {
		name   string
		peer   string
		device *plan.ActualPeer
		down   bool
		want   status.State
		reason status.Reason
	}{
		{name: "handshake just now", device: &plan.ActualPeer{LastHandshake: now}, want: status.Connected},
		{name: "handshake 179 s ago", device: &plan.ActualPeer{LastHandshake: now.Add(-179 * time.Second)}, want: status.Connected},
		{name: "handshake 180 s ago", device: &plan.ActualPeer{LastHandshake: now.Add(-180 * time.Second)}, want: status.Idle},
		{name: "handshake in the future", device: &plan.ActualPeer{LastHandshake: now.Add(time.Hour)}, want: status.Idle},
		{name: "old, keepalive", device: &plan.ActualPeer{LastHandshake: now.Add(-time.Hour), Keepalive: 25, Endpoint: there}, want: status.Stale, reason: status.ReasonNoAnswer},
		{name: "old, keepalive, no endpoint", device: &plan.ActualPeer{LastHandshake: now.Add(-time.Hour), Keepalive: 25}, want: status.Idle},
		{name: "never, endpoint known", peer: "option endpoint_host '192.0.2.1'", device: &plan.ActualPeer{Endpoint: there}, want: status.Connecting, reason: status.ReasonNoAnswer},
		{name: "never, no address for the name", peer: "option endpoint_host 'x.example'", device: &plan.ActualPeer{}, want: status.Unresolved, reason: status.ReasonNoAddress},
		{name: "never, no endpoint", device: &plan.ActualPeer{}, want: status.Waiting, reason: status.ReasonWaiting},
		{name: "interface down", down: true, device: &plan.ActualPeer{LastHandshake: now}, want: status.Down, reason: status.ReasonDown},
		{name: "not in the device", want: status.Down, reason: status.ReasonNotApplied},
		{name: "disabled", peer: "option disabled 1", want: status.Disabled, reason: status.ReasonDisabled},
		{name: "invalid", peer: "option allowed_ips 10.0.0.0/33", want: status.Invalid, reason: status.ReasonInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, devices, _ := sources(t, "config interface wg0\n option proto wireguard\n option private_key "+privKey+
				"\nconfig wireguard_wg0\n option public_key "+peerKey1+"\n "+tt.peer+"\n")
			dev := plan.Actual{Exists: true, Up: !tt.down}
			if tt.device != nil {
				tt.device.PublicKey = key(t, peerKey1)
				dev.Peers = []plan.ActualPeer{*tt.device}
			}
			devices.Put("wg0", dev)
			snap, err := src.Collect(context.Background(), "wg0")
			if err != nil {
				t.Fatal(err)
			}
			p := snap.Interfaces[0].Peers[0]
			if p.State != tt.want || p.Reason != tt.reason {
				t.Errorf("state %s, reason %q; want %s, %q", p.State, p.Reason, tt.want, tt.reason)
			}
			if (p.Detail() == "") != (tt.want == status.Connected) {
				t.Errorf("detail %q", p.Detail())
			}
		})
	}
}

// TestHealth: what the daemon has seen counts for more than a handshake's age, but
// not for more than what the configuration and the device say.
func TestHealth(t *testing.T) {
	there := netip.MustParseAddrPort("192.0.2.1:1")
	tests := []struct {
		name   string
		conf   schema.Peer
		absent bool // from the device
		health status.Health
		want   status.State
		reason status.Reason
		age    time.Duration
	}{
		{name: "stale", health: status.Health{State: endpoint.Stale, Reason: endpoint.NoUplink}, want: status.Stale, reason: status.ReasonNoUplink, age: time.Hour},
		{name: "waiting has a reason", health: status.Health{State: endpoint.Waiting}, want: status.Waiting, reason: status.ReasonWaiting, age: time.Hour},
		{name: "stale without endpoints has a reason", health: status.Health{State: endpoint.Stale}, want: status.Stale, reason: status.ReasonNoAnswer, age: time.Hour},
		{name: "connected has none", health: status.Health{State: endpoint.Connected}, want: status.Connected, age: time.Hour},
		{name: "a clock that nobody sets", health: status.Health{State: endpoint.Connected, Handshake: now.Add(-5 * time.Second)}, want: status.Connected, age: 5 * time.Second},
		{name: "not in the device", absent: true, health: status.Health{State: endpoint.Connected}, want: status.Down, reason: status.ReasonNotApplied, age: -1},
		{name: "disabled", conf: schema.Peer{Disabled: true}, health: status.Health{State: endpoint.Connected}, want: status.Disabled, reason: status.ReasonDisabled, age: -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.conf.PublicKey = key(t, peerKey1)
			dev := plan.Actual{Exists: true, Up: true}
			if !tt.absent {
				dev.Peers = []plan.ActualPeer{{PublicKey: tt.conf.PublicKey, Endpoint: there, LastHandshake: now.Add(-time.Hour)}}
			}
			i := status.Build(&status.Input{
				Name: "wg0", Conf: &schema.Interface{Name: "wg0", Peers: []*schema.Peer{&tt.conf}}, Actual: dev, Now: now, Clock: status.Clock{Set: true},
				Health: func(schema.Key) (status.Health, bool) { return tt.health, true },
			})
			if p := i.Peers[0]; p.State != tt.want || p.Reason != tt.reason || p.Age != tt.age {
				t.Errorf("state %s, reason %q, age %v; want %s, %q, %v", p.State, p.Reason, p.Age, tt.want, tt.reason, tt.age)
			}
		})
	}
}

// TestClock: a clock that is not set is why nobody answers, unless somebody does
// (openwrt/openwrt#9408, openwrt/openwrt#24721).
func TestClock(t *testing.T) {
	dev := func(handshake time.Time) plan.Actual {
		return plan.Actual{Exists: true, Up: true, Peers: []plan.ActualPeer{
			{PublicKey: key(t, peerKey1), Endpoint: netip.MustParseAddrPort("192.0.2.1:1")},
			{PublicKey: key(t, peerKey2), LastHandshake: handshake},
		}}
	}
	for _, tt := range []struct {
		name   string
		clock  status.Clock
		dev    plan.Actual
		others bool
		want   status.Reason
	}{
		{name: "not set", dev: dev(time.Time{}), want: status.ReasonClock},
		{name: "set", clock: status.Clock{Set: true}, dev: dev(time.Time{}), want: status.ReasonNoAnswer},
		{name: "somebody is connected", dev: dev(now), want: status.ReasonNoAnswer},
		{name: "somebody elsewhere is connected", dev: dev(time.Time{}), others: true, want: status.ReasonNoAnswer},
	} {
		i := status.Build(&status.Input{Name: "wg0", Actual: tt.dev, Now: now, Clock: tt.clock, OthersConnected: tt.others})
		if p := i.Peers[0]; p.State != status.Connecting || p.Reason != tt.want {
			t.Errorf("%s: %s, %q, want %q", tt.name, p.State, p.Reason, tt.want)
		}
		if p := i.Peers[1]; p.Reason == status.ReasonClock {
			t.Errorf("%s: a peer without an endpoint waits for the other side, not for the clock", tt.name)
		}
	}
}

// TestInterfaceStates: an interface that is not up says why.
func TestInterfaceStates(t *testing.T) {
	const wg0 = "config interface wg0\n option proto wireguard\n"
	failed := func(code, word string, more ...blobmsg.Field) bus {
		return bus{"wg0": append(blobmsg.Table{{Name: "errors", Value: blobmsg.Array{
			blobmsg.Table{{Name: "code", Value: "INVALID_PEER"}, {Name: "data", Value: blobmsg.Array{"not why"}}},
			blobmsg.Table{{Name: "subsystem", Value: "wireguard"}, {Name: "code", Value: code}, {Name: "data", Value: blobmsg.Array{word}}},
		}}}, more...)}
	}
	up := &plan.Actual{Exists: true, Up: true}
	tests := []struct {
		name, config string
		dev          *plan.Actual
		readErr      error
		netifd       bus
		state        status.InterfaceState
		reason       status.InterfaceReason
		detail       string
	}{
		{name: "up", config: wg0, dev: up, state: "up"},
		{name: "up, and netifd says so", config: wg0, dev: up, netifd: bus{"wg0": {{Name: "up", Value: true}}}, state: "up"},
		{name: "disabled", config: wg0 + " option disabled 1\n", state: "disabled", reason: "disabled", detail: "switched off in the configuration (option disabled)"},
		{name: "bad key", config: wg0 + " option private_key hush\n", state: "failed", reason: "invalid", detail: "network.wg0.private_key: " + schema.ErrKey.Error()},
		{name: "never brought up", config: wg0, state: "down", reason: "stopped", detail: "it was not brought up: ifup wg0"},
		{name: "device down", config: wg0, dev: &plan.Actual{Exists: true}, state: "down", reason: "device-down", detail: "its device is down: ifup wg0"},
		{name: "netifd says down", config: wg0, dev: up, netifd: bus{"wg0": {{Name: "up", Value: false}}}, state: "down", reason: "stopped", detail: "netifd took it down: ifup wg0"},
		{name: "netifd at work", config: wg0, dev: up, netifd: bus{"wg0": {{Name: "pending", Value: true}}}, state: "pending", reason: "pending", detail: "netifd is bringing it up"},
		{name: "device gone", config: wg0, netifd: bus{"wg0": {{Name: "up", Value: true}}}, state: "down", reason: "device-gone", detail: "its device is gone although netifd says up: ifup wg0"},
		{name: "netifd does not know it", config: wg0, netifd: bus{}, state: "down", reason: "unknown", detail: "netifd does not know the interface yet: /etc/init.d/network reload"},
		{name: "no module", config: wg0, netifd: failed("NO_WIREGUARD", "long"), state: "failed", reason: "no-wireguard", detail: "the kernel has no WireGuard: install kmod-wireguard, then ifup wg0"},
		{name: "error of netifd", config: wg0, netifd: failed("DEVICE_FAILED", "no more memory"), state: "failed", reason: "error", detail: "no more memory: put that right, then ifup wg0"},
		{name: "error of a peer", config: wg0, netifd: failed("MORE_PROBLEMS", "many"), state: "down", reason: "stopped", detail: "it was not brought up: ifup wg0"},
		{name: "unreadable", config: wg0, readErr: errors.New("not a WireGuard interface"), state: "failed", reason: "unreadable", detail: "wg0: not a WireGuard interface"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, devices, _ := sources(t, tt.config)
			if tt.dev != nil {
				devices.Put("wg0", *tt.dev)
			}
			devices.Fail = func(wgdev.Op, string) error { return tt.readErr }
			if tt.netifd != nil {
				src.Netifd = &netifd.Client{Bus: tt.netifd}
			}
			snap, err := src.Collect(context.Background(), "wg0")
			if err != nil {
				t.Fatal(err)
			}
			i := snap.Interfaces[0]
			if i.State != tt.state || i.Reason != tt.reason || i.Detail != tt.detail || i.Up != (tt.state == "up") {
				t.Errorf("up %v, %s, %q, %q; want %s, %q, %q", i.Up, i.State, i.Reason, i.Detail, tt.state, tt.reason, tt.detail)
			}
		})
	}
}

// TestClockOfOthers: where one handshake was taken, the others' sentences do not
// speak of the clock.
func TestClockOfOthers(t *testing.T) {
	for _, connected := range []bool{false, true} {
		i := status.Build(&status.Input{
			Name: "wg0", Now: now, Clock: status.Clock{Set: true}, OthersConnected: connected,
			Actual: plan.Actual{Exists: true, Up: true, Peers: []plan.ActualPeer{{PublicKey: key(t, peerKey1), Endpoint: netip.MustParseAddrPort("192.0.2.1:1")}}},
		})
		if text := i.Peers[0].Detail(); strings.Contains(text, "clock") == connected {
			t.Errorf("connected elsewhere %v: %s", connected, text)
		}
	}
}

// TestAlone: netifd does not know an interface that `wgnetifd up` made, and need not.
func TestAlone(t *testing.T) {
	src, devices, _ := sources(t, "config interface wg0\n option proto wireguard\n")
	devices.Put("wg0", plan.Actual{Exists: true, Up: true})
	src.Netifd, src.State = &netifd.Client{Bus: bus{}}, state.Dir(t.TempDir())
	for _, alone := range []bool{false, true} {
		if err := src.State.Save("wg0", &state.State{Alone: alone}); err != nil {
			t.Fatal(err)
		}
		snap, err := src.Collect(context.Background(), "wg0")
		if err != nil {
			t.Fatal(err)
		}
		if i := snap.Interfaces[0]; i.Up != alone {
			t.Errorf("alone %v: up %v, %s", alone, i.Up, i.Detail)
		}
	}
}
