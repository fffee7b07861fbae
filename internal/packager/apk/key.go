package apk

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// What a signature consists of: the version of its form, the digest that it is
// over, the start of the key's own digest, and what the key made of all that.
const (
	signatureVersion = 0
	digestSHA512     = 4
	idLen            = 16
	signatureHeader  = 2 + idLen
)

// ErrSignature: the file was not signed by this key.
var ErrSignature = errors.New("no signature fits")

// Key signs packages and indexes: ECDSA on P-256, as OpenWrt's are.
type Key struct{ private *ecdsa.PrivateKey }

// PublicKey checks them.
type PublicKey struct{ public *ecdsa.PublicKey }

// GenerateKey makes a key of random bytes.
func GenerateKey(random io.Reader) (*Key, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), random)
	return &Key{k}, err
}

const (
	pemPrivate = "EC PRIVATE KEY"
	pemPublic  = "PUBLIC KEY"
)

// Marshal returns the file of a private key, as `openssl ecparam -genkey` makes it.
func (k *Key) Marshal() ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(k.private)
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), err
}

// ParseKey reads the file of a private key. Its errors hold nothing of it.
func ParseKey(text []byte) (*Key, error) {
	b, _ := pem.Decode(text)
	if b == nil || b.Type != pemPrivate {
		return nil, fmt.Errorf("it is not a PEM file of an %s", pemPrivate)
	}
	k, err := x509.ParseECPrivateKey(b.Bytes)
	if err != nil || k.Curve != elliptic.P256() {
		return nil, errors.New("it is not an EC key on P-256")
	}
	return &Key{k}, nil
}

// Public returns the half that everybody may know.
func (k *Key) Public() *PublicKey { return &PublicKey{&k.private.PublicKey} }

// Marshal returns the file of a public key, as /etc/apk/keys holds them.
func (k *PublicKey) Marshal() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.public)
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der}), err
}

// id is the start of SHA-512 of the point: apk finds the key by it.
func (k *PublicKey) id() ([]byte, error) {
	point, err := k.public.Bytes()
	if err != nil {
		return nil, err
	}
	sum := sha512.Sum512(point)
	return sum[:idLen], nil
}

// digest is what the key signs for a database of a file.
func digest(s schema, header, database []byte) []byte {
	sum := sha512.Sum512(database)
	message := binary.LittleEndian.AppendUint32(nil, uint32(s))
	message = append(append(message, header...), sum[:]...)
	d := sha512.Sum512(message)
	return d[:]
}

// sign returns the payload of a signature block. The same input makes the same
// signature (RFC 6979), so that a feed is the same whenever it is built.
func (k *Key) sign(s schema, database []byte) ([]byte, error) {
	id, err := k.Public().id()
	if err != nil {
		return nil, err
	}
	header := append([]byte{signatureVersion, digestSHA512}, id...)
	signature, err := k.private.Sign(nil, digest(s, header, database), crypto.SHA512)
	return append(header, signature...), err
}

// verify looks for a signature by the key among blocks.
func (k *PublicKey) verify(s schema, database []byte, blocks []block) error {
	id, err := k.id()
	if err != nil {
		return err
	}
	header := append([]byte{signatureVersion, digestSHA512}, id...)
	for _, b := range blocks {
		if b.kind == blockSignature && bytes.HasPrefix(b.payload, header) &&
			ecdsa.VerifyASN1(k.public, digest(s, header, database), b.payload[signatureHeader:]) {
			return nil
		}
	}
	return ErrSignature
}
