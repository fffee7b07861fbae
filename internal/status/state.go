package status

// State is the state of a peer, a word for programs.
type State string

// The states of a peer. "Up" never means a handshake some day.
const (
	Disabled   State = "disabled"   // switched off in the configuration
	Invalid    State = "invalid"    // left out, the configuration is wrong
	Down       State = "down"       // not in a device that is up
	Unresolved State = "unresolved" // the endpoint's name has no address yet
	Waiting    State = "waiting"    // no endpoint: the other side must start
	Connecting State = "connecting" // an endpoint and no handshake so far
	Connected  State = "connected"  // a handshake within 180 s
	Idle       State = "idle"       // an older one, and nobody wants to send
	Stale      State = "stale"      // an older one, and somebody does
)

// states lists them in the order of Query.Sort "state": what needs somebody comes
// first.
var states = [...]State{Stale, Connecting, Unresolved, Invalid, Down, Waiting, Idle, Connected, Disabled}

// rank returns the place of a state in that order.
func (s State) rank() int {
	for n, other := range states {
		if s == other {
			return n
		}
	}
	return len(states)
}

// Reason is why a peer is in its state, a word for programs; empty: nothing to
// say.
type Reason string

// The reasons of a peer's state. Those of a peer that is in the device are the
// same words as in package endpoint.
const (
	ReasonDisabled   Reason = "disabled"    // of Disabled
	ReasonInvalid    Reason = "invalid"     // of Invalid
	ReasonDown       Reason = "down"        // of Down: the interface is not up
	ReasonNotApplied Reason = "not-applied" // of Down: configured, and not in the device
	ReasonWaiting    Reason = "waiting"     // of Waiting
	ReasonResolving  Reason = "resolving"   // a name is being looked up
	ReasonNoAddress  Reason = "no-address"  // and has none
	ReasonNoAnswer   Reason = "no-answer"   // nothing came back from the endpoint
	ReasonNoUplink   Reason = "no-uplink"   // no route leads to the endpoint
	ReasonClock      Reason = "clock"       // the router's clock is not set
	ReasonRoamed     Reason = "roamed"      // the peer has moved to an endpoint of its own
	ReasonFailedOver Reason = "failed-over" // not the first endpoint is in use
	ReasonReturning  Reason = "returning"   // the first endpoint is being tried again
)

// InterfaceState is the state of an interface, a word for programs.
type InterfaceState string

// The states of an interface.
const (
	InterfaceUp       InterfaceState = "up"
	InterfaceDown     InterfaceState = "down"     // nobody brought it up, or it was taken down
	InterfaceDisabled InterfaceState = "disabled" // switched off in the configuration
	InterfacePending  InterfaceState = "pending"  // netifd is bringing it up
	InterfaceFailed   InterfaceState = "failed"   // it cannot come up
)

// InterfaceReason is why an interface is in its state, a word for programs; empty
// while it is up.
type InterfaceReason string

// The reasons of an interface's state.
const (
	InterfaceReasonDisabled    InterfaceReason = "disabled"     // of InterfaceDisabled
	InterfaceReasonPending     InterfaceReason = "pending"      // of InterfacePending
	InterfaceReasonInvalid     InterfaceReason = "invalid"      // of InterfaceFailed: the configuration is wrong
	InterfaceReasonNoWireGuard InterfaceReason = "no-wireguard" // of InterfaceFailed: the kernel has none
	InterfaceReasonError       InterfaceReason = "error"        // of InterfaceFailed: anything else
	InterfaceReasonUnreadable  InterfaceReason = "unreadable"   // of InterfaceFailed: the device cannot be read
	InterfaceReasonUnknown     InterfaceReason = "unknown"      // of InterfaceDown: netifd does not know it
	InterfaceReasonStopped     InterfaceReason = "stopped"      // of InterfaceDown: nobody brought it up, or it was taken down
	InterfaceReasonDeviceDown  InterfaceReason = "device-down"  // of InterfaceDown: there is a device, and it is down
	InterfaceReasonDeviceGone  InterfaceReason = "device-gone"  // of InterfaceDown: netifd says up, and there is none
)
