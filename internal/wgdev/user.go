package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

const (
	// userProgram is the userspace WireGuard that is started where the kernel has
	// none.
	userProgram = "wireguard-go"

	// socketDir is where its processes have their control sockets; wgctrl, wg(8)
	// and wireguard-go agree on it.
	socketDir = "/var/run/wireguard"

	// startTime is what a process may take until it answers, and endTime until it
	// is gone: both take some 10 ms on a PC, and a slow router is under load when
	// it boots.
	startTime = 10 * time.Second
	endTime   = 3 * time.Second
	pollTime  = 2 * time.Millisecond
)

func socketPath(name string) string { return filepath.Join(socketDir, name+".sock") }

// readUser reads a device through its control socket. The process answers under
// a lock: the list of peers is whole.
func (s *System) readUser(name string) (plan.Actual, error) {
	c, err := s.client()
	if err != nil {
		return plan.Actual{}, err
	}
	d, err := c.Device(name)
	if err != nil {
		return plan.Actual{}, err
	}
	return actualOf(d), nil
}

// actualOf translates what wgctrl says about a device.
func actualOf(d *wgtypes.Device) plan.Actual {
	a := plan.Actual{
		PrivateKey: schema.Key(d.PrivateKey),
		ListenPort: uint16(d.ListenPort),
		FwMark:     uint32(d.FirewallMark),
	}
	if !a.PrivateKey.IsZero() {
		a.PublicKey = schema.Key(d.PublicKey)
	}
	if len(d.Peers) > 0 {
		a.Peers = make([]plan.ActualPeer, len(d.Peers))
	}
	for n := range d.Peers {
		p := &d.Peers[n]
		a.Peers[n] = plan.ActualPeer{
			PublicKey:     schema.Key(p.PublicKey),
			PresharedKey:  schema.Key(p.PresharedKey),
			Keepalive:     uint16(p.PersistentKeepaliveInterval / time.Second),
			Endpoint:      endpointOf(p.Endpoint),
			AllowedIPs:    prefixesOf(p.AllowedIPs),
			LastHandshake: p.LastHandshakeTime,
			RxBytes:       uint64(p.ReceiveBytes),
			TxBytes:       uint64(p.TransmitBytes),
		}
	}
	return a
}

// userError finds the error number in what wgctrl says when a process refuses
// something: its text is all that there is of it.
func userError(err error) error {
	var call *os.SyscallError
	if !errors.As(err, &call) {
		return err
	}
	text, ok := strings.CutPrefix(call.Err.Error(), "wguser: errno=-")
	if !ok {
		return err
	}
	n, parseErr := strconv.ParseUint(text, 10, 31)
	if parseErr != nil || n == 0 {
		return err
	}
	return unix.Errno(n)
}

func endpointOf(u *net.UDPAddr) netip.AddrPort {
	if u == nil {
		return netip.AddrPort{}
	}
	ap := u.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func prefixesOf(list []net.IPNet) []netip.Prefix {
	if len(list) == 0 {
		return nil
	}
	out := make([]netip.Prefix, 0, len(list))
	for n := range list {
		addr, ok := netip.AddrFromSlice(list[n].IP)
		ones, bits := list[n].Mask.Size()
		if bits == 32 {
			addr = addr.Unmap()
		}
		if p := netip.PrefixFrom(addr, ones); ok && p.IsValid() {
			out = append(out, p.Masked())
		}
	}
	return out
}

// startUser makes a device with a wireguard-go process, which puts itself into
// the background once the device is there.
func (s *System) startUser(name string) error {
	path, err := s.lookPath(userProgram)
	if err != nil {
		return fmt.Errorf("%s: %w", name, ErrNoWireGuard)
	}
	if answers(name) == nil {
		return fmt.Errorf("%s: cannot make the device: a %s with a device of this name serves %s already, in another network namespace: %w",
			name, userProgram, socketPath(name), fs.ErrExist)
	}
	status, err := runDetached(path, []string{userProgram, name}, startTime)
	switch {
	case err != nil:
		return failure(name, "start "+path, err)
	case status != 0:
		why := ""
		if _, err := os.Stat("/dev/net/tun"); errors.Is(err, fs.ErrNotExist) {
			why = ": there is no /dev/net/tun (install kmod-tun)"
		}
		return fmt.Errorf("%s: %s ended with status %d and made no device%s", name, path, status, why)
	}
	return s.awaitStart(name)
}

// awaitStart waits until the process of a new device answers, which opened its
// control socket before it went into the background.
func (s *System) awaitStart(name string) error {
	for deadline := time.Now().Add(startTime); ; time.Sleep(pollTime) {
		err := answers(name)
		if err == nil {
			return nil
		}
		// The link goes with the process.
		if _, lost := s.links.ByName(name); lost != nil || time.Now().After(deadline) {
			return failure(name, "reach "+userProgram, err)
		}
	}
}

// answers reports whether a process behind the device's control socket answers,
// which it does once the device can be configured.
func answers(name string) error {
	conn, err := net.DialTimeout("unix", socketPath(name), startTime)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTime)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("get=1\n\n")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// awaitEnd waits for the process of a device that was deleted, which takes its
// control socket away when it ends. One that does not ends when it loses the
// socket.
func (s *System) awaitEnd(name string) error {
	path := socketPath(name)
	for deadline := time.Now().Add(endTime); isSocket(path); time.Sleep(pollTime) {
		if time.Now().After(deadline) {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return failure(name, "end "+userProgram, err)
			}
			return nil
		}
	}
	return nil
}

// runDetached runs a program that puts itself into the background, and returns
// the exit status of what was started. It has no terminal and no descriptor of
// ours: netifd leaks some of its own to us, and a daemon would keep them open.
func runDetached(path string, argv []string, limit time.Duration) (status int, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	if err := closeOnExec(); err != nil {
		return 0, fmt.Errorf("keep descriptors from being inherited: %w", err)
	}
	p, err := os.StartProcess(path, argv, &os.ProcAttr{
		Dir:   "/",
		Env:   environment(os.Environ()),
		Files: []*os.File{null, null, null},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, err
	}
	timer := time.AfterFunc(limit, func() { _ = p.Kill() }) // It may have ended by itself.
	defer timer.Stop()
	state, err := p.Wait()
	if err != nil {
		return 0, err
	}
	return state.ExitCode(), nil
}

// environment is ours without what tells wireguard-go to stay in the foreground,
// to use descriptors that it was not given, or to log to the terminal.
func environment(ours []string) []string {
	return slices.DeleteFunc(slices.Clone(ours), func(v string) bool {
		return strings.HasPrefix(v, "WG_") || strings.HasPrefix(v, "LOG_LEVEL=")
	})
}

// closeOnExec marks every descriptor beyond the standard three. Go's own are
// marked when they are opened; this is for those that we inherited.
func closeOnExec() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil || (!errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL)) {
		return err
	}
	// Kernels before 5.11.
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range dir {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// lookPath finds a program on PATH. (os/exec has more of it, and the weight.)
func lookPath(file string) (string, error) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, file)
		if !filepath.IsAbs(path) {
			continue // the current folder is none of ours
		}
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: not on PATH: %w", file, fs.ErrNotExist)
}
