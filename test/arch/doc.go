// Package arch holds tests of the whole program on every kind of processor that
// routers have: what it prints there is compared with what it prints here.
//
// `go test` alone runs them on this machine's own. `make test-arch` builds the
// program for the others and names them, as OpenWrt does, in WGNETIFD_ARCH; they
// run in qemu's emulation of a user's program. That emulation passes system calls
// on to this machine's kernel, but neither generic netlink nor all of rtnetlink:
// what is tested is what a device is not needed for, on a configuration of many
// peers. Devices are tested in a virtual machine (package vm).
//
// The MIPS processors of routers cannot access memory at addresses that are not
// aligned: Linux emulates that at a high price, or ends the program. qemu is
// strict for those, with a bus error, and a test sees to it that it is; ARM, ARM64
// and RISC-V are emulated as processors that can. They have one core, too, and so
// have the programs here: with more, qemu's emulation of several threads of MIPS ends
// one daemon of thirty with an error in Go's own collection of garbage.
package arch
