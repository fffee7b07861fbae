// Package status is what the program shows of interfaces and peers: one snapshot
// for the command line, ubus, rpcd and LuCI, with one word for the state of each
// peer and the reason for it.
//
// A snapshot never holds a private or a preshared key.
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
	Time time.Time
	// ConfigError is why the configuration cannot be read; then only what the
	// kernel has is shown.
	ConfigError error
	Interfaces  []Interface
}

// Interface is one WireGuard interface, configured or merely there.
type Interface struct {
	Name       string
	Configured bool
	InKernel   bool // its device is there
	Disabled   bool
	// Up: the device is there and up, and netifd, where it runs, says so too.
	Up bool
	// Reason says why the interface is not up; empty while it is.
	Reason string
	// Uptime in seconds as netifd counts it; 0 without netifd.
	Uptime int64

	PublicKey  schema.Key // zero: not known
	ListenPort uint16
	FwMark     uint32
	MTU        int // bytes
	Addresses  []netip.Prefix
	// Routes of the configuration, where they are made.
	Routes plan.RouteNumbers

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
	PublicKey       schema.Key // zero: the configuration has none that is valid
	HasPresharedKey bool
	RouteAllowedIPs bool

	State  State
	Reason string

	// EndpointHost and EndpointPort as configured.
	EndpointHost string
	EndpointPort uint16
	// Endpoint that the device uses now; invalid: none.
	Endpoint      netip.AddrPort
	AllowedIPs    []netip.Prefix
	Keepalive     uint16    // seconds; 0: off
	LastHandshake time.Time // zero: never
	// Age of the last handshake by the router's clock; negative: never, or the
	// clock was set back since.
	Age              time.Duration
	RxBytes, TxBytes uint64
	Problems         []*schema.Problem
}

// State is the state of a peer, a word for programs.
type State string

// The states of a peer. "Up" never means a handshake some day.
const (
	Disabled   State = "disabled"   // switched off in the configuration
	Invalid    State = "invalid"    // left out, the configuration is wrong
	Down       State = "down"       // the interface is not up
	Unresolved State = "unresolved" // the endpoint's name has no address yet
	Waiting    State = "waiting"    // no endpoint: the other side must start
	Connecting State = "connecting" // an endpoint and no handshake so far
	Connected  State = "connected"  // a handshake within 180 s
	Idle       State = "idle"       // an older one
)

// stateOf decides the state of a peer of an interface that is up or not.
func stateOf(p *Peer, active, disabled, up bool) (State, string) {
	switch {
	case disabled:
		return Disabled, "switched off in the configuration"
	case !active:
		for _, problem := range p.Problems {
			if problem.Level != schema.Note {
				return Invalid, problem.Error()
			}
		}
		return Invalid, "left out, the configuration is wrong"
	case !up:
		return Down, "the interface is not up"
	case p.Age >= 0 && p.Age < plan.HandshakeValid:
		return Connected, ""
	case !p.LastHandshake.IsZero():
		return Idle, "no handshake within the last three minutes; one is made when there is something to send"
	case p.Endpoint.IsValid():
		return Connecting, "no handshake so far: is the other side up, does it have our public key, and does UDP to " + p.Endpoint.String() + " get through?"
	case p.EndpointHost != "":
		return Unresolved, "no address was found for " + p.EndpointHost
	default:
		return Waiting, "no endpoint is configured: the other side has to start"
	}
}
