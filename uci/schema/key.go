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
	n, err := base64.StdEncoding.Strict().Decode(buf[:], []byte(s))
	if err != nil || n != KeyLen {
		return Key{}, ErrKey
	}
	copy(k[:], buf[:])
	return k, nil
}

// IsZero reports whether no key is set.
func (k Key) IsZero() bool { return k == Key{} }

// String returns the key in base64. Only public keys may be printed, logged or
// sent: use Short in log lines.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// Short returns the first characters of a public key, enough to recognise a
// peer in a log line.
func (k Key) Short() string { return k.String()[:8] + "…" }
