package ubus

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
	"github.com/wgnetifd/wgnetifd/test/ubusd/recording"
)

// playback is ubusd's side of one recorded connection: it answers a client with
// what the real ubusd sent when it got the same messages. Sequence numbers and
// the ids of the client's own objects may be others than in the recording.
type playback struct {
	t      *testing.T
	socket string
	done   chan struct{} // the connection has ended

	mu      sync.Mutex
	conn    net.Conn
	entries []*recording.Entry
	used    []bool            // c2s entries that the client has sent
	pos     int               // everything before has happened
	seqs    map[uint16]uint16 // the client's sequence number for a recorded one
	ids     map[uint32]uint32 // the client's object id for a recorded one
	extra   []string          // messages that are not in the recording
	echo    chan struct{}     // has a token when the client has answered caughtUp
	fresh   uint32            // last id that was made up
}

// play makes the socket for one connection of a recording.
func play(t *testing.T, entries []*recording.Entry) *playback {
	p := &playback{
		t: t, entries: entries, used: make([]bool, len(entries)),
		seqs: make(map[uint16]uint16), ids: make(map[uint32]uint32),
		done: make(chan struct{}), echo: make(chan struct{}, 1), fresh: 0x7e570000,
	}
	p.socket = fake(t, func(conn net.Conn) {
		defer close(p.done)
		p.mu.Lock()
		p.conn = conn
		p.advance()
		p.mu.Unlock()
		for {
			f, err := wire.Read(conn, wire.MaxBlob)
			if err != nil {
				return
			}
			p.receive(&f)
		}
	})
	return p
}

// advance sends what ubusd sent next, up to the next message of the client that
// has not come yet.
func (p *playback) advance() {
	for ; p.pos < len(p.entries); p.pos++ {
		e := p.entries[p.pos]
		switch {
		case e.Type == "CONNECT":
		case e.Dir == "c2s" && !p.used[p.pos] && !optional(e):
			return
		case e.Dir == "s2c" && e.Type == "CLOSE":
			p.conn.Close()
		case e.Dir == "s2c":
			b := translate(e.Bytes(p.t), p.ids)
			if typ := wire.Type(b[1]); typ == wire.Status || typ == wire.Data {
				if seq, ok := p.seqs[e.Seq]; ok {
					wire.SetSeq(b, seq)
				}
			}
			p.conn.Write(b)
		}
	}
}

// optional is what libubus sends and this package does not: answers to events,
// which ubusd drops.
func optional(e *recording.Entry) bool {
	return (e.Type == "STATUS" || e.Type == "DATA") && e.Peer == 0 || e.Type == "CLOSE"
}

// receive finds the client's message in the recording, or answers it in the way
// of ubusd if the recorded client had no need of it.
func (p *playback) receive(f *wire.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := wire.Parse(f.Blob); f.Type == wire.Status {
		if id, _ := a.Uint32(wire.AttrObjID); id == nobody {
			p.echo <- struct{}{}
			return
		}
	}
	want := key(f)
	for i, e := range p.entries {
		if e.Dir != "c2s" || !e.IsFrame() || p.used[i] {
			continue
		}
		b := e.Bytes(p.t)
		recorded := wire.Frame{Header: wire.Header{Type: wire.Type(b[1]), Seq: e.Seq, Peer: e.Peer}, Blob: b[8:]}
		if key(&recorded) != want {
			continue
		}
		p.used[i] = true
		p.seqs[e.Seq] = f.Seq
		p.pair(&recorded, f)
		p.advance()
		return
	}
	p.extra = append(p.extra, want)
	p.improvise(f)
	if f.Type == wire.Lookup {
		p.listing()
	}
}

// listing passes over a recorded look-up of all objects: this package looks for
// the ones it wants.
func (p *playback) listing() {
	for i, e := range p.entries {
		if e.Dir == "c2s" && e.Type == "LOOKUP" && !p.used[i] && e.Attrs["objpath"] == nil {
			p.used[i] = true
			p.seqs[e.Seq] = 0 // a number that nobody waits for
			p.advance()
			return
		}
	}
}

// key describes what a message says, without numbers that differ by run.
func key(f *wire.Frame) string {
	a := wire.Parse(f.Blob)
	path, _ := a.String(wire.AttrObjPath)
	method, _ := a.String(wire.AttrMethod)
	noReply, _ := a.Uint8(wire.AttrNoReply)
	status, _ := a.Uint32(wire.AttrStatus)
	data := "-"
	if a.Has(wire.AttrData) {
		table, err := blobmsg.DecodeUnnamed(a.Bytes(wire.AttrData))
		if err != nil {
			data = fmt.Sprintf("%x", a.Bytes(wire.AttrData))
		} else {
			if f.Type == wire.Invoke && f.Peer == wire.ObjectEvent && table.Has("object") {
				table = table.Set("object", nil)
			}
			data = show(table)
		}
	}
	answer := ""
	if f.Type == wire.Status || f.Type == wire.Data {
		answer = fmt.Sprintf(" seq %d peer %x status %d", f.Seq, f.Peer, status)
	}
	return fmt.Sprintf("%v %q.%q %s %x noreply %d%s", f.Type, path, method, data, a.Bytes(wire.AttrSignature), noReply, answer)
}

