package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// death ends the goroutine that works on a system, before or after one of the
// things that it does, as SIGKILL ends the process: nothing is cleaned up, and the
// kernel lets its locks go.
type death struct {
	steps int // so far
	at    int // 0: never
}

func (d *death) step() {
	if d.steps++; d.steps == d.at {
		runtime.Goexit()
	}
}

// mortalDevices write one thing at a time, as the messages to the kernel are.
type mortalDevices struct {
	wgdev.Devices
	*death
}

func (m mortalDevices) Create(name string) error {
	m.step()
	defer m.step()
	return m.Devices.Create(name)
}

func (m mortalDevices) Configure(name string, c plan.Changes) error {
	m.step()
	peers := c.Peers
	c.Peers = nil
	if err := m.Devices.Configure(name, c); err != nil {
		return err
	}
	for n := range peers {
		m.step()
		if err := m.Devices.Configure(name, plan.Changes{Peers: peers[n : n+1]}); err != nil {
			return err
		}
	}
	m.step()
	return nil
}

func (m mortalDevices) SetMTU(name string, mtu int) error {
	m.step()
	defer m.step()
	return m.Devices.SetMTU(name, mtu)
}

func (m mortalDevices) SetUp(name string, up bool) error {
	m.step()
	defer m.step()
	return m.Devices.SetUp(name, up)
}

func (m mortalDevices) Delete(name string) error {
	m.step()
	defer m.step()
	return m.Devices.Delete(name)
}

type mortalKernel struct {
	rtnl.Kernel
	*death
}

func (m mortalKernel) ReplaceRoute(routes ...rtnl.Route) (err error) {
	for _, r := range routes {
		m.step()
		err = m.Kernel.ReplaceRoute(r)
		m.step()
	}
	return err
}

func (m mortalKernel) DeleteRoute(routes ...rtnl.Route) (err error) {
	for _, r := range routes {
		m.step()
		err = m.Kernel.DeleteRoute(r)
		m.step()
	}
	return err
}

func (m mortalKernel) AddAddress(device string, a netip.Prefix) error {
	m.step()
	defer m.step()
	return m.Kernel.AddAddress(device, a)
}

func (m mortalKernel) DeleteAddress(device string, a netip.Prefix) error {
	m.step()
	defer m.step()
	return m.Kernel.DeleteAddress(device, a)
}

type mortalBus struct {
	netifd.Bus
	*death
}

func (m mortalBus) Call(ctx context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error) {
	m.step()
	defer m.step() // It was told, and its answer is nobody's.
	return m.Bus.Call(ctx, path, method, args)
}

// two configurations of wg0 that differ in everything. Each has everything in its
// tunnel, and so a host route to the endpoint.
var killed = [2]string{
	wg(0, "\tlist addresses 'fd00::1/64'\n\toption mtu '1300'\n\toption listen_port '51820'\n") +
		wgPeer("wg0", "stays", 1, "\tlist allowed_ips '0.0.0.0/0'\n\toption route_allowed_ips '1'\n\toption endpoint_host '198.51.100.1'\n") +
		wgPeer("wg0", "goes", 2, "\tlist allowed_ips '10.9.0.0/16'\n\toption route_allowed_ips '1'\n\toption endpoint_host '198.51.100.2'\n") +
		wgPeer("wg0", "changes", 3, "\tlist allowed_ips '10.7.0.0/16'\n"),
	wg(0, "\tlist addresses '10.77.0.1/24'\n\toption fwmark '0x20'\n\toption mtu '1400'\n\toption listen_port '51821'\n"+
		fmt.Sprintf("\toption private_key '%s'\n", keyOf(55))) +
		wgPeer("wg0", "stays", 1, "\tlist allowed_ips '0.0.0.0/0'\n\toption route_allowed_ips '1'\n\toption endpoint_host '198.51.100.7'\n") +
		wgPeer("wg0", "changes", 3, fmt.Sprintf("\tlist allowed_ips '10.9.0.0/16'\n\toption route_allowed_ips '1'\n\toption preshared_key '%s'\n\toption persistent_keepalive '7'\n", keyOf(77))) +
		wgPeer("wg0", "comes", 4, "\tlist allowed_ips '10.7.0.0/16'\n\toption route_allowed_ips '1'\n\toption endpoint_host '198.51.100.4'\n"),
}

