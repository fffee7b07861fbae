package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// laptopDevice is another name than the router's wg0: sockets of wireguard-go
// are found by it, and both hosts share one /run.
const (
	laptopDevice = "wg-laptop"
	listenPort   = 51820
	keepalive    = 25 * time.Second
)

// config is the router's /etc/config/network; %s is the laptop's public key. The
// second peer is broken twice: a character of its key was lost, and no IPv4
// prefix has 33 bits.
const config = `config interface 'wg0'
	option proto 'wireguard'
	option private_key 'generate'
	option listen_port '51820'
	list addresses '10.0.0.1/24'

config wireguard_wg0 'laptop'
	option description 'laptop'
	option public_key '%s'
	list allowed_ips '10.0.0.2/32'
	option route_allowed_ips '1'
	option persistent_keepalive '25'

config wireguard_wg0 'tablet'
	option description 'tablet'
	option public_key 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg'
	list allowed_ips '10.0.0.3/33'
`

// play shows it all, and ends the demo where something is not as it should be.
func (s *stage) play() {
	private, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		s.Fatalf("%v", err)
	}
	host, laptop := netns.New(s, "router"), netns.New(s, "laptop")
	netns.Connect(host, "wan", laptop, "eth0")
	host.AddAddress("wan", "192.0.2.1/24")
	laptop.AddAddress("eth0", "192.0.2.2/24")
	say("A router (192.0.2.1) and a laptop (192.0.2.2) are joined by a cable. Both are network",
		"namespaces of this process; nothing outside is touched.")

	text := fmt.Sprintf(config, private.PublicKey())
	r := router.New(s, host, text)
	say("The router's /etc/config/network. The peer 'tablet' is broken on purpose: a character",
		"of its key is missing, and its prefix cannot be.")
	show(text)

	s.bringUp(r)
	s.connect(r, laptop, private)
	s.pings(host, laptop)
	s.showStatus(r)
	say("netifd was told the same, so LuCI shows it. OpenWrt's own handler leaves the whole",
		"interface down for one such key (openwrt/openwrt#24511).")
	s.takeDown(r)
}

// bringUp starts ubusd and netifd, which calls the handler.
func (s *stage) bringUp(r *router.Router) {
	say("ubusd and netifd start on the router (stand-ins that are held to OpenWrt's own). netifd",
		"finds the handler /lib/netifd/proto/wgnetifd.sh and runs it for wg0. netifd's log:")
	begin := time.Now()
	r.Start()
	r.AwaitUp("wg0")
	took := time.Since(begin)
	r.Await("wg0", "told of the broken peer", func(st *router.Status) bool { return len(st.Errors) == 2 })
	show(strings.Join(r.Log(), "\n"))
	say(fmt.Sprintf("wg0 was up after %d ms. The key that was made is in the configuration now.", took.Milliseconds()))
}

// connect is what a person does on the laptop.
func (s *stage) connect(r *router.Router, laptop *netns.Host, private wgtypes.Key) {
	key := router.ReadDevice(s, r.Host, "wg0").PublicKey
	every := keepalive
	router.AddDevice(s, laptop, laptopDevice, wgtypes.Config{
		PrivateKey: &private,
		Peers: []wgtypes.PeerConfig{{
			PublicKey:                   key,
			Endpoint:                    &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: listenPort},
			AllowedIPs:                  []net.IPNet{{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(24, 32)}},
			PersistentKeepaliveInterval: &every,
		}},
	}, "10.0.0.2/24")
	say("The laptop has a device of its own, configured without wgnetifd, as by:")
	show(fmt.Sprintf("wg set %s private-key FILE peer %s \\\n   endpoint 192.0.2.1:%d allowed-ips 10.0.0.0/24 persistent-keepalive %d",
		laptopDevice, key, listenPort, int(keepalive.Seconds())))
}

// pings sends packets through the tunnel both ways. One has its 20 s for an answer;
// for the last of several, ping waits no longer than for two others.
func (s *stage) pings(host, laptop *netns.Host) {
	say("The laptop pings the router through the tunnel:")
	out, err := laptop.Command("ping", "-n", "-c", "1", "-W", "20", "10.0.0.1").CombinedOutput()
	show(string(out))
	if err != nil {
		s.Fatalf("no answer through the tunnel: ping: %v", err)
	}
	if err := host.Ping("10.0.0.2"); err != nil {
		s.Fatalf("no answer from the laptop: %v", err)
	}
	say("And the router reaches the laptop at 10.0.0.2.")
}

// showStatus prints what the router says about it.
func (s *stage) showStatus(r *router.Router) {
	say("On the router, `wgnetifd status`:")
	out, err := r.Wgnetifd("status").Output()
	show(string(out))
	if err != nil {
		s.Fatalf("%v", err)
	}
	for _, want := range []string{
		"interface wg0: up", "1 connected of 1", "peer laptop: connected",
		"peer tablet: invalid", "network.tablet.public_key", "network.tablet.allowed_ips",
	} {
		if !strings.Contains(string(out), want) {
			s.Fatalf("the status does not say %q", want)
		}
	}
}

// takeDown ends the interface as `ifdown wg0` does.
func (s *stage) takeDown(r *router.Router) {
	r.Tell("wg0", "down")
	r.AwaitDown("wg0")
	if _, err := r.Links().LinkByName("wg0"); err == nil {
		s.Fatalf("wg0 is still there after ifdown")
	}
	if entries, err := os.ReadDir(router.StateDir); err == nil {
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".state") {
				s.Fatalf("%s is still there after ifdown", e.Name())
			}
		}
	}
	say("After `ifdown wg0` the interface is gone, and this demo with it.")
}
