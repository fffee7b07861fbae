// Package usign makes and checks signatures in the format of OpenBSD's signify,
// which is that of OpenWrt's usign: Ed25519, two lines of text a file.
//
// The first line is a comment that nobody trusts. The second is base64 of "Ed",
// eight bytes that number the key, and the key or the signature itself.
package usign

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

const (
	algorithm = "Ed" // Ed25519
	kdf       = "BK" // bcrypt, or nothing where the rounds are 0

	numberLen   = 8
	roundsLen   = 4 // 0: the key is not encrypted, as usign has them all
	saltLen     = 16
	checksumLen = 8 // the start of SHA-512 of the secret key

	commentHeader = "untrusted comment: "
)

// ErrSignature: the text was not signed by this key.
var ErrSignature = errors.New("the signature does not fit")

// Number is what a key, and each signature by it, is found by.
type Number [numberLen]byte

// String returns the number as opkg names the files in /etc/opkg/keys.
func (n Number) String() string { return hex.EncodeToString(n[:]) }

// PublicKey checks signatures.
type PublicKey struct {
	Number Number
	key    ed25519.PublicKey
}

// SecretKey makes signatures.
type SecretKey struct {
	Number Number
	key    ed25519.PrivateKey
}

// Generate makes a key of random bytes.
func Generate(random io.Reader) (*SecretKey, error) {
	k := &SecretKey{}
	if _, err := io.ReadFull(random, k.Number[:]); err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(random)
	k.key = key
	return k, err
}

// Public returns the half that everybody may know.
func (k *SecretKey) Public() *PublicKey {
	return &PublicKey{Number: k.Number, key: k.key.Public().(ed25519.PublicKey)}
}

// Sign returns the file that vouches for message.
func (k *SecretKey) Sign(message []byte, comment string) []byte {
	return file(comment, []byte(algorithm), k.Number[:], ed25519.Sign(k.key, message))
}

// Marshal returns the file of a secret key. It is not encrypted.
func (k *SecretKey) Marshal(comment string) []byte {
	sum := sha512.Sum512(k.key)
	return file(comment, []byte(algorithm+kdf), make([]byte, roundsLen+saltLen), sum[:checksumLen], k.Number[:], k.key)
}

// ParseSecret reads the file of a secret key. Its errors hold nothing of it.
func ParseSecret(text []byte) (*SecretKey, error) {
	b, err := decode(text, 2*len(algorithm)+roundsLen+saltLen+checksumLen+numberLen+ed25519.PrivateKeySize)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	b, ok := bytes.CutPrefix(b, []byte(kdf+string(make([]byte, roundsLen))))
	if !ok {
		return nil, errors.New("secret key: it is encrypted, make one without a passphrase")
	}
	b = b[saltLen:]
	sum, b := b[:checksumLen], b[checksumLen:]
	k := &SecretKey{Number: Number(b[:numberLen]), key: b[numberLen:]}
	if want := sha512.Sum512(k.key); !bytes.Equal(sum, want[:checksumLen]) {
		return nil, errors.New("secret key: its checksum is wrong")
	}
	return k, nil
}

// Marshal returns the file of a public key.
func (k *PublicKey) Marshal(comment string) []byte {
	return file(comment, []byte(algorithm), k.Number[:], k.key)
}

// ParsePublic reads the file of a public key.
func ParsePublic(text []byte) (*PublicKey, error) {
	b, err := decode(text, len(algorithm)+numberLen+ed25519.PublicKeySize)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return &PublicKey{Number: Number(b[:numberLen]), key: b[numberLen:]}, nil
}

// Verify checks that signature, a file, vouches for message.
func (k *PublicKey) Verify(message, signature []byte) error {
	b, err := decode(signature, len(algorithm)+numberLen+ed25519.SignatureSize)
	switch {
	case err != nil:
		return fmt.Errorf("signature: %w", err)
	case Number(b[:numberLen]) != k.Number:
		return fmt.Errorf("it was made by the key %x, this one is %s", b[:numberLen], k.Number)
	case !ed25519.Verify(k.key, message, b[numberLen:]):
		return ErrSignature
	}
	return nil
}

func file(comment string, parts ...[]byte) []byte {
	return fmt.Appendf(nil, "%s%s\n%s\n", commentHeader, comment, base64.StdEncoding.EncodeToString(bytes.Join(parts, nil)))
}

// decode returns what stands behind the algorithm in the second line of a file,
// which has size bytes in all.
func decode(text []byte, size int) ([]byte, error) {
	comment, rest, ok := bytes.Cut(text, []byte("\n"))
	if !ok || !bytes.HasPrefix(comment, []byte(commentHeader)) {
		return nil, fmt.Errorf("the first line has to begin with %q", commentHeader)
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	b, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
	if err != nil {
		return nil, errors.New("the second line has to be base64")
	}
	b, ok = bytes.CutPrefix(b, []byte(algorithm))
	if want := size - len(algorithm); !ok || len(b) != want {
		return nil, fmt.Errorf("it has to be an Ed25519 key or signature of %d bytes", size)
	}
	return b, nil
}
