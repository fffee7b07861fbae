// Package endpoint decides where a peer is sent to: one Machine for each peer
// that has endpoints configured. It does no I/O and reads no clock: times, what the
// device shows and what names have come in, and what is to be written, what is to
// be looked up and when to ask again go out. The same steps give the same answers.
//
// # When a candidate gives way
//
// WireGuard sends a handshake initiation and repeats it every REKEY_TIMEOUT, 5 s,
// and up to a third of a second, while somebody wants to send (WireGuard paper,
// section 6.4; REKEY_TIMEOUT and REKEY_TIMEOUT_JITTER_MAX_JIFFIES of the kernel's
// messages.h). A candidate has TryTime, three of these, of time in which something
// was to be sent. Without a handshake by then the next candidate is written: first
// those of the same name, then those of the next endpoint, then from the beginning.
// Time in which nobody wants to send proves nothing and does not count.
//
// # When nothing is touched
//
// A peer with a handshake within 180 s (REJECT_AFTER_TIME) is connected. Its
// endpoint is not written, whoever chose it: the peer itself may have moved there.
// Its names are not looked up again. The exceptions are an endpoint that the uplink
// cannot reach any more, a changed configuration (Rewrite), and going back to the
// first endpoint.
//
// # When the uplink does not reach the endpoint any more
//
// As when it has lost IPv4: then a candidate that it reaches is written at once, and
// the session goes on there, for a session belongs to no address. WireGuard believes
// in it until 15 s after data that was not answered (KEEPALIVE_TIMEOUT and
// REKEY_TIMEOUT), or until it is to be renewed; there is no way to have it make
// another handshake sooner. So the candidate's try does not begin before the first
// initiation, which shows in the number of bytes sent: without one nothing is proved.
// Anything that comes in while WireGuard stays at the endpoint proves that the
// session goes on.
//
// # Going back to the first endpoint
//
// Whether an endpoint can be reached again shows only in a handshake, and
// WireGuard has one endpoint for a peer: a second session beside the one in use
// cannot be had, and an echo request proves nothing about a UDP port. So the first
// endpoint is tried with the session itself. When the peer has been on another one
// for Failback, the first is written shortly before the session is to be renewed
// anyway, REKEY_AFTER_TIME, 120 s, after its handshake: the initiation that follows
// goes there. A handshake from there ends it: the peer is back. Without one within
// TryTime of the first packet, the endpoint that worked is written again, and is the
// one for the next initiation, well before the old session's end at 180 s. What was
// sent meanwhile is lost where the first endpoint is still dead, some 20 s of
// traffic; each attempt in vain therefore doubles the time to the next, up to an
// hour. A packet that comes from the endpoint that worked moves WireGuard back
// there by itself, and that is the end of the attempt too.
//
// A peer that nobody sends to has no session to lose: the first endpoint is simply
// written.
package endpoint
