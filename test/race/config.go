package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
)

// iface is the interface of the race.
const iface = "wg0"

// maxPeers is how many addresses of peers there are: 10.0.0.0 and up, moved
// to 172.16.0.0 and up.
const maxPeers = 60000

// network returns /etc/config/network with an interface of so many peers, each
// with a preshared key, one allowed IP and a route to it; those with an endpoint
// are kept alive. The interface waits to be brought up. Peer moved, if there is such a peer, has its other address.
func network(peers, moved int, endpoints bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "config interface '%s'\n\toption proto 'wireguard'\n\toption auto '0'\n\toption private_key '%s'\n"+
		"\toption listen_port '51820'\n\tlist addresses '192.0.2.1/24'\n", iface, key("interface", 0))
	for i := range peers {
		fmt.Fprintf(&b, "\nconfig wireguard_%s 'peer%d'\n\toption public_key '%s'\n\toption preshared_key '%s'\n"+
			"\toption route_allowed_ips '1'\n\tlist allowed_ips '%s/32'\n",
			iface, i, key("public", i), key("preshared", i), address(i, i == moved))
		if endpoints {
			fmt.Fprintf(&b, "\toption endpoint_host '198.51.100.%d'\n\toption endpoint_port '%d'\n\toption persistent_keepalive '25'\n",
				1+i%250, 1024+i)
		}
	}
	return b.String()
}

// address returns the allowed IP of a peer.
func address(peer int, moved bool) netip.Addr {
	n := peer + 1
	if moved {
		return netip.AddrFrom4([4]byte{172, 16 + byte(n>>16), byte(n >> 8), byte(n)})
	}
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// key returns a key that is the same in every run. Any 32 bytes are one; WireGuard
// clamps private ones itself.
func key(kind string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, n))
	if kind == "interface" {
		sum[0], sum[31] = sum[0]&248, sum[31]&127|64
	}
	return base64.StdEncoding.EncodeToString(sum[:])
}
