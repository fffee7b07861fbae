package ubusd_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
	"github.com/wgnetifd/wgnetifd/test/ubusd/recording"
)

// patience is how long something that must happen may take.
const patience = 30 * time.Second

// TestConformanceFrames plays the clients' side of every recording of the real
// ubusd to the broker, in the recorded order, and compares all that each
// connection receives, byte by byte. Ids are random in every run: those of the
// recording and those of the broker are told apart by where they are first seen.
func TestConformanceFrames(t *testing.T) {
	for _, r := range recording.Load(t) {
		t.Run(r.Name(), func(t *testing.T) {
			t.Run("whole", func(t *testing.T) { replay(t, r, 0) })
			t.Run("pieces", func(t *testing.T) { replay(t, r, 5) })
		})
	}
}

// player plays one recording.
type player struct {
	t      *testing.T
	r      *recording.Recording
	socket string
	piece  int // messages are sent in pieces of that many bytes, 0: whole
	conns  map[string]*conn
	ours   map[uint32]uint32 // the broker's id for one of the recording
	theirs map[uint32]uint32 // the other way round

	mu   sync.Mutex
	who  ubusd.Credentials // of the next connection
	wake chan struct{}
	done map[uint32]int // messages that the broker has dealt with, by client
	gone map[uint32]bool
	met  int // connections that were greeted
}

// conn is a recorded connection that is played.
type conn struct {
	sock *net.UnixConn
	id   uint32 // the broker's
	sent int
	raw  []byte   // received, not a whole message yet
	got  [][]byte // messages received
	want []*recording.Entry
	eof  bool
}

func replay(t *testing.T, r *recording.Recording, piece int) {
	p := &player{
		t: t, r: r, piece: piece,
		socket: filepath.Join(t.TempDir(), "ubus.sock"),
		conns:  make(map[string]*conn),
		ours:   make(map[uint32]uint32), theirs: make(map[uint32]uint32),
		wake: make(chan struct{}, 1),
		done: make(map[uint32]int), gone: make(map[uint32]bool),
	}
	options := []ubusd.Option{ubusd.WithTrace(p.trace), ubusd.WithCredentials(p.credentials)}
	if r.ACL != nil {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "rules.json"), r.ACL, 0o644); err != nil {
			t.Fatal(err)
		}
		options = append(options, ubusd.WithACL(dir))
	}
	b, err := ubusd.Start(p.socket, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for i, e := range r.Entries {
		if !p.play(e) {
			t.Fatalf("stuck at line %d: %s %s %s seq %d", i+1, e.Conn, e.Dir, e.Type, e.Seq)
		}
	}
	for name, c := range p.conns {
		c.drain()
		p.compare(name, c)
		c.sock.Close()
	}
}

func (p *player) trace(e ubusd.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case ubusd.Connected:
		p.met++
	case ubusd.Received:
		p.done[e.Client]++
	case ubusd.Gone:
		p.gone[e.Client] = true
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// until waits for something that the trace tells.
func (p *player) until(happened func() bool) bool {
	limit := time.After(patience)
	for {
		p.mu.Lock()
		ok := happened()
		p.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-p.wake:
		case <-limit:
			return false
		}
	}
}

func (p *player) credentials(*net.UnixConn) (ubusd.Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.who, nil
}

// identity tells who is at the recorded end of a connection: whom a call from it
// is said to come from, otherwise root, but in the recordings about rules, where
// the clients are nobody.
func (p *player) identity(name string) ubusd.Credentials {
	nobody := strings.HasPrefix(p.r.File, "acl-") && !strings.HasPrefix(name, "srv")
	for _, e := range p.r.Of(name) {
		if e.Type != "HELLO" {
			continue
		}
		for _, call := range p.r.Entries {
			if who, ok := call.Attrs["user"].(string); ok && call.Dir == "s2c" && call.Type == "INVOKE" && call.Peer == e.Peer {
				nobody = who == "nobody"
			}
		}
	}
	if !nobody {
		return ubusd.Credentials{User: "root", Group: "root"}
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		p.t.Fatalf("this machine has no user nobody, whom the recording is about: %v", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		p.t.Fatal(err1, err2)
	}
	return ubusd.Credentials{UID: uint32(uid), GID: uint32(gid), User: "nobody", Group: "nogroup"}
}

// play acts on one line of the recording and reports whether it happened.
func (p *player) play(e *recording.Entry) bool {
	c := p.conns[e.Conn]
	switch {
	case e.Type == "CONNECT":
		return p.connect(e.Conn)
	case e.Dir == "s2c" && e.Type == "CLOSE":
		return c.receive(func() bool { return c.eof }) && p.until(func() bool { return p.gone[c.id] })
	case e.Dir == "s2c":
		c.want = append(c.want, e)
		if !c.receive(func() bool { return len(c.got) >= len(c.want) }) {
			return false
		}
		p.learn(e, c)
		return true
	case e.Type == "CLOSE":
		c.drain()
		c.sock.Close()
		return p.until(func() bool { return p.gone[c.id] })
	case e.Type == "PARTIAL":
		// The broker may close before it has read all of it.
		c.sock.Write(p.toOurs(e.Bytes(p.t)))
		return true
	default:
		p.send(c, p.toOurs(e.Bytes(p.t)))
		c.sent++
		return p.until(func() bool { return p.done[c.id] >= c.sent || p.gone[c.id] })
	}
}

func (p *player) connect(name string) bool {
	p.mu.Lock()
	p.who = p.identity(name)
	before := p.met
	p.mu.Unlock()
	sock, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: p.socket, Net: "unix"})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { sock.Close() })
	p.conns[name] = &conn{sock: sock}
	return p.until(func() bool { return p.met > before })
}

