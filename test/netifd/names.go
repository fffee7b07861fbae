package netifd

import (
	"bufio"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The files of iproute2 that give numbers names.
const (
	tablesFile = "/etc/iproute2/rt_tables"
	protosFile = "/etc/iproute2/rt_protos"
)

// routeTable resolves a routing table: a number other than 0, or a name.
func routeTable(name string) (uint32, bool) {
	if n, rest := strtoul(name, 0); rest == "" && uint32(n) != 0 {
		return uint32(n), true
	}
	switch name {
	case "default":
		return unix.RT_TABLE_DEFAULT, true
	case "main":
		return unix.RT_TABLE_MAIN, true
	case "local":
		return unix.RT_TABLE_LOCAL, true
	}
	n, ok := lookupName(tablesFile, name)
	return n, ok && n != 0
}

// routeProto resolves a routing protocol number.
func routeProto(name string) (uint32, bool) {
	if n, rest := strtoul(name, 0); rest == "" && name != "" {
		return uint32(n), uint32(n) < 256
	}
	switch name {
	case "unspec":
		return unix.RTPROT_UNSPEC, true
	case "kernel":
		return unix.RTPROT_KERNEL, true
	case "boot":
		return unix.RTPROT_BOOT, true
	case "static":
		return unix.RTPROT_STATIC, true
	}
	n, ok := lookupName(protosFile, name)
	return n, ok && n < 256
}

// lookupName finds a name in a file of lines NUMBER NAME.
func lookupName(file, name string) (uint32, bool) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		words := strings.Fields(in.Text())
		if len(words) > 1 && words[0][0] != '#' && words[1] == name {
			n, _ := strtoul(words[0], 10)
			return uint32(n), true
		}
	}
	return 0, false
}

// rtnFailedPolicy is a route type of OpenWrt's kernels.
const rtnFailedPolicy = 12

var routeTypes = map[string]uint32{
	"local":         unix.RTN_LOCAL,
	"nat":           unix.RTN_NAT,
	"broadcast":     unix.RTN_BROADCAST,
	"anycast":       unix.RTN_ANYCAST,
	"multicast":     unix.RTN_MULTICAST,
	"prohibit":      unix.RTN_PROHIBIT,
	"unreachable":   unix.RTN_UNREACHABLE,
	"blackhole":     unix.RTN_BLACKHOLE,
	"xresolve":      unix.RTN_XRESOLVE,
	"unicast":       unix.RTN_UNICAST,
	"throw":         unix.RTN_THROW,
	"failed_policy": rtnFailedPolicy,
}

// routeType resolves a route type: a name, or a number up to 255.
func routeType(name string) (uint32, bool) {
	if n, ok := routeTypes[name]; ok {
		return n, true
	}
	n, rest := strtoul(name, 0)
	return uint32(n), rest == "" && name != "" && uint32(n) < 256
}
