package ubus

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// fake listens where ubusd would and leaves each connection to a function.
func fake(t *testing.T, serve func(conn net.Conn)) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "ubus.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go serve(conn)
		}
	}()
	return socket
}

// write sends a message in pieces of one byte, or as it is.
func write(conn net.Conn, m *wire.Message, pieces bool) {
	f := m.Frame()
	b := f.Append(nil)
	for len(b) > 0 {
		n := len(b)
		if pieces {
			n = 1
		}
		conn.Write(b[:n])
		b = b[n:]
	}
}

func hello() *wire.Message { return wire.New(wire.Header{Type: wire.Hello, Peer: 0xc1c2c3c4}) }

func TestDialFails(t *testing.T) {
	tests := []struct {
		name  string
		serve func(net.Conn)
		want  string
	}{
		{"closes at once", func(c net.Conn) { c.Close() }, "EOF"},
		{"says nothing", func(net.Conn) {}, "deadline exceeded"},
		{"speaks something else", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, "no ubus socket"},
		{"greets with another message", func(c net.Conn) { write(c, wire.New(wire.Header{Type: wire.Status, Peer: 5000}), false) }, "no ubus socket"},
		{"gives no id", func(c net.Conn) { write(c, wire.New(wire.Header{Type: wire.Hello}), false) }, "no ubus socket"},
		{"half a greeting", func(c net.Conn) { io.WriteString(c, "\x00\x00\x00"); c.Close() }, "unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkLeaks(t)
			ctx, pass := deadline(t)
			if tt.want == "deadline exceeded" {
				go func() {
					for ctx.Err() == nil && !somebody("internal/ubus.connect(", "wire.Read(") { // the greeting
						time.Sleep(time.Millisecond)
					}
					pass()
				}()
			}
			c, err := Dial(ctx, fake(t, tt.serve))
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			if !errors.Is(err, ErrDisconnected) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := Dial(t.Context(), filepath.Join(t.TempDir(), "nothing")); !errors.Is(err, ErrDisconnected) || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("no socket: %v", err)
	}
}

// Answers in pieces, for others, with unknown content and out of turn: only what
// belongs to the call counts.
func TestAnswersAreMatched(t *testing.T) {
	for _, pieces := range []bool{false, true} {
		socket := fake(t, func(conn net.Conn) {
			write(conn, hello(), pieces)
			for {
				f, err := wire.Read(conn, wire.MaxBlob)
				if err != nil {
					return
				}
				answer := func(typ wire.Type, seq uint16, peer uint32) *wire.Message {
					return wire.New(wire.Header{Type: typ, Seq: seq, Peer: peer})
				}
				data := func(n int) []byte { return blobmsg.Append(nil, blobmsg.Table{{Name: "n", Value: n}}) }
				switch f.Type {
				case wire.Lookup:
					write(conn, answer(wire.Data, f.Seq, 0).String(wire.AttrObjPath, "t.obj").Uint32(wire.AttrObjID, 77777), pieces) // no type: passed over
					write(conn, answer(wire.Data, f.Seq, 0).String(wire.AttrObjPath, "t.obj").Uint32(wire.AttrObjID, 5555).Uint32(wire.AttrObjType, 1).Bytes(wire.AttrSignature, []byte("\x83junk")), pieces)
				case wire.Invoke:
					write(conn, answer(wire.Data, f.Seq-1, f.Peer).Bytes(wire.AttrData, data(1)), pieces)
					write(conn, answer(wire.Status, f.Seq-1, f.Peer).Uint32(wire.AttrStatus, 4), pieces)
					write(conn, answer(wire.Data, f.Seq, 9).Bytes(wire.AttrData, data(2)), pieces)
					write(conn, answer(wire.Status, f.Seq, 9).Uint32(wire.AttrStatus, 4), pieces)
					write(conn, answer(200, f.Seq, f.Peer), pieces)
					write(conn, answer(wire.Invoke, f.Seq, 6).Uint32(wire.AttrObjID, 123456).String(wire.AttrMethod, "m"), pieces)
					write(conn, answer(wire.Data, f.Seq, f.Peer), pieces) // without data
					write(conn, answer(wire.Data, f.Seq, f.Peer).Bytes(wire.AttrData, data(3)), pieces)
				default:
					continue
				}
				write(conn, answer(wire.Status, f.Seq, f.Peer).Uint32(wire.AttrStatus, 0), pieces)
				write(conn, answer(wire.Status, f.Seq, f.Peer).Uint32(wire.AttrStatus, 9), pieces)
			}
		})
		c, err := Dial(t.Context(), socket)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			got, err := c.Call(t.Context(), "t.obj", "m", nil)
			if err != nil || show(got) != `{"n":3}` {
				t.Errorf("in pieces %v: %s, %v", pieces, show(got), err)
			}
		}
		c.Close()
	}
}

