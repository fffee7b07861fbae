// Stands in for golang.org/x/crypto, of which wgctrl needs one function: see
// curve25519/curve25519.go.
module golang.org/x/crypto

go 1.26.0

require filippo.io/edwards25519 v1.2.0
