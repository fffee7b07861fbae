// Package curve25519 computes public keys for wgctrl and for us.
//
// It stands where golang.org/x/crypto/curve25519 would (go.mod replaces that
// module), which leads to crypto/ecdh. Whoever imports that has the NIST curves
// and FIPS 140's self-tests too: 94 KB of the binary as `xz -9`. (Take the replacement out
// of go.mod, `go mod tidy`, and look at `make size`.) The arithmetic modulo
// 2^255 - 19 is filippo.io/edwards25519's; its curve is left out, whose tables cost
// 12 KB more and which takes longer.
package curve25519

import "filippo.io/edwards25519/field"

const (
	// ScalarSize is the length of a scalar, in bytes.
	ScalarSize = 32
	// PointSize is the length of a point, in bytes.
	PointSize = 32
)

// RFC 7748, sections 4.1 and 5.
const (
	basePoint = 9      // u of the base point
	a24       = 121665 // (486662 - 2) / 4
)

// ScalarBaseMult sets dst to the public key of a private key, in constant time:
// X25519(scalar, 9) of RFC 7748, section 5. Any 32 bytes are a private key.
func ScalarBaseMult(dst, scalar *[ScalarSize]byte) {
	k := *scalar
	k[0] &= 248
	k[31] = k[31]&127 | 64

	// The Montgomery ladder: x2/z2 and x3/z3 are the multiples of the base point by
	// the bits of k so far, and by one more.
	var x2, z2, x3, z3 field.Element
	x2.One()
	z3.One()
	x3.Mult32(&z3, basePoint)
	var a, aa, b, bb, c, d, e field.Element
	swapped := 0
	for i := 254; i >= 0; i-- {
		bit := int(k[i/8]>>(i%8)) & 1
		x2.Swap(&x3, swapped^bit)
		z2.Swap(&z3, swapped^bit)
		swapped = bit

		a.Add(&x2, &z2)
		b.Subtract(&x2, &z2)
		c.Add(&x3, &z3)
		d.Subtract(&x3, &z3)
		d.Multiply(&d, &a)
		c.Multiply(&c, &b)
		aa.Square(&a)
		bb.Square(&b)
		e.Subtract(&aa, &bb)

		x3.Add(&d, &c)
		x3.Square(&x3)
		z3.Subtract(&d, &c)
		z3.Square(&z3)
		z3.Mult32(&z3, basePoint)
		x2.Multiply(&aa, &bb)
		z2.Mult32(&e, a24)
		z2.Add(&z2, &aa)
		z2.Multiply(&z2, &e)
	}
	x2.Swap(&x3, swapped)
	z2.Swap(&z3, swapped)
	x2.Multiply(&x2, z2.Invert(&z2))
	copy(dst[:], x2.Bytes())
}