// TestKilled: a process is killed before and after each single thing that it does
// on a reload, on `wgnetifd up` and on `wgnetifd down`. The one after it makes
// everything what it would be had nobody been killed.
func TestKilled(t *testing.T) {
	for _, test := range []struct {
		name string
		bus  bool
		// from is done first; of what comes then the process is killed, and it is done
		// again.
		from, do func(s *apply.System, net apply.Network) error
		before   int // the configuration of from; the other is that of do
	}{
		{name: "reload", from: upKilled, do: reloadKilled},
		{name: "reload back", from: upKilled, do: reloadKilled, before: 1},
		{name: "reload, netifd", bus: true, from: upKilled, do: reloadKilled},
		{name: "reload back, netifd", bus: true, from: upKilled, do: reloadKilled, before: 1},
		{name: "up", do: upKilled},
		{name: "up again", from: upKilled, do: upKilled},
		{name: "down", from: upKilled, do: func(s *apply.System, _ apply.Network) error { return s.Down("wg0") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, steps := "", 0
			for at := 0; at <= steps; at++ {
				r := newRig(t, killed[test.before])
				r.kernel.PutLink(rtnl.Link{Name: "wan"})
				r.kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1"), Device: "wan", Protocol: 4})
				var net apply.Network = apply.Kernel{}
				d := &death{}
				if test.bus {
					r.withNetifd("wg0")
					conn, err := ubus.Dial(t.Context(), r.netifd.socket)
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					net = apply.Netifd{Client: netifd.Client{Bus: mortalBus{conn, d}}}
				}
				s := *r.system
				s.Devices, s.Kernel = mortalDevices{s.Devices, d}, mortalKernel{s.Kernel, d}
				if test.from != nil {
					if test.bus {
						r.awaitUp("wg0")
					} else if err := test.from(&s, net); err != nil {
						t.Fatal(err)
					}
				}
				r.configure(killed[1-test.before])
				*d = death{at: at}
				dead := make(chan struct{})
				go func() {
					defer close(dead)
					if err := test.do(&s, net); err != nil {
						t.Error(err)
					}
				}()
				<-dead
				if at == 0 {
					steps = d.steps
				} else {
					*d = death{}
					if err := test.do(&s, net); err != nil {
						t.Fatalf("killed at step %d: %v", at, err)
					}
				}
				got := r.everything()
				if at == 0 {
					want = got
				} else if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("killed at step %d of %d (-want +got):\n%s", at, steps, diff)
				}
				if test.bus {
					r.netifd.stop()
				}
			}
			t.Logf("killed at %d steps", steps)
			if steps < 4 {
				t.Error("these are too few: what was to be done?")
			}
		})
	}
}

func upKilled(s *apply.System, net apply.Network) error {
	_, err := s.Up(context.Background(), "wg0", net)
	return err
}

func reloadKilled(s *apply.System, net apply.Network) error {
	pkg, err := s.Dir.Load(schema.PackageName)
	if err != nil {
		return err
	}
	_, err = s.Reload(context.Background(), "wg0", pkg, net, nil)
	return err
}

// everything is a text of all that there is: device, addresses, routes, what netifd
// was told last, and the files that we keep.
func (r *rig) everything() string {
	r.t.Helper()
	var b strings.Builder
	have := r.devices.Device("wg0")
	slices.SortFunc(have.Peers, func(a, b plan.ActualPeer) int { return strings.Compare(a.PublicKey.String(), b.PublicKey.String()) })
	peers := have.Peers
	have.Peers = nil
	fmt.Fprintf(&b, "%+v\n", have)
	for _, p := range peers {
		p.AllowedIPs = slices.Clone(p.AllowedIPs)
		slices.SortFunc(p.AllowedIPs, func(a, b netip.Prefix) int { return strings.Compare(a.String(), b.String()) })
		fmt.Fprintf(&b, "%+v\n", p)
	}
	routes, err := r.kernel.Routes(rtnl.TableMain)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, route := range routes {
		fmt.Fprintf(&b, "%+v\n", route)
	}
	fmt.Fprintln(&b, r.addresses("wg0"))
	if r.netifd != nil {
		fmt.Fprintln(&b, r.netifd.lastState("wg0"))
	}
	files, err := filepath.Glob(filepath.Join(string(r.system.State), "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			r.t.Fatal(err)
		}
		// Which turn it was is another one each time.
		text = regexp.MustCompile("(?m)^turn .*\n").ReplaceAll(text, nil)
		fmt.Fprintf(&b, "%s:\n%s", filepath.Base(f), text)
	}
	return b.String()
}
