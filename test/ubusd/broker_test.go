package ubusd_test

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// eachDaemon runs a test with the broker and with the real ubusd.
func eachDaemon(t *testing.T, test func(t *testing.T, socket string)) {
	t.Run("stand-in", func(t *testing.T) {
		socket := filepath.Join(t.TempDir(), "ubus.sock")
		b, err := ubusd.Start(socket)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		test(t, socket)
	})
	t.Run("real", func(t *testing.T) {
		path := need.OpenWrt(t, "ubusd")[0]
		dir := t.TempDir()
		socket := filepath.Join(dir, "ubus.sock")
		cmd := exec.Command(path, "-s", socket, "-A", filepath.Join(dir, "acl.d"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			cmd.Process.Kill()
			cmd.Wait()
		}()
		for limit := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			if c, err := net.Dial("unix", socket); err == nil {
				c.Close()
				break
			}
			if time.Now().After(limit) {
				t.Fatal("ubusd does not listen")
			}
		}
		test(t, socket)
	})
}

// client is a connection that speaks in single messages.
type client struct {
	t *testing.T
	*conn
	seq uint16
}

func dial(t *testing.T, socket string) *client {
	t.Helper()
	sock, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	c := &client{t: t, conn: &conn{sock: sock}}
	if !c.receive(func() bool { return len(c.got) > 0 }) {
		t.Fatal("no greeting")
	}
	return c
}

// send sends a request without waiting for an answer.
func (c *client) send(typ wire.Type, peer uint32, fill func(*wire.Message)) uint16 {
	c.t.Helper()
	c.seq++
	m := wire.New(wire.Header{Type: typ, Seq: c.seq, Peer: peer})
	if fill != nil {
		fill(m)
	}
	f := m.Frame()
	if _, err := c.sock.Write(f.Append(nil)); err != nil {
		c.t.Fatal(err)
	}
	return c.seq
}

// ask sends a request and returns its DATA messages and its status.
func (c *client) ask(typ wire.Type, peer uint32, fill func(*wire.Message)) ([]wire.Attrs, uint32) {
	c.t.Helper()
	return c.answer(c.send(typ, peer, fill))
}

// answer waits for what ends the request of a number.
func (c *client) answer(seq uint16) (data []wire.Attrs, status uint32) {
	c.t.Helper()
	done := false
	if !c.receive(func() bool {
		for _, b := range c.got {
			f := frame(b)
			switch {
			case f.Seq != seq:
			case f.Type == wire.Data:
				data = append(data, wire.Parse(f.Blob))
			case f.Type == wire.Status:
				a := wire.Parse(f.Blob)
				status, done = must(c.t)(a.Uint32(wire.AttrStatus)), true
			}
		}
		c.got = nil
		return done
	}) {
		c.t.Fatal("no answer")
	}
	return data, status
}

func frame(b []byte) wire.Frame {
	return wire.Frame{
		Header: wire.Header{Type: wire.Type(b[1]), Seq: uint16(b[2])<<8 | uint16(b[3])},
		Blob:   b[8:],
	}
}

func must(t *testing.T) func(uint32, bool) uint32 {
	return func(v uint32, ok bool) uint32 {
		t.Helper()
		if !ok {
			t.Fatal("an attribute is missing")
		}
		return v
	}
}

// add puts an object on the bus and returns its id.
func (c *client) add(path string, methods blobmsg.Table) uint32 {
	c.t.Helper()
	data, status := c.ask(wire.AddObject, 0, func(m *wire.Message) {
		if path != "" {
			m.String(wire.AttrObjPath, path).Bytes(wire.AttrSignature, blobmsg.Append(nil, methods))
		}
	})
	if status != 0 || len(data) != 1 {
		c.t.Fatalf("object %q: status %d", path, status)
	}
	return must(c.t)(data[0].Uint32(wire.AttrObjID))
}

func (c *client) event(method string, args blobmsg.Table) uint32 {
	c.t.Helper()
	_, status := c.ask(wire.Invoke, wire.ObjectEvent, func(m *wire.Message) {
		m.Uint32(wire.AttrObjID, wire.ObjectEvent).String(wire.AttrMethod, method).Bytes(wire.AttrData, blobmsg.Append(nil, args))
	})
	return status
}

