package schema

import (
	"errors"
	"net/netip"
	"strings"
)

// Interface is a WireGuard interface as configured: the section
// `config interface 'NAME'` and its peers.
type Interface struct {
	Name string

	PrivateKey Key
	// PublicKey belongs to it. It is zero where nobody asked for it: without any
	// peer, or without a private key.
	PublicKey Key
	// NeedsKey: private_key is empty, missing or 'generate', one has to be made
	// and saved.
	NeedsKey bool

	ListenPort  uint16 // 0: the kernel chooses
	Addresses   []netip.Prefix
	MTU         int // bytes; 0: the device's own
	FwMark      uint32
	IP6Prefixes []string // as netifd takes them: PREFIX[,preferred[,valid[,…]]]
	NoHostRoute bool
	TunLink     string // netifd's name of the uplink; empty: whichever the routes choose
	ClockBypass bool

	// What netifd acts on, read for routes and for `up`.
	Metric         uint32
	HasMetric      bool
	IP4Table       string // number or name; empty: main
	IP6Table       string
	NoDefaultRoute bool
	Disabled       bool

	Peers []*Peer
	// unrouted: none of them asks for routes, as far as is known.
	unrouted bool
	// Problems of the interface and of all peers, in the order of the file.
	Problems []*Problem
}

// Usable reports whether the interface can come up: nothing about it is Fatal.
func (i *Interface) Usable() bool {
	for _, p := range i.Problems {
		if p.Level == Fatal {
			return false
		}
	}
	return true
}

// Routed reports whether active peers may ask for routes to their allowed IPs.
func (i *Interface) Routed() bool { return !i.unrouted }

// GenerateKey is the value of private_key that asks for a new key.
const GenerateKey = "generate"

