package rpcd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// nextAddress is getNextPeerAddress of LuCI's stock page: addresses of the
// interface's own networks that one more peer can have. One number, the octet, is
// the last part of both; the page sends back in `reserved` the ones that it has
// given away and not yet saved.
func (p *Plugin) nextAddress(_ context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	name, err := status.Word(args, "interface")
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = "wg0" // as the stock backend does
	}
	conf, err := p.Config(name)
	if err != nil {
		return nil, err
	}
	var pools []pool
	for _, four := range [2]bool{true, false} {
		for _, a := range conf.Addresses {
			if a.Addr().Is4() == four {
				pools = append(pools, newPool(a, conf))
				break
			}
		}
	}
	if len(pools) == 0 {
		return nil, fmt.Errorf("%s has no addresses in the configuration", name)
	}
	reserved := octets(args)
	for n := firstOctet; n <= lastOctet; n++ {
		if !reserved[n] && all(pools, n) {
			t := blobmsg.Table{{Name: "octet", Value: n}}
			for _, q := range pools {
				family := "ipv4"
				if q.own.Is6() {
					family = "ipv6"
				}
				a := q.at(n)
				t = append(t, blobmsg.Field{Name: family, Value: netip.PrefixFrom(a, a.BitLen()).String()})
			}
			return t, nil
		}
	}
	return nil, errors.New("no address of " + name + "'s own networks is free")
}

// The octets of peers. 1 is the router's in most networks, 255 the broadcast
// address of an IPv4 network.
const (
	firstOctet = 2
	lastOctet  = 254
)

// pool is the part of a network around the router's own address in which only the
// last octet differs.
type pool struct {
	own  netip.Addr
	net  netip.Prefix
	used [256]bool
}

func newPool(own netip.Prefix, conf *schema.Interface) pool {
	q := pool{own: own.Addr(), net: own.Masked()}
	part := netip.PrefixFrom(q.own, q.own.BitLen()-8).Masked()
	if q.net.Bits() > part.Bits() {
		part = q.net
	}
	take := func(p netip.Prefix) {
		// What is wider than the pool, as a default route is, takes no address of it.
		if !part.Contains(p.Addr()) || p.Bits() <= part.Bits() && !p.IsSingleIP() {
			return
		}
		first := lastByte(p.Masked().Addr())
		for n := 0; n < 1<<(p.Addr().BitLen()-p.Bits()); n++ {
			q.used[first+n] = true
		}
	}
	for _, a := range conf.Addresses {
		take(netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
	}
	for n := range conf.Peers {
		for _, p := range conf.Peers[n].AllowedIPs {
			take(p)
		}
		for _, p := range conf.Peers[n].LostIPs {
			take(p)
		}
	}
	return q
}

// at returns the address with that last octet.
func (q *pool) at(octet int) netip.Addr {
	b := q.own.AsSlice()
	b[len(b)-1] = byte(octet)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// free reports whether a peer can have that octet: it is in the network, nobody's
// yet, and neither the network's own address nor its broadcast address.
func (q *pool) free(octet int) bool {
	a := q.at(octet)
	if !q.net.Contains(a) || q.used[octet] {
		return false
	}
	if q.own.Is6() || q.net.Bits() >= 31 {
		return true
	}
	return a != q.net.Addr() && q.net.Contains(a.Next())
}

func all(pools []pool, octet int) bool {
	for n := range pools {
		if !pools[n].free(octet) {
			return false
		}
	}
	return true
}

func lastByte(a netip.Addr) int {
	b := a.AsSlice()
	return int(b[len(b)-1])
}

// octets returns those of the argument `reserved`.
func octets(args blobmsg.Table) (out [256]bool) {
	list, _ := args.Array("reserved")
	for _, v := range list {
		n, ok := blobmsg.Table{{Name: "octet", Value: v}}.Int("octet")
		if ok && n >= 0 && n < int64(len(out)) {
			out[n] = true
		}
	}
	return out
}