// A client that does not read loses what goes beyond 1 MiB, and nothing else
// happens to it.
func TestMessagesAreLostBeyondTheQueue(t *testing.T) {
	eachDaemon(t, func(t *testing.T, socket string) {
		slow, sender := dial(t, socket), dial(t, socket)
		id := slow.add("", nil)
		if status := slow.event("register", blobmsg.Table{{Name: "object", Value: int32(id)}, {Name: "pattern", Value: "e"}}); status != 0 {
			t.Fatal(status)
		}
		const size, count = 64 << 10, 60
		for n := range count {
			if status := sender.event("send", blobmsg.Table{{Name: "id", Value: "e"}, {Name: "data", Value: blobmsg.Table{
				{Name: "n", Value: n}, {Name: "pad", Value: pad(size)},
			}}}); status != 0 {
				t.Fatal(status)
			}
		}
		var seen []int64
		if !slow.receive(func() bool {
			for _, b := range slow.got {
				f := frame(b)
				a := wire.Parse(f.Blob)
				table, err := blobmsg.Decode(a.Bytes(wire.AttrData))
				if err != nil {
					t.Fatal(err)
				}
				n, _ := table.Int("n")
				seen = append(seen, n)
			}
			slow.got = nil
			return len(seen) >= 1<<20/(size+128)
		}) {
			t.Fatalf("%d events came", len(seen))
		}
		if _, status := slow.ask(wire.Ping, 0, nil); status != 0 {
			t.Errorf("afterwards: status %d", status)
		}
		for i, n := range seen {
			if n != int64(i) {
				t.Fatalf("event %d is number %d: the first are kept", i, n)
			}
		}
		// 1 MiB in the queue and what the socket holds, which is the kernel's
		// choice and some 200 KiB.
		if len(seen) >= count {
			t.Errorf("none of %d was lost", count)
		}
	})
}

func pad(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}

// A listing that is longer than the queue is sent as it is read: nothing of it is
// lost, and requests meanwhile are answered.
func TestLongListingIsComplete(t *testing.T) {
	eachDaemon(t, func(t *testing.T, socket string) {
		server, client := dial(t, socket), dial(t, socket)
		methods := blobmsg.Table{}
		for n := range 20 {
			methods = append(methods, blobmsg.Field{Name: "method-" + strconv.Itoa(n), Value: blobmsg.Table{{Name: "argument", Value: int32(3)}}})
		}
		const count = 2500
		for n := range count {
			server.add("t.object-"+strconv.Itoa(n), methods)
		}
		seq := client.send(wire.Lookup, 0, nil)
		ping := client.send(wire.Ping, 0, nil)
		again := client.send(wire.Lookup, 0, func(m *wire.Message) { m.String(wire.AttrObjPath, "t.object-7") })
		time.Sleep(20 * time.Millisecond)
		var objects, one int
		ended := make(map[uint16]bool)
		if !client.receive(func() bool {
			for _, b := range client.got {
				f := frame(b)
				switch {
				case f.Type == wire.Status:
					ended[f.Seq] = true
				case f.Seq == seq:
					objects++
				case f.Seq == again:
					one++
				}
			}
			client.got = nil
			return ended[seq] && ended[ping] && ended[again]
		}) {
			t.Fatalf("%d objects, ended %v", objects, ended)
		}
		if objects != count || one != 1 {
			t.Errorf("%d objects of %d, %d of 1", objects, count, one)
		}
	})
}

