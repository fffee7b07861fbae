package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// Bus is the part of a ubus connection that is needed here.
type Bus interface {
	Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error)
}

var _ Bus = (*ubus.Conn)(nil)

// Umdns asks OpenWrt's umdns. It answers no question: it sends one onto the network
// (method query) and shows what it has heard (hosts), so that is looked at until
// something is there. Its methods may be called at the same time.
type Umdns struct {
	bus   Bus
	links func() []string
}

var _ resolve.Resolver = (*Umdns)(nil)

// NewUmdns returns a client of the umdns on a bus.
func NewUmdns(bus Bus) *Umdns { return &Umdns{bus: bus, links: links} }

// links returns the names of the links that multicast DNS can be spoken on.
func links() (names []string) {
	all, _ := net.Interfaces() // Without any, none is asked.
	for _, l := range all {
		if l.Flags&net.FlagUp != 0 && l.Flags&net.FlagMulticast != 0 && l.Flags&net.FlagLoopback == 0 {
			names = append(names, l.Name)
		}
	}
	return names
}

// The types of records (RFC 1035, section 3.2.2; RFC 3596, section 2.1).
const (
	typeA    = int32(1)
	typeAAAA = int32(28)
)

const (
	// firstLook is when an answer to a question can be there: hosts answer for a name
	// of their own at once (RFC 6762, section 6).
	firstLook = 100 * time.Millisecond
	nextLook  = 250 * time.Millisecond
	// firstRepeat is when a question is sent again, then after twice as long each
	// time (RFC 6762, section 5.2).
	firstRepeat = time.Second
)

// LookupNetIP implements resolve.Resolver. network is "ip4" or "ip6"; host ends in
// .local. Nobody says that a name is not there: the look-up lasts until ctx ends, or
// five seconds. The error is ErrUnavailable where there is no ubus or no umdns on it.
func (u *Umdns) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	name, err := localName(host)
	if err != nil {
		return nil, err
	}
	const asLongAsAvahi = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, asLongAsAvahi)
	defer cancel()
	kind := typeA
	if network == "ip6" {
		kind = typeAAAA
	}
	if err := u.query(ctx, name, kind); err != nil {
		return nil, err
	}
	repeat := time.NewTimer(firstRepeat)
	defer repeat.Stop()
	look := time.NewTimer(firstLook)
	defer look.Stop()
	for wait := 2 * firstRepeat; ; {
		select {
		case <-ctx.Done():
			return nil, noSuchName(host)
		case <-repeat.C:
			if err := u.query(ctx, name, kind); err != nil {
				return nil, err
			}
			repeat.Reset(wait)
			wait *= 2
		case <-look.C:
			addrs, err := u.heard(ctx, name, kind)
			if len(addrs) > 0 || err != nil {
				return addrs, err
			}
			look.Reset(nextLook)
		}
	}
}

// query has a question sent. Until 2025 umdns wanted the link named, and knows only
// those that are configured for it.
func (u *Umdns) query(ctx context.Context, name string, kind int32) error {
	args := blobmsg.Table{{Name: "question", Value: name}, {Name: "type", Value: kind}}
	_, err := u.bus.Call(ctx, "umdns", "query", args)
	if !errors.Is(err, ubus.StatusInvalidArgument) {
		return u.explain(ctx, err)
	}
	for _, link := range u.links() {
		_, err := u.bus.Call(ctx, "umdns", "query", append(args, blobmsg.Field{Name: "interface", Value: link}))
		// Not found is a link that umdns does not know, or umdns itself that ended.
		if err = u.explain(ctx, err); err != nil && !errors.Is(err, ErrUnavailable) {
			return err
		}
	}
	return nil
}

// explain makes an error of ubus one of this package's. A deadline that passed is
// none: nobody has answered to the name.
func (u *Umdns) explain(ctx context.Context, err error) error {
	switch {
	case err == nil, ctx.Err() != nil:
		return nil
	case errors.Is(err, ubus.StatusNotFound), errors.Is(err, ubus.ErrDisconnected), errors.Is(err, ubus.ErrClosed):
		return fmt.Errorf("umdns is not on ubus: %w", ErrUnavailable)
	}
	return fmt.Errorf("umdns: %w", err)
}

// heard returns the addresses that umdns has heard of for a name.
func (u *Umdns) heard(ctx context.Context, name string, kind int32) ([]netip.Addr, error) {
	hosts, err := u.bus.Call(ctx, "umdns", "hosts", blobmsg.Table{{Name: "array", Value: true}})
	if err != nil {
		return nil, u.explain(ctx, err)
	}
	key, addrs := hostAddresses(hosts, name, kind)
	for n, a := range addrs {
		if onLink(a, "?") != a {
			// The table does not say on which link; what was heard on one link does.
			return append(addrs[:n], u.linkLocal(ctx, key, addrs[n:])...), nil
		}
	}
	return addrs, nil
}

// hostAddresses finds a host in the table that umdns shows: by name, each with its
// addresses under ipv4 and ipv6. Older versions repeat these where newer ones have
// lists.
func hostAddresses(hosts blobmsg.Table, name string, kind int32) (key string, addrs []netip.Addr) {
	member := "ipv4"
	if kind == typeAAAA {
		member = "ipv6"
	}
	add := func(v any) {
		text, _ := v.(string)
		a, err := netip.ParseAddr(text)
		if err == nil && a.Is6() == (kind == typeAAAA) && a.Zone() == "" && len(addrs) < resolve.MaxCandidates {
			addrs = append(addrs, a)
		}
	}
	for _, host := range hosts {
		records, ok := host.Value.(blobmsg.Table)
		if !ok || !strings.EqualFold(strings.TrimSuffix(host.Name, "."), name) {
			continue
		}
		key = host.Name
		for _, r := range records {
			if r.Name != member {
				continue
			}
			if list, ok := r.Value.(blobmsg.Array); ok {
				for _, v := range list {
					add(v)
				}
				continue
			}
			add(r.Value)
		}
	}
	return key, addrs
}

// linkLocal gives link-local addresses their links, and leaves out those that were
// heard on none. Others stay as they are.
func (u *Umdns) linkLocal(ctx context.Context, key string, addrs []netip.Addr) (out []netip.Addr) {
	where := map[netip.Addr]string{}
	for _, link := range u.links() {
		args := blobmsg.Table{{Name: "question", Value: key}, {Name: "type", Value: typeAAAA}, {Name: "interface", Value: link}}
		answer, err := u.bus.Call(ctx, "umdns", "fetch", args)
		if err != nil {
			continue // a link that umdns does not know
		}
		for _, a := range targets(answer) {
			where[a] = link
		}
	}
	for _, a := range addrs {
		link, heard := where[a]
		if onLink(a, "?") == a {
			out = append(out, a)
		} else if heard {
			out = append(out, onLink(a, link))
		}
	}
	return out
}

// targets returns the addresses in an answer of fetch.
func targets(answer blobmsg.Table) (addrs []netip.Addr) {
	records, _ := answer.Array("records")
	for _, r := range records {
		record, _ := r.(blobmsg.Table)
		text, _ := record.String("target")
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" && len(addrs) < resolve.MaxCandidates {
			addrs = append(addrs, a)
		}
	}
	return addrs
}
