package usign

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/need"
)

func pair(t *testing.T) *SecretKey {
	t.Helper()
	k, err := Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRoundTrip(t *testing.T) {
	k := pair(t)
	again, err := ParseSecret(k.Marshal("secret key"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := ParsePublic(again.Public().Marshal("public key"))
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("Package: wgnetifd\n")
	signature := again.Sign(message, "signed")
	if err := public.Verify(message, signature); err != nil {
		t.Error(err)
	}
	if err := public.Verify(append(message, '\n'), signature); !errors.Is(err, ErrSignature) {
		t.Errorf("another message: got %v, want %v", err, ErrSignature)
	}
	if err := pair(t).Public().Verify(message, signature); err == nil || !strings.Contains(err.Error(), k.Number.String()) {
		t.Errorf("another key: got %v, want the number of the one that signed", err)
	}
}

// TestWrongFiles: what is not a key is refused in words that hold nothing of it.
func TestWrongFiles(t *testing.T) {
	k := pair(t)
	good := k.Marshal("secret key")
	flipped := bytes.Clone(good)
	flipped[len(flipped)-20] ^= 1
	raw := bytes.SplitN(good, []byte("\n"), 3)[1]
	encrypted, err := base64.StdEncoding.DecodeString(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	encrypted[7] = 42 // rounds
	for name, text := range map[string][]byte{
		"empty":        nil,
		"no comment":   append(append([]byte{}, raw...), '\n'),
		"one line":     []byte("untrusted comment: x"),
		"not base64":   []byte("untrusted comment: x\n!!\n"),
		"short":        []byte("untrusted comment: x\nRWQ=\n"),
		"flipped bit":  flipped,
		"a public key": k.Public().Marshal("x"),
		"encrypted":    file("x", encrypted),
	} {
		_, err := ParseSecret(text)
		if err == nil {
			t.Errorf("%s: taken for a key", name)
		} else if len(raw) > 20 && strings.Contains(err.Error(), string(raw[20:30])) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
	if _, err := ParsePublic(good); err == nil {
		t.Error("a secret key was taken for a public one")
	}
	if err := k.Public().Verify(nil, good); err == nil {
		t.Error("a secret key was taken for a signature")
	}
}

// TestSignify holds all four files to an implementation of somebody else.
func TestSignify(t *testing.T) {
	signify := need.Command(t, "signify-openbsd")
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(signify, args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	k := pair(t)
	message := []byte(strings.Repeat("Package: wgnetifd\n", 1000))
	path := write("Packages", message)
	secret, public := write("key.sec", k.Marshal("secret key")), write("key.pub", k.Public().Marshal("public key"))

	run("-V", "-q", "-p", public, "-m", path, "-x", write("ours.sig", k.Sign(message, "ours")))
	theirs := filepath.Join(dir, "theirs.sig")
	run("-S", "-s", secret, "-m", path, "-x", theirs)
	signature, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Public().Verify(message, signature); err != nil {
		t.Errorf("signify's signature: %v", err)
	}

	newSecret, newPublic := filepath.Join(dir, "new.sec"), filepath.Join(dir, "new.pub")
	run("-G", "-n", "-p", newPublic, "-s", newSecret)
	text, err := os.ReadFile(newSecret)
	if err != nil {
		t.Fatal(err)
	}
	k, err = ParseSecret(text)
	if err != nil {
		t.Fatalf("signify's key: %v", err)
	}
	run("-V", "-q", "-p", newPublic, "-m", path, "-x", write("second.sig", k.Sign(message, "ours")))
}

func FuzzParse(f *testing.F) {
	k, err := Generate(bytes.NewReader(make([]byte, 1024)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k.Marshal("secret"))
	f.Add(k.Public().Marshal("public"))
	f.Add(k.Sign([]byte("x"), "signature"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := ParseSecret(text); err == nil {
			s.Sign(text, "")
		}
		if p, err := ParsePublic(text); err == nil && p.Verify(text, text) == nil {
			t.Error("a file vouches for itself")
		}
	})
}
