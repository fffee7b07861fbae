package bypass_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/bypass"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

func TestMain(m *testing.M) { netns.Main(m) }

// patience is how long something may take on a machine that is busy.
const patience = 20 * time.Second

// The server on the Internet, which has all services.
var servers = []string{"198.51.100.1", "2001:db8:100::1"}

// lab is a router between a client in its LAN and the Internet, with a tunnel
// that holds everything.
type lab struct {
	t                        testing.TB
	router, client, internet *netns.Host
	k                        *rtnl.System
	tunnel                   *os.File
	came                     chan string // what came to the server, and what went into the tunnel
}

func newLab(t testing.TB) *lab {
	netns.Require(t)
	need.TUN(t)
	l := &lab{
		t:      t,
		router: netns.New(t, "router"), client: netns.New(t, "client"), internet: netns.New(t, "internet"),
		k: rtnl.NewSystem(), came: make(chan string, 100),
	}
	netns.Connect(l.router, "wan", l.internet, "eth0")
	netns.Connect(l.router, "lan", l.client, "eth0")
	l.internet.AddAddress("eth0", "192.0.2.1/24", "2001:db8:2::1/64")
	l.internet.AddAddress("lo", servers[0]+"/32", servers[1]+"/128")
	l.internet.AddRoute("192.168.1.0/24", "192.0.2.2", "eth0")
	l.client.AddAddress("eth0", "192.168.1.2/24", "fd01::2/64")
	l.client.AddRoute("0.0.0.0/0", "192.168.1.1", "eth0")
	l.client.AddRoute("::/0", "fd01::1", "eth0")

	l.router.AddAddress("wan", "192.0.2.2/24", "2001:db8:2::2/64")
	l.router.AddAddress("lan", "192.168.1.1/24", "fd01::1/64")
	l.router.AddRoute("0.0.0.0/0", "192.0.2.1", "wan")
	l.router.AddRoute("::/0", "2001:db8:2::1", "wan")
	// As on OpenWrt. (Loose, 2, does as well; see the package's comment for strict.)
	l.sysctl("net/ipv4/conf/all/rp_filter", "0")
	l.sysctl("net/ipv4/conf/wan/rp_filter", "0")
	l.sysctl("net/ipv4/ip_forward", "1")
	l.sysctl("net/ipv6/conf/all/forwarding", "1")
	l.openTunnel("wg0")
	l.router.AddAddress("wg0", "10.0.0.2/32", "fd00::2/128")
	for _, dst := range []string{"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"} {
		l.router.AddRoute(dst, "", "wg0")
	}
	l.listen()
	l.router.Do(func() { // Where its socket is opened.
		if _, err := l.k.Links(); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { _ = l.k.Close() })
	return l
}

func (l *lab) sysctl(name, value string) {
	l.t.Helper()
	l.router.Do(func() {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
			l.t.Fatal(err)
		}
	})
}

// openTunnel makes a TUN device of the router, and says what goes into it.
func (l *lab) openTunnel(name string) {
	l.t.Helper()
	l.router.Do(func() {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			l.t.Fatal(err)
		}
		req, err := unix.NewIfreq(name)
		if err != nil {
			l.t.Fatal(err)
		}
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			l.t.Fatalf("make the TUN device: %v", err)
		}
		l.tunnel = os.NewFile(uintptr(fd), "tun")
	})
	l.t.Cleanup(func() { _ = l.tunnel.Close() })
	l.router.SetUp(name)
	go func() {
		b := make([]byte, 2000)
		for {
			n, err := l.tunnel.Read(b)
			if err != nil {
				return
			}
			if s := describe(b[:n]); s != "" {
				l.came <- "tunnel " + s
			}
		}
	}()
}

// describe returns the protocol and the destination port of an IP packet; empty
// for what the kernel sends by itself.
func describe(b []byte) string {
	protocol, payload := byte(0), []byte(nil)
	switch {
	case len(b) >= 24 && b[0]>>4 == 4:
		protocol, payload = b[9], b[int(b[0]&15)*4:]
	case len(b) >= 44 && b[0]>>4 == 6:
		protocol, payload = b[6], b[40:]
	}
	name := map[byte]string{unix.IPPROTO_UDP: "udp", unix.IPPROTO_TCP: "tcp"}[protocol]
	if name == "" || len(payload) < 4 {
		return ""
	}
	return fmt.Sprint(name, " ", int(payload[2])<<8|int(payload[3]))
}

var ports = []int{53, 123, 124}