func (p *player) send(c *conn, b []byte) {
	for len(b) > 0 {
		n := len(b)
		if p.piece > 0 && n < 4096 {
			n = min(n, p.piece)
		}
		if _, err := c.sock.Write(b[:n]); err != nil {
			p.t.Fatal(err)
		}
		b = b[n:]
	}
}

// learn connects the ids in a received message with those in the recorded one.
func (p *player) learn(e *recording.Entry, c *conn) {
	got := c.got[len(c.want)-1]
	if e.Type == "HELLO" {
		c.id = binary.BigEndian.Uint32(got[4:])
		p.pair(e.Peer, c.id)
		return
	}
	if e.Type != "DATA" {
		return
	}
	a := wire.Parse(got[8:])
	for name, attr := range map[string]wire.Attr{"objid": wire.AttrObjID, "objtype": wire.AttrObjType} {
		recorded, ok := e.ID(p.t, name)
		actual, got := a.Uint32(attr)
		if ok && got {
			p.pair(recorded, actual)
		}
	}
}

func (p *player) pair(recorded, actual uint32) {
	if _, known := p.ours[recorded]; !known && recorded >= wire.ObjectMax {
		p.ours[recorded] = actual
		p.theirs[actual] = recorded
	}
}

func (p *player) toOurs(b []byte) []byte   { return translate(b, p.ours) }
func (p *player) toTheirs(b []byte) []byte { return translate(b, p.theirs) }

// translate replaces ids in a message. All of them stand at multiples of four, as
// everything in ubus, and being random they are not found anywhere else.
func translate(b []byte, ids map[uint32]uint32) []byte {
	b = append([]byte(nil), b...)
	for i := 4; i+4 <= len(b); i += 4 {
		if id, ok := ids[binary.BigEndian.Uint32(b[i:])]; ok {
			binary.BigEndian.PutUint32(b[i:], id)
		}
	}
	return b
}

func (p *player) compare(name string, c *conn) {
	p.t.Helper()
	var want, got []string
	for _, e := range c.want {
		want = append(want, describe(e.Bytes(p.t)))
	}
	for _, b := range c.got {
		got = append(got, describe(p.toTheirs(b)))
	}
	if len(c.raw) > 0 {
		got = append(got, fmt.Sprintf("%d bytes of a message", len(c.raw)))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("connection %s received (-want +got):\n%s", name, diff)
	}
}

// describe makes a line of a message that shows all of it.
func describe(b []byte) string {
	text := hex.EncodeToString(b[8:])
	if len(text) > 4096 {
		text = fmt.Sprintf("%s… (%d bytes, %x)", text[:256], len(b), b[len(b)-32:])
	}
	return fmt.Sprintf("version %d %v seq %d peer %08x %s", b[0], wire.Type(b[1]), binary.BigEndian.Uint16(b[2:]), b[4:8], text)
}

// receive reads until something is so, for as long as patience lasts.
func (c *conn) receive(so func() bool) bool {
	for limit := time.Now().Add(patience); ; {
		c.drain()
		if so() {
			return true
		}
		if c.eof || time.Now().After(limit) {
			return false
		}
		time.Sleep(time.Millisecond)
	}
}

// drain reads what there is without waiting.
func (c *conn) drain() {
	raw, err := c.sock.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 64<<10)
	raw.Read(func(fd uintptr) bool {
		for {
			n, err := syscall.Read(int(fd), buf)
			switch {
			case err == syscall.EINTR:
			case err == syscall.EAGAIN:
				return true
			case n <= 0: // its end, or reset: there was more that was not read
				c.eof = true
				return true
			default:
				c.raw = append(c.raw, buf[:n]...)
			}
		}
	})
	for len(c.raw) >= 12 {
		n := 8 + int(binary.BigEndian.Uint32(c.raw[8:])&0xffffff)
		if len(c.raw) < n {
			return
		}
		c.got = append(c.got, c.raw[:n:n])
		c.raw = c.raw[n:]
	}
}
