// Unaligned writes four bytes at an odd address, which a strict processor answers
// with a bus error. It shows whether an emulator is strict.
package main

import "unsafe"

func main() {
	var b [8]byte
	odd := unsafe.Pointer(&b[1])
	if uintptr(odd)&1 == 0 {
		odd = unsafe.Pointer(&b[2])
	}
	*(*uint32)(odd) = 0x01020304
	println("read back", *(*uint32)(odd))
}
