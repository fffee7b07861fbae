package schema

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"testing"
)

// TestPublicKey has the key pairs of RFC 7748, section 6.1, and what a private key
// may be that nobody would choose.
func TestPublicKey(t *testing.T) {
	for private, public := range map[string]string{
		"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a": "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb": "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
	} {
		var k Key
		if _, err := hex.Decode(k[:], []byte(private)); err != nil {
			t.Fatal(err)
		}
		p := k.PublicKey()
		if got := hex.EncodeToString(p[:]); got != public {
			t.Errorf("public key of %s: %s, want %s", private, got, public)
		}
	}
	for _, b := range []byte{0, 1, 7, 8, 127, 128, 255} {
		samePublicKey(t, bytes.Repeat([]byte{b}, KeyLen))
	}
}

// FuzzPublicKey compares with the standard library.
func FuzzPublicKey(f *testing.F) {
	f.Add(bytes.Repeat([]byte{42}, KeyLen))
	f.Fuzz(func(t *testing.T, private []byte) {
		if len(private) == KeyLen {
			samePublicKey(t, private)
		}
	})
}

func samePublicKey(t *testing.T, private []byte) {
	t.Helper()
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Key(private).PublicKey(), Key(k.PublicKey().Bytes()); got != want {
		t.Errorf("public key of %x: %x, want %x", private, got, want)
	}
}

func BenchmarkPublicKey(b *testing.B) {
	for b.Loop() {
		_ = Key{1}.PublicKey()
	}
}
