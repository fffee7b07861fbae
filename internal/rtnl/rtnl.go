// Package rtnl reads and writes the kernel's addresses, routes and links.
//
// It writes unicast routes alone, under a protocol number of the program's own,
// and reads those of everybody. Everything else in the program sees the
// interface Kernel: System is the real one, Fake keeps tables in memory.
package rtnl

import (
	"net/netip"

	"github.com/wgnetifd/wgnetifd/internal/link"
)

// Protocol is the number under which the program's own routes stand in the
// kernel (rtm_protocol), so that they can be told from everybody else's: `ip
// route show table all proto 87` lists them. It is the letter W, and one that
// neither the kernel's linux/rtnetlink.h (0–18, 42, 84, 99, 186–189, 192), nor
// iproute2's rt_protos and rt_protos.d, nor FRR (191–198) gives to anybody.
// netifd's own routes are 4 (static).
const Protocol uint8 = 87

// TableMain is the routing table that is used where none is named
// (RT_TABLE_MAIN).
const TableMain uint32 = 254

// Route is a unicast route.
type Route struct {
	// Dst is masked. The default route is 0.0.0.0/0 or ::/0.
	Dst netip.Prefix
	// Gateway is invalid when the destination is on the link itself. It may be of
	// IPv6 in a route of IPv4.
	Gateway netip.Addr
	// Device is the interface. Of a route over several, the first.
	Device string
	// Ifindex is the index of Device. In a route that is written it may be 0:
	// Device counts.
	Ifindex int
	// Metric is the route's priority; the smallest wins. A route of IPv6 that is
	// written with 0 is read with 1024 (the kernel's IP6_RT_PRIO_USER).
	Metric uint32
	// Table is the routing table. Where a route is written or compared, 0 means
	// TableMain; routes that are read never have 0.
	Table uint32
	// Protocol says who made the route; Protocol is ours. A route that is written
	// with 0 is ours.
	Protocol uint8
	// OnLink makes the kernel take the gateway for a neighbour although no address
	// of the device says so.
	OnLink bool
	// Source is the address that packets of this router get; invalid: the kernel
	// chooses.
	Source netip.Addr
	// MTU is the largest packet that fits through the route, in bytes; 0: that of the
	// device.
	MTU uint32
}

// Link is a network interface.
type Link = link.Link

// Kernel is the network configuration of a network namespace. The methods may be
// called at the same time.
//
// Errors name the route or address and the interface. They match fs.ErrNotExist
// when there is no such interface, and fs.ErrPermission when the caller has not
// the rights (root).
type Kernel interface {
	// Routes returns the unicast routes of a table, of IPv4 and IPv6. Table 0 is
	// TableMain.
	Routes(table uint32) ([]Route, error)
	// DeviceRoutes returns the unicast routes through a device in all tables.
	DeviceRoutes(device string) ([]Route, error)

	// ReplaceRoute makes routes, each in place of the one with the same
	// destination, metric and table if there is one, whoever made that. Many at once
	// are quicker than one after the other. One that is refused does not keep the
	// others from being made; the errors are joined.
	ReplaceRoute(routes ...Route) error
	// DeleteRoute deletes the routes with the same destination, metric, table,
	// protocol, gateway and device. One that does not exist is no error, nor is a
	// device that does not.
	DeleteRoute(routes ...Route) error

	// Addresses returns the addresses of a device with their prefix lengths,
	// of IPv4 and IPv6, link-local ones included.
	Addresses(device string) ([]netip.Prefix, error)
	// AddAddress adds an address. One that is there already is no error.
	AddAddress(device string, addr netip.Prefix) error
	// DeleteAddress deletes an address. One that is not there is no error.
	DeleteAddress(device string, addr netip.Prefix) error

	// Links returns the interfaces.
	Links() ([]Link, error)

	// Close gives back what the methods opened.
	Close() error
}
