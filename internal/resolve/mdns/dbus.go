package mdns

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	// loginTime is how long it may take to get onto the bus. It takes a millisecond.
	loginTime = 2 * time.Second
	// maxMessages bounds what is read before the answer: the bus says a few things
	// unasked (NameAcquired), and nobody else has reason to write to us.
	maxMessages = 64
)

// errBusLost is that the connection broke under a call.
var errBusLost = fmt.Errorf("the connection to D-Bus was lost: %w", ErrUnavailable)

// A busConn is a connection to D-Bus. The library's messages are used without its
// connections: those export objects, follow signals and log in in ways that nobody
// needs here, for 31 KB of the package on a small router. No method may be called
// while another one runs.
type busConn struct {
	ctx    context.Context
	conn   net.Conn
	r      *bufio.Reader
	serial uint32 // of the last call
	stop   func() bool
}

// dialBus connects to the bus on a socket and logs in as the process's own user (D-Bus
// specification, "Authentication Protocol", mechanism EXTERNAL). The connection is good
// until ctx is done. The error is ErrUnavailable.
func dialBus(ctx context.Context, socket string) (*busConn, error) {
	limit := time.Now().Add(loginTime)
	conn, err := (&net.Dialer{Deadline: limit}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("D-Bus: %w: %w", ErrUnavailable, err)
	}
	c := &busConn{ctx: ctx, conn: conn, r: bufio.NewReader(conn)}
	err = conn.SetDeadline(limit)
	c.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // It may be closed by now.
	if err == nil {
		err = c.login()
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err == nil {
		err = ctx.Err() // Its end may have come before that.
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("D-Bus: %w: %w", ErrUnavailable, err)
	}
	return c, nil
}

func (c *busConn) close() {
	c.stop()
	_ = c.conn.Close() // All that was wanted has been read.
}

func (c *busConn) login() error {
	user := hex.EncodeToString([]byte(strconv.Itoa(os.Geteuid())))
	if _, err := c.conn.Write([]byte("\x00AUTH EXTERNAL " + user + "\r\n")); err != nil {
		return err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("OK ")) {
		return fmt.Errorf("refused to talk to us: %.80q", strings.TrimSpace(string(line)))
	}
	if _, err := c.conn.Write([]byte("BEGIN\r\n")); err != nil {
		return err
	}
	_, err = c.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")
	return err
}

// call calls a method and returns the values of its answer. The error is a dbus.Error
// where the answer is one, that of the context when it is done, or errBusLost.
func (c *busConn) call(to string, path dbus.ObjectPath, face, method string, args ...any) ([]any, error) {
	answer, err := c.exchange(dbus.Message{
		Type:  dbus.TypeMethodCall,
		Flags: dbus.FlagNoAutoStart,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(to),
			dbus.FieldPath:        dbus.MakeVariant(path),
			dbus.FieldInterface:   dbus.MakeVariant(face),
			dbus.FieldMember:      dbus.MakeVariant(method),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(args...)),
		},
		Body: args,
	})
	if err != nil {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		return nil, errBusLost
	}
	if answer.Type == dbus.TypeError {
		name, _ := answer.Headers[dbus.FieldErrorName].Value().(string)
		return nil, dbus.Error{Name: name, Body: answer.Body}
	}
	return answer.Body, nil
}

// exchange sends a call and reads its answer.
func (c *busConn) exchange(m dbus.Message) (*dbus.Message, error) {
	var b bytes.Buffer
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		return nil, err
	}
	// The library keeps the serial number to itself (specification, "Message Format":
	// the second 32 bits after the first four bytes).
	c.serial++
	binary.LittleEndian.PutUint32(b.Bytes()[8:], c.serial)
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		return nil, err
	}
	for range maxMessages {
		m, err := dbus.DecodeMessage(c.r)
		if err != nil {
			return nil, err
		}
		if serial, _ := m.Headers[dbus.FieldReplySerial].Value().(uint32); serial == c.serial {
			return m, nil
		}
	}
	return nil, errBusLost
}
