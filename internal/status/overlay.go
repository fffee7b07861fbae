package status

import (
	"context"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// Daemon is asked for what it knows; Client is one.
type Daemon interface {
	Call(ctx context.Context, method string, args blobmsg.Table) (blobmsg.Table, error)
}

// Ask puts the daemon's word on the state of interfaces and peers in place of our
// own, so that everybody hears the same. Only is the interface that the snapshot is
// of, empty: all. Where there is no daemon the snapshot stays as it is, and
// DaemonErr says why.
func (s *Snapshot) Ask(ctx context.Context, d Daemon, only string) {
	index := s.index()
	args := blobmsg.Table{{Name: "limit", Value: MaxLimit}}
	if only != "" {
		args = args.Set("interface", only)
	}
	for offset := 0; ; {
		reply, err := d.Call(ctx, "peers", args.Set("offset", offset))
		if err != nil {
			s.DaemonErr = err
			return
		}
		if offset == 0 {
			s.overlay(reply)
		}
		list, _ := reply.Array("peers")
		for _, v := range list {
			if t, ok := v.(blobmsg.Table); ok {
				index.overlay(t)
			}
		}
		next, more := reply.Int("next")
		if !more || int(next) <= offset {
			return
		}
		offset = int(next)
	}
}

// overlay takes over what the daemon says of everything but the peers.
func (s *Snapshot) overlay(reply blobmsg.Table) {
	s.Daemon = true
	if c, ok := reply.Table("clock"); ok {
		s.Clock.Set, _ = c.Bool("set")
		s.Clock.Synchronised, _ = c.Bool("synchronised")
	}
	list, _ := reply.Array("interfaces")
	for _, v := range list {
		t, _ := v.(blobmsg.Table)
		name, _ := t.String("name")
		i := s.find(name)
		if i == nil {
			continue
		}
		state, _ := t.String("state")
		reason, _ := t.String("reason")
		i.State, i.Reason = InterfaceState(state), InterfaceReason(reason)
		i.Detail, _ = t.String("detail")
		i.Up, _ = t.Bool("up")
		i.Rate = rateIn(t)
	}
}

// place is where a peer stands in a reply: with the same key, or no key at all,
// the sections differ.
type place struct {
	iface, section string
	key            schema.Key
}

type peerIndex map[place]*Peer

func (s *Snapshot) index() peerIndex {
	index := peerIndex{}
	for n := range s.Interfaces {
		i := &s.Interfaces[n]
		for k := range i.Peers {
			p := &i.Peers[k]
			index[place{i.Name, plain(p.Section, maxName), p.PublicKey}] = p
		}
	}
	return index
}

func (index peerIndex) overlay(t blobmsg.Table) {
	var at place
	at.iface, _ = t.String("interface")
	at.section, _ = t.String("section")
	if text, _ := t.String("public_key"); text != "" {
		key, err := schema.ParseKey(text)
		if err != nil {
			return
		}
		at.key = key
	}
	p := index[at]
	if p == nil {
		return
	}
	state, _ := t.String("state")
	reason, _ := t.String("reason")
	p.State, p.Reason = State(state), Reason(reason)
	p.detail, _ = t.String("detail")
	if age, ok := t.Int("handshake_age"); ok && age >= 0 && !p.LastHandshake.IsZero() {
		p.Age = time.Duration(age) * time.Second
	}
	p.Rate = rateIn(t)
}

func rateIn(t blobmsg.Table) (r Rate) {
	rx, ok1 := t.Int("rx_rate")
	tx, ok2 := t.Int("tx_rate")
	if !ok1 || !ok2 {
		return Rate{}
	}
	return Rate{Measured: true, Rx: uint64(max(rx, 0)), Tx: uint64(max(tx, 0))}
}

// daemonNote says that the daemon was asked in vain, and what that costs.
func (s *Snapshot) daemonNote() string {
	if s.DaemonErr == nil {
		return ""
	}
	return "note: " + s.DaemonErr.Error() + "; until it runs, names are not looked up again and changes need ifup"
}
