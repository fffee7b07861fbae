package status

import (
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// maxDetail is how long a sentence gets, in bytes; errors of a resolver have no
// limit of their own.
const maxDetail = 400

// Detail says in a sentence what is the matter with the peer and what to do first;
// empty when there is nothing to say. It is made when it is asked for: of 10,000
// peers a page shows a hundred.
func (p *Peer) Detail() string {
	if p.detail != "" {
		return p.detail
	}
	return cut(p.sentence(), maxDetail)
}

func (p *Peer) sentence() string {
	switch p.State {
	case Disabled:
		return "switched off in the configuration (option disabled)"
	case Invalid:
		return p.invalid()
	case Down:
		if p.Reason == ReasonNotApplied {
			return "configured, and not in the device yet: wgnetifd reload"
		}
		return "the interface is not up"
	case Waiting:
		return "no endpoint is configured: the other side has to start"
	case Unresolved:
		return p.unresolved()
	case Connected:
		return p.connected()
	case Idle:
		return p.idle()
	}
	return p.unanswered()
}

func (p *Peer) invalid() string {
	for _, problem := range p.Problems {
		if problem.Level != schema.Note {
			return problem.Error()
		}
	}
	return "left out, the configuration is wrong"
}

func (p *Peer) unresolved() string {
	if p.Reason == ReasonResolving {
		return "looking up " + p.EndpointHost
	}
	return p.noAddress()
}

func (p *Peer) noAddress() string {
	s := "no address was found for " + p.EndpointHost + ": is the name right, and does DNS work on this router?"
	if resolve.IsLocal(p.EndpointHost) {
		s = "no address was found for " + p.EndpointHost + ": is the name right, and its host on a network of this router?"
	}
	if p.Err != nil {
		s += " (" + p.Err.Error() + ")"
	}
	return s
}

func (p *Peer) connected() string {
	switch p.Reason {
	case ReasonRoamed:
		return "the peer has moved to " + p.Endpoint.String() + ", which is not the configured endpoint, and works there"
	case ReasonFailedOver:
		return "on a further endpoint: " + p.first() + " did not answer; is it up?"
	case ReasonReturning:
		return "trying " + p.first() + " again"
	case ReasonNoUplink:
		return "the session still stands, but " + p.noRoute()
	}
	return ""
}

func (p *Peer) idle() string {
	switch {
	case p.Reason == ReasonNoUplink:
		return p.noRoute()
	case p.Reason == ReasonReturning:
		return "trying " + p.first() + " again when there is something to send"
	case p.Age < 0:
		return "the last handshake is in the future: the router's clock was set back"
	}
	return "nothing to send; the next packet starts a handshake"
}

// unanswered is about a peer that somebody wants to send to and that does not
// answer.
func (p *Peer) unanswered() string {
	since := "no handshake so far"
	if p.State == Stale && p.Age >= 0 {
		since = "no handshake for " + duration(p.Age)
	}
	switch p.Reason {
	case ReasonClock:
		return since + p.blameClock()
	case ReasonNoUplink:
		return since + ", and " + p.noRoute()
	case ReasonResolving:
		return since + "; looking up " + p.EndpointHost + " again"
	case ReasonNoAddress:
		return since + ", and " + p.noAddress()
	case ReasonReturning:
		return since + "; trying " + p.first() + " again"
	}
	way := p.way()
	s := since + ": is the other side up, does it have our public key" + way + "?"
	if p.State == Stale {
		s = since + " although there is something to send: is the other side up" + way + "?"
	}
	if !p.clock.Synchronised {
		s += " The router's clock is not synchronised (NTP): that can be the reason too."
	}
	return s
}

// blameClock says what is known of the clock: before the build date it is wrong,
// without NTP it may be.
func (p *Peer) blameClock() string {
	if p.clock.Past {
		return ": the router's clock is not set, and the other side refuses handshakes until it is; does NTP reach a server?"
	}
	return ": NTP has not set the router's clock since it started, and while it is behind the other side refuses handshakes; does NTP reach a server? If the time is right: is the other side up" + p.way() + "?"
}

// way asks for the way to the endpoint.
func (p *Peer) way() string {
	if !p.Endpoint.IsValid() {
		return ""
	}
	return ", and does UDP to " + p.Endpoint.String() + " get through"
}

func (p *Peer) noRoute() string {
	family := "IPv4"
	if p.Endpoint.Addr().Is6() {
		family = "IPv6"
	}
	return "no route leads to " + p.Endpoint.String() + ": is the uplink up, and does it have " + family + "?"
}

// first names the first endpoint; its port is 0 where the configured one is wrong.
func (p *Peer) first() string {
	if p.EndpointPort == 0 {
		return p.EndpointHost
	}
	return HostPort(p.EndpointHost, p.EndpointPort)
}

// cut shortens a text to so many bytes, at a character's end.
func cut(s string, most int) string {
	const mark = "…"
	if len(s) <= most {
		return s
	}
	end := most - len(mark)
	for end > 0 && s[end]&0xc0 == 0x80 { // within a character
		end--
	}
	return s[:end] + mark
}
