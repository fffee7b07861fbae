package ipk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// Index is the files that make a folder of packages a feed.
type Index struct {
	// Packages is what opkg loads, and what is signed.
	Packages []byte
	// Gzipped is the same, as opkg fetches it.
	Gzipped []byte
	// Manifest has all fields.
	Manifest []byte
}

// unlisted are the fields that a router has no use for: Packages leaves them out.
var unlisted = []string{"Maintainer", "LicenseFiles", "Source", "SourceName", "SourceDateEpoch"}

// NewIndex lists package files, by their names in the feed's folder.
func NewIndex(files map[string][]byte) (*Index, error) {
	var list, manifest bytes.Buffer
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p, err := Read(files[name])
		if err != nil {
			return nil, err
		}
		c := slices.Clone(p.Control)
		sum := sha256.Sum256(files[name])
		c.Set("Filename", name)
		c.Set("Size", strconv.Itoa(len(files[name])))
		c.Set("SHA256sum", hex.EncodeToString(sum[:]))
		manifest.WriteString(c.String() + "\n")
		for _, field := range unlisted {
			c.Set(field, "")
		}
		list.WriteString(c.String() + "\n")
	}
	pad(&list)
	i := &Index{Packages: list.Bytes(), Manifest: manifest.Bytes()}
	var packed bytes.Buffer
	z := newGzip(&packed)
	if _, err := z.Write(i.Packages); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	i.Gzipped = packed.Bytes()
	return i, nil
}

// pad keeps usign from a mistake: its SHA-512 is wrong for messages of certain
// lengths, and a signature covers 64 bytes and the file. OpenWrt's build adds two
// empty lines there, which mean nothing (package/Makefile).
func pad(list *bytes.Buffer) {
	const block = 128
	if n := (64 + list.Len()) % block; n == 110 || n == 111 {
		list.WriteString("\n\n")
	}
}

// ParseIndex reads a list of packages as opkg does.
func ParseIndex(text string) (out []Control, err error) {
	for paragraph := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n\n") {
		var c Control
		for line := range strings.SplitSeq(paragraph, "\n") {
			name, value, _ := strings.Cut(line, ":")
			c = append(c, Field{name, strings.TrimSpace(value)})
		}
		out = append(out, c)
	}
	return out, nil
}
