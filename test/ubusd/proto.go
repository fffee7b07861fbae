package ubusd

import (
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// result is the outcome of a request: a status, or one of the two below.
type result int32

const (
	answered result = -1 // no STATUS follows
	putOff   result = -2 // it will be gone on with later

	statusOK         result = 0
	invalidCommand   result = 1
	invalidArgument  result = 2
	methodNotFound   result = 3
	notFound         result = 4
	permissionDenied result = 6
)

// receive acts on a message from a client.
func (b *Broker) receive(c *client, f *wire.Frame) {
	ask := f.Header // answers carry its peer, which some handlers change
	a := wire.Parse(f.Blob)
	r := invalidCommand
	switch f.Type {
	case wire.Ping:
		pong := *f
		pong.Type = wire.Data
		b.send(c, &pong)
		r = statusOK
	case wire.AddObject:
		r = b.handleAddObject(c, f, &a)
	case wire.RemoveObject:
		r = b.handleRemoveObject(c, f, &a)
	case wire.Lookup:
		r = b.handleLookup(c, f, &a)
	case wire.Invoke:
		r = b.handleInvoke(c, f, &a)
	case wire.Status, wire.Data:
		r = b.handleResponse(c, f, &a)
	case wire.Subscribe:
		r = b.handleSubscribe(c, &a)
	case wire.Unsubscribe:
		r = b.handleUnsubscribe(c, &a)
	case wire.Notify:
		r = b.handleNotify(c, f, &a)
	}
	if r != answered && r != putOff {
		b.sendStatus(c, ask, r)
	}
}

// sendStatus ends a request.
func (b *Broker) sendStatus(c *client, ask wire.Header, r result) {
	f := wire.New(wire.Header{Type: wire.Status, Seq: ask.Seq, Peer: ask.Peer}).
		Uint32(wire.AttrStatus, uint32(r)).
		Frame()
	b.send(c, &f)
}

func (b *Broker) handleAddObject(c *client, f *wire.Frame, a *wire.Attrs) result {
	o := b.createObject(c, a)
	if o == nil {
		return invalidArgument
	}
	m := wire.New(wire.Header{Type: wire.Data, Seq: f.Seq, Peer: f.Peer}).Uint32(wire.AttrObjID, o.id)
	if a.Has(wire.AttrSignature) && o.typ != nil {
		m.Uint32(wire.AttrObjType, o.typ.id)
	}
	reply := m.Frame()
	b.send(c, &reply)
	return statusOK
}

func (b *Broker) handleRemoveObject(c *client, f *wire.Frame, a *wire.Attrs) result {
	id, ok := a.Uint32(wire.AttrObjID)
	if !ok {
		return invalidArgument
	}
	o := b.objects[id]
	if o == nil {
		return notFound
	}
	if o.client != c {
		return permissionDenied
	}
	m := wire.New(wire.Header{Type: wire.Data, Seq: f.Seq, Peer: f.Peer}).Uint32(wire.AttrObjID, o.id)
	if o.typ != nil && o.typ.refs == 1 {
		m.Uint32(wire.AttrObjType, o.typ.id)
	}
	reply := m.Frame()
	b.send(c, &reply)
	b.freeObject(o)
	return statusOK
}

func (b *Broker) handleInvoke(c *client, f *wire.Frame, a *wire.Attrs) result {
	method, okMethod := a.String(wire.AttrMethod)
	id, okID := a.Uint32(wire.AttrObjID)
	if !okMethod || !okID {
		return invalidArgument
	}
	o := b.objects[id]
	if o == nil {
		return notFound
	}
	if o.named && !b.allowed(c, o.path, method, toCall) {
		return permissionDenied
	}
	if o.serve != nil {
		return o.serve(c, f, a, method)
	}
	b.forward(c, f.Seq, o, method, a, false)
	return answered
}

// forward hands a call or a notification to the owner of an object, with the
// name of the caller's user and group.
func (b *Broker) forward(c *client, seq uint16, o *object, method string, a *wire.Attrs, noReply bool) {
	m := wire.New(wire.Header{Type: wire.Invoke, Seq: seq, Peer: c.id})
	if noReply {
		m.Uint8(wire.AttrNoReply, 1)
	}
	m.Uint32(wire.AttrObjID, o.id).
		String(wire.AttrMethod, method).
		String(wire.AttrUser, c.cred.User).
		String(wire.AttrGroup, c.cred.Group)
	if a.Has(wire.AttrData) {
		m.Bytes(wire.AttrData, a.Bytes(wire.AttrData))
	}
	f := m.Frame()
	b.send(o.client, &f)
}

func (b *Broker) handleNotify(c *client, f *wire.Frame, a *wire.Attrs) result {
	method, okMethod := a.String(wire.AttrMethod)
	id, okID := a.Uint32(wire.AttrObjID)
	if !okMethod || !okID {
		return invalidArgument
	}
	flag, _ := a.Uint8(wire.AttrNoReply)
	noReply := flag != 0
	o := b.objects[id]
	if o == nil {
		return notFound
	}
	if o.client != c {
		return permissionDenied
	}
	if !noReply {
		ids := make([]uint32, 0, len(o.subs))
		for _, s := range o.subs {
			ids = append(ids, s.subscriber.id)
		}
		reply := wire.New(wire.Header{Type: wire.Status, Seq: f.Seq, Peer: f.Peer}).
			Uint32(wire.AttrObjID, o.id).
			Uint32s(wire.AttrSubscribers, ids).
			Uint32(wire.AttrStatus, uint32(statusOK)).
			Frame()
		b.send(c, &reply)
	}
	for _, s := range o.subs {
		b.forward(c, f.Seq, s.subscriber, method, a, noReply)
	}
	return answered
}

// handleResponse passes an answer on to the client that it names as its peer.
// What is not one is dropped without a word.
func (b *Broker) handleResponse(c *client, f *wire.Frame, a *wire.Attrs) result {
	id, ok := a.Uint32(wire.AttrObjID)
	if !ok || f.Type == wire.Status && !a.Has(wire.AttrStatus) || f.Type == wire.Data && !a.Has(wire.AttrData) {
		return answered
	}
	if o := b.objects[id]; o == nil || o.client != c {
		return answered
	}
	to := b.clients[f.Peer]
	if to == nil {
		return answered
	}
	f.Peer = id
	b.send(to, f)
	return answered
}

func (b *Broker) handleSubscribe(c *client, a *wire.Attrs) result {
	id, okID := a.Uint32(wire.AttrObjID)
	targetID, okTarget := a.Uint32(wire.AttrTarget)
	if !okID || !okTarget {
		return invalidArgument
	}
	o := b.objects[id]
	if o == nil {
		return notFound
	}
	if o.client != c {
		return invalidArgument
	}
	target := b.objects[targetID]
	if target == nil || target.client == nil {
		return notFound
	}
	if target.client == c {
		return invalidArgument
	}
	if !target.named {
		// Objects without a path are for programs of the same user or group.
		if target.client.cred.User != c.cred.User && target.client.cred.Group != c.cred.Group {
			return notFound
		}
	} else if !b.allowed(c, target.path, "", toSubscribe) {
		return notFound
	}
	b.subscribe(o, target)
	return statusOK
}

func (b *Broker) handleUnsubscribe(c *client, a *wire.Attrs) result {
	id, okID := a.Uint32(wire.AttrObjID)
	targetID, okTarget := a.Uint32(wire.AttrTarget)
	if !okID || !okTarget {
		return invalidArgument
	}
	o := b.objects[id]
	if o == nil {
		return notFound
	}
	if o.client != c {
		return invalidArgument
	}
	for _, s := range o.targets {
		if s.target.id == targetID {
			b.unsubscribe(s)
			return statusOK
		}
	}
	return notFound
}
