package apply_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/internal/state"
	"github.com/wgnetifd/wgnetifd/internal/wgdev"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// still is a device that takes nothing to read and never changes.
type still struct {
	wgdev.Devices
	actual plan.Actual
}

func (s *still) Read(string) (plan.Actual, error)     { return s.actual, nil }
func (s *still) Configure(string, plan.Changes) error { return nil }

// manyPeers is a configuration whose first peer has a keepalive.
func manyPeers(peers int, keepalive string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "config interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key '%s'\n\tlist addresses '10.0.0.1/8'\n", privKey)
	for n := range peers {
		fmt.Fprintf(&b, "\nconfig wireguard_wg0\n\toption public_key '%s'\n\toption preshared_key '%s'\n\toption route_allowed_ips '1'\n\tlist allowed_ips '11.%d.%d.%d/32'\n",
			schema.Key{byte(n), byte(n >> 8), 2: 7, 31: 1}, psk, n>>16, n>>8&255, n&255)
		if n == 0 && keepalive != "" {
			b.WriteString("\toption persistent_keepalive '" + keepalive + "'\n")
		}
	}
	return b.String()
}

// BenchmarkRun is a run over an interface that is up, without what the device, the
// kernel and netifd take: nothing changed, and one peer changed.
func BenchmarkRun(b *testing.B) {
	for _, peers := range []int{100, 1000, 10000} {
		for _, what := range []string{"unchanged", "change"} {
			b.Run(fmt.Sprintf("%s/peers=%d", what, peers), func(b *testing.B) {
				dir, devices := b.TempDir(), wgdev.NewFake()
				write := func(text string) {
					if err := os.WriteFile(filepath.Join(dir, "network"), []byte(text), 0o600); err != nil {
						b.Fatal(err)
					}
				}
				sys := &apply.System{
					Dir:     uci.Dir{Config: dir, Save: filepath.Join(dir, "save")},
					Devices: devices, Kernel: rtnl.NewFake(), State: state.Dir(filepath.Join(dir, "run")),
					Now: time.Now, Log: logline.New(io.Discard),
				}
				up := func() *apply.Run {
					r, err := sys.Up(context.Background(), "wg0", apply.Kernel{})
					if err != nil {
						b.Fatal(err)
					}
					return r
				}
				write(manyPeers(peers, ""))
				up()
				sys.Devices = &still{devices, devices.Device("wg0")}
				if what == "change" {
					write(manyPeers(peers, "25"))
				}
				b.ReportAllocs()
				for b.Loop() {
					if n := len(up().Changes.Peers); (n == 1) != (what == "change") {
						b.Fatalf("%d peers were written", n)
					}
				}
			})
		}
	}
}
