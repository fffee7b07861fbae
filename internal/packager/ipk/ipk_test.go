package ipk

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
	"github.com/wgnetifd/wgnetifd/test/need"
)

const epoch = 1_700_000_000

func sample() *Package {
	var control Control
	for _, f := range []Field{
		{"Description", "A package."},
		{"Package", "sample"},
		{"Version", "1.2.3-r4"},
		{"Depends", "kmod-wireguard, libubox (>= 2024)"},
		{"Section", "net"},
		{"License", "Apache-2.0"},
		{"Maintainer", "Nobody <nobody@example.org>"},
		{"Architecture", "mipsel_24kc"},
	} {
		control.Set(f.Name, f.Value)
	}
	var files tree.Tree
	files.Add(tree.Entry{Path: "usr/sbin/sample", Mode: tree.Program, Data: []byte("\x7fELF")})
	files.Add(tree.Entry{Path: "lib/netifd/proto/sample.sh", Mode: tree.Link, Target: "/usr/sbin/sample"})
	files.Add(tree.Entry{Path: "etc/sample/" + strings.Repeat("longer-name/", 9) + "name", Mode: tree.File, Data: []byte("x")})
	return &Package{
		Control:   control,
		Scripts:   map[string]string{"postinst": "#!/bin/sh\ndefault_postinst $0 $@\n", "prerm": "#!/bin/sh\ndefault_prerm $0 $@\n"},
		Conffiles: []string{"/etc/sample/" + strings.Repeat("longer-name/", 9) + "name"},
		Files:     files,
		Time:      epoch,
	}
}