func TestMalformedDataIsAnError(t *testing.T) {
	c, err := Dial(t.Context(), fake(t, func(conn net.Conn) {
		write(conn, hello(), false)
		for {
			f, err := wire.Read(conn, wire.MaxBlob)
			if err != nil {
				return
			}
			h := wire.Header{Type: wire.Data, Seq: f.Seq, Peer: f.Peer}
			if f.Type == wire.Lookup {
				write(conn, wire.New(h).String(wire.AttrObjPath, "t.obj").Uint32(wire.AttrObjID, 5555).Uint32(wire.AttrObjType, 1), false)
			} else {
				write(conn, wire.New(h).Bytes(wire.AttrData, []byte("\x85\x00\x00\x0b\x00\x01a\x00123\x00")), false)
			}
			h.Type = wire.Status
			write(conn, wire.New(h).Uint32(wire.AttrStatus, 0), false)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Call(t.Context(), "t.obj", "m", nil); !errors.Is(err, blobmsg.ErrMalformed) {
		t.Errorf("%s, %v", show(got), err)
	}
}

// A stream that cannot be followed any more ends the connection with a reason.
func TestBrokenStreamEndsTheConnection(t *testing.T) {
	for name, text := range map[string]string{
		"length 0":    "\x00\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"too long":    "\x00\x02\x00\x01\x00\x00\x00\x00\x00\xff\xff\xff",
		"version 7":   "\x07\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x04",
		"cut":         "\x00\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x10",
		"just closed": "",
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			c, err := Dial(t.Context(), fake(t, func(conn net.Conn) {
				write(conn, hello(), false)
				wire.Read(conn, wire.MaxBlob)
				io.WriteString(conn, text)
				conn.Close()
			}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err = c.Lookup(t.Context(), ""); !errors.Is(err, ErrDisconnected) {
				t.Errorf("error %v", err)
			}
			receive(t, c.Done())
			if err := c.Connected(t.Context()); !errors.Is(err, ErrDisconnected) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A ubusd that stops reading costs callers their deadline and no more; what was
// sent by halves ends the connection, because nothing could follow it.
func TestUbusdThatDoesNotRead(t *testing.T) {
	checkLeaks(t)
	c, err := Dial(t.Context(), fake(t, func(conn net.Conn) { write(conn, hello(), false) }))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	large := blobmsg.Table{{Name: "s", Value: strings.Repeat("x", 900<<10)}}
	for limit := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := c.SendEvent(ctx, "e", large)
		cancel()
		if errors.Is(err, ErrDisconnected) {
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		if time.Now().After(limit) {
			t.Fatal("a message sent by halves did not end the connection")
		}
	}
	receive(t, c.Done())
}

// A reply without end does not fill the memory.
func TestAnswersAreBounded(t *testing.T) {
	c, err := Dial(t.Context(), fake(t, func(conn net.Conn) {
		write(conn, hello(), false)
		f, err := wire.Read(conn, wire.MaxBlob)
		if err != nil {
			return
		}
		blob := blobmsg.Append(nil, blobmsg.Table{{Name: "s", Value: strings.Repeat("x", 512<<10)}})
		for range 2 * maxReply / len(blob) {
			write(conn, wire.New(wire.Header{Type: wire.Data, Seq: f.Seq}).String(wire.AttrObjPath, "p").Bytes(wire.AttrSignature, blob), false)
		}
		write(conn, wire.New(wire.Header{Type: wire.Status, Seq: f.Seq}).Uint32(wire.AttrStatus, 0), false)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if list, err := c.Lookup(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%d objects, error %v", len(list), err)
	}
}

// What is abandoned is remembered for a while, not for ever.
func TestAbandonedRequestsAreBounded(t *testing.T) {
	c, err := Dial(t.Context(), fake(t, func(conn net.Conn) {
		write(conn, hello(), false)
		io.Copy(io.Discard, conn)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := c.current()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * maxAbandoned {
		x := &exchange{peer: 1, take: func(wire.Header, wire.Attrs) bool { return true }, done: make(chan struct{})}
		seq, err := l.begin(x)
		if err != nil {
			t.Fatal(err)
		}
		if !l.abandon(seq, x) {
			t.Fatal("answered by nobody")
		}
	}
	if n := unanswered(c); n != maxAbandoned {
		t.Errorf("%d are remembered, want %d", n, maxAbandoned)
	}
}
