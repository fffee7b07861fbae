package plan

import (
	"net/netip"
	"time"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Actual is what a WireGuard device looks like now.
type Actual struct {
	// Exists is false when there is no such device; all else is then zero.
	Exists bool
	// Index is the interface's index in the kernel.
	Index int

	PrivateKey schema.Key // zero: none is set
	PublicKey  schema.Key
	ListenPort uint16
	FwMark     uint32

	MTU int  // bytes
	Up  bool // administratively up (IFF_UP)

	Peers []ActualPeer
}

// PublicKeyOf returns the public key that belongs to a private key. Where the device
// has that key it need not be computed, which takes long on small routers.
func (a *Actual) PublicKeyOf(private schema.Key) schema.Key {
	if !a.PublicKey.IsZero() && a.PrivateKey.Clamped() == private.Clamped() {
		return a.PublicKey
	}
	return private.PublicKey()
}

// ActualPeer is one peer as the device has it.
type ActualPeer struct {
	PublicKey    schema.Key
	PresharedKey schema.Key     // zero: none is set
	Keepalive    uint16         // seconds; 0: off
	Endpoint     netip.AddrPort // invalid: none known; IPv4 is never in IPv6-mapped form
	AllowedIPs   []netip.Prefix // masked; no order

	LastHandshake    time.Time // by the router's clock; zero: never
	RxBytes, TxBytes uint64
}
