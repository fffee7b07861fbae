package netns

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TB is what hosts need of a test. The demo has one of its own.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Host is a network namespace, used as a host beside others. Its methods end the
// test when something fails, unless they return an error.
type Host struct {
	t     TB
	name  string
	ns    *os.File // keeps the namespace while nothing runs in it
	links *netlink.Handle
}

// New makes a host with nothing but lo, which is up. It ends with the test, and
// with it all its links.
func New(t TB, name string) *Host {
	t.Helper()
	h := &Host{t: t, name: name}
	var err error
	onThread(func() { err = h.make() })
	if err != nil {
		t.Fatalf("make host %s: %v", name, err)
	}
	t.Cleanup(func() {
		h.links.Close()
		_ = h.ns.Close() // Nothing was written.
	})
	return h
}

// make makes the namespace on the calling thread, which stays in it.
func (h *Host) make() (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if h.ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	// Nobody else can have an address of ours; and looking for somebody changes it
	// once more, at some time that tests could not wait for.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0); err != nil {
		return fmt.Errorf("switch the detection of duplicate addresses off: %w", err)
	}
	if h.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	return loopbackUp(h.links)
}

// Name returns the name that the host was made with.
func (h *Host) Name() string { return h.name }

// Do runs f on a thread that is in the host's namespace. Sockets that f opens and
// processes that it starts are the host's; goroutines that it starts are not in
// the namespace, and a process that it starts with a parent-death signal gets that
// when f returns. f may end the test.
func (h *Host) Do(f func()) {
	h.t.Helper()
	var err error
	ended := true
	onThread(func() {
		if err = unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		f()
		ended = false
	})
	if err != nil {
		h.t.Fatalf("enter host %s: %v", h.name, err)
	}
	if ended {
		runtime.Goexit() // f ended the test, on its own goroutine only
	}
}

// onThread runs f on a thread that ends with it, whatever it did to the thread.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end, and shows its namespace to everybody who
			// looks into /proc/self. While it is kept busy, another one is taken.
			onThread(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// Links is a netlink connection to the host.
func (h *Host) Links() *netlink.Handle { return h.links }

// Link returns one of the host's links.
func (h *Host) Link(device string) netlink.Link {
	h.t.Helper()
	l, err := h.links.LinkByName(device)
	if err != nil {
		h.t.Fatalf("host %s: link %s: %v", h.name, device, err)
	}
	return l
}

// Connect joins two hosts by an Ethernet cable between two devices, which are up.
func Connect(a *Host, aDevice string, b *Host, bDevice string) {
	a.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = aDevice
	cable := &netlink.Veth{
		LinkAttrs:     attrs,
		PeerName:      bDevice,
		PeerNamespace: netlink.NsFd(b.ns.Fd()),
	}
	if err := a.links.LinkAdd(cable); err != nil {
		a.t.Fatalf("connect %s of %s with %s of %s: %v", aDevice, a.name, bDevice, b.name, err)
	}
	a.SetUp(aDevice)
	b.SetUp(bDevice)
}

// AddStub makes an Ethernet device with a cable to a device that nobody listens
// at, and sets it up: enough for addresses and routes. (Not every kernel has
// devices of kind dummy.) The name has at most 11 characters.
func (h *Host) AddStub(device string) {
	h.t.Helper()
	Connect(h, device, h, device+"-end")
}

// SetUp sets a device up.
func (h *Host) SetUp(device string) {
	h.t.Helper()
	if err := h.links.LinkSetUp(h.Link(device)); err != nil {
		h.t.Fatalf("host %s: set %s up: %v", h.name, device, err)
	}
}

// Delete deletes a device.
func (h *Host) Delete(device string) {
	h.t.Helper()
	if err := h.links.LinkDel(h.Link(device)); err != nil {
		h.t.Fatalf("host %s: delete %s: %v", h.name, device, err)
	}
}

// AddAddress gives a device addresses, as 192.0.2.1/24 or 2001:db8::1/64. They can
// be used at once: nobody is asked whether they are taken.
func (h *Host) AddAddress(device string, addresses ...string) {
	h.t.Helper()
	l := h.Link(device)
	for _, s := range addresses {
		p, err := netip.ParsePrefix(s)
		if err == nil {
			a := &netlink.Addr{IPNet: ipNet(p)}
			if p.Addr().Is6() {
				a.Flags = unix.IFA_F_NODAD
			}
			err = h.links.AddrAdd(l, a)
		}
		if err != nil {
			h.t.Fatalf("host %s: add %s to %s: %v", h.name, s, device, err)
		}
	}
}

// AddRoute makes a route in the main table, as of an administrator. Without a
// gateway the destination is on the device's link itself. The default routes are
// 0.0.0.0/0 and ::/0.
func (h *Host) AddRoute(destination, gateway, device string) {
	h.t.Helper()
	r := &netlink.Route{Protocol: unix.RTPROT_STATIC, LinkIndex: h.Link(device).Attrs().Index}
	dst, err := netip.ParsePrefix(destination)
	if err == nil {
		r.Dst = ipNet(dst)
		if gateway == "" {
			r.Scope = netlink.SCOPE_LINK
		} else if r.Gw = net.ParseIP(gateway); r.Gw == nil {
			err = fmt.Errorf("%q is no address", gateway)
		}
	}
	if err == nil {
		err = h.links.RouteAdd(r)
	}
	if err != nil {
		h.t.Fatalf("host %s: add route to %s via %s dev %s: %v", h.name, destination, gateway, device, err)
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// Ping sends echo requests until one is answered, for at most 30 seconds: WireGuard
// begins a handshake anew every five, and on a busy machine some take longer.
func (h *Host) Ping(address string) error {
	h.t.Helper()
	out, err := h.Command("ping", "-n", "-q", "-c", "1", "-w", "30", address).CombinedOutput()
	if err != nil {
		return fmt.Errorf("host %s: ping %s: %w\n%s", h.name, address, err, bytes.TrimSpace(out))
	}
	return nil
}

// Cmd is a command that runs in a host.
type Cmd struct {
	*exec.Cmd
	host *Host
}

// Command returns a command that will run in the host.
func (h *Host) Command(name string, args ...string) *Cmd {
	return &Cmd{Cmd: exec.Command(name, args...), host: h}
}

// Start starts the command, as exec.Cmd.Start does.
func (c *Cmd) Start() error {
	var err error
	c.host.Do(func() { err = c.Cmd.Start() })
	return err
}

// Run runs the command and waits for its end, as exec.Cmd.Run does.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns what it writes to its standard output. The
// error holds what it writes to its standard error.
func (c *Cmd) Output() ([]byte, error) {
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", c, err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns all that it writes.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}
