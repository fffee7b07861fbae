package main

// board is a kind of machine.
type board struct {
	arch              string   // Debian's name of the processor
	packages          []string // Debian's, of kernels, by what they stand for rather than by release
	modules           []string // of the kernels, to be loaded
	qemu, qemuPackage string
	machine           []string // arguments of qemu
	parameters        string   // of the kernel
}

// pc runs the tests. The modules are WireGuard, the TUN devices of wireguard-go,
// cables, and what stands in for a router's other devices. Addresses, routes, rules
// and IPv6 are built into Debian's kernels.
//
// It has one processor on the oldest of boards: started 80 times of 80, where
// several processors and the board microvm sometimes crash or hang. /dev/kvm is
// left alone: inside of other virtual machines it opens, and then nothing works.
// The memory holds the file system too.
var pc = board{
	arch:     "amd64",
	packages: []string{"linux-image-cloud-amd64", "linux-image-6.12-cloud-amd64"},
	modules:  []string{"wireguard", "tun", "veth", "bridge", "dummy"},
	qemu:     "qemu-system-x86_64", qemuPackage: "qemu-system-x86",
	machine:    []string{"-M", "pc", "-accel", "tcg", "-cpu", "qemu64,+rdrand", "-smp", "1", "-m", "1024M"},
	parameters: "random.trust_cpu=on mitigations=off",
}

// malta is a small router: 32 bits, one core such as that of the MT7621 and the
// QCA956x, and 64 MB of memory, of which the kernel leaves 48.
var malta = board{
	arch:     "mipsel",
	packages: []string{"linux-image-4kc-malta"},
	modules:  []string{"wireguard"},
	qemu:     "qemu-system-mipsel", qemuPackage: "qemu-system-mips",
	machine:    []string{"-M", "malta", "-accel", "tcg", "-cpu", "24Kf", "-m", "64M"},
	parameters: "nokaslr",
}
