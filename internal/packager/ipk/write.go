package ipk

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
)

// formatVersion is what the file debian-binary says.
const formatVersion = "2.0\n"

// Write returns the package file. It sets Installed-Size.
func (p *Package) Write() ([]byte, error) {
	data, size, err := pack(p.Files, p.Time, p.Gzip)
	if err != nil {
		return nil, err
	}
	p.Control.Set("Installed-Size", strconv.Itoa(size))
	control, _, err := pack(p.controlFiles(), p.Time, nil)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z := newGzip(&out)
	w := tar.NewWriter(z)
	// opkg walks through the file for each of its parts; this is OpenWrt's order.
	for _, e := range []tree.Entry{
		{Path: "debian-binary", Mode: tree.File, Data: []byte(formatVersion)},
		{Path: "data.tar.gz", Mode: tree.File, Data: data},
		{Path: "control.tar.gz", Mode: tree.File, Data: control},
	} {
		if err := add(w, &e, p.Time); err != nil {
			return nil, err
		}
	}
	if err := closeAll(w, z); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (p *Package) controlFiles() tree.Tree {
	files := tree.Tree{{Path: "control", Mode: tree.File, Data: []byte(p.Control.String())}}
	if len(p.Conffiles) > 0 {
		list := slices.Sorted(slices.Values(p.Conffiles))
		files.Add(tree.Entry{Path: "conffiles", Mode: tree.File, Data: []byte(strings.Join(list, "\n") + "\n")})
	}
	for name, text := range p.Scripts {
		files.Add(tree.Entry{Path: name, Mode: tree.Program, Data: []byte(text)})
	}
	return files
}

// pack returns the files as a gzipped tar file, and its size before compression,
// which is what OpenWrt takes for the installed size.
func pack(files tree.Tree, seconds int64, zip func([]byte) ([]byte, error)) (packed []byte, size int, err error) {
	raw, err := archive(files, seconds)
	if err != nil {
		return nil, 0, err
	}
	if zip != nil {
		packed, err = zip(raw)
		return packed, len(raw), err
	}
	var out bytes.Buffer
	z := newGzip(&out)
	if _, err := z.Write(raw); err != nil {
		return nil, 0, err
	}
	err = z.Close()
	return out.Bytes(), len(raw), err
}

// archive returns the files as a tar file that begins with their root.
func archive(files tree.Tree, seconds int64) ([]byte, error) {
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	if err := add(w, &tree.Entry{Mode: tree.Dir}, seconds); err != nil {
		return nil, err
	}
	for n := range files {
		if err := add(w, &files[n], seconds); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return raw.Bytes(), err
}

// newGzip compresses as well as gzip can, with neither a name nor a time.
func newGzip(out *bytes.Buffer) *gzip.Writer {
	z, _ := gzip.NewWriterLevel(out, gzip.BestCompression) // the level is one
	return z
}

func closeAll(closers ...interface{ Close() error }) error {
	for _, c := range closers {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// add writes an entry that root owns. Only what opkg's tar reader knows is used:
// GNU's headers, no extended ones.
func add(w *tar.Writer, e *tree.Entry, seconds int64) error {
	h := &tar.Header{
		Name:    "./" + e.Path,
		Mode:    int64(e.Mode.Perm()),
		ModTime: time.Unix(seconds, 0),
		Format:  tar.FormatGNU,
	}
	switch {
	case e.IsDir():
		h.Typeflag = tar.TypeDir
		if e.Path != "" {
			h.Name += "/"
		}
	case e.Mode == tree.Link:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Target
	default:
		h.Typeflag, h.Size = tar.TypeReg, int64(len(e.Data))
	}
	if err := w.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	_, err := w.Write(e.Data)
	return err
}
