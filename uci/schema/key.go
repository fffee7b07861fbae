package schema

import (
	"encoding/base64"
	"errors"
)

// KeyLen is the length of a WireGuard key in bytes.
const KeyLen = 32

// ErrKey says what a key has to look like. It never holds the key.
var ErrKey = errors.New("a key is 44 characters of base64 that end in '=' (32 bytes), as `wg genkey` prints it")

// Key is a WireGuard key: a Curve25519 public or private key or a preshared
// key. The zero Key means "none".
type Key [KeyLen]byte

// strict refuses stray bits. It is made once: where nothing is inlined, each Strict() is
// 300 bytes of the heap.
var strict = base64.StdEncoding.Strict()

// ParseKey reads a key in the form that wg(8) prints and accepts: base64 with
// padding, 44 characters, no stray bits behind the last byte.
func ParseKey(s string) (Key, error) {
	var k Key
	if len(s) != base64.StdEncoding.EncodedLen(KeyLen) {
		return Key{}, ErrKey
	}
	// Decode writes through line breaks, which a key has none of: a decoded
	// length other than 32 bytes tells.
	var buf [KeyLen + 1]byte
	n, err := strict.Decode(buf[:], []byte(s))
	if err != nil || n != KeyLen {
		return Key{}, ErrKey
	}
	copy(k[:], buf[:])
	return k, nil
}

// IsZero reports whether no key is set.
func (k Key) IsZero() bool { return k == Key{} }

// Clamped returns a private key as WireGuard keeps it and shows it: five of its
// bits are what they have to be for Curve25519 (RFC 7748, section 5). Keys that
// wg(8) has made are so already, those of other programs need not be. The public
// key is the same for both.
func (k Key) Clamped() Key {
	if !k.IsZero() {
		k[0] &= 248
		k[31] = k[31]&127 | 64
	}
	return k
}

// String returns the key in base64. Only public keys may be printed, logged or
// sent: use Short in log lines.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// Short returns the first characters of a public key, enough to recognise a
// peer in a log line.
func (k Key) Short() string { return k.String()[:8] + "…" }
