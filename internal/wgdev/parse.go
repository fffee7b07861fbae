package wgdev

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/nlattr"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// native is the byte order of numbers in netlink messages: the machine's own.
var native = binary.NativeEndian

// dumpParser makes a device of the messages that the kernel sends about it. Its
// memory and time grow with their length alone.
type dumpParser struct {
	device plan.Actual
	// zone names the interface that an IPv6 scope is about.
	zone func(index uint32) string

	// block is where the allowed IPs of many peers lie one behind the other: one
	// allocation in place of one for each peer.
	block []netip.Prefix
}

// blockIPs is how many allowed IPs a block has room for.
const blockIPs = 256

// parse adds a message, without its generic netlink header.
func (d *dumpParser) parse(msg []byte) error {
	a := nlattr.New(msg)
	for a.Next() {
		switch a.Kind {
		case unix.WGDEVICE_A_PRIVATE_KEY:
			readKey(&a, &d.device.PrivateKey)
		case unix.WGDEVICE_A_PUBLIC_KEY:
			readKey(&a, &d.device.PublicKey)
		case unix.WGDEVICE_A_LISTEN_PORT:
			a.Uint16(&d.device.ListenPort)
		case unix.WGDEVICE_A_FWMARK:
			a.Uint32(&d.device.FwMark)
		case unix.WGDEVICE_A_PEERS:
			a.Fail(d.peers(a.Data))
		}
	}
	return a.Err
}

func (d *dumpParser) peers(b []byte) error {
	a := nlattr.New(b)
	for a.Next() {
		a.Fail(d.peer(a.Data))
	}
	return a.Err
}

// peer adds a peer. One whose allowed IPs do not fit in a message goes on at the
// beginning of the next one, under its key again.
func (d *dumpParser) peer(b []byte) error {
	if cap(d.block)-len(d.block) < blockIPs/16 {
		d.block = make([]netip.Prefix, 0, blockIPs)
	}
	start := len(d.block)
	var p plan.ActualPeer
	if err := d.peerFields(b, &p); err != nil {
		return err
	}
	ips := d.block[start:len(d.block):len(d.block)]
	if n := len(d.device.Peers); n > 0 && d.device.Peers[n-1].PublicKey == p.PublicKey {
		last := &d.device.Peers[n-1]
		last.AllowedIPs = append(last.AllowedIPs, ips...)
		d.block = d.block[:start]
		return nil
	}
	if len(ips) > 0 {
		p.AllowedIPs = ips
	}
	d.device.Peers = append(d.device.Peers, p)
	return nil
}

func (d *dumpParser) peerFields(b []byte, p *plan.ActualPeer) error {
	a := nlattr.New(b)
	for a.Next() {
		switch a.Kind {
		case unix.WGPEER_A_PUBLIC_KEY:
			readKey(&a, &p.PublicKey)
		case unix.WGPEER_A_PRESHARED_KEY:
			readKey(&a, &p.PresharedKey)
		case unix.WGPEER_A_ENDPOINT:
			endpoint, err := parseSockaddr(a.Data, d.zone)
			a.Fail(err)
			p.Endpoint = endpoint
		case unix.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
			a.Uint16(&p.Keepalive)
		case unix.WGPEER_A_LAST_HANDSHAKE_TIME:
			at, err := parseTimespec(a.Data)
			a.Fail(err)
			p.LastHandshake = at
		case unix.WGPEER_A_RX_BYTES:
			a.Uint64(&p.RxBytes)
		case unix.WGPEER_A_TX_BYTES:
			a.Uint64(&p.TxBytes)
		case unix.WGPEER_A_ALLOWEDIPS:
			a.Fail(d.allowedIPs(a.Data))
		}
	}
	if a.Err == nil && p.PublicKey.IsZero() {
		return fmt.Errorf("a peer without a public key")
	}
	return a.Err
}

func (d *dumpParser) allowedIPs(b []byte) error {
	a := nlattr.New(b)
	for a.Next() {
		prefix, err := parseAllowedIP(a.Data)
		a.Fail(err)
		d.block = append(d.block, prefix)
	}
	return a.Err
}

func parseAllowedIP(b []byte) (netip.Prefix, error) {
	var (
		addr   netip.Addr
		family uint16
		bits   int
	)
	a := nlattr.New(b)
	for a.Next() {
		switch a.Kind {
		case unix.WGALLOWEDIP_A_FAMILY:
			a.Uint16(&family)
		case unix.WGALLOWEDIP_A_IPADDR:
			addr, _ = netip.AddrFromSlice(a.Data)
		case unix.WGALLOWEDIP_A_CIDR_MASK:
			if a.Size(1) {
				bits = int(a.Data[0])
			}
		}
	}
	if a.Err != nil {
		return netip.Prefix{}, a.Err
	}
	prefix := netip.PrefixFrom(addr, bits)
	switch {
	case !prefix.IsValid():
	case family == unix.AF_INET && addr.Is4(), family == unix.AF_INET6 && addr.Is6():
		return prefix.Masked(), nil
	}
	return netip.Prefix{}, fmt.Errorf("an allowed IP of family %d, address %v, prefix length %d", family, addr, bits)
}

// readKey reads a key of any kind.
func readKey(a *nlattr.Reader, to *schema.Key) {
	if a.Size(schema.KeyLen) {
		copy(to[:], a.Data)
	}
}

// The sizes of struct sockaddr_in and struct sockaddr_in6.
const (
	sockaddr4Size = 16
	sockaddr6Size = 28
)

// parseSockaddr reads a struct sockaddr_in or sockaddr_in6.
func parseSockaddr(b []byte, zone func(uint32) string) (netip.AddrPort, error) {
	if len(b) < 4 {
		return netip.AddrPort{}, fmt.Errorf("%d bytes are too few for an endpoint", len(b))
	}
	family, port := native.Uint16(b), binary.BigEndian.Uint16(b[2:])
	switch {
	case family == unix.AF_INET && len(b) == sockaddr4Size:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port), nil
	case family == unix.AF_INET6 && len(b) == sockaddr6Size:
		addr := netip.AddrFrom16([16]byte(b[8:24])).Unmap()
		if scope := native.Uint32(b[24:]); scope != 0 {
			addr = addr.WithZone(zoneName(scope, zone)) // nothing for IPv4
		}
		return netip.AddrPortFrom(addr, port), nil
	}
	return netip.AddrPort{}, fmt.Errorf("an endpoint of family %d in %d bytes", family, len(b))
}

// zoneName returns the interface's name, or its number when it has none (any
// more): then the number is what people write as well.
func zoneName(index uint32, name func(uint32) string) string {
	if name != nil {
		if s := name(index); s != "" {
			return s
		}
	}
	return strconv.FormatUint(uint64(index), 10)
}

// parseTimespec reads a struct __kernel_timespec: two numbers of 64 bits on
// every machine, or of 32 bits as some kernels of 32-bit machines had it.
func parseTimespec(b []byte) (time.Time, error) {
	var sec, nsec int64
	switch len(b) {
	case 16:
		sec, nsec = int64(native.Uint64(b)), int64(native.Uint64(b[8:]))
	case 8:
		sec, nsec = int64(int32(native.Uint32(b))), int64(int32(native.Uint32(b[4:])))
	default:
		return time.Time{}, fmt.Errorf("a time of %d bytes", len(b))
	}
	if sec == 0 && nsec == 0 {
		return time.Time{}, nil // never
	}
	return time.Unix(sec, nsec), nil
}
