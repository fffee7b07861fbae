package ubus

import (
	"context"
	"fmt"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// Notify sends a notification to all subscribers of the object and wants no
// answer. Nobody says whether it arrived.
func (p *Published) Notify(ctx context.Context, typ string, data blobmsg.Table) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	l, id, err := p.station.where()
	if err == nil {
		var msg []byte
		msg, err = notification(id, typ, data).Uint8(wire.AttrNoReply, 1).Encode(maxBlob - addedByUbusd)
		if err == nil {
			// ubusd answers only what it refuses; the number is then
			// nobody's, as no exchange has been begun with it.
			l.loose.Store(true)
			err = l.send(ctx, msg)
		}
	}
	if err != nil {
		return fmt.Errorf("ubus: notify %s %s: %w", p, typ, err)
	}
	return nil
}

func notification(id uint32, typ string, data blobmsg.Table) *wire.Message {
	return wire.New(wire.Header{Type: wire.Notify, Peer: id}).
		Uint32(wire.AttrObjID, id).
		String(wire.AttrMethod, typ).
		Bytes(wire.AttrData, blobmsg.Append(nil, data))
}

// NotifyReply is what one subscriber answered to a notification.
type NotifyReply struct {
	Subscriber uint32 // id of its object
	Status     Status
	Data       []blobmsg.Table
}

// NotifyWait sends a notification and waits until all who are subscribed have
// answered, in the order of their answers. A subscriber that dies never answers:
// when the context ends (30 s if it has no deadline), those that have are
// returned together with the error.
func (p *Published) NotifyWait(ctx context.Context, typ string, data blobmsg.Table) ([]NotifyReply, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	var n notified
	l, id, err := p.station.where()
	if err == nil {
		x := &exchange{peer: id, take: func(h wire.Header, a wire.Attrs) bool { return n.take(id, h, a) }}
		err = l.exchange(ctx, notification(id, typ, data), maxBlob-addedByUbusd, x)
	}
	if err == nil && n.refused != StatusOK {
		err = n.refused
	}
	if err != nil {
		err = fmt.Errorf("ubus: notify %s %s: %w", p, typ, err)
	}
	return n.replies, err
}

// notified collects the answers to a notification: first ubusd's, which lists
// the subscribers, then theirs.
type notified struct {
	refused Status
	waiting map[uint32][]wire.Attrs // data so far of those who have not ended
	size    int
	replies []NotifyReply
}

func (n *notified) take(id uint32, h wire.Header, a wire.Attrs) bool {
	if n.waiting == nil {
		if h.Type != wire.Status || h.Peer != id {
			return false
		}
		n.refused = statusIn(a)
		n.waiting = make(map[uint32][]wire.Attrs)
		for _, sub := range a.Uint32s(wire.AttrSubscribers) {
			n.waiting[sub] = nil
		}
		return n.refused != StatusOK || len(n.waiting) == 0
	}
	data, ok := n.waiting[h.Peer]
	if !ok {
		return false
	}
	if h.Type == wire.Data {
		if n.size += len(a.Bytes(wire.AttrData)) + 256; n.size <= maxReply {
			n.waiting[h.Peer] = append(data, a)
		}
		return false
	}
	delete(n.waiting, h.Peer)
	reply := NotifyReply{Subscriber: h.Peer, Status: statusIn(a)}
	for i := range data {
		if table, err := blobmsg.DecodeUnnamed(data[i].Bytes(wire.AttrData)); err == nil {
			reply.Data = append(reply.Data, table)
		}
	}
	n.replies = append(n.replies, reply)
	return len(n.waiting) == 0
}
