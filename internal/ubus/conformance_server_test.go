package ubus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
	"github.com/wgnetifd/wgnetifd/test/ubusd/recording"
)

// TestConformanceServer publishes what each recorded server published, plays it
// what the real ubusd sent, and compares its answers and notifications. Servers
// that did something this package has no words for, or that were cut off by
// ubusd, are played to the broker only (test/ubusd).
func TestConformanceServer(t *testing.T) {
	played := 0
	for _, r := range recording.Load(t) {
		for _, name := range servers(t, r) {
			played++
			t.Run(r.Name()+"/"+name, func(t *testing.T) {
				checkLeaks(t)
				serveRecorded(t, r.Of(name))
			})
		}
	}
	if played == 0 {
		t.Error("no server was played")
	}
}

// servers lists the connections of a recording that only published, answered,
// notified and removed.
func servers(t *testing.T, r *recording.Recording) []string {
	var names []string
	able := make(map[string]bool)
	for _, e := range r.Entries {
		if e.Type == "CONNECT" {
			names = append(names, e.Conn)
			able[e.Conn] = strings.HasPrefix(e.Conn, "srv")
			continue
		}
		if e.Dir == "s2c" && e.Type == "CLOSE" {
			able[e.Conn] = false
		}
		if e.Dir != "c2s" || e.Type == "CLOSE" {
			continue
		}
		switch e.Type {
		case "STATUS", "DATA", "REMOVE_OBJECT", "NOTIFY":
		case "ADD_OBJECT":
			able[e.Conn] = able[e.Conn] && publishable(t, e)
		default:
			able[e.Conn] = false
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !able[name] })
}

// publishable reports whether an ADD_OBJECT is one that this package sends: with
// a path, without the type of another object, with a sound signature.
func publishable(t *testing.T, e *recording.Entry) bool {
	a := wire.Parse(e.Bytes(t)[8:])
	raw := a.Bytes(wire.AttrSignature)
	table, err := blobmsg.Decode(raw)
	return a.Has(wire.AttrObjPath) && !a.Has(wire.AttrObjType) && a.Has(wire.AttrSignature) &&
		err == nil && bytes.Equal(blobmsg.Append(nil, table), raw)
}

