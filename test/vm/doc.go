// Command vm runs tests of packages in virtual machines with Debian's kernels,
// as root of a machine of their own: WireGuard is the kernel's there.
//
//	go run ./test/vm [-kernels PACKAGE,…] [-run REGEXP] [-v] PACKAGE…
//
// For each kernel a machine is started, in software (QEMU's TCG), that has
// nothing but busybox, the modules of the list below, the test binaries with
// their testdata, and the programs that tests call. All packages are tested in
// one boot, one after the other, and the machines run side by side. The exit
// status is 0 when every package passed on every kernel.
//
//	go run ./test/vm -router PROGRAM
//
// runs a program that was built for mipsel on a machine like a small router, with
// 64 MB of memory: setup, change, status and teardown of 1,000 peers.
//
//	go run ./test/vm -race PROGRAM [-- FLAG…]
//
// runs the race of test/race with the kernel's WireGuard. The programs of OpenWrt are
// those of the machine that this is started on, as are the libraries.
//
// Kernels and busybox are downloaded from Debian, checked by apt's signatures,
// and unpacked, never installed; root is not needed. What is made of them stays
// in a folder below the user's cache directory (or WGNETIFD_VM_CACHE) and is used
// again: remove it to get newer ones.
//
// Tests tell the machine from others by the environment: WGNETIFD_VM=1, and
// WGNETIFD_NO_SKIP=1, so that none is left out (package need). Programs that tests
// build otherwise are handed on in WGNETIFD_PROGRAM and WGNETIFD_WIREGUARD_GO,
// because there is no Go.
package main
