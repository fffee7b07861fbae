// Package netns gives tests and the demo network namespaces of their own.
//
// Isolate runs a program in fresh namespaces for network, mounts and processes,
// with an empty /run: nothing that it does reaches the machine, and whatever it
// leaves behind, interfaces, sockets and processes such as wireguard-go, goes with
// it, however it ends. In a package of tests, Main does that:
//
//	func TestMain(m *testing.M) { netns.Main(m) }
//
//	func TestTunnel(t *testing.T) {
//		netns.Require(t)
//		router, client := netns.New(t, "router"), netns.New(t, "client")
//		…
//	}
//
// Host is a further network namespace within, as a host beside others. All hosts
// share the /run of the test: control sockets of userspace WireGuard are found
// there by the interface's name, so that interfaces of two hosts need different
// names.
//
// The only external program is ping(8).
package netns
