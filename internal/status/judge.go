package status

import (
	"errors"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/endpoint"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// judge decides the state of the interface.
func (i *Interface) judge(in *Input) {
	dev, st := &in.Actual, in.Netifd
	unknown := errors.Is(in.NetifdErr, netifd.ErrNoInterface)
	i.Up = dev.Exists && dev.Up && !unknown && (st == nil || st.Up)
	say := func(s InterfaceState, r InterfaceReason, detail string) {
		i.State, i.Reason, i.Detail = s, r, detail
	}
	fatal := i.fatal()
	cause := i.cause()
	switch {
	case i.Disabled:
		// netifd forgets interfaces that are disabled.
		i.Up = false
		say(InterfaceDisabled, InterfaceReasonDisabled, "switched off in the configuration (option disabled)")
	case i.Up:
		say(InterfaceUp, "", "")
	case in.ReadErr != nil:
		say(InterfaceFailed, InterfaceReasonUnreadable, in.ReadErr.Error())
	case fatal != nil:
		say(InterfaceFailed, InterfaceReasonInvalid, fatal.Error())
	case unknown:
		say(InterfaceDown, InterfaceReasonUnknown, "netifd does not know the interface yet: /etc/init.d/network reload")
	case st != nil && st.Pending:
		say(InterfacePending, InterfaceReasonPending, "netifd is bringing it up")
	case cause != nil && cause.Code == apply.CodeNoWireGuard:
		say(InterfaceFailed, InterfaceReasonNoWireGuard, "the kernel has no WireGuard: install kmod-wireguard, then ifup "+i.Name)
	case cause != nil:
		say(InterfaceFailed, InterfaceReasonError, lastWord(cause)+": put that right, then ifup "+i.Name)
	case st != nil && st.Up && !dev.Exists:
		say(InterfaceDown, InterfaceReasonDeviceGone, "its device is gone although netifd says up: ifup "+i.Name)
	case dev.Exists && (st == nil || st.Up):
		say(InterfaceDown, InterfaceReasonDeviceDown, "its device is down: ifup "+i.Name)
	case dev.Exists:
		say(InterfaceDown, InterfaceReasonStopped, "netifd took it down: ifup "+i.Name)
	default:
		say(InterfaceDown, InterfaceReasonStopped, "it was not brought up: ifup "+i.Name)
	}
}

func (i *Interface) fatal() *schema.Problem {
	for _, p := range i.Problems {
		if p.Level == schema.Fatal {
			return p
		}
	}
	return nil
}

// cause returns the error of netifd that keeps the interface down. Others only
// tell of peers and options that were left out.
func (i *Interface) cause() *netifd.Error {
	for n := range i.Errors {
		switch i.Errors[n].Code {
		case apply.CodeOption, apply.CodePeer, apply.CodeResolve, apply.CodeNoUplink, apply.CodeMore:
		default:
			return &i.Errors[n]
		}
	}
	return nil
}

// lastWord returns what an error of netifd says: its last word says what is right.
func lastWord(e *netifd.Error) string {
	if n := len(e.Words); n > 0 {
		return e.Words[n-1]
	}
	return e.Code
}

// judge decides the state of a peer of an interface that is up or not.
func (p *Peer) judge(up bool, in *Input) {
	p.clock = in.Clock
	switch {
	case p.conf != nil && p.conf.Disabled:
		p.State, p.Reason = Disabled, ReasonDisabled
	case p.conf != nil && p.conf.Invalid:
		p.State, p.Reason = Invalid, ReasonInvalid
	case !up:
		p.State, p.Reason = Down, ReasonDown
	case !p.InKernel:
		p.State, p.Reason = Down, ReasonNotApplied
	default:
		if in.Health != nil {
			if h, known := in.Health(p.PublicKey); known {
				p.healthy(&h, in)
				return
			}
		}
		p.derive()
	}
}

// derive decides the state where nobody has followed the peer.
func (p *Peer) derive() {
	switch {
	case p.Age >= 0 && p.Age < plan.HandshakeValid:
		p.State = Connected
	case !p.LastHandshake.IsZero() && p.Age >= 0 && p.Keepalive > 0 && p.Endpoint.IsValid():
		// A keepalive is something to send.
		p.State, p.Reason = Stale, ReasonNoAnswer
	case !p.LastHandshake.IsZero():
		p.State = Idle
	case p.Endpoint.IsValid():
		p.State, p.Reason = Connecting, ReasonNoAnswer
	case p.EndpointHost != "":
		p.State, p.Reason = Unresolved, ReasonNoAddress
	default:
		p.State, p.Reason = Waiting, ReasonWaiting
	}
}

// healthy takes over what the daemon knows.
func (p *Peer) healthy(h *Health, in *Input) {
	p.State, p.Reason, p.Err, p.Rate = State(h.State), Reason(h.Reason), h.Err, h.Rate
	if !h.Handshake.IsZero() {
		p.Age = in.Now.Sub(h.Handshake)
	}
	if h.Reason != "" {
		return
	}
	// A machine without endpoints has no word for why.
	switch h.State {
	case endpoint.Waiting:
		p.Reason = ReasonWaiting
	case endpoint.Connecting, endpoint.Stale:
		p.Reason = ReasonNoAnswer
	}
}

// blameClock says of all peers that get no handshake that the clock is why: a
// handshake carries the time, and one that is older than the last is refused.
func (i *Interface) blameClock() {
	for n := range i.Peers {
		p := &i.Peers[n]
		if p.Endpoint.IsValid() && p.Reason == ReasonNoAnswer {
			p.Reason = ReasonClock
		}
	}
}

// trustClock keeps all peers from speaking of the clock: the handshake of one was
// taken by it.
func (i *Interface) trustClock() {
	for n := range i.Peers {
		i.Peers[n].clock = Clock{Set: true, Synchronised: true}
	}
}
