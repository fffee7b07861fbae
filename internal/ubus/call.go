package ubus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

const (
	// maxReply bounds what is kept of one request's answers, in bytes: a
	// listing of all objects, or a reply in several messages.
	maxReply = 4 << 20
	// maxIDs bounds how many paths' ids are remembered.
	maxIDs = 256
)

// answers collects what comes back for a request.
type answers struct {
	data    []wire.Attrs
	status  Status
	own     bool // the status is the callee's, not ubusd's
	size    int
	tooMuch bool
}

// exchange returns the exchange that fills the answers.
func (a *answers) exchange(peer uint32) *exchange {
	return &exchange{peer: peer, take: func(h wire.Header, at wire.Attrs) bool {
		if h.Peer != peer {
			return false // an answer to an earlier request of that number
		}
		if h.Type == wire.Data {
			a.add(at)
			return false
		}
		a.status = statusIn(at)
		a.own = at.Has(wire.AttrObjID)
		return true
	}}
}

func (a *answers) add(at wire.Attrs) {
	a.size += len(at.Bytes(wire.AttrData)) + len(at.Bytes(wire.AttrSignature)) + 256
	if a.size > maxReply {
		a.data, a.tooMuch = nil, true
		return
	}
	a.data = append(a.data, at)
}

func (a *answers) err() error {
	switch {
	case a.tooMuch:
		return fmt.Errorf("answer of more than %d bytes", maxReply)
	case a.status != StatusOK:
		return a.status
	}
	return nil
}

// statusIn is the result in a STATUS message; libubus takes one without for an
// invalid argument.
func statusIn(a wire.Attrs) Status {
	s, ok := a.Uint32(wire.AttrStatus)
	if !ok {
		return StatusInvalidArgument
	}
	return Status(int32(s))
}

// Object is what [Conn.Lookup] finds out about an object.
type Object struct {
	Path    string
	ID      uint32 // random, another one each time it is published
	TypeID  uint32 // the same for objects of one program with the same methods
	Methods []Signature
}

// Signature is a method of an object.
type Signature struct {
	Name string
	Args []Arg
}

// Arg is an argument of a method. A signature is a hint for people: neither
// ubusd nor this package checks calls against it.
type Arg struct {
	Name string
	Type blobmsg.Type // TypeUnspec: any
}

