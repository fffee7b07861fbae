// Package curve25519 computes public keys for wgctrl and for us.
//
// It stands where golang.org/x/crypto/curve25519 would (go.mod replaces that
// module), which leads to crypto/ecdh. Whoever imports that has the NIST curves
// and FIPS 140's self-tests too: 94 KB of the binary as `xz -9`. (Take the replacement out
// of go.mod, `go mod tidy`, and look at `make size`.)
package curve25519

import "filippo.io/edwards25519"

const (
	// ScalarSize is the length of a scalar, in bytes.
	ScalarSize = 32
	// PointSize is the length of a point, in bytes.
	PointSize = 32
)

// ScalarBaseMult sets dst to the public key of a private key, in constant time:
// X25519(scalar, 9) of RFC 7748. Any 32 bytes are a private key.
//
// The base point of curve25519 is that of edwards25519, in Montgomery form (RFC
// 7748, section 4.1).
func ScalarBaseMult(dst, scalar *[ScalarSize]byte) {
	s, err := edwards25519.NewScalar().SetBytesWithClamping(scalar[:])
	if err != nil {
		panic(err) // It is of the wrong length: it is not.
	}
	p := edwards25519.NewIdentityPoint().ScalarMult(s, edwards25519.NewGeneratorPoint())
	copy(dst[:], p.BytesMontgomery())
}
