package ubusd

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// pattern is what an object wants to receive events of.
type pattern struct {
	text    string // without the *
	partial bool   // there was one
	object  *object
}

func matches(text string, partial bool, name string) bool {
	return name == text || partial && strings.HasPrefix(name, text)
}

// serveEvent is the object behind `ubus listen` and `ubus send`.
func (b *Broker) serveEvent(c *client, _ *wire.Frame, a *wire.Attrs, method string) result {
	switch method {
	case "register":
		return b.registerPattern(c, a.Bytes(wire.AttrData))
	case "send":
		return b.forwardEvent(c, a.Bytes(wire.AttrData))
	default:
		return invalidCommand
	}
}

func (b *Broker) registerPattern(c *client, data []byte) result {
	raw, okObject := pick(data, "object", blobmsg.TypeInt32)
	want, okPattern := pick(data, "pattern", blobmsg.TypeString)
	if !okObject || !okPattern {
		return invalidArgument
	}
	id := binary.BigEndian.Uint32(raw)
	if id < wire.ObjectMax {
		return permissionDenied
	}
	o := b.objects[id]
	if o == nil {
		return notFound
	}
	if o.client != c {
		return permissionDenied
	}
	p := &pattern{text: text(want), object: o}
	if p.text == "" {
		return permissionDenied
	}
	p.text, p.partial = strings.CutSuffix(p.text, "*")
	if !b.allowed(c, p.text, "", toListen) {
		return permissionDenied
	}
	// In order, and behind its equals.
	i, _ := slices.BinarySearchFunc(b.patterns, p.text, func(q *pattern, text string) int {
		if q.text <= text {
			return -1
		}
		return 1
	})
	b.patterns = slices.Insert(b.patterns, i, p)
	return statusOK
}

func (b *Broker) forwardEvent(c *client, data []byte) result {
	id, okID := pick(data, "id", blobmsg.TypeString)
	content, okContent := pick(data, "data", blobmsg.TypeTable)
	if !okID || !okContent {
		return invalidArgument
	}
	name := text(id)
	if strings.HasPrefix(name, "ubus.") {
		return permissionDenied // those are ubusd's
	}
	if !b.allowed(c, name, "", toSend) {
		return permissionDenied
	}
	b.sendEvent(c, name, content)
	return statusOK
}

// sendEvent sends an event, once to each object that has a pattern for it, except
// to those of the sender.
func (b *Broker) sendEvent(from *client, name string, data []byte) {
	seen := make(map[*object]bool)
	for _, p := range b.patterns {
		o := p.object
		if !matches(p.text, p.partial, name) || from != nil && o.client == from || seen[o] {
			continue
		}
		seen[o] = true
		b.eventSeq++
		f := wire.New(wire.Header{Type: wire.Invoke, Seq: b.eventSeq}).
			Uint32(wire.AttrObjID, o.id).
			String(wire.AttrMethod, name).
			Bytes(wire.AttrData, data).
			Frame()
		b.send(o.client, &f)
	}
}

// objectEvent tells that an object came or goes.
func (b *Broker) objectEvent(o *object, name string) {
	b.sendEvent(nil, name, blobmsg.Append(nil, blobmsg.Table{
		{Name: "id", Value: int32(o.id)},
		{Name: "path", Value: o.path},
	}))
}
