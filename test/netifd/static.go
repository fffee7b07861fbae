package netifd

import (
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// protoStatic is netifd's own protocol for addresses of the configuration.
var protoStatic = &protoHandler{
	name:  "static",
	flags: flagImmediate | flagForceLink,
	params: []param{
		{"ipaddr", blobmsg.TypeArray, "ip4addr"},
		{"ip6addr", blobmsg.TypeArray, "ip6addr"},
		{"netmask", blobmsg.TypeString, "netmask"},
		{"broadcast", blobmsg.TypeString, "ipaddr"},
		{"ptpaddr", blobmsg.TypeString, "ip4addr"},
		{"gateway", blobmsg.TypeString, "ip4addr"},
		{"ip6gw", blobmsg.TypeString, "ip6addr"},
		{"ip6prefix", blobmsg.TypeArray, "ip6addr"},
		{"ip6deprecated", blobmsg.TypeBool, ""},
	},
	validated: true,
	attach: func(i *iface, config blobmsg.Table) protoState {
		return &static{i, config}
	},
}

type static struct {
	iface  *iface
	config blobmsg.Table
}

func (s *static) handler() *protoHandler     { return protoStatic }
func (s *static) notify(blobmsg.Table) error { return ubus.StatusNotSupported }
func (s *static) free()                      {}

func (s *static) command(cmd protoCommand, _ bool) error {
	if cmd != commandSetup {
		return nil
	}
	s.iface.setL3Dev(s.iface.mainDev.dev)
	return s.setup()
}

// setup adds what the section says. What is wrong there becomes an error of the
// interface.
func (s *static) setup() error {
	i, t := s.iface, s.config
	like := devAddr{mask: 32}
	if m, ok := stringMember(t, "netmask"); ok {
		if like.mask = parseNetmask(m, false); like.mask > 32 {
			i.addError("proto", "INVALID_NETMASK")
			return errWrongConfig
		}
	}
	for _, o := range []struct {
		name, problem string
		to            *[4]byte
	}{
		{"broadcast", "INVALID_BROADCAST", &like.broadcast},
		{"ptpaddr", "INVALID_PTPADDR", &like.ptp},
	} {
		if text, ok := stringMember(t, o.name); ok {
			a, ok := inetPton(text, false)
			if !ok {
				i.addError("proto", o.problem)
				return errWrongConfig
			}
			*o.to = [4]byte(a[:4])
		}
	}
	n4, ok4 := s.addAddrs("ipaddr", like)
	like6 := devAddr{flags: ipV6, mask: 128}
	if boolDefault(t, "ip6deprecated", false) {
		like6.preferredUntil = rtime()
	}
	n6, ok6 := s.addAddrs("ip6addr", like6)
	if list, ok := arrayMember(t, "ip6prefix"); ok && !i.addPrefixes(list) {
		return errWrongConfig
	}
	if !ok4 || !ok6 || !i.protoIP.addGateways(t, n4, n6) {
		return errWrongConfig
	}
	return nil
}

// addAddrs adds the addresses of an option, which may have a length each.
func (s *static) addAddrs(option string, like devAddr) (n int, ok bool) {
	list, _ := arrayMember(s.config, option)
	for _, v := range list {
		text, isString := v.(string)
		if !isString {
			return n, false
		}
		a := like
		if a.addr, a.mask, ok = parseAddrMask(text, like.flags.v6(), like.mask); !ok ||
			like.flags.v6() && a.addr[0] == 0xff { // multicast
			s.iface.addError("proto", "INVALID_ADDRESS", text)
			return n, false
		}
		a.index = n
		n++
		s.iface.protoIP.addrs.add(&a)
	}
	return n, true
}