// Lookup returns the objects of a path. A trailing * matches all paths that
// begin so, and the empty path all. Without any that matches the error is
// StatusNotFound, except that the empty path may match none. ubusd leaves out
// objects, and methods, that the caller has no right to.
func (c *Conn) Lookup(ctx context.Context, path string) ([]Object, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	l, err := c.current()
	if err == nil {
		var list []Object
		if list, err = l.lookup(ctx, path); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("ubus: look up %q: %w", path, err)
}

func (l *link) lookup(ctx context.Context, path string) ([]Object, error) {
	m := wire.New(wire.Header{Type: wire.Lookup})
	if path != "" {
		m.String(wire.AttrObjPath, path)
	}
	var a answers
	if err := l.exchange(ctx, m, maxBlob, a.exchange(0)); err != nil {
		return nil, err
	}
	if err := a.err(); err != nil {
		return nil, err
	}
	list := make([]Object, 0, len(a.data))
	for i := range a.data {
		at := &a.data[i]
		path, okPath := at.String(wire.AttrObjPath)
		id, okID := at.Uint32(wire.AttrObjID)
		typ, okType := at.Uint32(wire.AttrObjType)
		if !okPath || !okID || !okType {
			continue // libubus passes over it too
		}
		list = append(list, Object{Path: path, ID: id, TypeID: typ, Methods: signatures(at.Bytes(wire.AttrSignature))})
	}
	return list, nil
}

// signatures reads a signature attribute as far as it can be understood.
func signatures(b []byte) []Signature {
	table, err := blobmsg.DecodeUnnamed(b)
	if err != nil {
		return nil
	}
	list := make([]Signature, 0, len(table))
	for _, method := range table {
		s := Signature{Name: method.Name}
		args, _ := method.Value.(blobmsg.Table)
		for _, arg := range args {
			if typ, ok := arg.Value.(int32); ok {
				s.Args = append(s.Args, Arg{Name: arg.Name, Type: blobmsg.Type(typ)})
			}
		}
		list = append(list, s)
	}
	return list
}

// find returns the id of the object of a path, from memory if old will do.
func (l *link) find(ctx context.Context, path string, old bool) (id uint32, remembered bool, err error) {
	if old {
		l.mu.Lock()
		id, ok := l.ids[path]
		l.mu.Unlock()
		if ok {
			return id, true, nil
		}
	}
	if path == "" || strings.HasSuffix(path, "*") {
		return 0, false, StatusInvalidArgument // would match others
	}
	list, err := l.lookup(ctx, path)
	if err == nil && len(list) == 0 {
		err = StatusNotFound // there, but not for us
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		delete(l.ids, path)
		return 0, false, err
	}
	if len(l.ids) >= maxIDs {
		clear(l.ids)
	}
	l.ids[path] = list[0].ID
	return list[0].ID, false, nil
}

// Call calls a method of the object of a path and returns the data it answers
// with: nil if it answers with a status only, the last if there are several
// (see [Conn.CallEach]).
//
// A status other than StatusOK is the error, together with the data that came
// before it, if any. Without an answer in time the error is a StatusTimeout and
// what the context says (context.DeadlineExceeded); a context without a deadline
// gets one of 30 s. ErrDisconnected is a connection that is not there or was
// lost before the answer came. Arguments are never part of an error.
func (c *Conn) Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error) {
	var last blobmsg.Table
	err := c.CallEach(ctx, path, method, args, func(data blobmsg.Table) { last = data })
	return last, err
}

// CallEach is Call for methods that answer with several data messages: each is
// called with all of them, in order, once the answer is complete.
func (c *Conn) CallEach(ctx context.Context, path, method string, args blobmsg.Table, each func(blobmsg.Table)) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	l, err := c.current()
	if err == nil {
		err = l.callPath(ctx, path, method, args, each)
	}
	if err != nil {
		return fmt.Errorf("ubus: call %s %s: %w", path, method, err)
	}
	return nil
}

func (l *link) callPath(ctx context.Context, path, method string, args blobmsg.Table, each func(blobmsg.Table)) error {
	id, remembered, err := l.find(ctx, path, true)
	if err != nil {
		return err
	}
	a, err := l.invoke(ctx, id, method, args)
	if err == nil && remembered && a.status == StatusNotFound && !a.own {
		// ubusd does not know the id any more: the object was published
		// again, or is gone.
		if id, _, err = l.find(ctx, path, false); err != nil {
			return err
		}
		a, err = l.invoke(ctx, id, method, args)
	}
	// What came before the end is passed on even if the end did not come.
	for i := range a.data {
		if !a.data[i].Has(wire.AttrData) {
			continue
		}
		table, decodeErr := blobmsg.DecodeUnnamed(a.data[i].Bytes(wire.AttrData))
		if decodeErr != nil {
			return errors.Join(err, decodeErr)
		}
		each(table)
	}
	if err != nil {
		return err
	}
	return a.err()
}

// invoke calls a method of an object by id. The answers are valid, as far as
// they came, with an error too.
func (l *link) invoke(ctx context.Context, id uint32, method string, args blobmsg.Table) (answers, error) {
	m := wire.New(wire.Header{Type: wire.Invoke, Peer: id}).
		Uint32(wire.AttrObjID, id).
		String(wire.AttrMethod, method).
		Bytes(wire.AttrData, blobmsg.Append(nil, args))
	var a answers
	err := l.exchange(ctx, m, maxBlob-addedByUbusd, a.exchange(id))
	return a, err
}
