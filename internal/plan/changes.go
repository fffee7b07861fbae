package plan

import (
	"net/netip"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Changes is the smallest set of writes that makes a device what is desired.
// The zero Changes writes nothing.
type Changes struct {
	// PrivateKey, ListenPort and FwMark are written where they are not nil.
	PrivateKey *schema.Key
	ListenPort *uint16
	FwMark     *uint32

	// Peers are written in this order: removals stand first.
	Peers []PeerChange
}

// Empty reports whether there is nothing to write.
func (c *Changes) Empty() bool {
	return c.PrivateKey == nil && c.ListenPort == nil && c.FwMark == nil && len(c.Peers) == 0
}

// PeerChange is what is written about one peer. Fields that are nil stay as
// they are in the device: repeating an endpoint or a keepalive would reset the
// peer's timers and fight its roaming.
type PeerChange struct {
	PublicKey schema.Key

	// Remove takes the peer out of the device; nothing else of the change counts.
	Remove bool
	// Update is set for a peer that the device has: should it be gone meanwhile,
	// the change is dropped rather than making half a peer.
	Update bool

	PresharedKey *schema.Key    // points to the zero Key: clear it
	Keepalive    *uint16        // seconds; points to 0: off
	Endpoint     netip.AddrPort // invalid: leave it

	// ReplaceAllowedIPs makes AllowedIPs the whole list of the peer; otherwise
	// they are added to those that it has. An allowed IP that another peer holds
	// moves over.
	ReplaceAllowedIPs bool
	AllowedIPs        []netip.Prefix
}
