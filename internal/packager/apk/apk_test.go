package apk

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
)

func sample(large int) *Package {
	var files tree.Tree
	files.Add(tree.Entry{Path: "usr/sbin/sample", Mode: tree.Program, Data: bytes.Repeat([]byte("\x7fELF"), large)})
	files.Add(tree.Entry{Path: "usr/sbin/empty", Mode: tree.File, Data: nil})
	files.Add(tree.Entry{Path: "usr/sbin-x/second", Mode: tree.File, Data: []byte("x")})
	files.Add(tree.Entry{Path: "lib/netifd/proto/sample.sh", Mode: tree.Link, Target: "/usr/sbin/sample"})
	return &Package{
		Name: "sample", Version: "1.2.3-r4", Arch: "mipsel_24kc",
		Description: "A package.", License: "Apache-2.0", Origin: "sample", Maintainer: "Nobody", URL: "https://example.org",
		Depends: []string{"kmod-wireguard", "rpcd"}, Provides: []string{"rpcd-mod-wireguard=1.2.3-r4"},
		Tags:    []string{"openwrt:section=net"},
		Scripts: map[string]string{"post-install": "#!/bin/sh\n" + strings.Repeat("# text\n", 100), "pre-deinstall": "#!/bin/sh\n"},
		Files:   files, Time: 1_700_000_000,
	}
}

func write(t testing.TB, p *Package, key *Key) []byte {
	t.Helper()
	file, err := p.Write(key)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func newKey(t testing.TB) *Key {
	t.Helper()
	k, err := GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRoundTrip(t *testing.T) {
	key := newKey(t)
	p := sample(100_000)
	file := write(t, p, key)
	got, err := Read(file, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !bytes.Equal(file, write(t, sample(100_000), key)) {
		t.Error("written twice, the files differ")
	}
	if _, err := Read(file, newKey(t).Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, err := Read(write(t, p, nil), key.Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("no signature: %v", err)
	}
	if got := p.FileName(); got != "sample-1.2.3-r4.apk" {
		t.Errorf("file name: %s", got)
	}
}

func TestIndex(t *testing.T) {
	key := newKey(t)
	a, b := sample(1), sample(1)
	b.Name = "another"
	index, err := NewIndex([][]byte{write(t, a, key), write(t, b, nil)}, key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadIndex(index, key.Public())
	if err != nil || len(got) != 2 || got[0].Name != "another" || got[1].Depends[0] != "kmod-wireguard" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ReadIndex(index, newKey(t).Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, err := NewIndex([][]byte{write(t, a, nil), write(t, a, nil)}, nil); err == nil {
		t.Error("one package twice was taken")
	}
}

func TestKeyFiles(t *testing.T) {
	k := newKey(t)
	text, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(text)
	if err != nil || !again.private.Equal(k.private) {
		t.Fatalf("%v", err)
	}
	public, err := k.Public().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"nothing": nil, "public": public, "cut": text[:len(text)/2]} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("%s: taken for a key", name)
		}
	}
}

// TestNumbers: each size of number and blob is read as it was written.
func TestNumbers(t *testing.T) {
	d := newDatabase()
	numbers := []uint64{0, 1, 1<<28 - 1, 1 << 28, math.MaxUint32, math.MaxUint32 + 1, math.MaxUint64}
	lengths := []int{0, 1, 255, 256, 65535, 65536, 100_000}
	var values []value
	for _, n := range numbers {
		values = append(values, d.number(n))
	}
	for _, n := range lengths {
		values = append(values, d.blob(bytes.Repeat([]byte{7}, n)))
	}
	r := &reader{buf: d.root(null)}
	for n, want := range numbers {
		if got := r.number(values[n]); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	for n, want := range lengths {
		if got := r.blob(values[len(numbers)+n]); len(got) != want {
			t.Errorf("got %d bytes, want %d", len(got), want)
		}
	}
	if r.err != nil {
		t.Error(r.err)
	}
}

// TestDamaged: a changed byte anywhere is found, by the signature or before.
func TestDamaged(t *testing.T) {
	key := newKey(t)
	s, blocks, err := decode(write(t, sample(1), key))
	if err != nil {
		t.Fatal(err)
	}
	for n := range blocks {
		for k := range blocks[n].payload {
			blocks[n].payload[k] ^= 0x10
			file, err := encode(s, blocks)
			blocks[n].payload[k] ^= 0x10
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Read(file, key.Public()); err == nil {
				t.Fatalf("block %d, byte %d: taken", n, k)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	_, blocks, err := decode(write(f, sample(1), nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(blocks[0].payload)
	f.Fuzz(func(t *testing.T, db []byte) {
		file, err := encode(schemaPackage, append([]block{{blockDatabase, db}}, blocks[1:]...))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = Read(file, nil)
	})
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte(magicPlain + "pckg\x08\x00\x00\x00abcd"))
	f.Fuzz(func(_ *testing.T, plain []byte) { _, _, _ = split(plain) })
}
