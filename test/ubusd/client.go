package ubusd

import (
	"bufio"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// Credentials are who a client is.
type Credentials struct {
	UID, GID uint32
	Groups   []uint32 // further groups
	User     string   // name of UID
	Group    string   // name of GID
}

// client is a connection. Its fields are the broker's, under its lock.
type client struct {
	broker *Broker
	conn   *net.UnixConn
	id     uint32
	cred   Credentials

	objects []*object // newest first

	queue   [][]byte  // messages, or what is left of them, that the socket did not take at once
	queued  int       // their length in bytes
	lookups []*lookup // waiting until the queue is empty
	wake    chan struct{}
	eof     bool // it sends nothing any more
	gone    bool
}

// read hands what the client sends to the broker until it ends.
func (c *client) read() {
	defer c.broker.running.Done()
	b := c.broker
	r := bufio.NewReaderSize(c.conn, 64<<10)
	for {
		f, err := wire.Read(r, wire.MaxBlob)
		b.mu.Lock()
		if c.gone {
			b.mu.Unlock()
			return
		}
		if err != nil {
			// At the end of the stream what waits is still delivered; a
			// length that cannot be ends the connection at once.
			c.eof = true
			if len(c.queue) == 0 || errors.Is(err, wire.ErrLength) {
				b.disconnect(c)
			}
			b.mu.Unlock()
			return
		}
		// Answers go into the frame that asked, as in ubusd; the trace is
		// to show what came.
		came := f
		b.monitorMessage(c, &f, false)
		b.receive(c, &f)
		b.trace(Event{Client: c.id, Kind: Received, Frame: &came})
		b.mu.Unlock()
	}
}

// hungUp reports whether the other end is closed and all that it sent was read.
func (c *client) hungUp() (yes bool) {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return true
	}
	_ = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(poll, 0)
		if err != nil || n == 0 || poll[0].Revents&unix.POLLHUP == 0 {
			return
		}
		unread, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		yes = err == nil && unread == 0
	})
	return yes
}

// send writes a message to a client, or queues what its socket does not take.
// ubusd's limit is for what is queued: without a queue, a message of any length
// is begun, and what is lost then is lost in the middle of it.
func (b *Broker) send(c *client, f *wire.Frame) {
	if f.Type != wire.Monitor {
		b.monitorMessage(c, f, true)
	}
	if c.gone {
		return
	}
	data := f.Append(make([]byte, 0, f.Len()))
	written := 0
	if len(c.queue) == 0 {
		written = c.tryWrite(data)
		if written == len(data) {
			return
		}
		c.queued = -written
	}
	if c.queued+len(data) > wire.MaxBlob {
		return
	}
	c.queue = append(c.queue, data[written:])
	c.queued += len(data)
	poke(c.wake)
}

// tryWrite writes what the socket takes without waiting.
func (c *client) tryWrite(data []byte) (written int) {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Write(func(fd uintptr) bool {
		for {
			n, err := syscall.Write(int(fd), data[written:])
			if n > 0 {
				written += n
			}
			if err == syscall.EINTR {
				continue
			}
			// A client that is gone is noticed by its reader.
			if err != nil || n <= 0 || written == len(data) {
				return true
			}
		}
	})
	return written
}

// write sends what is queued, waiting as long as the client takes to read it.
func (c *client) write() {
	defer c.broker.running.Done()
	b := c.broker
	for range c.wake {
		for {
			b.mu.Lock()
			if c.gone {
				b.mu.Unlock()
				return
			}
			if len(c.queue) == 0 {
				c.drained()
				more := len(c.queue) > 0
				b.mu.Unlock()
				if more {
					continue
				}
				break
			}
			chunk := c.queue[0][:min(len(c.queue[0]), 32<<10)]
			b.mu.Unlock()

			n, err := c.conn.Write(chunk)

			b.mu.Lock()
			switch {
			case err != nil:
				b.disconnect(c)
			case !c.gone:
				c.queued -= n
				if c.queue[0] = c.queue[0][n:]; len(c.queue[0]) == 0 {
					c.queue = c.queue[1:]
				}
			}
			b.mu.Unlock()
		}
	}
}

// drained is called when the queue is empty again.
func (c *client) drained() {
	for len(c.lookups) > 0 {
		q := c.lookups[0]
		if !c.broker.resumeLookup(c, q) {
			return // the socket is full again
		}
		c.lookups = c.lookups[1:]
	}
	if c.eof && len(c.queue) == 0 {
		c.broker.disconnect(c)
	}
}

// poke puts a token into a channel that holds one, unless there is one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
