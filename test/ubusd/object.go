package ubusd

import (
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// object is something that can be called, or that receives.
type object struct {
	id      uint32
	path    string
	named   bool // it has a path
	typ     *objectType
	client  *client // nil: the broker's own
	serve   func(c *client, f *wire.Frame, a *wire.Attrs, method string) result
	seq     uint16 // of the messages about subscriptions
	targets []*subscription
	subs    []*subscription // newest first, like targets
}

// objectType is a set of methods that objects share.
type objectType struct {
	id      uint32
	refs    int
	methods []member
}

// subscription is that one object receives the notifications of another.
type subscription struct {
	subscriber, target *object
}

// addSystemObjects makes the objects that ubusd itself serves.
func (b *Broker) addSystemObjects() {
	b.objects[wire.ObjectEvent] = &object{id: wire.ObjectEvent, serve: b.serveEvent}
	b.objects[wire.ObjectACL] = &object{id: wire.ObjectACL, serve: b.serveACL}
	b.objects[wire.ObjectMonitor] = &object{id: wire.ObjectMonitor, serve: b.serveMonitor}
}

// createObject makes an object of what a client asked for, or returns nil if its
// path is taken or not allowed. A type that does not exist or a signature that is
// wrong leaves an object without a type, which is on the bus but never listed.
func (b *Broker) createObject(c *client, a *wire.Attrs) *object {
	o := &object{client: c}
	if id, ok := a.Uint32(wire.AttrObjType); ok {
		o.typ = b.types[id]
	} else if a.Has(wire.AttrSignature) {
		o.typ = b.createType(a.Bytes(wire.AttrSignature))
	}
	if path, ok := a.String(wire.AttrObjPath); ok {
		b.noticeEnd(b.findPath(path))
		if !b.allowed(c, path, "", toPublish) || b.findPath(path) != nil {
			if o.typ != nil && o.typ.refs == 0 {
				delete(b.types, o.typ.id)
			}
			return nil
		}
		o.path, o.named = path, true
	}
	if o.typ != nil {
		o.typ.refs++
	}
	o.id = newID(b.objects)
	b.objects[o.id] = o
	if o.named {
		i, _ := slices.BinarySearchFunc(b.paths, o.path, comparePath)
		b.paths = slices.Insert(b.paths, i, o)
		b.objectEvent(o, "ubus.object.add")
	}
	c.objects = slices.Insert(c.objects, 0, o)
	return o
}

// noticeEnd takes the client of an object off the bus if its connection has
// ended. ubusd, one loop, has seen that end before what came after it on another
// connection; the goroutine that reads it here may not have had its turn yet.
func (b *Broker) noticeEnd(o *object) {
	if o != nil && o.client != nil && o.client.hungUp() {
		b.disconnect(o.client)
	}
}

// createType makes a type of a signature: nil if a method has no name or is no
// blobmsg.
func (b *Broker) createType(signature []byte) *objectType {
	t := &objectType{}
	if !eachMember(signature, func(m member) bool {
		t.methods = append(t.methods, m)
		return m.named
	}) {
		return nil
	}
	t.id = newID(b.types)
	b.types[t.id] = t
	return t
}

// freeObject takes an object off the bus and tells everybody it concerns.
func (b *Broker) freeObject(o *object) {
	for len(o.targets) > 0 {
		b.unsubscribe(o.targets[0])
	}
	for len(o.subs) > 0 {
		s := o.subs[0]
		s.subscriber.seq++
		f := wire.New(wire.Header{Type: wire.Unsubscribe, Seq: s.subscriber.seq}).
			Uint32(wire.AttrObjID, s.subscriber.id).
			Uint32(wire.AttrTarget, o.id).
			Frame()
		b.send(s.subscriber.client, &f)
		b.unsubscribe(s)
	}
	b.patterns = slices.DeleteFunc(b.patterns, func(p *pattern) bool { return p.object == o })
	if i := slices.Index(b.paths, o); i >= 0 {
		b.objectEvent(o, "ubus.object.remove")
		b.paths = slices.Delete(b.paths, i, i+1)
	}
	if i := slices.Index(o.client.objects, o); i >= 0 {
		o.client.objects = slices.Delete(o.client.objects, i, i+1)
	}
	delete(b.objects, o.id)
	if o.typ != nil {
		if o.typ.refs--; o.typ.refs == 0 {
			delete(b.types, o.typ.id)
		}
	}
}

func (b *Broker) subscribe(subscriber, target *object) {
	s := &subscription{subscriber, target}
	target.subs = slices.Insert(target.subs, 0, s)
	subscriber.targets = slices.Insert(subscriber.targets, 0, s)
	if len(target.subs) == 1 {
		b.subscribersChanged(target)
	}
}

func (b *Broker) unsubscribe(s *subscription) {
	same := func(x *subscription) bool { return x == s }
	s.target.subs = slices.DeleteFunc(s.target.subs, same)
	s.subscriber.targets = slices.DeleteFunc(s.subscriber.targets, same)
	if len(s.target.subs) == 0 {
		b.subscribersChanged(s.target)
	}
}

// subscribersChanged tells an object that its first subscriber came or its last
// went.
func (b *Broker) subscribersChanged(o *object) {
	o.seq++
	var active uint8
	if len(o.subs) > 0 {
		active = 1
	}
	f := wire.New(wire.Header{Type: wire.Notify, Seq: o.seq}).
		Uint32(wire.AttrObjID, o.id).
		Uint8(wire.AttrActive, active).
		Frame()
	b.send(o.client, &f)
}

// sendObject describes an object to a client that looked it up, with the methods
// that it may call. Without any of them it is left out.
func (b *Broker) sendObject(c *client, ask wire.Header, o *object) {
	if o.typ == nil {
		return
	}
	var signature []byte
	for _, m := range o.typ.methods {
		if b.allowed(c, o.path, m.name, toCall) {
			signature = m.append(signature)
		}
	}
	if len(signature) == 0 && len(o.typ.methods) > 0 {
		return
	}
	f := wire.New(wire.Header{Type: wire.Data, Seq: ask.Seq, Peer: ask.Peer}).
		String(wire.AttrObjPath, o.path).
		Uint32(wire.AttrObjID, o.id).
		Uint32(wire.AttrObjType, o.typ.id).
		Bytes(wire.AttrSignature, signature).
		Frame()
	b.send(c, &f)
}

// lookup is a LOOKUP that waits for its client to read.
type lookup struct {
	ask  wire.Header
	attr wire.Attrs
	next *string // path to go on from in a listing of all objects
}

// handleLookup answers a LOOKUP, or puts it off while the client has not read
// what is queued for it: a listing is then sent as the client reads.
func (b *Broker) handleLookup(c *client, f *wire.Frame, a *wire.Attrs) result {
	q := &lookup{ask: f.Header, attr: *a}
	if len(c.queue) == 0 {
		if r := b.lookup(c, q); r != putOff {
			return r
		}
	}
	c.lookups = append(c.lookups, q)
	return putOff
}

// resumeLookup goes on with a lookup that was put off and reports whether it is
// complete.
func (b *Broker) resumeLookup(c *client, q *lookup) bool {
	r := b.lookup(c, q)
	if r == putOff {
		return false
	}
	b.sendStatus(c, q.ask, r)
	return true
}

func (b *Broker) lookup(c *client, q *lookup) result {
	path, ok := q.attr.String(wire.AttrObjPath)
	if !ok {
		return b.lookupAll(c, q)
	}
	if path == "" {
		return invalidArgument
	}
	prefix, many := strings.CutSuffix(path, "*")
	if !many {
		o := b.findPath(path)
		if o == nil {
			return notFound
		}
		b.sendObject(c, q.ask, o)
		return statusOK
	}
	r := notFound
	i, _ := slices.BinarySearchFunc(b.paths, prefix, comparePath)
	for ; i < len(b.paths) && strings.HasPrefix(b.paths[i].path, prefix); i++ {
		b.sendObject(c, q.ask, b.paths[i])
		r = statusOK
	}
	return r
}

func (b *Broker) lookupAll(c *client, q *lookup) result {
	i := 0
	if q.next != nil {
		i, _ = slices.BinarySearchFunc(b.paths, *q.next, comparePath)
	}
	for ; i < len(b.paths); i++ {
		if len(c.queue) > 0 {
			q.next = &b.paths[i].path
			return putOff
		}
		b.sendObject(c, q.ask, b.paths[i])
	}
	return statusOK
}