// listen has the server answer everything, and says what came.
func (l *lab) listen() {
	l.internet.Do(func() {
		for _, server := range servers {
			for _, port := range ports {
				at := netip.AddrPortFrom(netip.MustParseAddr(server), uint16(port))
				udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
				if err != nil {
					l.t.Fatal(err)
				}
				tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
				if err != nil {
					l.t.Fatal(err)
				}
				l.t.Cleanup(func() { udp.Close(); tcp.Close() })
				go func() {
					b := make([]byte, 100)
					for {
						n, from, err := udp.ReadFromUDPAddrPort(b)
						if err != nil {
							return
						}
						l.came <- fmt.Sprint("uplink udp ", port)
						_, _ = udp.WriteToUDPAddrPort(b[:n], from)
					}
				}()
				go func() {
					for {
						c, err := tcp.Accept()
						if err != nil {
							return
						}
						l.came <- fmt.Sprint("uplink tcp ", port)
						c.Close()
					}
				}()
			}
		}
	})
}

// expect has a host ask the server, and wants the question to go a way. What goes
// through the uplink has to be answered.
func (l *lab) expect(h *netns.Host, way, network string, port int) {
	l.t.Helper()
	for _, server := range servers {
		address := net.JoinHostPort(server, fmt.Sprint(port))
		ended := make(chan error, 1)
		ctx, cancel := context.WithTimeout(l.t.Context(), patience)
		h.Do(func() {
			// The socket is opened by this thread, which is in the namespace.
			switch {
			case network == "udp":
				ended <- ask(ctx, address, way == "uplink")
			case way == "uplink":
				ended <- call(ctx, address)
			default:
				ended <- knock(address)
			}
		})
		want := fmt.Sprint(way, " ", network, " ", port)
		select {
		case got := <-l.came:
			if got != want {
				l.t.Errorf("%s to %s: %s, want %s", h.Name(), address, got, want)
			}
		case <-ctx.Done():
			l.t.Errorf("%s to %s: nothing came, want %s", h.Name(), address, want)
		}
		if err := <-ended; err != nil {
			l.t.Errorf("%s to %s: %v", h.Name(), address, err)
		}
		cancel()
	}
}

// ask sends a question by UDP and waits for the answer where there is one.
func ask(ctx context.Context, address string, answered bool) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "udp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("what time is it?")); err != nil || !answered {
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, err = c.Read(make([]byte, 100))
	return err
}

// call makes a TCP connection.
func call(ctx context.Context, address string) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// knock sends the first packet of a TCP connection and no other.
func knock(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()})
	if at.Addr().Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, to); !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return nil
}

// tables returns everything about rules and routes, but for those that the kernel makes
// itself: some come late, when an address or a link is ready.
func (l *lab) tables() string {
	l.t.Helper()
	var b strings.Builder
	for _, args := range []string{"-4 rule", "-6 rule", "-4 route show table all", "-6 route show table all"} {
		out, err := l.router.Command(need.Command(l.t, "ip"), strings.Fields(args)...).Output()
		if err != nil {
			l.t.Fatal(err)
		}
		fmt.Fprintf(&b, "ip %s\n", args)
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, " proto kernel ") {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// apply is Apply twice: the second time nothing is written.
func (l *lab) apply(on bool) (wrote int) {
	l.t.Helper()
	for n := range 2 {
		got, err := bypass.Apply(l.k, on, "wg0")
		if err != nil {
			l.t.Fatal(err)
		}
		if n == 0 {
			wrote = got
		} else if got != 0 {
			l.t.Errorf("the second time %d rules and routes were written:\n%s", got, l.tables())
		}
	}
	return wrote
}

// past checks which questions go past the tunnel.
func (l *lab) past() {
	l.t.Helper()
	l.expect(l.router, "uplink", "udp", 123)
	l.expect(l.router, "uplink", "udp", 53)
	l.expect(l.router, "uplink", "tcp", 53)
	l.expect(l.router, "tunnel", "udp", 124)
	l.expect(l.router, "tunnel", "tcp", 123)
	l.expect(l.client, "tunnel", "udp", 123)
	l.expect(l.client, "tunnel", "udp", 53)
	l.expect(l.client, "tunnel", "tcp", 53)
}

// through checks that everything goes through the tunnel.
func (l *lab) through() {
	l.t.Helper()
	for _, h := range []*netns.Host{l.router, l.client} {
		l.expect(h, "tunnel", "udp", 123)
		l.expect(h, "tunnel", "udp", 53)
		l.expect(h, "tunnel", "tcp", 53)
		l.expect(h, "tunnel", "udp", 124)
	}
}
