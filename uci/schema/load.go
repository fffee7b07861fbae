package schema

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/wgnetifd/wgnetifd/uci"
)

// PackageName is the file in /etc/config that holds interfaces and peers.
const PackageName = "network"

// Proto is the name of the protocol in `option proto`.
const Proto = "wireguard"

var (
	// ErrNoInterface: there is no such section.
	ErrNoInterface = errors.New("there is no such interface section")
	// ErrOtherProto: the section is of another protocol.
	ErrOtherProto = errors.New("the interface is not of protocol wireguard")
)

// maxDeviceName is the length of the longest name of a network device
// (IFNAMSIZ of linux/if.h less the NUL).
const maxDeviceName = 15

var (
	interfaceByName = byName(interfaceOptions)
	peerByName      = byName(peerOptions)
)

// Names returns the names of all interfaces of protocol wireguard, in the order
// of the file.
func Names(p *uci.Package) []string {
	var out []string
	for _, s := range p.OfType("interface") {
		if proto, _ := s.Get("proto"); proto == Proto && !s.Anonymous {
			out = append(out, s.Name)
		}
	}
	return out
}

// Load reads the interface name and its peers. What is wrong with single
// options and peers is not an error: it stands in Problems, all of it, and the
// peers that it makes useless are marked Invalid. The error is ErrNoInterface
// or ErrOtherProto, wrapped.
func Load(p *uci.Package, name string) (*Interface, error) {
	return LoadWith(p, name, Key.PublicKey)
}

// LoadWith is Load for those who may know the interface's public key already. To
// compute it takes 34 million instructions on a router without 64-bit
// multiplication, more than all else of a small configuration together. public is
// asked for the key that belongs to a private key, once, and only where a peer
// could have the same.
func LoadWith(p *uci.Package, name string, public func(private Key) Key) (*Interface, error) {
	return new(Reader).Load(p, name, public)
}

func (i *Interface) read(s *uci.Section) {
	if len(i.Name) > maxDeviceName {
		i.Problems = append(i.Problems, &Problem{
			Level: Fatal, Section: i.Name,
			Text: "the name of a WireGuard interface has at most " + strconv.Itoa(maxDeviceName) + " characters, it is the name of the device too",
		})
	}
	i.NeedsKey = true
	for _, o := range s.Options {
		spec := interfaceByName[o.Name]
		if spec == nil || spec.set == nil {
			continue
		}
		split := splitList
		if o.Name == "ip6prefix" {
			split = splitPrefixOptions
		}
		each(o, spec.List, split, func(value string, err error) {
			if o.Name == "private_key" {
				i.NeedsKey = false // unless it says 'generate'
			}
			if err == nil {
				err = spec.set(i, value)
			}
			if err == nil {
				return
			}
			level := levelOf(err)
			if o.Name == "private_key" {
				level = Fatal
			}
			i.Problems = append(i.Problems, problem(level, i.Name, &spec.Spec, value, err))
		})
	}
}

// read takes section s, the n-th of its type. guess are the options of the section
// before, which most often are those of this one; it returns those of this one.
func (p *Peer) read(s *uci.Section, n int, guess []*option[Peer]) []*option[Peer] {
	p.ID, p.Section = s.Name, s.Name
	if s.Anonymous {
		p.Section = "@" + s.Type + "[" + strconv.Itoa(n) + "]"
	}
	p.Endpoint.Port = DefaultEndpointPort
	p.EndpointFailback = DefaultFailback
	hasKey := false
	for k, o := range s.Options {
		if k >= len(guess) {
			guess = append(guess, nil)
		}
		spec := guess[k]
		if spec == nil || spec.Name != o.Name {
			spec = peerByName[o.Name]
			guess[k] = spec
		}
		if spec == nil || spec.set == nil {
			continue
		}
		if o.Name == "allowed_ips" {
			p.AllowedIPs = make([]netip.Prefix, 0, len(o.Values))
		}
		each(o, spec.List, splitList, func(value string, err error) {
			hasKey = hasKey || o.Name == "public_key"
			if err == nil {
				err = spec.set(p, value)
			}
			if err == nil {
				return
			}
			level := levelOf(err)
			p.Invalid = p.Invalid || level != Note
			p.Problems = append(p.Problems, problem(level, p.Section, &spec.Spec, value, err))
		})
	}
	if !hasKey {
		p.leaveOut("public_key", "", "the peer has no public key; without it, it cannot be reached")
	}
	p.dropRepeated()
	p.orderEndpoints()
	return guess
}

// dropRepeated keeps the first of allowed IPs that stand there twice.
func (p *Peer) dropRepeated() {
	if len(p.AllowedIPs) < 2 || !maybeTwice(p.AllowedIPs) {
		return
	}
	seen := make(map[netip.Prefix]struct{}, len(p.AllowedIPs))
	kept := p.AllowedIPs[:0]
	for _, prefix := range p.AllowedIPs {
		if _, twice := seen[prefix]; !twice {
			seen[prefix] = struct{}{}
			kept = append(kept, prefix)
		}
	}
	p.AllowedIPs = kept
}

func maybeTwice(list []netip.Prefix) bool {
	seen := newFingerprints(len(list))
	for _, prefix := range list {
		if !seen.add(prefixFingerprint(prefix)) {
			return true
		}
	}
	return false
}

func (p *Peer) leaveOut(option, value, text string) {
	p.Invalid = true
	p.Problems = append(p.Problems, &Problem{Level: LeftOut, Section: p.Section, Option: option, Value: value, Text: text})
}

// each calls f for every value of an option. An empty value is an absent one,
// as for libuci.
func each(o *uci.Option, list bool, split func(string) []string, f func(value string, err error)) {
	if !list {
		value := ""
		if len(o.Values) > 0 {
			value = strings.TrimFunc(o.Values[len(o.Values)-1], isBlank)
		}
		switch {
		case len(o.Values) > 1:
			f(value, errors.New("one value is right here, not a list"))
		case value != "":
			f(value, nil)
		}
		return
	}
	for _, v := range o.Values {
		if v != "" && !strings.ContainsAny(v, listSeparators) {
			f(v, nil) // as nearly all are
			continue
		}
		for _, item := range split(v) {
			f(item, nil)
		}
	}
}

func levelOf(err error) Level {
	var n note
	if errors.As(err, &n) {
		return Note
	}
	return LeftOut
}

func problem(level Level, section string, spec *Spec, value string, err error) *Problem {
	if spec.Secret {
		value = ""
	}
	return &Problem{Level: level, Section: section, Option: spec.Name, Value: value, Text: err.Error()}
}
