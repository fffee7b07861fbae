// Package ubusd is a stand-in for OpenWrt's message bus daemon in tests and in
// the demo: the whole protocol of the real one, in the test's own process.
//
// What it does, bytes and order of messages included, is held to recordings of
// the real ubusd (test/conformance, ubus/frames) and follows its sources where
// they are silent: which object ids and types are given out, who is told about
// what and in which order, what is refused with which status, which broken
// messages end a connection, and what is lost when a client does not read.
//
// Differences: it passes no file descriptors, and the user that it runs as has
// the rights of root on it.
package ubusd

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// Broker is a running bus.
type Broker struct {
	listener    *net.UnixListener
	credentials func(*net.UnixConn) (Credentials, error)
	aclDir      string
	trace       func(Event)
	running     sync.WaitGroup

	mu       sync.Mutex // held for each event, so that they happen in an order
	closed   bool
	clients  map[uint32]*client
	objects  map[uint32]*object
	types    map[uint32]*objectType
	paths    []*object // with a path, in its order
	patterns []*pattern
	monitors []*monitor
	acl      []*aclRule
	aclSeq   uint32
	eventSeq uint16
}

// Event is something that happened on the bus, for [WithTrace].
type Event struct {
	Client uint32 // id of the connection it happened on
	Kind   EventKind
	Frame  *wire.Frame // with Received
}

// EventKind is what happened.
type EventKind int

// What can happen to a connection. All that follows from it has been done when
// it is traced.
const (
	Connected EventKind = iota // and greeted
	Received                   // a whole message
	Gone                       // it has ended
)

// Option changes how a broker works.
type Option func(*Broker)

// WithACL loads the rules in a directory, as ubusd does from /usr/share/acl.d.
// They concern clients that are not root.
func WithACL(dir string) Option { return func(b *Broker) { b.aclDir = dir } }

// WithCredentials says who is at the other end of a connection, in place of the
// kernel. It is called with the broker's lock held, once for each connection, in
// their order.
func WithCredentials(f func(*net.UnixConn) (Credentials, error)) Option {
	return func(b *Broker) { b.credentials = f }
}

// WithTrace has f called after each event, in their order. f must not call the
// broker.
func WithTrace(f func(Event)) Option { return func(b *Broker) { b.trace = f } }

// Start opens a bus on a socket, in place of what is at that path.
func Start(socket string, options ...Option) (*Broker, error) {
	b := &Broker{
		credentials: peerCredentials,
		trace:       func(Event) {},
		clients:     make(map[uint32]*client),
		objects:     make(map[uint32]*object),
		types:       make(map[uint32]*objectType),
	}
	for _, o := range options {
		o(b)
	}
	b.addSystemObjects()
	if b.aclDir != "" {
		b.mu.Lock()
		err := b.loadACL()
		b.mu.Unlock()
		if err != nil {
			return nil, fmt.Errorf("ubusd: %w", err)
		}
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("ubusd: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("ubusd: %w", err)
	}
	// ubusd lets everybody connect: the rules decide what they may do.
	if err := os.Chmod(socket, 0o666); err != nil {
		l.Close()
		return nil, fmt.Errorf("ubusd: %w", err)
	}
	b.listener = l
	b.running.Add(1)
	go b.accept()
	return b, nil
}

// Socket is the path that the bus is at.
func (b *Broker) Socket() string { return b.listener.Addr().String() }

// Close ends all connections and the bus, and removes the socket.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true
	err := b.listener.Close()
	for _, c := range b.clients {
		b.disconnect(c)
	}
	b.mu.Unlock()
	b.running.Wait()
	return err
}

// Drop ends the connection of a client, as the end of its process would, and
// reports whether there was one of that id.
func (b *Broker) Drop(id uint32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.clients[id]
	if c == nil {
		return false
	}
	b.disconnect(c)
	return true
}

// Owner returns the id of the client that has an object of that path.
func (b *Broker) Owner(path string) (id uint32, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.findPath(path)
	if o == nil || o.client == nil {
		return 0, false
	}
	return o.client.id, true
}

// Paths lists the paths of all objects in order.
func (b *Broker) Paths() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]string, 0, len(b.paths))
	for _, o := range b.paths {
		list = append(list, o.path)
	}
	return list
}

func (b *Broker) accept() {
	defer b.running.Done()
	for {
		conn, err := b.listener.AcceptUnix()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors, say
			continue
		}
		b.welcome(conn)
	}
}

// welcome makes a client of a new connection.
func (b *Broker) welcome(conn *net.UnixConn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	cred, err := b.credentials(conn)
	if err != nil || b.closed {
		conn.Close()
		return
	}
	c := &client{broker: b, conn: conn, cred: cred, wake: make(chan struct{}, 1)}
	c.id = newID(b.clients)
	b.clients[c.id] = c
	b.running.Add(2)
	go c.write()
	hello := wire.New(wire.Header{Type: wire.Hello, Peer: c.id}).Frame()
	b.send(c, &hello)
	b.trace(Event{Client: c.id, Kind: Connected})
	go c.read()
}

// newID chooses an id that the map does not have. Those below 1024 are ubusd's.
func newID[T any](taken map[uint32]T) uint32 {
	for {
		var buf [4]byte
		rand.Read(buf[:]) // never fails
		id := binary.BigEndian.Uint32(buf[:])
		if _, ok := taken[id]; !ok && id >= wire.ObjectMax {
			return id
		}
	}
}

// disconnect takes a client and all it has off the bus.
func (b *Broker) disconnect(c *client) {
	if b.clients[c.id] != c {
		return
	}
	c.gone = true
	c.conn.Close()
	c.queue = nil
	poke(c.wake)
	b.monitorOff(c)
	for len(c.objects) > 0 {
		b.freeObject(c.objects[0])
	}
	delete(b.clients, c.id)
	b.trace(Event{Client: c.id, Kind: Gone})
}

func (b *Broker) findPath(path string) *object {
	i, ok := slices.BinarySearchFunc(b.paths, path, comparePath)
	if !ok {
		return nil
	}
	return b.paths[i]
}

func comparePath(o *object, path string) int { return strings.Compare(o.path, path) }