// The texts are users' words; ranges as in wg(8) and netifd.
var interfaceOptions = []option[Interface]{
	{
		Spec{
			Name: "private_key", Type: "key", Secret: true, Default: "made and saved",
			Help: "Private key of this interface. Empty or 'generate': a key is made at the first start and saved here.",
		},
		func(i *Interface, v string) error {
			if v == GenerateKey {
				i.NeedsKey = true
				return nil
			}
			k, err := ParseKey(v)
			if err == nil && k.IsZero() {
				err = errors.New("a key of zeros is no key")
			}
			i.PrivateKey = k
			return err
		},
	},
	{
		Spec{
			Name: "listen_port", Type: "port 0–65535", Default: "chosen by the kernel",
			Help: "UDP port that peers reach this interface on.",
		},
		func(i *Interface, v string) error {
			n, err := parseNumber(v, 0, 65535)
			i.ListenPort = uint16(n)
			return err
		},
	},
	{
		Spec{
			Name: "addresses", Type: "address[/length]", List: true,
			Help: "IPv4 and IPv6 addresses of this router in the tunnel. Without a length: /32 or /128.",
		},
		func(i *Interface, v string) error {
			p, err := parsePrefix(withLength(v))
			if err != nil {
				return err
			}
			i.Addresses = append(i.Addresses, p)
			return nil
		},
	},
	{
		Spec{
			Name: "mtu", Type: "bytes 68–65535", Default: "1420, from the device",
			Help: "Largest packet that goes into the tunnel.",
		},
		func(i *Interface, v string) error {
			n, err := parseNumber(v, 68, 65535)
			i.MTU = int(n)
			return err
		},
	},
	{
		Spec{
			Name: "fwmark", Type: "32-bit number, 0x… or 'off'", Default: "off",
			Help: "Mark on the encrypted packets, for rules that route them.",
		},
		func(i *Interface, v string) (err error) {
			i.FwMark, err = parseFwMark(v)
			return err
		},
	},
	{
		Spec{
			Name: "ip6prefix", Type: "IPv6 prefix, up to /64", List: true,
			Help: "IPv6 prefixes that are routed to this interface and that netifd may give to other interfaces.",
		},
		setIP6Prefix,
	},
	{
		Spec{
			Name: "nohostroute", Type: "boolean", Default: "0",
			Help: "Never add a host route to an endpoint, not even where the tunnel's own routes would swallow it.",
		},
		func(i *Interface, v string) (err error) {
			i.NoHostRoute, err = parseBool(v)
			return err
		},
	},
	{
		Spec{
			Name: "tunlink", Type: "interface", Default: "whichever the routes choose",
			Help: "The interface, such as wan, that the encrypted packets leave through.",
		},
		func(i *Interface, v string) error { i.TunLink = v; return nil },
	},
	{
		Spec{
			Name: "clock_bypass", Type: "boolean", Default: "0", Daemon: true,
			Help: "1: until the clock of this router is set, its own NTP and DNS questions go past a tunnel that takes everything. Without the right time the tunnel cannot come up.",
		},
		func(i *Interface, v string) (err error) {
			i.ClockBypass, err = parseBool(v)
			return err
		},
	},
	{
		Spec{
			Name: "metric", Type: "number", Netifd: true, Default: "0",
			Help: "Metric of the interface's routes, those of the allowed IPs included.",
		},
		func(i *Interface, v string) error {
			n, err := parseNumber(v, 0, 1<<32-1)
			i.Metric, i.HasMetric = uint32(n), err == nil
			return err
		},
	},
	{
		Spec{
			Name: "ip4table", Type: "number or name", Netifd: true, Default: "main",
			Help: "Routing table of the interface's IPv4 routes.",
		},
		func(i *Interface, v string) error { i.IP4Table = v; return nil },
	},
	{
		Spec{
			Name: "ip6table", Type: "number or name", Netifd: true, Default: "main",
			Help: "Routing table of the interface's IPv6 routes.",
		},
		func(i *Interface, v string) error { i.IP6Table = v; return nil },
	},
	{
		Spec{
			Name: "defaultroute", Type: "boolean", Netifd: true, Default: "1",
			Help: "0: allowed IPs 0.0.0.0/0 and ::/0 make no default route.",
		},
		func(i *Interface, v string) error {
			b, err := parseBool(v)
			i.NoDefaultRoute = err == nil && !b
			return err
		},
	},
	{Spec{Name: "dns", Type: "address", List: true, Netifd: true, Help: "DNS servers to ask while the interface is up."}, nil},
	{Spec{Name: "peerdns", Type: "boolean", Netifd: true, Default: "1", Help: "0: use none of the interface's DNS servers."}, nil},
	{Spec{Name: "delegate", Type: "boolean", Netifd: true, Default: "1", Help: "0: keep ip6prefix from other interfaces."}, nil},
	{Spec{Name: "ip6assign", Type: "length", Netifd: true, Help: "Give the interface a prefix of this length from another interface's."}, nil},
	{Spec{Name: "auto", Type: "boolean", Netifd: true, Default: "1", Help: "0: do not bring the interface up at start."}, nil},
	{
		Spec{Name: "disabled", Type: "boolean", Netifd: true, Default: "0", Help: "1: the interface is not there, its configuration stays."},
		func(i *Interface, v string) (err error) {
			i.Disabled, err = parseBool(v)
			return err
		},
	},
	{Spec{Name: "force_link", Type: "boolean", Netifd: true, Default: "0", Help: "1: addresses and routes stay when the link is down."}, nil},
}

// setIP6Prefix takes what netifd's parser takes, and nothing that it would drop
// together with all that follows in the list.
func setIP6Prefix(i *Interface, v string) error {
	head, _, _ := strings.Cut(v, ",")
	if !strings.Contains(head, "/") {
		return errors.New("an IPv6 prefix with its length is right here, such as 2001:db8:0:100::/56")
	}
	p, err := parsePrefix(head)
	if err != nil {
		return err
	}
	if !p.Addr().Is6() || p.Bits() < 1 || p.Bits() > 64 {
		return errors.New("an IPv6 prefix of length 1 to 64 is right here")
	}
	i.IP6Prefixes = append(i.IP6Prefixes, v)
	return nil
}

// splitPrefixOptions splits a value of ip6prefix: like splitList, but what
// follows a comma and is no address (a lifetime, class=…) belongs to the prefix
// before it.
func splitPrefixOptions(s string) []string {
	var out []string
	for _, word := range strings.FieldsFunc(s, isBlank) {
		for part := range strings.SplitSeq(word, ",") {
			switch {
			case part == "":
			case len(out) > 0 && !strings.Contains(part, "/"), strings.HasPrefix(part, "excluded="):
				if len(out) == 0 {
					out = append(out, part)
					continue
				}
				out[len(out)-1] += "," + part
			default:
				out = append(out, part)
			}
		}
	}
	return out
}
