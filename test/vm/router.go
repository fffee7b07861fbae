package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// routerScript is what runs on the small router.
//
//go:embed router.sh
var routerScript string

// routerPeers is how many peers the small router has.
const routerPeers = 1000

// runRouter runs a program on a small router: the kernel's WireGuard, and netlink
// instead of netifd.
func runRouter(ctx context.Context, program string) error {
	if err := check(&malta); err != nil {
		return err
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	kernels, err := prepare(cache, &malta, malta.packages)
	if err != nil {
		return err
	}
	return runEach(ctx, kernels, func(files string) error { return writeRouter(files, program) })
}

// runEach runs the command of an archive, which write writes, on one kernel after the
// other.
func runEach(ctx context.Context, kernels []kernel, write func(files string) error) error {
	work, err := os.MkdirTemp("", "wgnetifd-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	files := filepath.Join(work, "files.cpio")
	if err := write(files); err != nil {
		return err
	}
	for _, k := range kernels {
		status, err := (&machine{kernel: k, files: files, out: os.Stdout}).run(ctx)
		if err == nil && status != 0 {
			err = fmt.Errorf("status %d", status)
		}
		if err != nil {
			return fmt.Errorf("linux %s: %w", k.series, err)
		}
	}
	return nil
}

func writeRouter(file, program string) error {
	return writeCommand(file, routerScript, func(a *archive) error {
		a.text("etc/config/network", routerConfig(routerPeers, -1))
		a.text("changed/network", routerConfig(routerPeers, routerPeers/2))
		a.copy("/usr/sbin/wgnetifd", program)
		return nil
	})
}

// routerConfig returns /etc/config/network with so many peers, each with a
// preshared key, an allowed IP and a route to it; that of one peer is another.
func routerConfig(peers, changed int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "config interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key '%s'\n\toption listen_port '51820'\n"+
		"\tlist addresses '192.0.2.1/24'\n", routerKey("interface", 0))
	for i := range peers {
		net := 10
		if i == changed {
			net = 11
		}
		fmt.Fprintf(&b, "\nconfig wireguard_wg0\n\toption public_key '%s'\n\toption preshared_key '%s'\n\toption route_allowed_ips '1'\n"+
			"\tlist allowed_ips '%d.0.%d.%d/32'\n", routerKey("public", i), routerKey("preshared", i), net, i>>8, i&255)
	}
	return b.String()
}

// routerKey returns a key that is the same in every run; any 32 bytes are one.
func routerKey(kind string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, n))
	return base64.StdEncoding.EncodeToString(sum[:])
}
