package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// What one message may hold. Above it, wgctrl sends a message for each peer,
// each with the device's fields again: for 10,000 peers that took 4.9 s, and 20.7 s
// with a fwmark among the fields, where portions like these took 2.7 s.
const (
	maxPeers = 32
	maxIPs   = 256
)

// Configure implements Devices.
func (s *System) Configure(name string, c plan.Changes) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Empty() {
		return nil
	}
	l, err := s.mustFind(name)
	if err != nil {
		return err
	}
	w := writer{
		send: func(cfg wgtypes.Config) error { return s.send(name, cfg) },
		name: name,
	}
	if !l.user {
		w.sendZoned = func(p *plan.PeerChange) error { return s.sendZoned(name, p) }
	}
	w.device(&c, l.user)
	w.peers(c.Peers)
	return errors.Join(w.errs...)
}

// writer writes the changes of one device.
type writer struct {
	name string
	send func(wgtypes.Config) error
	// sendZoned writes the endpoint of a peer that names an interface (fe80::1%br-lan);
	// nil where send can.
	sendZoned func(*plan.PeerChange) error

	chunk   []wgtypes.PeerConfig
	ips     int // in chunk
	refused map[schema.Key]struct{}
	errs    []error
	// broken is set when nothing more can be written at all.
	broken bool
}

// device writes the fields of the device itself: in one message, and where that
// is refused each for itself, so that a port which is taken does not keep the key
// from being set.
func (w *writer) device(c *plan.Changes, user bool) {
	type field struct {
		option, what string
		cfg          wgtypes.Config
	}
	var all wgtypes.Config
	var fields []field
	if c.PrivateKey != nil {
		all.PrivateKey = (*wgtypes.Key)(c.PrivateKey)
		fields = append(fields, field{"private_key", "set the private key", wgtypes.Config{PrivateKey: all.PrivateKey}})
	}
	if c.FwMark != nil {
		mark := int(*c.FwMark)
		if user && mark < 0 {
			w.fail(&FieldError{Option: "fwmark", Err: failure(w.name, "set fwmark "+strconv.FormatUint(uint64(*c.FwMark), 10),
				errors.New("userspace WireGuard on a 32-bit machine takes 2147483647 (0x7fffffff) at most"))})
		} else {
			all.FirewallMark = &mark
			fields = append(fields, field{"fwmark", "set fwmark " + strconv.FormatUint(uint64(*c.FwMark), 10), wgtypes.Config{FirewallMark: &mark}})
		}
	}
	if c.ListenPort != nil {
		port := int(*c.ListenPort)
		all.ListenPort = &port
		fields = append(fields, field{"listen_port", "listen on port " + strconv.Itoa(port), wgtypes.Config{ListenPort: &port}})
	}
	if len(fields) == 0 {
		return
	}
	err := w.send(all)
	switch {
	case err == nil:
		return
	case hopeless(err):
		w.broken = true
		w.fail(failure(w.name, fields[0].what, err))
		return
	}
	for _, f := range fields {
		if len(fields) > 1 {
			err = w.send(f.cfg)
		}
		if err != nil {
			w.fail(&FieldError{Option: f.option, Err: failure(w.name, f.what, err)})
		}
	}
}

func (w *writer) fail(err error) { w.errs = append(w.errs, err) }

// peers writes the changes of peers in portions. A peer with more allowed IPs than
// a message may have goes on in the next ones.
func (w *writer) peers(list []plan.PeerChange) {
	for n := range list {
		if w.broken {
			return
		}
		c := &list[n]
		if err := checkPeer(c); err != nil {
			w.fail(&PeerError{PublicKey: c.PublicKey, Err: err})
			continue
		}
		p := peerConfig(c)
		if w.sendZoned != nil && c.Endpoint.Addr().Zone() != "" && !c.Remove {
			w.flush() // what goes before it comes before it
			w.zoned(c)
			p.Endpoint = nil
		}
		w.add(p, c.AllowedIPs)
	}
	w.flush()
}