func write(t testing.TB, p *Package) []byte {
	t.Helper()
	file, err := p.Write()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRoundTrip(t *testing.T) {
	p := sample()
	file := write(t, p)
	got, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !bytes.Equal(file, write(t, sample())) {
		t.Error("written twice, the files differ")
	}
	if got := p.FileName(); got != "sample_1.2.3-r4_mipsel_24kc.ipk" {
		t.Errorf("file name: %s", got)
	}
}

// TestControl: the fields stand in OpenWrt's order.
func TestControl(t *testing.T) {
	p := sample()
	write(t, p)
	want := `Package: sample
Version: 1.2.3-r4
Depends: kmod-wireguard, libubox (>= 2024)
License: Apache-2.0
Section: net
Maintainer: Nobody <nobody@example.org>
Architecture: mipsel_24kc
Installed-Size: 15360
Description:  A package.
`
	if diff := cmp.Diff(want, p.Control.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTar: GNU tar, which OpenWrt's own build uses, reads the same.
func TestTar(t *testing.T) {
	program := need.Command(t, "tar")
	cmd := exec.Command("sh", "-c", program+" -xzOf - ./data.tar.gz | "+program+" --numeric-owner --full-time -tvzf -")
	cmd.Stdin = bytes.NewReader(write(t, sample()))
	cmd.Env = append(cmd.Environ(), "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"drwxr-xr-x 0/0               0 2023-11-14 22:13:20 ./\n",
		"lrwxrwxrwx 0/0               0 2023-11-14 22:13:20 ./lib/netifd/proto/sample.sh -> /usr/sbin/sample\n",
		"-rwxr-xr-x 0/0               4 2023-11-14 22:13:20 ./usr/sbin/sample\n",
		strings.Repeat("longer-name/", 9) + "name\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestRefused: what opkg would pass over in silence.
func TestRefused(t *testing.T) {
	add := func(e tree.Entry) func(*Package) {
		return func(p *Package) { p.Files.Add(e) }
	}
	field := func(name, value string) func(*Package) {
		return func(p *Package) { p.Control.Set(name, value) }
	}
	for name, spoil := range map[string]func(*Package){
		"mode":              add(tree.Entry{Path: "usr/x", Mode: 0o777}),
		"setuid":            add(tree.Entry{Path: "usr/x", Mode: 0o4755}),
		"user's files":      add(tree.Entry{Path: "root/.profile", Mode: tree.File}),
		"gone at start":     add(tree.Entry{Path: "var/run/x", Mode: tree.File}),
		"in the root":       add(tree.Entry{Path: "init", Mode: tree.File}),
		"no program":        add(tree.Entry{Path: "usr/x", Mode: tree.Program, Data: []byte("text")}),
		"empty folder":      add(tree.Entry{Path: "usr/x", Mode: tree.Dir}),
		"blank in name":     add(tree.Entry{Path: "usr/x y", Mode: tree.File}),
		"way out":           add(tree.Entry{Path: "usr/../../x", Mode: tree.File}),
		"target":            add(tree.Entry{Path: "usr/x", Mode: tree.Link, Target: "/usr//y"}),
		"conffile":          func(p *Package) { p.Conffiles = []string{"/etc/other"} },
		"conffile relative": func(p *Package) { p.Conffiles[0] = p.Conffiles[0][1:] },
		"no license":        field("License", ""),
		"unknown field":     func(p *Package) { p.Control = append(p.Control, Field{"Homepage", "x"}) },
		"dependency":        field("Depends", "kmod-wireguard (=1) libc"),
		"dependency's name": field("Depends", "Kmod"),
		"version":           field("Version", "v1"),
		"long line":         field("Description", strings.Repeat("x", 5000)),
		"stray script":      func(p *Package) { p.Scripts["config"] = "#!/bin/sh\n" },
		"no postinst":       func(p *Package) { delete(p.Scripts, "postinst") },
		"own prerm":         func(p *Package) { p.Scripts["prerm"] = "#!/bin/sh\nexit 0\n" },
	} {
		p := sample()
		spoil(p)
		if _, err := Read(write(t, p)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// outer makes a package file of parts.
func outer(t testing.TB, change func(h *tar.Header), parts ...tree.Entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, e := range parts {
		h := &tar.Header{Name: "./" + e.Path, Mode: 0o644, Size: int64(len(e.Data)), Typeflag: tar.TypeReg, Format: tar.FormatGNU}
		change(h)
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := closeAll(w, z); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestContainer: faults of the file around the parts.
func TestContainer(t *testing.T) {
	good := write(t, sample())
	parts, _, _, err := unpack(good, false)
	if err != nil {
		t.Fatal(err)
	}
	same := func(*tar.Header) {}
	if _, err := Read(outer(t, same, parts...)); err != nil {
		t.Errorf("the same parts again: %v", err)
	}
	other := slices.Clone(parts)
	other[0].Data = []byte("1.0\n")
	for name, file := range map[string][]byte{
		"nothing":        nil,
		"cut":            good[:len(good)-1],
		"more":           append(bytes.Clone(good), 0),
		"second member":  append(bytes.Clone(good), good...),
		"order":          outer(t, same, parts[2], parts[0], parts[1]),
		"no data":        outer(t, same, parts[0], parts[2]),
		"extra":          outer(t, same, append(slices.Clone(parts), tree.Entry{Path: "x"})...),
		"version":        outer(t, same, other...),
		"owner":          outer(t, func(h *tar.Header) { h.Uid = 1000 }, parts...),
		"owner's name":   outer(t, func(h *tar.Header) { h.Uname = "builder" }, parts...),
		"no dot":         outer(t, func(h *tar.Header) { h.Name = h.Name[2:] }, parts...),
		"extended":       outer(t, func(h *tar.Header) { h.Format = tar.FormatPAX; h.PAXRecords = map[string]string{"A.b": "c"} }, parts...),
		"hard link":      outer(t, func(h *tar.Header) { h.Typeflag, h.Size, h.Linkname = tar.TypeLink, 0, "./x" }, tree.Entry{Path: "debian-binary"}),
		"data is no tar": outer(t, same, parts[0], tree.Entry{Path: "data.tar.gz", Data: []byte("x")}, parts[2]),
	} {
		if _, err := Read(file); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestIndex(t *testing.T) {
	a, b := sample(), sample()
	b.Control.Set("Package", "another")
	files := map[string][]byte{a.FileName(): write(t, a), b.FileName(): write(t, b)}
	i, err := NewIndex(files)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ParseIndex(string(i.Packages))
	if err != nil || len(list) != 2 {
		t.Fatalf("got %d packages, %v", len(list), err)
	}
	if list[0].Get("Package") != "another" || list[1].Get("Filename") != a.FileName() || list[1].Get("Size") != fmt.Sprint(len(files[a.FileName()])) {
		t.Errorf("list:\n%s", i.Packages)
	}
	if strings.Contains(string(i.Packages), "Maintainer") || !strings.Contains(string(i.Manifest), "Maintainer") {
		t.Error("Maintainer belongs into the manifest alone")
	}
	if !strings.HasSuffix(string(i.Packages), "A package.\n\n") {
		t.Errorf("an empty line ends each package: %q", i.Packages[len(i.Packages)-20:])
	}
	z, err := gzip.NewReader(bytes.NewReader(i.Gzipped))
	if err != nil {
		t.Fatal(err)
	}
	var unpacked bytes.Buffer
	if _, err := unpacked.ReadFrom(z); err != nil || !bytes.Equal(unpacked.Bytes(), i.Packages) {
		t.Errorf("Packages.gz holds something else: %v", err)
	}
}

// TestPad: no length of the list is one that usign takes for another
// (OpenWrt's package/Makefile).
func TestPad(t *testing.T) {
	for n := range 300 {
		b := bytes.NewBuffer(make([]byte, n))
		pad(b)
		if r := (64 + b.Len()) % 128; r == 110 || r == 111 {
			t.Errorf("%d bytes became %d", n, b.Len())
		}
	}
}

func FuzzUntar(f *testing.F) {
	raw, err := archive(tree.Tree{{Path: "usr", Mode: tree.Dir}, {Path: "usr/x", Mode: tree.Link, Target: "y"}}, epoch)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		files, seconds, err := untar(raw, true)
		if err != nil {
			return
		}
		raw, err = archive(files, seconds)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, _, err := untar(raw, true)
		if diff := cmp.Diff(files, again); diff != "" || err != nil {
			t.Errorf("%v (-first +second):\n%s", err, diff)
		}
	})
}

func FuzzControl(f *testing.F) {
	p := sample()
	write(f, p)
	f.Add(p.Control.String())
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseControl(text)
		if err != nil {
			return
		}
		again, err := parseControl(c.String())
		if diff := cmp.Diff(c, again); diff != "" || err != nil {
			t.Errorf("%v (-first +second):\n%s", err, diff)
		}
	})
}
