package apply_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
)

const (
	privKey  = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
	peerKey1 = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
	peerKey2 = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
	psk      = "/UwcSPg38hW/D9Y3tcS1FOV0K1wuURMbS0sesJEP5ak="
)

// bus is a netifd that takes what it is told and applies addresses to the fake
// kernel.
type bus struct {
	mu      sync.Mutex
	calls   []string // JSON of each notify_proto
	last    string   // the last state that was announced
	status  map[string]blobmsg.Table
	onState func(t blobmsg.Table)
	refuse  error
}

func (b *bus) Call(_ context.Context, path, method string, args blobmsg.Table) (blobmsg.Table, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if method == "status" {
		if s, ok := b.status[strings.TrimPrefix(path, "network.interface.")]; ok {
			return s, nil
		}
		return nil, ubus.StatusNotFound
	}
	if path != "network.interface" || method != "notify_proto" {
		return nil, ubus.StatusMethodNotFound
	}
	if b.refuse != nil {
		return nil, b.refuse
	}
	b.calls = append(b.calls, string(blobmsg.AppendJSON(nil, args)))
	if action, _ := args.Int("action"); action == 0 {
		b.last = b.calls[len(b.calls)-1]
	}
	if b.onState != nil {
		b.onState(args)
	}
	return nil, nil
}

func (b *bus) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.calls
	b.calls = nil
	return out
}

// timeless makes of a test one in simulated time. All tests that look names up are
// such: who answers at all does so in time then, however busy the machine is, and
// who does not costs none.
func timeless(test func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, test) }
}

// names resolves from a map; a name that is not in it never gets an answer.
type names map[string]string