// serveRecorded does what a recorded server did, in its order.
func serveRecorded(t *testing.T, entries []*recording.Entry) {
	p := play(t, entries)
	c, err := Dial(t.Context(), p.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	objects := make(map[string]*Published)
	byID := make(map[string]*Published)
	for {
		var e *recording.Entry
		eventually(t, "the answers are there", func() bool {
			e = p.awaits()
			return e == nil || e.Dir == "c2s" && e.Type != "STATUS" && e.Type != "DATA"
		})
		if e == nil || e.Type == "CLOSE" {
			break
		}
		id := fmt.Sprint(e.Attrs["objid"])
		a := wire.Parse(e.Bytes(t)[8:])
		switch e.Type {
		case "ADD_OBJECT":
			path, _ := a.String(wire.AttrObjPath)
			object, err := c.Publish(t.Context(), path, recordedMethods(t, entries, a.Bytes(wire.AttrSignature)))
			checkAnswer(t, entries, e, err)
			if err == nil {
				objects[path] = object
				byID[fmt.Sprint(object.station.id)] = object
			}
		case "REMOVE_OBJECT":
			checkAnswer(t, entries, e, byID[id].Remove(t.Context()))
		case "NOTIFY":
			method, _ := a.String(wire.AttrMethod)
			data, err := blobmsg.DecodeUnnamed(a.Bytes(wire.AttrData))
			if err != nil {
				t.Fatal(err)
			}
			if noReply, _ := a.Uint8(wire.AttrNoReply); noReply != 0 {
				err = byID[id].Notify(t.Context(), method, data)
			} else {
				err = notifyRecorded(t, p, e, byID[id], data)
			}
			if err != nil {
				t.Error(err)
			}
		}
		eventually(t, "the recording goes on", func() bool { return p.awaits() != e })
	}
	same(t, p)
	for _, o := range objects {
		checkSubscribers(t, entries, o)
	}
}

// notifyRecorded waits for the answers to a notification, of which some may never
// have come.
func notifyRecorded(t *testing.T, p *playback, request *recording.Entry, o *Published, data blobmsg.Table) error {
	t.Helper()
	method, _ := request.Attrs["method"].(string)
	last := request
	asked, answered := 0, -1 // the first STATUS is ubusd's
	for _, e := range p.entries {
		if e.Dir == "s2c" && e.Type == "STATUS" && e.Seq == request.Seq {
			answered++
			last = e
			if list, ok := e.Attrs["subscribers"].([]any); ok {
				asked = len(list)
			}
		}
	}
	ctx, pass := deadline(t)
	var replies []NotifyReply
	ended := make(chan error, 1)
	go func() {
		var err error
		replies, err = o.NotifyWait(ctx, method, data)
		ended <- err
	}()
	if answered < asked {
		eventually(t, "those who answer have", func() bool { return p.happened(last) })
		p.caughtUp(t)
		pass()
	}
	err := receive(t, ended)
	if len(replies) != max(answered, 0) {
		t.Errorf("%d replies, %d in the recording", len(replies), answered)
	}
	if answered < asked && errors.Is(err, StatusTimeout) {
		return nil
	}
	return err
}

// checkAnswer compares the result of a request with the recorded STATUS.
func checkAnswer(t *testing.T, entries []*recording.Entry, request *recording.Entry, err error) {
	t.Helper()
	for _, e := range entries {
		if e.Dir == "s2c" && e.Type == "STATUS" && e.Seq == request.Seq && e.Peer == request.Peer {
			if want, _ := e.ID(t, "status"); StatusOf(err) != Status(want) {
				t.Errorf("%s: %v, recorded status %d", request.Type, err, want)
			}
			return
		}
	}
	t.Errorf("%s: no answer in the recording", request.Type)
}

// checkSubscribers compares with the last that ubusd told about subscribers.
func checkSubscribers(t *testing.T, entries []*recording.Entry, o *Published) {
	t.Helper()
	want := false
	for _, e := range entries {
		if id, _ := e.ID(t, "objid"); e.Dir == "s2c" && e.Type == "NOTIFY" && id == o.station.id {
			want, _ = e.Attrs["active"].(bool)
		}
	}
	eventually(t, fmt.Sprintf("%s has subscribers: %v", o, want), func() bool { return o.HasSubscribers() == want })
}

// recordedMethods makes methods of a recorded signature whose answers are the
// recorded ones.
func recordedMethods(t *testing.T, entries []*recording.Entry, signature []byte) []Method {
	var methods []Method
	for _, s := range signatures(signature) {
		methods = append(methods, Method{Name: s.Name, Args: s.Args, Call: func(ctx context.Context, r *Request) (blobmsg.Table, error) {
			var answer blobmsg.Table
			for _, e := range entries {
				if e.Dir != "c2s" || e.Seq != r.head.Seq || e.Peer != r.head.Peer {
					continue
				}
				a := wire.Parse(e.Bytes(t)[8:])
				switch e.Type {
				case "DATA":
					if answer != nil {
						if err := r.Send(answer); err != nil {
							return nil, err
						}
					}
					answer, _ = blobmsg.DecodeUnnamed(a.Bytes(wire.AttrData))
				case "STATUS":
					status := statusIn(a)
					if status != StatusOK && answer != nil {
						if err := r.Send(answer); err != nil {
							return nil, err
						}
					}
					if status != StatusOK {
						return nil, status
					}
					return answer, nil
				}
			}
			<-ctx.Done() // the recorded server never answered
			return nil, nil
		}})
	}
	return methods
}