// pair notes which of the client's objects stands for a recorded one.
func (p *playback) pair(recorded, ours *wire.Frame) {
	theirs, mine := wire.Parse(recorded.Blob), wire.Parse(ours.Blob)
	if ours.Type == wire.Invoke && ours.Peer == wire.ObjectEvent {
		r, _ := blobmsg.DecodeUnnamed(theirs.Bytes(wire.AttrData))
		m, _ := blobmsg.DecodeUnnamed(mine.Bytes(wire.AttrData))
		from, ok1 := r.Int("object")
		to, ok2 := m.Int("object")
		if ok1 && ok2 {
			p.ids[uint32(from)] = uint32(to)
		}
		return
	}
	from, ok1 := theirs.Uint32(wire.AttrObjID)
	to, ok2 := mine.Uint32(wire.AttrObjID)
	if ok1 && ok2 && from != to && from >= wire.ObjectMax {
		p.ids[from] = to
	}
}

// translate replaces object ids. Everything in ubus stands at multiples of four.
func translate(b []byte, ids map[uint32]uint32) []byte {
	for i := 4; i+4 <= len(b); i += 4 {
		if id, ok := ids[binary.BigEndian.Uint32(b[i:])]; ok {
			binary.BigEndian.PutUint32(b[i:], id)
		}
	}
	return b
}

// improvise answers what the recorded client did not ask.
func (p *playback) improvise(f *wire.Frame) {
	h := wire.Header{Type: wire.Data, Seq: f.Seq, Peer: f.Peer}
	a := wire.Parse(f.Blob)
	status := StatusOK
	switch {
	case f.Type == wire.AddObject:
		p.fresh++
		write(p.conn, wire.New(h).Uint32(wire.AttrObjID, p.fresh), false)
	case f.Type == wire.RemoveObject:
		id, _ := a.Uint32(wire.AttrObjID)
		write(p.conn, wire.New(h).Uint32(wire.AttrObjID, id), false)
	case f.Type == wire.Ping:
		write(p.conn, wire.New(h), false)
	case f.Type == wire.Invoke && f.Peer == wire.ObjectEvent:
	case f.Type == wire.Subscribe:
		// Asked again by a client that hears of the object while it looks it up.
	case f.Type == wire.Lookup:
		path, _ := a.String(wire.AttrObjPath)
		if !p.describe(path, f.Seq) {
			status = StatusNotFound
		}
	default:
		p.t.Errorf("a message that is not in the recording: %s", key(f))
		return
	}
	h.Type = wire.Status
	write(p.conn, wire.New(h).Uint32(wire.AttrStatus, uint32(status)), false)
}

// knows reports whether the recording shows an object.
func (p *playback) knows(path string) bool {
	for _, e := range p.entries {
		if e.Dir == "s2c" && e.Type == "DATA" && e.Attrs["objpath"] == path {
			return true
		}
	}
	return false
}

// describe sends what the recording has about an object: its description, or the
// news that it came.
func (p *playback) describe(path string, seq uint16) bool {
	for i, e := range p.entries {
		data, _ := e.Attrs["data"].(map[string]any)
		if e.Dir == "s2c" && e.Attrs["method"] == objectAdded && data["path"] == path && i < p.pos {
			h := wire.Header{Type: wire.Data, Seq: seq}
			write(p.conn, wire.New(h).String(wire.AttrObjPath, path).Uint32(wire.AttrObjID, 0x7e570001).Uint32(wire.AttrObjType, 0x7e570002), false)
			return true
		}
		if e.Dir == "s2c" && e.Type == "DATA" && e.Attrs["objpath"] == path {
			b := e.Bytes(p.t)
			wire.SetSeq(b, seq)
			p.conn.Write(b)
			return true
		}
	}
	return false
}

// awaits returns the recorded message that the client has to send next, or nil
// if it has sent them all.
func (p *playback) awaits() *recording.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil || p.pos >= len(p.entries) {
		return nil
	}
	return p.entries[p.pos]
}

// nobody is the id of an object that the client does not have.
const nobody = 0x7e560000

// caughtUp waits until the client has read all that it was sent: then it refuses a
// call of an object that it does not have.
func (p *playback) caughtUp(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	write(p.conn, wire.New(wire.Header{Type: wire.Invoke, Peer: nobody}).Uint32(wire.AttrObjID, nobody).String(wire.AttrMethod, "m"), false)
	p.mu.Unlock()
	receive(t, p.echo)
}

// happened reports whether a message and all that come before it in the recording
// have been sent.
func (p *playback) happened(e *recording.Entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.entries[:p.pos], e)
}

// missing lists what the recorded client sent and ours did not.
func (p *playback) missing() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for i, e := range p.entries {
		if e.Dir == "c2s" && e.Type != "CONNECT" && !p.used[i] && !optional(e) {
			list = append(list, fmt.Sprintf("%s seq %d %v", e.Type, e.Seq, e.Attrs))
		}
	}
	return list
}