// What rules do beyond the recordings: groups, patterns, what is not for a user,
// and a reload.
func TestACL(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatalf("this machine has no user nobody: %v", err)
	}
	group, err := user.LookupGroupId(nobody.Gid)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("group.json", `{"group":"`+group.Name+`","listen":["ev.*"],"subscribe":["t.a"],"publish":["pub.*"],"access":{"t.*":{"methods":["*"]},"u":{"acl":{"x":1}}}}`, 0o644)
	write("other.json", `{"user":"root","send":["*"]}`, 0o644)
	write("writable.json", `{"user":"nobody","send":["*"]}`, 0o666)
	write("broken.json", `{"user":"nobody","send":["*"]`, 0o644)
	write("nobody.json", `{"listen":["*"]}`, 0o644)
	var next atomic.Pointer[ubusd.Credentials]
	b, err := ubusd.Start(filepath.Join(t.TempDir(), "ubus.sock"), ubusd.WithACL(dir),
		ubusd.WithCredentials(func(*net.UnixConn) (ubusd.Credentials, error) { return *next.Load(), nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	next.Store(&ubusd.Credentials{User: "root", Group: "root"})
	root := dial(t, b.Socket())
	next.Store(&ubusd.Credentials{UID: uint32(uid), GID: 4711, Groups: []uint32{uint32(gid)}, User: "nobody", Group: "4711"})
	c := dial(t, b.Socket())

	ta, tb := root.add("t.a", blobmsg.Table{{Name: "m", Value: blobmsg.Table{}}}), root.add("t.b", nil)
	u := root.add("u", blobmsg.Table{{Name: "m", Value: blobmsg.Table{}}})
	own := c.add("", nil)
	attrs := func(id uint32, more func(*wire.Message)) func(*wire.Message) {
		return func(m *wire.Message) {
			m.Uint32(wire.AttrObjID, id)
			if more != nil {
				more(m)
			}
		}
	}
	method := func(m *wire.Message) { m.String(wire.AttrMethod, "m") }
	target := func(id uint32) func(*wire.Message) {
		return func(m *wire.Message) { m.Uint32(wire.AttrTarget, id) }
	}
	listen := func(pattern string) uint32 {
		return c.event("register", blobmsg.Table{{Name: "object", Value: int32(own)}, {Name: "pattern", Value: pattern}})
	}
	_, callU := c.ask(wire.Invoke, u, attrs(u, method))
	c.send(wire.Invoke, ta, attrs(ta, method)) // allowed: it reaches root
	if !root.receive(func() bool { return len(root.got) > 0 }) || frame(root.got[0]).Type != wire.Invoke {
		t.Error("an allowed call was not passed on")
	}
	root.got = nil
	_, subA := c.ask(wire.Subscribe, 0, attrs(own, target(ta)))
	_, subB := c.ask(wire.Subscribe, 0, attrs(own, target(tb)))
	publish := func(path string) uint32 {
		_, status := c.ask(wire.AddObject, 0, func(m *wire.Message) { m.String(wire.AttrObjPath, path) })
		return status
	}
	send := func() uint32 {
		return c.event("send", blobmsg.Table{{Name: "id", Value: "ev.x"}, {Name: "data", Value: blobmsg.Table{}}})
	}
	want := map[string]uint32{"call u": 6, "subscribe t.a": 0, "subscribe t.b": 4, "listen ev.x": 0, "listen ev*": 6, "listen *": 6, "publish pub.x": 0, "publish x": 2, "send": 6}
	got := map[string]uint32{
		"call u": callU, "subscribe t.a": subA, "subscribe t.b": subB, "listen ev.x": listen("ev.x"), "listen ev*": listen("ev*"), "listen *": listen("*"),
		"publish pub.x": publish("pub.x"), "publish x": publish("x"), "send": send(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}

	data, status := root.ask(wire.Invoke, wire.ObjectACL, attrs(wire.ObjectACL, func(m *wire.Message) { m.String(wire.AttrMethod, "query") }))
	if status != 0 || len(data) != 1 {
		t.Fatalf("query: %d messages, status %d", len(data), status)
	}
	table, err := blobmsg.Decode(data[0].Bytes(wire.AttrData))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"seq":1,"acl":[{"obj":"u","group":"`+group.Name+`","acl":{"x":1}}]}`, string(blobmsg.AppendJSON(nil, table))); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}

	write("more.json", `{"user":"nobody","send":["ev.*"]}`, 0o644)
	if err := b.ReloadACL(); err != nil {
		t.Fatal(err)
	}
	if status := send(); status != 0 {
		t.Errorf("send after a reload: status %d", status)
	}
}

func TestBrokerAsTestsUseIt(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "ubus.sock")
	b, err := ubusd.Start(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Socket() != socket {
		t.Errorf("socket %s", b.Socket())
	}
	c := dial(t, socket)
	c.add("t.b", nil)
	c.add("t.a", nil)
	if diff := cmp.Diff([]string{"t.a", "t.b"}, b.Paths()); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if _, ok := b.Owner("t.c"); ok {
		t.Error("an object that is not there has an owner")
	}
	id, ok := b.Owner("t.a")
	if !ok || !b.Drop(id) {
		t.Fatalf("owner %x, %v", id, ok)
	}
	if !c.receive(func() bool { return c.eof }) {
		t.Error("a dropped client is still connected")
	}
	if b.Drop(id) || len(b.Paths()) != 0 {
		t.Errorf("a dropped client is still there: %v", b.Paths())
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	if b, err = ubusd.Start(socket); err != nil {
		t.Fatal(err)
	}
	dial(t, socket)
	b.Close()
}

// Issue 3: netifd restarts itself, and finds its paths free.
func TestPathOfTheDead(t *testing.T) {
	eachDaemon(t, func(t *testing.T, socket string) {
		for range 200 {
			old, next := dial(t, socket), dial(t, socket)
			old.add("network", nil)
			old.sock.Close()
			next.add("network", nil)
			next.sock.Close()
		}
	})
}
