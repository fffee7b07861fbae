// The version of wireguard-go that tests and the demo use; see ../wggo.go. It is a
// module of its own because it needs all of golang.org/x/crypto, in whose place
// the program has something small.
module github.com/wgnetifd/wgnetifd/test/wggo/tool

go 1.26.0

tool golang.zx2c4.com/wireguard

require (
	golang.org/x/crypto v0.50.0 // indirect
	golang.org/x/net v0.53.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.zx2c4.com/wintun v0.0.0-20230126152724-0fa3db229ce2 // indirect
	golang.zx2c4.com/wireguard v0.0.0-20260522210424-ecfc5a8d5446 // indirect
)
