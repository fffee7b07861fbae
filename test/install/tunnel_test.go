package install

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/netns"
	testrouter "github.com/wgnetifd/wgnetifd/test/router"
)

const network = `
config interface 'wg0'
	option proto 'wireguard'
	option private_key '%s'
	option listen_port '51820'
	list addresses '10.0.0.1/24'

config wireguard_wg0 'far'
	option public_key '%s'
	list allowed_ips '10.0.0.2/32'
	option endpoint_host '192.0.2.2'
	option endpoint_port '51821'
`

// configure writes /etc/config/network; the file is the test's, and goes with it.
func configure(t *testing.T) {
	t.Helper()
	text := fmt.Sprintf(network, key(1), key(2).PublicKey())
	if err := os.WriteFile("/etc/config/network", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile("/etc/config/network", nil, 0o600) })
}

func farConfig(private wgtypes.Key, port int) wgtypes.Config {
	return wgtypes.Config{
		PrivateKey: &private, ListenPort: &port,
		Peers: []wgtypes.PeerConfig{{
			PublicKey:  key(1).PublicKey(),
			Endpoint:   &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 51820},
			AllowedIPs: []net.IPNet{{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(24, 32)}},
		}},
	}
}

// changeKeepalive commits a change as procd's trigger tells of it, and waits until
// the device has it. What the file was like is restored.
func changeKeepalive(t *testing.T, host *netns.Host) {
	t.Helper()
	const file = "/etc/config/network"
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want time.Duration
	}{
		{string(old) + "\toption persistent_keepalive '17'\n", 17 * time.Second},
		{string(old), 0},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		output(t, host, "", "/etc/init.d/wgnetifd", "reload")
		await(t, fmt.Sprintf("a keepalive of %v", c.want), func() bool {
			peers := testrouter.ReadDevice(t, host, "wg0").Peers
			return len(peers) == 1 && peers[0].PersistentKeepaliveInterval == c.want
		})
	}
}

// output runs a program in a host and returns what it prints.
func output(t *testing.T, host *netns.Host, stdin, name string, args ...string) string {
	t.Helper()
	c := host.Command(name, args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.Output()
	if err != nil {
		t.Error(err)
	}
	return string(out)
}
