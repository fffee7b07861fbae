package router

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/netns"
)

// AddDevice makes a WireGuard device in a host without the program of this
// project, configures it and sets it up: the other side of a tunnel, for
// instance. All hosts share one /run, where userspace devices have their sockets:
// names must differ.
func AddDevice(t netns.TB, h *netns.Host, name string, c wgtypes.Config, addresses ...string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	err := h.Links().LinkAdd(&netlink.Wireguard{LinkAttrs: attrs})
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = h.Command("wireguard-go", name).Run()
	}
	if err != nil {
		t.Fatalf("host %s: make %s: %v", h.Name(), name, err)
	}
	t.Cleanup(func() { removeDevices(t, h) })
	Configure(t, h, name, c)
	h.AddAddress(name, addresses...)
	h.SetUp(name)
}

// Configure changes a WireGuard device of a host.
func Configure(t netns.TB, h *netns.Host, name string, c wgtypes.Config) {
	t.Helper()
	if err := withClient(h, func(w *wgctrl.Client) error { return w.ConfigureDevice(name, c) }); err != nil {
		t.Fatalf("host %s: configure %s: %v", h.Name(), name, err)
	}
}

// ReadDevice reads a WireGuard device of a host.
func ReadDevice(t netns.TB, h *netns.Host, name string) *wgtypes.Device {
	t.Helper()
	d, err := TryDevice(h, name)
	if err != nil {
		t.Fatalf("host %s: read %s: %v", h.Name(), name, err)
	}
	return d
}

// TryDevice reads a WireGuard device of a host; the error matches
// fs.ErrNotExist when there is none.
func TryDevice(h *netns.Host, name string) (d *wgtypes.Device, err error) {
	err = withClient(h, func(w *wgctrl.Client) error {
		d, err = w.Device(name)
		return err
	})
	return d, err
}

func withClient(h *netns.Host, f func(*wgctrl.Client) error) (err error) {
	h.Do(func() {
		var w *wgctrl.Client
		if w, err = wgctrl.New(); err != nil {
			return
		}
		err = errors.Join(f(w), w.Close())
	})
	return err
}

// removeDevices removes the WireGuard devices of a host. One of wireguard-go
// would outlive the host, and keep its name.
func removeDevices(t netns.TB, h *netns.Host) {
	t.Helper()
	links, err := h.Links().LinkList()
	if err != nil {
		t.Fatalf("host %s: %v", h.Name(), err)
	}
	for _, l := range links {
		if kind := l.Type(); kind != "tuntap" && kind != "tun" && kind != "wireguard" {
			continue
		}
		if err := RemoveDevice(h, l.Attrs().Name); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

// RemoveDevice deletes a WireGuard device of a host, peers first: the kernel
// takes its time for each one otherwise. It returns when wireguard-go has ended.
func RemoveDevice(h *netns.Host, name string) error {
	// Without peers it is only quicker.
	_ = withClient(h, func(w *wgctrl.Client) error {
		return w.ConfigureDevice(name, wgtypes.Config{ReplacePeers: true})
	})
	l, err := h.Links().LinkByName(name)
	if err == nil {
		err = h.Links().LinkDel(l)
	}
	if err != nil {
		return fmt.Errorf("host %s: remove %s: %w", h.Name(), name, err)
	}
	socket := "/var/run/wireguard/" + name + ".sock"
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return fmt.Errorf("host %s: remove %s: wireguard-go does not end", h.Name(), name)
}
