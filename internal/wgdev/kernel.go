package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/plan"
)

const (
	// readTries is how often a device is read before it counts as busy. One read
	// of 1,000 peers while another program writes as fast as it can is interrupted
	// about every second time.
	readTries = 12
	// firstPause is waited after the first interrupted read, and twice as long
	// after each other one up to longestPause: about 0.6 s in all.
	firstPause   = time.Millisecond
	longestPause = 100 * time.Millisecond

	genlHeader = 4 // struct genlmsghdr: command, version, two bytes reserved
)

// errInterrupted: the peers changed while the kernel listed them, so that some
// may be missing (NLM_F_DUMP_INTR).
var errInterrupted = errors.New("the list was interrupted")

// kernelConn speaks the kernel's generic netlink family "wireguard".
type kernelConn struct {
	conn   *netlink.Conn
	family uint16
}

// dialKernel finds the family. The error matches fs.ErrNotExist when the kernel
// has no WireGuard, or has not loaded it yet.
func dialKernel() (*kernelConn, error) {
	conn, err := netlink.Dial(genetlink.Protocol, nil)
	if err != nil {
		return nil, err
	}
	return newKernelConn(conn)
}

func newKernelConn(conn *netlink.Conn) (*kernelConn, error) {
	family, err := genetlink.NewConn(conn).GetFamily(unix.WG_GENL_NAME)
	if err != nil {
		_ = conn.Close() // The first error says more.
		return nil, err
	}
	return &kernelConn{conn: conn, family: family.ID}, nil
}

func (k *kernelConn) Close() error { return k.conn.Close() }

// request builds a message of the family.
func (k *kernelConn) request(command uint8, flags netlink.HeaderFlags, attributes []byte) netlink.Message {
	data := make([]byte, genlHeader, genlHeader+len(attributes))
	data[0], data[1] = command, unix.WG_GENL_VERSION
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(k.family), Flags: netlink.Request | flags},
		Data:   append(data, attributes...),
	}
}

// read reads a device, again and again while other programs change its peers
// meanwhile. wgctrl would return what there was of the list.
func (k *kernelConn) read(name string, zone func(uint32) string) (plan.Actual, error) {
	pause := firstPause
	for try := 1; ; try++ {
		d := dumpParser{zone: zone}
		err := k.dump(name, &d)
		if err == nil {
			d.device.Exists = true
			return d.device, nil
		}
		if !errors.Is(err, errInterrupted) {
			return plan.Actual{}, err
		}
		if try == readTries {
			return plan.Actual{}, ErrBusy
		}
		time.Sleep(pause)
		pause = min(2*pause, longestPause)
	}
}

// dump reads a device once.
func (k *kernelConn) dump(name string, d *dumpParser) error {
	ae := netlink.NewAttributeEncoder()
	ae.String(unix.WGDEVICE_A_IFNAME, name)
	attributes, err := ae.Encode()
	if err != nil {
		return err
	}
	request, err := k.conn.Send(k.request(unix.WG_CMD_GET_DEVICE, netlink.Dump, attributes))
	if err != nil {
		return err
	}
	interrupted := false
	for m, err := range k.conn.ReceiveIter() {
		if err != nil {
			return err
		}
		if err := netlink.Validate(request, []netlink.Message{m}); err != nil {
			return err
		}
		// The kernel marks the first message after a change and none of the others.
		// What follows is read and thrown away, to be ready for the next try.
		interrupted = interrupted || m.Header.Flags&netlink.DumpInterrupted != 0
		if interrupted {
			continue
		}
		if len(m.Data) < genlHeader {
			return fmt.Errorf("a message of %d bytes", len(m.Data))
		}
		if err := d.parse(m.Data[genlHeader:]); err != nil {
			return fmt.Errorf("what the kernel says cannot be understood: %w", err)
		}
	}
	if interrupted {
		return errInterrupted
	}
	return nil
}

// gone reports whether an error means that there is no such device, or none of
// WireGuard.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP)
}
