package endpoint

import (
	"net/netip"
	"time"
)

// The times of the WireGuard protocol that the rules come from (paper, section 6.1).
const (
	rekeyTimeout    = 5 * time.Second
	rekeyJitter     = time.Second / 3
	rekeyAfterTime  = 120 * time.Second
	rejectAfterTime = 180 * time.Second
)

const (
	// TryTime is how long a candidate may go without a handshake while something is
	// to be sent: three initiations.
	TryTime = 3 * (rekeyTimeout + rekeyJitter)

	// suspectTime is when names are looked up again: one initiation of those had
	// no answer, so that the new addresses are known when the try is over.
	suspectTime = rekeyTimeout + rekeyJitter

	// demandTime is how long bytes that were sent tell that somebody wants to send:
	// without a session, initiations are all that is sent, one each REKEY_TIMEOUT.
	// Readings of a peer that is not connected have to come more often than that.
	demandTime = 3 * rekeyTimeout

	// returnAge is the age of a session at which the first endpoint is tried again:
	// a little before REKEY_AFTER_TIME. returnTime is the longest that takes.
	returnAge  = rekeyAfterTime - rekeyTimeout
	returnTime = 50 * time.Second

	// maxFailback bounds the doubling of Config.Failback.
	maxFailback = time.Hour
)

// MaxCandidates is how many addresses of one source are kept.
const MaxCandidates = 16

// Source is an endpoint as it is configured: a host, which is a name or an
// address, and a port. The caller looks up both kinds: what an address becomes on
// an uplink without IPv4 is for it to know.
type Source struct {
	Host string
	Port uint16
}

// Config is what is configured of a peer's endpoints.
type Config struct {
	// Sources in the order in which they are to be used.
	Sources []Source
	// Failback is how long the peer stays on another source before the first one is
	// tried again; 0: until the other one fails.
	Failback time.Duration
	// Reach reports whether the uplink leads to an address; nil: to every one.
	Reach func(netip.Addr) bool
}

// Reading is what the device shows of a peer.
type Reading struct {
	Endpoint  netip.AddrPort // invalid: none
	Handshake time.Time      // by the router's clock; zero: never
	Tx        uint64         // bytes sent, handshakes included
	Rx        uint64         // bytes received that were the peer's, handshakes included
	Keepalive bool           // persistent keepalive is on: there is always something to send
}

// Step is what is to be done.
type Step struct {
	// Write is the endpoint to write; invalid: none.
	Write netip.AddrPort
	// Resolve lists the sources, by index, that are to be looked up now. Each is
	// answered by Resolved or Failed.
	Resolve []int
	// Next is when a step has to be taken although nothing happened; zero: never. A
	// step follows each reading of the device in any case.
	Next time.Time

	State  State
	Reason Reason
	// Source is the source, by index, of the endpoint in use; -1: none of them.
	Source int
	// Err is why the name of a source was not found, with NoAddress.
	Err error
	// Handshake is when the last handshake was, by the clock of the steps; zero: never,
	// or more than 180 s before the first step.
	Handshake time.Time
	// Good is set when the endpoint in use has had a handshake: its address is the
	// last good one of the source's name.
	Good bool
}

// State is a word for the state of a peer; see the status package, which has the
// same words.
type State string

// The states of a peer that is in the device of an interface that is up.
const (
	Unresolved State = "unresolved" // no address is known
	Waiting    State = "waiting"    // no endpoint is configured: the other side must start
	Connecting State = "connecting" // an endpoint and never a handshake
	Connected  State = "connected"  // a handshake within 180 s
	Idle       State = "idle"       // an older one, and nobody wants to send
	Stale      State = "stale"      // an older one, and somebody does
)

// Reason is a word for why the state is as it is; empty: nothing to say.
type Reason string

// The reasons.
const (
	Resolving  Reason = "resolving"   // a name is being looked up
	NoAddress  Reason = "no-address"  // and was not found, see Step.Err
	NoAnswer   Reason = "no-answer"   // candidates are tried, none has answered yet
	NoUplink   Reason = "no-uplink"   // no route leads to the endpoint
	FailedOver Reason = "failed-over" // not the first source is in use
	Roamed     Reason = "roamed"      // the peer has moved to an endpoint of its own
	Returning  Reason = "returning"   // the first source is being tried again
)
