// Package integration holds the program as a whole to what it promises: run as
// netifd, rpcd and people run it, on a router of package router, with the
// kernel's or wireguard-go's WireGuard and real packets. What it did is looked up
// in the kernel, past its own code.
package integration
