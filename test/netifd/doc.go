// Package netifd is a stand-in for OpenWrt's netifd, for tests and the demo: it
// reads /etc/config/network, runs shell-style protocol handlers, takes what they
// announce with notify_proto and puts it into the kernel of one network
// namespace, and serves netifd's ubus objects.
//
// It follows netifd of 2026 (main, e97e36f) to the letter where a protocol
// handler or a daemon beside it can see the difference: what a handler is given
// and when it is run or killed, the life of an interface, every member of
// notify_proto with its traps, the order of kernel writes, hotplug events and
// status replies. The recordings in test/conformance/testdata/netifd and the
// tests of this package hold it to that.
//
// What it does not do: bridges, VLANs, bonding, wireless, tunnels made by netifd
// itself, device sections, aliases ("@name"), IP rules of the configuration,
// jails, handlers written in ucode, and protocols of netifd's own other than
// static and none.
//
// # How it runs
//
// [Start] takes the network namespace of the calling thread. Everything happens
// on one event loop, a goroutine bound to a thread in that namespace, as netifd
// is one thread: handlers are started from there and inherit the namespace.
// Calls that arrive by ubus, ends of processes, timers and link events are
// queued to it.
package netifd