func (n names) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := n[host]; ok {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// finder asks r for names, on a machine that reaches everything.
func finder(r resolve.Resolver) resolve.Finder {
	return &resolve.Names{DNS: r, Local: r, Source: func(to netip.Addr) netip.Addr { return to }}
}

type world struct {
	t       *testing.T
	dir     string
	devices *wgdev.Fake
	kernel  *rtnl.Fake
	bus     *bus
	log     bytes.Buffer
	sys     *apply.System
}

func newWorld(t *testing.T, config string) *world {
	w := &world{t: t, dir: t.TempDir(), devices: wgdev.NewFake(), kernel: rtnl.NewFake(), bus: &bus{status: map[string]blobmsg.Table{}}}
	for _, d := range []string{"config", "save"} {
		if err := os.Mkdir(filepath.Join(w.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write(config)
	w.bus.onState = w.applyAddresses
	w.sys = &apply.System{
		Dir:         uci.Dir{Config: filepath.Join(w.dir, "config"), Save: filepath.Join(w.dir, "save")},
		Devices:     w.devices,
		Kernel:      w.kernel,
		Names:       finder(names{}),
		ResolveTime: time.Second,
		State:       state.Dir(filepath.Join(w.dir, "run")),
		Now:         func() time.Time { return time.Unix(1_800_000_000, 0) },
		Log:         logline.New(&w.log),
	}
	return w
}

func (w *world) config() string { return filepath.Join(w.dir, "config", "network") }

func (w *world) write(config string) {
	w.t.Helper()
	if err := os.WriteFile(w.config(), []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) applyAddresses(t blobmsg.Table) {
	for _, name := range []string{"ipaddr", "ip6addr"} {
		list, _ := t.Array(name)
		for _, item := range list {
			a, _ := item.(blobmsg.Table).String("ipaddr")
			m, _ := item.(blobmsg.Table).String("mask")
			dev, _ := t.String("ifname")
			w.kernel.PutAddress(dev, netip.MustParsePrefix(a+"/"+m))
		}
	}
}

func (w *world) up() error {
	_, err := w.sys.Up(context.Background(), "wg0", apply.Netifd{Client: netifd.Client{Bus: w.bus}})
	return err
}

func (w *world) mustUp() {
	w.t.Helper()
	if err := w.up(); err != nil {
		w.t.Fatal(err)
	}
}

// unchanged runs again and fails when anything is written.
func (w *world) unchanged() {
	w.t.Helper()
	w.bus.take()
	last := w.bus.last
	w.devices.Forget()
	w.kernel.Forget()
	w.mustUp()
	if writes := w.devices.Writes(); len(writes) > 0 {
		w.t.Errorf("the second time wrote to the device: %+v", writes)
	}
	if writes := w.kernel.Writes(); len(writes) > 0 {
		w.t.Errorf("the second time wrote to the kernel: %+v", writes)
	}
	if diff := cmp.Diff(last, w.bus.last); diff != "" {
		w.t.Errorf("the second time announced another state (-first +second):\n%.2000s", diff)
	}
}

func wg0(options ...string) string {
	return "config interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key '" + privKey + "'\n" + lines(options)
}

func peer(options ...string) string { return "config wireguard_wg0\n" + lines(options) }

func lines(options []string) string {
	var b strings.Builder
	for _, o := range options {
		b.WriteString("\t" + o + "\n")
	}
	return b.String()
}

// TestUp: device, peers, addresses and routes as configured; the second time
// writes nothing.
func TestUp(t *testing.T) {
	w := newWorld(t, wg0("option listen_port '51820'", "option mtu '1380'", "option fwmark '0x10'",
		"list addresses '10.0.0.1/24'", "list addresses 'fd00::1/64'", "list ip6prefix 'fd00:1::/56'", "option metric '7'")+
		peer("option public_key '"+peerKey1+"'", "option preshared_key '"+psk+"'", "option route_allowed_ips '1'",
			"list allowed_ips '10.0.0.2/32'", "list allowed_ips '10.11.0.2/16'", "list allowed_ips 'fd00::2'",
			"option endpoint_host '2001:db8::7'", "option persistent_keepalive '25'"))
	w.mustUp()
	want := `{"interface":"wg0","action":0,"link-up":true,"ifname":"wg0",` +
		`"ipaddr":[{"ipaddr":"10.0.0.1","mask":"24"}],` +
		`"routes":[{"target":"10.0.0.2","netmask":"32"},{"target":"10.11.0.0","netmask":"16"}],` +
		`"ip6addr":[{"ipaddr":"fd00::1","mask":"64"}],"routes6":[{"target":"fd00::2","netmask":"128"}],` +
		`"ip6prefix":["fd00:1::/56"]}`
	if diff := cmp.Diff([]string{want}, w.bus.take()); diff != "" {
		t.Errorf("told netifd (-want +got):\n%s", diff)
	}
	dev := w.devices.Device("wg0")
	if !dev.Up || dev.MTU != 1380 || dev.ListenPort != 51820 || dev.FwMark != 0x10 || dev.PrivateKey.String() != privKey {
		t.Errorf("device: %+v", dev)
	}
	if len(dev.Peers) != 1 || dev.Peers[0].PresharedKey.String() != psk || dev.Peers[0].Keepalive != 25 ||
		dev.Peers[0].Endpoint != netip.MustParseAddrPort("[2001:db8::7]:51820") || len(dev.Peers[0].AllowedIPs) != 3 {
		t.Errorf("peers: %+v", dev.Peers)
	}
	w.bus.status["wg0"] = blobmsg.Table{{Name: "up", Value: true}}
	w.mustUp()
	w.unchanged()
}

// TestBadPeersCostNobody: all of them are told in one pass, with option, value
// and what is right; the good peer is in the device (openwrt/openwrt#24511).
func TestBadPeersCostNobody(t *testing.T) {
	w := newWorld(t, wg0("list addresses '10.0.0.1/24'")+
		peer("option public_key 'bad'", "option description 'first'")+
		peer("option public_key '"+peerKey2+"'", "list allowed_ips '10.0.0.0/33'", "option endpoint_port '0'")+
		peer("option public_key '"+peerKey1+"'", "list allowed_ips '10.0.0.2/32'")+
		peer("option public_key '"+peerKey1+"'")+
		peer("option public_key '"+peerKey2+"'", "option preshared_key 'hush'"))
	w.mustUp()
	var errs []string
	for _, c := range w.bus.take() {
		if strings.Contains(c, `"action":3`) {
			errs = append(errs, c)
		}
	}
	const key = "a key is 44 characters of base64 that end in '=' (32 bytes), as `wg genkey` prints it"
	told := func(words ...string) string {
		list := blobmsg.Array{}
		for _, s := range words {
			list = append(list, s)
		}
		return string(blobmsg.AppendJSON(nil, blobmsg.Table{{Name: "interface", Value: "wg0"}, {Name: "action", Value: 3}, {Name: "error", Value: list}}))
	}
	want := []string{
		told("INVALID_PEER", "network.@wireguard_wg0[0].public_key", "bad", key),
		told("INVALID_PEER", "network.@wireguard_wg0[1].allowed_ips", "10.0.0.0/33", "prefix length is over 32"),
		told("INVALID_PEER", "network.@wireguard_wg0[1].endpoint_port", "0", "a whole number from 1 to 65535 is right here"),
		told("INVALID_PEER", "network.@wireguard_wg0[3].public_key", peerKey1, "the same key as network.@wireguard_wg0[2].public_key; each peer needs a key of its own"),
		told("INVALID_PEER", "network.@wireguard_wg0[4].preshared_key", "", key),
	}
	if diff := cmp.Diff(want, errs); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if strings.Contains(w.log.String(), "hush") || strings.Contains(w.log.String(), privKey) {
		t.Errorf("a secret is in the log:\n%s", w.log.String())
	}
	if n := strings.Count(w.log.String(), "the peer is left out"); n != 5 {
		t.Errorf("%d peers in the log:\n%s", n, w.log.String())
	}
	dev := w.devices.Device("wg0")
	if len(dev.Peers) != 1 || dev.Peers[0].PublicKey.String() != peerKey1 {
		t.Errorf("peers: %+v", dev.Peers)
	}
	// What netifd shows already is not told again.
	list := blobmsg.Array{}
	for _, words := range [][]string{{"network.@wireguard_wg0[0].public_key", "bad", key}} {
		data := blobmsg.Array{}
		for _, s := range words {
			data = append(data, s)
		}
		list = append(list, blobmsg.Table{{Name: "subsystem", Value: "wireguard"}, {Name: "code", Value: "INVALID_PEER"}, {Name: "data", Value: data}})
	}
	w.bus.status["wg0"] = blobmsg.Table{{Name: "up", Value: true}, {Name: "errors", Value: list}}
	w.mustUp()
	again := 0
	for _, c := range w.bus.take() {
		if strings.Contains(c, `"action":3`) {
			again++
		}
	}
	if again != len(want)-1 {
		t.Errorf("%d errors were told again, want %d", again, len(want)-1)
	}
}

// TestKernelRefusesPeer: so does a peer that only the kernel finds wrong.
func TestKernelRefusesPeer(t *testing.T) {
	w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'")+peer("option public_key '"+peerKey2+"'"))
	w.devices.Refuse = func(_ string, c *plan.PeerChange) error {
		if c.PublicKey.String() == peerKey1 {
			return errors.New("no")
		}
		return nil
	}
	w.mustUp()
	if dev := w.devices.Device("wg0"); len(dev.Peers) != 1 || dev.Peers[0].PublicKey.String() != peerKey2 {
		t.Errorf("peers: %+v", dev.Peers)
	}
	if !strings.Contains(w.log.String(), "the kernel refused a peer") {
		t.Errorf("log:\n%s", w.log.String())
	}
}

// TestNamesNeverHoldUp: the interface is announced before a name is asked for, a
// name without an answer costs neither the peer that has it nor another one.
func TestNamesNeverHoldUp(t *testing.T) { synctest.Test(t, testNamesNeverHoldUp) }

func testNamesNeverHoldUp(t *testing.T) {
	w := newWorld(t, wg0()+
		peer("option public_key '"+peerKey1+"'", "option endpoint_host 'dead.example'")+
		peer("option public_key '"+peerKey2+"'", "option endpoint_host 'alive.example'", "option endpoint_port '7'"))
	asked := &order{names: names{"alive.example": "192.0.2.7"}, bus: w.bus}
	w.sys.Names = finder(asked)
	w.mustUp()
	if asked.before.Load() {
		t.Error("a name was asked for before netifd was told that the interface is up")
	}
	dev := w.devices.Device("wg0")
	if len(dev.Peers) != 2 {
		t.Fatalf("peers: %+v", dev.Peers)
	}
	for _, p := range dev.Peers {
		want := netip.AddrPort{}
		if p.PublicKey.String() == peerKey2 {
			want = netip.MustParseAddrPort("192.0.2.7:7")
		}
		if p.Endpoint != want {
			t.Errorf("endpoint %v, want %v", p.Endpoint, want)
		}
	}
	told := strings.Join(w.bus.take(), "\n")
	if !strings.Contains(told, `"ENDPOINT_UNRESOLVED","network.@wireguard_wg0[0].endpoint_host","dead.example"`) {
		t.Errorf("netifd was told:\n%s", told)
	}
	// The next run finds the endpoint as it is.
	w.unchanged()
}

type order struct {
	names
	bus    *bus
	before atomic.Bool
}

func (o *order) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	o.bus.mu.Lock()
	early := len(o.bus.calls) == 0
	o.bus.mu.Unlock()
	if early {
		o.before.Store(true)
	}
	return o.names.LookupNetIP(ctx, network, host)
}

func uplink(kernel *rtnl.Fake, dev, gateway string, metric uint32) {
	kernel.PutRoute(rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr(gateway), Device: dev, Metric: metric, Protocol: 4})
}

func hostRoutes(t *testing.T, kernel *rtnl.Fake) (out []string) {
	t.Helper()
	all, err := kernel.Routes(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Protocol == rtnl.Protocol {
			out = append(out, fmt.Sprintf("%v via %v dev %s", r.Dst, r.Gateway, r.Device))
		}
	}
	slices.Sort(out)
	return out
}

// TestOwnKeyOfTheDevice: whether a peer has the interface's own key is seen by the
// public key that the device has, which is not computed then.
func TestOwnKeyOfTheDevice(t *testing.T) {
	w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'")+peer("option public_key '"+peerKey2+"'"))
	w.mustUp()
	dev := w.devices.Device("wg0")
	dev.PublicKey = dev.Peers[0].PublicKey // as no device is
	w.devices.Put("wg0", dev)
	r, err := w.sys.Up(context.Background(), "wg0", apply.Netifd{Client: netifd.Client{Bus: w.bus}})
	if err != nil || len(r.Want.Peers) != 1 {
		t.Errorf("%d peers are wanted: %v", len(r.Want.Peers), err)
	}
	// Another key is the configuration's affair alone.
	w.write(strings.Replace(wg0(), privKey, psk, 1) + peer("option public_key '"+peerKey1+"'") + peer("option public_key '"+peerKey2+"'"))
	r, err = w.sys.Up(context.Background(), "wg0", apply.Netifd{Client: netifd.Client{Bus: w.bus}})
	if err != nil || len(r.Want.Peers) != 2 {
		t.Errorf("with another private key, %d peers are wanted: %v", len(r.Want.Peers), err)
	}
}

// TestHostRoutes: made where the tunnel would swallow its endpoint, moved with
// the endpoint, shared between tunnels, gone with the interface
// (openwrt/openwrt#11086, openwrt/openwrt#22905).
func TestHostRoutes(t *testing.T) { synctest.Test(t, testHostRoutes) }

func testHostRoutes(t *testing.T) {
	full := func(host string, more ...string) string {
		return wg0(more...) + peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'", "option allowed_ips '0.0.0.0/0'", "option endpoint_host '"+host+"'")
	}
	w := newWorld(t, full("203.0.113.1"))
	uplink(w.kernel, "eth0", "192.0.2.254", 0)
	w.mustUp()
	expect := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, hostRoutes(t, w.kernel)); diff != "" {
			t.Errorf("host routes (-want +got):\n%s", diff)
		}
	}
	expect("203.0.113.1/32 via 192.0.2.254 dev eth0")
	w.unchanged()

	w.write(full("203.0.113.9"))
	w.mustUp()
	expect("203.0.113.9/32 via 192.0.2.254 dev eth0")

	w.write(full("far.example"))
	w.sys.Names = finder(names{"far.example": "203.0.113.77"})
	w.mustUp()
	expect("203.0.113.77/32 via 192.0.2.254 dev eth0")
	w.unchanged()

	w.write(full("203.0.113.1", "option nohostroute '1'"))
	w.mustUp()
	expect()

	w.write(full("203.0.113.1", "option tunlink 'lte'"))
	uplink(w.kernel, "wwan0", "198.51.100.254", 20)
	w.bus.status["lte"] = blobmsg.Table{{Name: "up", Value: true}, {Name: "l3_device", Value: "wwan0"}}
	w.mustUp()
	expect("203.0.113.1/32 via 198.51.100.254 dev wwan0")
	w.unchanged()

	if err := w.sys.Down("wg0"); err != nil {
		t.Fatal(err)
	}
	expect()
	if dev := w.devices.Device("wg0"); dev.Exists {
		t.Error("the device is still there")
	}
}

// TestHostRouteIsLikeTheUplinks: packets to the endpoint have the address and the size
// that they would have without the tunnel.
func TestHostRouteIsLikeTheUplinks(t *testing.T) {
	w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'", "option allowed_ips '0.0.0.0/0'", "option endpoint_host '203.0.113.1'"))
	way := rtnl.Route{
		Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.254"), Device: "eth0",
		Source: netip.MustParseAddr("192.0.2.9"), MTU: 1492, Protocol: 4,
	}
	for _, change := range []func(){
		func() {},
		func() { way.Source = netip.MustParseAddr("192.0.2.8") },
		func() { way.MTU = 1400 },
		func() { way.Source, way.MTU = netip.Addr{}, 0 },
	} {
		change()
		w.kernel.PutRoute(way)
		w.mustUp()
		all, err := w.kernel.Routes(rtnl.TableMain)
		if err != nil {
			t.Fatal(err)
		}
		n := slices.IndexFunc(all, func(r rtnl.Route) bool { return r.Dst.IsSingleIP() })
		if n < 0 || all[n].Source != way.Source || all[n].MTU != way.MTU {
			t.Errorf("routes %+v, wanted source %v and MTU %d", all, way.Source, way.MTU)
		}
		w.unchanged()
	}
	if err := w.sys.Down("wg0"); err != nil {
		t.Fatal(err)
	}
	if left := hostRoutes(t, w.kernel); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestHostRouteStays: another handler had put the tunnel's default route in place
// of an uplink's that has the same metric (openwrt/openwrt#20511). The host route
// that was made before is all that leads to the endpoint then, and the next run
// keeps it.
func TestHostRouteStays(t *testing.T) {
	w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'", "option allowed_ips '0.0.0.0/0'", "option endpoint_host '203.0.113.1'"))
	uplink(w.kernel, "eth0", "192.0.2.254", 0)
	w.mustUp()
	w.bus.take()
	fromNetifd := rtnl.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Device: "wg0", Protocol: 4}
	if err := w.kernel.ReplaceRoute(fromNetifd); err != nil {
		t.Fatal(err)
	}
	w.unchanged()
	if diff := cmp.Diff([]string{"203.0.113.1/32 via 192.0.2.254 dev eth0"}, hostRoutes(t, w.kernel)); diff != "" {
		t.Errorf("host routes (-want +got):\n%s", diff)
	}
	if told := strings.Join(w.bus.take(), "\n"); strings.Contains(told, "ENDPOINT_UNREACHABLE") {
		t.Errorf("netifd was told:\n%s", told)
	}
}

// TestHostRouteShared: a host route that another tunnel needs stays.
func TestHostRouteShared(t *testing.T) {
	one := func(name string) string {
		return "config interface " + name + "\n option proto wireguard\n option private_key " + privKey + "\nconfig wireguard_" + name +
			"\n option public_key " + peerKey1 + "\n option route_allowed_ips 1\n option allowed_ips 0.0.0.0/0\n option endpoint_host 203.0.113.1\n"
	}
	w := newWorld(t, one("wg0")+one("wg1"))
	uplink(w.kernel, "eth0", "192.0.2.254", 0)
	for _, name := range []string{"wg0", "wg1"} {
		if _, err := w.sys.Up(context.Background(), name, apply.Netifd{Client: netifd.Client{Bus: w.bus}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"wg0": 1} {
		if err := w.sys.Down(name); err != nil {
			t.Fatal(err)
		}
		if got := len(hostRoutes(t, w.kernel)); got != want {
			t.Errorf("%d host routes after %s went, want %d", got, name, want)
		}
	}
	if err := w.sys.Down("wg1"); err != nil {
		t.Fatal(err)
	}
	if got := hostRoutes(t, w.kernel); len(got) != 0 {
		t.Errorf("host routes that are left: %v", got)
	}
}

// TestNoUplink: an endpoint that nothing leads to is said, and keeps nothing down.
func TestNoUplink(t *testing.T) {
	w := newWorld(t, wg0()+peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'", "option allowed_ips '0.0.0.0/0'", "option endpoint_host '203.0.113.1'"))
	w.mustUp()
	if told := strings.Join(w.bus.take(), "\n"); !strings.Contains(told, `"ENDPOINT_UNREACHABLE","network.wg0","203.0.113.1"`) {
		t.Errorf("netifd was told:\n%s", told)
	}
}

// TestRoutesWaitForNames: a full tunnel to a name is not announced before the name
// is found, or the look-up would go into the tunnel (openwrt/openwrt#24721). Other
// peers' routes do not wait.
func TestRoutesWaitForNames(t *testing.T) { synctest.Test(t, testRoutesWaitForNames) }

func testRoutesWaitForNames(t *testing.T) {
	w := newWorld(t, wg0()+
		peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'", "option allowed_ips '0.0.0.0/0'", "option endpoint_host 'far.example'")+
		peer("option public_key '"+peerKey2+"'", "option route_allowed_ips '1'", "option allowed_ips '10.7.0.0/16'"))
	uplink(w.kernel, "eth0", "192.0.2.254", 0)
	const split = `{"target":"10.7.0.0","netmask":"16"}`
	w.mustUp()
	if told := w.bus.take(); len(told) != 2 || !strings.Contains(told[0], `"routes":[`+split+`]`) || !strings.Contains(told[1], "ENDPOINT_UNRESOLVED") {
		t.Errorf("without an address netifd was told:\n%s", strings.Join(told, "\n"))
	}
	w.unchanged()
	w.bus.take()

	w.sys.Names = finder(names{"far.example": "203.0.113.77"})
	w.mustUp()
	told := w.bus.take()
	if len(told) != 2 || strings.Contains(told[0], "0.0.0.0") || !strings.Contains(told[1], `{"target":"0.0.0.0","netmask":"1"},{"target":"128.0.0.0","netmask":"1"},`+split) {
		t.Errorf("with an address netifd was told:\n%s", strings.Join(told, "\n"))
	}
	if diff := cmp.Diff([]string{"203.0.113.77/32 via 192.0.2.254 dev eth0"}, hostRoutes(t, w.kernel)); diff != "" {
		t.Errorf("host routes (-want +got):\n%s", diff)
	}
	// Known by now, it is announced at once; a resolver that is down does not take
	// it away.
	w.sys.Names = finder(names{})
	w.mustUp()
	if told := w.bus.take(); len(told) != 1 || !strings.Contains(told[0], `"target":"0.0.0.0"`) {
		t.Errorf("later netifd was told:\n%s", strings.Join(told, "\n"))
	}
}

// TestRouteLimit: netifd crashes above 10,000 routes; it gets 8,000, the kernel
// the rest from us.
func TestRouteLimit(t *testing.T) {
	var b strings.Builder
	b.WriteString(wg0("option metric '3'", "option ip4table '100'"))
	b.WriteString(peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'"))
	for n := range 9000 {
		// No two of them are halves of one.
		fmt.Fprintf(&b, "\tlist allowed_ips '10.%d.%d.0/24'\n", n>>7, n<<1&255)
	}
	w := newWorld(t, b.String())
	w.mustUp()
	if n := strings.Count(strings.Join(w.bus.take(), ""), `"target"`); n != 8000 {
		t.Errorf("netifd was told of %d routes", n)
	}
	ours, err := w.kernel.Routes(100)
	if err != nil {
		t.Fatal(err)
	}
	if len(ours) != 1000 || ours[0].Protocol != rtnl.Protocol || ours[0].Metric != 3 || ours[0].Device != "wg0" {
		t.Errorf("%d routes of ours, the first %+v", len(ours), ours[0])
	}
	w.unchanged()
	w.write(wg0("option metric '3'", "option ip4table '100'") + peer("option public_key '"+peerKey1+"'", "option allowed_ips '10.0.0.0/8'"))
	w.mustUp()
	if ours, _ := w.kernel.Routes(100); len(ours) != 0 {
		t.Errorf("%d routes of ours are left", len(ours))
	}
}

// TestRoutesAreAggregated: where prefixes cover the same addresses together, no
// route is left for us to make.
func TestRoutesAreAggregated(t *testing.T) {
	var b strings.Builder
	b.WriteString(wg0() + peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'"))
	for n := range 9000 {
		fmt.Fprintf(&b, "\tlist allowed_ips '10.0.%d.%d'\n", n>>8, n&255)
	}
	w := newWorld(t, b.String())
	w.mustUp()
	if n := strings.Count(strings.Join(w.bus.take(), ""), `"target"`); n == 0 || n > 10 {
		t.Errorf("netifd was told of %d routes", n)
	}
	if writes := w.kernel.Writes(); len(writes) > 0 {
		t.Errorf("wrote %d routes, the first %+v", len(writes), writes[0])
	}
}

// TestAddressesAreMended: netifd believes that an address is there which the
// kernel dropped; a state without it goes first, then the whole one.
func TestAddressesAreMended(t *testing.T) {
	w := newWorld(t, wg0("list addresses '10.0.0.1/24'")+peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'", "option allowed_ips '10.0.0.2'"))
	n := 0
	w.bus.onState = func(t blobmsg.Table) {
		if n++; n > 1 {
			w.applyAddresses(t)
		}
	}
	w.mustUp()
	got := w.bus.take()
	if len(got) != 3 || strings.Contains(got[1], "ipaddr") || strings.Contains(got[1], "routes") || got[0] != got[2] {
		t.Errorf("netifd was told:\n%s", strings.Join(got, "\n"))
	}
}

// TestDeviceGoneBehindNetifd: a renew makes it anew; netifd, which believes all
// to be there, is told of nothing first.
func TestDeviceGoneBehindNetifd(t *testing.T) {
	w := newWorld(t, wg0("list addresses '10.0.0.1/24'"))
	w.mustUp()
	w.bus.take()
	w.bus.status["wg0"] = blobmsg.Table{{Name: "up", Value: true}}
	if err := w.devices.Delete("wg0"); err != nil {
		t.Fatal(err)
	}
	w.mustUp()
	got := w.bus.take()
	if len(got) != 2 || strings.Contains(got[0], "ipaddr") || !strings.Contains(got[1], "ipaddr") {
		t.Errorf("netifd was told:\n%s", strings.Join(got, "\n"))
	}
}

func TestKeyIsMade(t *testing.T) {
	for _, option := range []string{"", "option private_key ''", "option private_key ' '", "option private_key 'generate'"} {
		t.Run(option, func(t *testing.T) {
			w := newWorld(t, "config interface 'lan'\n\toption proto 'static'\n\nconfig interface 'wg0'\n\toption proto 'wireguard'\n\t"+option+"\n")
			if err := os.Chmod(w.config(), 0o640); err != nil {
				t.Fatal(err)
			}
			w.mustUp()
			dev := w.devices.Device("wg0")
			if dev.PrivateKey.IsZero() {
				t.Fatal("the device has no key")
			}
			if dev.PrivateKey[0]&7 != 0 || dev.PrivateKey[31]>>6 != 1 {
				t.Error("the key is not clamped as RFC 7748 says")
			}
			data, err := os.ReadFile(w.config())
			if err != nil {
				t.Fatal(err)
			}
			want := "\nconfig interface 'lan'\n\toption proto 'static'\n\nconfig interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key '" + dev.PrivateKey.String() + "'\n\n"
			if diff := cmp.Diff(want, string(data)); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			if st, _ := os.Stat(w.config()); st.Mode().Perm() != 0o640 {
				t.Errorf("mode is %v", st.Mode())
			}
			if strings.Contains(w.log.String(), dev.PrivateKey.String()) {
				t.Error("the key is in the log")
			}
			w.unchanged()
		})
	}
}

// TestKeyStaged: 'generate' that nobody committed yet is answered where it
// stands; the committed file keeps its own key.
func TestKeyStaged(t *testing.T) {
	w := newWorld(t, wg0())
	if err := os.WriteFile(filepath.Join(w.dir, "save", "network"), []byte("network.wg0.private_key='generate'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.mustUp()
	first := w.devices.Device("wg0").PrivateKey
	w.unchanged()
	pkg, err := w.sys.Dir.Load("network")
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := pkg.Section("wg0").Get("private_key"); v != first.String() {
		t.Error("the key that the device has is not the one that is configured")
	}
}

// TestRefused: what the interface cannot come up with is one clear line, with
// the code for netifd, and nothing is written.
func TestRefused(t *testing.T) {
	const ok = "config interface wg0\n option proto wireguard\n option private_key " + privKey + "\n"
	tests := []struct {
		name, config string
		prepare      func(w *world)
		code         string
		text         string
	}{
		{name: "does not parse", config: "config interface wg0\n option 'proto\n", code: apply.CodeConfig, text: "network:"},
		{name: "no section", config: "config interface lan\n option proto static\n", code: apply.CodeInterface, text: "network.wg0: there is no such interface section"},
		{name: "other protocol", config: "config interface wg0\n option proto dhcp\n", code: apply.CodeInterface, text: `network.wg0.proto: "dhcp": the interface is not of protocol wireguard`},
		{name: "bad key", config: "config interface wg0\n option proto wireguard\n option private_key hush\n", code: apply.CodePrivateKey, text: "network.wg0.private_key: a key is 44"},
		{name: "no WireGuard", config: ok, code: apply.CodeNoWireGuard, text: "install kmod-wireguard", prepare: func(w *world) {
			w.devices.Fail = func(op wgdev.Op, _ string) error {
				if op == wgdev.OpCreate {
					return wgdev.ErrNoWireGuard
				}
				return nil
			}
		}},
		{name: "not root", config: ok, code: apply.CodePermission, text: "permission denied", prepare: func(w *world) {
			w.devices.Fail = func(op wgdev.Op, _ string) error {
				if op == wgdev.OpCreate {
					return fs.ErrPermission
				}
				return nil
			}
		}},
		{name: "another kind of link", config: ok, code: apply.CodeDevice, text: "not a WireGuard interface", prepare: func(w *world) { w.devices.PutOther("wg0", "bridge") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.config)
			if tt.prepare != nil {
				tt.prepare(w)
			}
			err := w.up()
			var failure *apply.Failure
			if !errors.As(err, &failure) {
				t.Fatalf("got %v", err)
			}
			if failure.Code != tt.code || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("code %s, %q; want %s, %q", failure.Code, err, tt.code, tt.text)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("a secret is in %q", err)
			}
			if got := w.bus.take(); len(got) > 0 {
				t.Errorf("netifd was told %v", got)
			}
			for _, wr := range w.devices.Writes() {
				if wr.Op != wgdev.OpCreate {
					t.Errorf("wrote %+v", wr)
				}
			}
		})
	}
}

// TestUndo: when netifd does not take the state, the device that was made goes.
func TestUndo(t *testing.T) {
	w := newWorld(t, wg0())
	w.bus.refuse = ubus.StatusPermissionDenied
	if err := w.up(); !errors.Is(err, netifd.ErrTearingDown) {
		t.Errorf("got %v", err)
	}
	if w.devices.Device("wg0").Exists {
		t.Error("the device stayed")
	}
}

// TestWithoutNetifd: `up` makes addresses and routes itself, twice the same.
func TestWithoutNetifd(t *testing.T) {
	w := newWorld(t, wg0("list addresses '10.0.0.1/24'", "option metric '5'")+
		peer("option public_key '"+peerKey1+"'", "option route_allowed_ips '1'", "option allowed_ips '10.5.0.0/16 fd00::/64'"))
	up := func() {
		t.Helper()
		if _, err := w.sys.Up(context.Background(), "wg0", apply.Kernel{}); err != nil {
			t.Fatal(err)
		}
	}
	up()
	addrs, _ := w.kernel.Addresses("wg0")
	if diff := cmp.Diff([]string{"10.0.0.1/24"}, texts(addrs)); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"10.5.0.0/16 via invalid IP dev wg0", "fd00::/64 via invalid IP dev wg0"}, hostRoutes(t, w.kernel)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	w.devices.Forget()
	w.kernel.Forget()
	up()
	if a, b := w.devices.Writes(), w.kernel.Writes(); len(a)+len(b) > 0 {
		t.Errorf("the second time wrote %+v %+v", a, b)
	}
	w.write(wg0("list addresses '10.0.0.9/24'"))
	up()
	addrs, _ = w.kernel.Addresses("wg0")
	if diff := cmp.Diff([]string{"10.0.0.9/24"}, texts(addrs)); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if got := hostRoutes(t, w.kernel); len(got) > 0 {
		t.Errorf("routes that are left: %v", got)
	}
}

func texts(list []netip.Prefix) (out []string) {
	for _, p := range list {
		out = append(out, p.String())
	}
	return out
}