// add puts a peer into the portion, and sends it when it is full.
func (w *writer) add(p wgtypes.PeerConfig, ips []netip.Prefix) {
	for {
		if len(w.chunk) == maxPeers || w.ips == maxIPs {
			w.flush()
		}
		fit := min(len(ips), maxIPs-w.ips)
		p.AllowedIPs = ipNets(ips[:fit])
		w.chunk = append(w.chunk, p)
		w.ips += fit
		ips = ips[fit:]
		if len(ips) == 0 || p.Remove {
			return
		}
		// Should the peer have been refused, this must not make half of it.
		p = wgtypes.PeerConfig{PublicKey: p.PublicKey, UpdateOnly: true}
	}
}

// flush sends the portion. When the device refuses it, its peers are sent each
// for itself: those before the one that is to blame are written already, and
// writing them again changes nothing.
func (w *writer) flush() {
	chunk := w.chunk
	w.chunk, w.ips = w.chunk[:0], 0
	if len(chunk) == 0 || w.broken {
		return
	}
	err := w.send(wgtypes.Config{Peers: chunk})
	if err == nil {
		return
	}
	if hopeless(err) {
		w.broken = true
		w.fail(failure(w.name, "write peers", err))
		return
	}
	for n := range chunk {
		key := schema.Key(chunk[n].PublicKey)
		if _, ok := w.refused[key]; ok {
			continue // what goes on of a peer that was refused
		}
		err := w.send(wgtypes.Config{Peers: chunk[n : n+1]})
		switch {
		case err == nil:
		case hopeless(err):
			w.broken = true
			w.fail(failure(w.name, "write peers", err))
			return
		default:
			if w.refused == nil {
				w.refused = map[schema.Key]struct{}{}
			}
			w.refused[key] = struct{}{}
			w.fail(&PeerError{PublicKey: key, Err: err})
		}
	}
}

// zoned writes an endpoint with a zone. A peer whose endpoint is refused is
// written without it: it can still call us.
func (w *writer) zoned(c *plan.PeerChange) {
	err := w.sendZoned(c)
	if err == nil || w.broken {
		return
	}
	if hopeless(err) {
		w.broken = true
		w.fail(failure(w.name, "write peers", err))
		return
	}
	w.fail(&PeerError{PublicKey: c.PublicKey, Err: fmt.Errorf("endpoint %v: %w", c.Endpoint, err)})
}

// hopeless reports whether an error is about more than what was just written:
// nothing else can be written either.
func hopeless(err error) bool {
	var op *net.OpError // the control socket of a userspace device
	return gone(err) || errors.Is(err, fs.ErrPermission) || errors.As(err, &op)
}

// checkPeer finds what wgctrl would write as something else.
func checkPeer(c *plan.PeerChange) error {
	if c.PublicKey.IsZero() {
		return errors.New("no public key")
	}
	for _, ip := range c.AllowedIPs {
		if !ip.IsValid() || ip.Addr().Is4In6() {
			return fmt.Errorf("allowed IP %v: a prefix of IPv4 or IPv6 is right", ip)
		}
	}
	return nil
}

// peerConfig translates a change, but for its allowed IPs.
func peerConfig(c *plan.PeerChange) wgtypes.PeerConfig {
	p := wgtypes.PeerConfig{PublicKey: wgtypes.Key(c.PublicKey)}
	if c.Remove {
		p.Remove = true
		return p
	}
	p.UpdateOnly = c.Update
	p.ReplaceAllowedIPs = c.ReplaceAllowedIPs
	p.PresharedKey = (*wgtypes.Key)(c.PresharedKey)
	if c.Keepalive != nil {
		d := time.Duration(*c.Keepalive) * time.Second
		p.PersistentKeepaliveInterval = &d
	}
	if c.Endpoint.IsValid() {
		p.Endpoint = &net.UDPAddr{
			IP:   c.Endpoint.Addr().Unmap().AsSlice(),
			Port: int(c.Endpoint.Port()),
			Zone: c.Endpoint.Addr().Zone(),
		}
	}
	return p
}

func ipNets(list []netip.Prefix) []net.IPNet {
	if len(list) == 0 {
		return nil
	}
	out := make([]net.IPNet, len(list))
	for n, p := range list {
		out[n] = net.IPNet{
			IP:   p.Masked().Addr().AsSlice(),
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}
	}
	return out
}
