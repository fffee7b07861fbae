// Package router sets up a router for tests and the demo: a host with
// /etc/config/network, the stand-ins for ubusd, netifd and rpcd, and the program
// of this project, installed as on a router.
//
// The program reads fixed paths. In the mount namespace that package netns gives
// the process, /etc and /tmp are therefore covered by file systems of the
// process's own, which show what the machine has there except for what a router
// has of its own; the machine sees nothing of it. The program is below Root:
//
//	Root/usr/sbin/wgnetifd
//	Root/lib/netifd/proto/wgnetifd.sh     a link to it
//	Root/usr/libexec/rpcd/luci.wireguard  a link to it
//
// These paths are the process's, and so there is one router at a time. Main is
// the TestMain of a package that has some.
package router
