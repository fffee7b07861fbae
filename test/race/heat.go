package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// heat is what a run is about.
type heat struct {
	size      int
	limit     time.Duration
	endpoints bool
	timed     bool // measure times; otherwise memory
}

// result is what one run has measured. A time of 0 was not measured.
type result struct {
	up, renew, change time.Duration
	memory            int64 // bytes
	notes             []string
}

// String implements fmt.Stringer.
func (r result) String() string {
	if r.memory > 0 {
		return fmt.Sprintf("memory %.1f MB", float64(r.memory)/1e6)
	}
	text := "up " + r.up.String()
	if r.renew > 0 {
		text += ", renew " + r.renew.String()
	}
	if r.change > 0 {
		text += ", change " + r.change.String()
	}
	return strings.Join(append([]string{text}, r.notes...), "; ")
}

// way is how a change of a peer in the file gets live, as ubus calls.
type way struct {
	name  string
	calls [][2]string // path below network, method
}

// ways are tried in this order: the one that all other interfaces are served by,
// the one that disturbs nobody, and the one that always works.
var ways = []way{
	{"reload", [][2]string{{"network", "reload"}}},
	{"renew", [][2]string{{"network.interface." + iface, "renew"}}},
	{"down, up", [][2]string{{"network.interface." + iface, "down"}, {"network.interface." + iface, "up"}}},
}

// run measures one contestant once, with a netifd of its own. An error says that
// the interface did not come up.
func run(ctx context.Context, c *contestant, h heat) (got result, err error) {
	if err := c.install(); err != nil {
		return got, err
	}
	if err := configure(network(h.size, -1, h.endpoints)); err != nil {
		return got, err
	}
	r, err := boot(ctx)
	if err != nil {
		return got, err
	}
	defer func() {
		r.takeDown(ctx)
		r.end()
		err = errors.Join(err, deleteDevice())
	}()
	if !h.timed {
		return got, r.memory(ctx, h, &got)
	}
	if got.up, err = r.up(ctx, h); err != nil {
		return got, err
	}
	if got.renew, err = r.renew(ctx, h); err != nil {
		got.notes = append(got.notes, "renew: "+err.Error())
	}
	if got.change, err = r.change(ctx, c, h, got.up); err != nil {
		got.notes = append(got.notes, "change: "+err.Error())
	}
	return got, nil
}

// up returns the time from the call to netifd's announcement that the interface is
// up; its device then has to hold all peers.
func (r *router) up(ctx context.Context, h heat) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, h.limit)
	defer cancel()
	begin := time.Now()
	if err := r.call(ctx, "network.interface."+iface, "up"); err != nil {
		return 0, fmt.Errorf("up: %w", err)
	}
	at, err := r.until(ctx, "ifup")
	if err != nil {
		return 0, err
	}
	peers, err := devicePeers()
	if err != nil {
		return 0, err
	}
	if len(peers) != h.size {
		return 0, fmt.Errorf("up with %d of %d peers", len(peers), h.size)
	}
	for _, i := range []int{0, h.size - 1} {
		if !routed(address(i, false).String()) {
			return 0, fmt.Errorf("up without the route to peer %d", i)
		}
	}
	return at.Sub(begin), nil
}

func (r *router) memory(ctx context.Context, h heat, got *result) error {
	stop := make(chan struct{})
	peak := r.peakMemory(stop)
	_, err := r.up(ctx, h)
	close(stop)
	got.memory = <-peak
	return err
}

// renew returns the time from the call to the end of the handler: nothing else
// tells that a renew without a change is done.
func (r *router) renew(ctx context.Context, h heat) (time.Duration, error) {
	// The handler of the setup ends after the interface is up.
	if pid := r.handler(""); pid != 0 {
		if _, err := ended(pid, h.limit); err != nil {
			return 0, err
		}
	}
	begin := time.Now()
	if err := r.call(ctx, "network.interface."+iface, "renew"); err != nil {
		return 0, err
	}
	const none = 2 * time.Second // how soon the handler runs, if at all
	pid := 0
	for time.Since(begin) < none {
		if pid = r.handler("renew"); pid != 0 {
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	if pid == 0 {
		return 0, errors.New("the handler has none")
	}
	at, err := ended(pid, h.limit)
	return at.Sub(begin), err
}

// change moves the allowed IP of one peer in the file and returns the time from
// the first call until the kernel routes the new address to the tunnel and the
// device has it. A way that takes much longer than up, the time of a whole setup,
// is none.
func (r *router) change(ctx context.Context, c *contestant, h heat, up time.Duration) (time.Duration, error) {
	moved := h.size / 2
	if err := configure(network(h.size, moved, h.endpoints)); err != nil {
		return 0, err
	}
	if c.way.name != "" {
		return r.changeBy(ctx, c.way, moved, h.limit)
	}
	var errs []error
	for _, w := range ways {
		took, err := r.changeBy(ctx, w, moved, min(h.limit, 3*time.Second+2*up))
		if err == nil {
			c.way = w
			return took, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", w.name, err))
	}
	return 0, errors.Join(errs...)
}

func (r *router) changeBy(ctx context.Context, w way, moved int, limit time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begin := time.Now()
	for _, call := range w.calls {
		if err := r.call(ctx, call[0], call[1]); err != nil {
			return 0, fmt.Errorf("%s %s: %w", call[0], call[1], err)
		}
	}
	target := address(moved, true).String()
	if err := await(ctx, func() bool { return routed(target) }); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	err := await(ctx, func() bool {
		peers, err := devicePeers()
		return err == nil && slices.ContainsFunc(peers, func(p wgtypes.Peer) bool {
			return len(p.AllowedIPs) == 1 && p.AllowedIPs[0].IP.String() == target
		})
	})
	return took, err
}

// takeDown has netifd take the interface down, as far as it still listens.
func (r *router) takeDown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.call(ctx, "network.interface."+iface, "down"); err != nil {
		return // netifd is dead; deleteDevice does the rest
	}
	_ = await(ctx, func() bool { return r.handler("") == 0 }) // it is ended anyway
}

// deleteDevice deletes what a handler that failed has left.
func deleteDevice() error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	l, err := h.LinkByName(iface)
	var none netlink.LinkNotFoundError
	if errors.As(err, &none) {
		return nil
	}
	if err == nil {
		err = h.LinkDel(l)
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", iface, err)
	}
	return nil
}

func devicePeers() ([]wgtypes.Peer, error) {
	c, err := wgctrl.New()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing was written
	d, err := c.Device(iface)
	if err != nil {
		return nil, err
	}
	return d.Peers, nil
}

// routed reports whether the kernel sends packets to an address into the tunnel.
func routed(address string) bool {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return false
	}
	defer h.Close()
	routes, err := h.RouteGet(net.ParseIP(address))
	if err != nil || len(routes) == 0 {
		return false
	}
	l, err := h.LinkByIndex(routes[0].LinkIndex)
	return err == nil && l.Attrs().Name == iface
}
