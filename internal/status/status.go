// Package status is what the program shows of interfaces and peers: one snapshot
// for the command line, ubus, rpcd and LuCI, with one word for the state of each
// peer, one for the reason, and a sentence that says what to do.
//
// [Build] makes an interface of facts that somebody else has gathered: the daemon,
// which has them, or [Sources.Collect], which reads them. A snapshot never holds a
// private or a preshared key.
package status

import (
	"net/netip"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Snapshot is the state of all interfaces at one moment.
type Snapshot struct {
	// Time by the router's clock.
	Time  time.Time
	Clock Clock
	// Daemon: the daemon took the snapshot, or was asked.
	Daemon bool
	// DaemonErr is why the daemon did not answer; nil also where nobody asked.
	DaemonErr error
	// ConfigError is why the configuration cannot be read; then only what the
	// kernel has is shown.
	ConfigError error
	// Text: of the peers, WriteText and All show only those that have this in their
	// name, key, endpoint or allowed IPs; empty: all.
	Text       string
	Interfaces []Interface
}

// Clock says how far the router's clock is to be believed. It is a clock.State.
type Clock struct {
	Set          bool // somebody has set it, and it is right as far as can be known
	Synchronised bool // NTP keeps it right at this moment
	Past         bool // it is before the program was built, and so certainly wrong
}

// Rate is how much an interface or a peer moves.
type Rate struct {
	Measured bool   // the others mean something
	Rx, Tx   uint64 // bytes a second
}

// Interface is one WireGuard interface, configured or merely there.
type Interface struct {
	Name       string
	Configured bool
	InKernel   bool // its device is there
	Disabled   bool
	// Up: the device is there and up, and netifd, where it runs, says so too.
	Up bool

	State  InterfaceState
	Reason InterfaceReason
	// Detail says what is the matter and what to do; empty while the interface is
	// up.
	Detail string

	// Uptime in seconds as netifd counts it; 0 without netifd.
	Uptime int64

	Index      int        // in the kernel; 0: there is no device
	PublicKey  schema.Key // zero: not known
	ListenPort uint16
	FwMark     uint32
	MTU        int // bytes
	Addresses  []netip.Prefix
	// Routes of the configuration, where they are made.
	Routes plan.RouteNumbers
	Rate   Rate

	Peers []Peer
	// Problems of the configuration, those of the peers included.
	Problems []*schema.Problem
	// Errors that netifd holds for the interface.
	Errors []netifd.Error
}

// Connected counts the peers with a session.
func (i *Interface) Connected() int {
	n := 0
	for k := range i.Peers {
		if i.Peers[k].State == Connected {
			n++
		}
	}
	return n
}

// Active counts the peers that belong into the device.
func (i *Interface) Active() int {
	n := 0
	for k := range i.Peers {
		if s := i.Peers[k].State; s != Disabled && s != Invalid {
			n++
		}
	}
	return n
}

// Peer is one peer, configured or merely in the device.
type Peer struct {
	// Name is the description, else the name of the section; of a peer without
	// configuration the first characters of its key.
	Name     string
	InKernel bool // it is in the device
	// Section as `uci show network` prints it; empty: not in the configuration.
	Section         string
	Description     string
	PublicKey       schema.Key // zero: the configuration has none that is valid
	HasPresharedKey bool
	RouteAllowedIPs bool

	State  State
	Reason Reason
	// Err is why a name has no address, with ReasonNoAddress; nil: not known.
	Err error

	// EndpointHost and EndpointPort as configured.
	EndpointHost string
	EndpointPort uint16
	// Endpoint that the device uses now; invalid: none.
	Endpoint      netip.AddrPort
	AllowedIPs    []netip.Prefix
	Keepalive     uint16    // seconds; 0: off
	LastHandshake time.Time // zero: never
	// Age of the last handshake; negative: never, or the clock was set back since.
	Age              time.Duration
	RxBytes, TxBytes uint64
	Rate             Rate
	Problems         []*schema.Problem

	conf   *schema.Peer // nil: not configured
	clock  Clock
	detail string // somebody else's sentence, in place of our own
}
