package router

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/rpcd"
)

// rpcdName is the argv[0] of a test program that is rpcd.
const rpcdName = "rpcd"

// Main is the TestMain of a package that has routers.
func Main(m *testing.M) {
	if os.Args[0] == rpcdName {
		if err := serveRpcd(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	netns.Main(m)
}

// StartRpcd starts rpcd with the program as its plugin luci.wireguard. It is a
// process of its own, in the router's network namespace, and so its plugins are.
func (r *Router) StartRpcd() {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatalf("start rpcd: %v", err)
	}
	cmd := r.Command(self)
	cmd.Args[0] = rpcdName
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatalf("start rpcd: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatalf("start rpcd: %v", err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatalf("start rpcd: %v", err)
	}
	r.t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait() // It said on standard error why it failed, if it did.
	})
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		r.t.Fatalf("start rpcd: %v", err)
	}
}

// serveRpcd is rpcd until its standard input ends.
func serveRpcd() error {
	d, err := rpcd.Start(context.Background(), rpcd.Config{Socket: ubus.DefaultSocket, PluginDir: pluginDir})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return d.Close()
}
