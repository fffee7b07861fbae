package ipk

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
)

// maxSize bounds what a package unpacks to, in bytes.
const maxSize = 64 << 20

// Read reads a package file and checks it.
func Read(file []byte) (*Package, error) {
	outer, _, _, err := unpack(file, false)
	if err != nil {
		return nil, err
	}
	var names []string
	for n := range outer {
		names = append(names, outer[n].Path)
	}
	if want := []string{"debian-binary", "data.tar.gz", "control.tar.gz"}; !slices.Equal(names, want) {
		return nil, fmt.Errorf("it holds %v, not %v", names, want)
	}
	if string(outer[0].Data) != formatVersion {
		return nil, fmt.Errorf("debian-binary says %.20q", outer[0].Data)
	}
	p := &Package{Scripts: map[string]string{}}
	var size int
	if p.Files, p.Time, size, err = unpack(outer[1].Data, true); err != nil {
		return nil, fmt.Errorf("data.tar.gz: %w", err)
	}
	control, _, _, err := unpack(outer[2].Data, true)
	if err != nil {
		return nil, fmt.Errorf("control.tar.gz: %w", err)
	}
	if err := p.readControl(control); err != nil {
		return nil, err
	}
	if got := p.Control.installedSize(); got != size {
		return nil, fmt.Errorf("control: Installed-Size: %d, the files take %d", got, size)
	}
	return p, p.checkFiles()
}

func (p *Package) readControl(files tree.Tree) (err error) {
	for n := range files {
		f := &files[n]
		switch f.Path {
		case "control":
			if p.Control, err = parseControl(string(f.Data)); err != nil {
				return err
			}
		case "conffiles":
			p.Conffiles = strings.Fields(string(f.Data))
		case "preinst", "postinst", "postinst-pkg", "prerm", "prerm-pkg", "postrm":
			if f.Mode != tree.Program {
				return fmt.Errorf("%s: its mode is %s", f.Path, f.Mode)
			}
			p.Scripts[f.Path] = string(f.Data)
		default:
			return fmt.Errorf("control.tar.gz: %s does not belong there", f.Path)
		}
	}
	if p.Control == nil {
		return errors.New("control.tar.gz: there is no control")
	}
	for _, name := range []string{"postinst", "prerm"} {
		if !strings.HasPrefix(p.Scripts[name], "#!/bin/sh\n") || !strings.Contains(p.Scripts[name], "default_"+name+" ") {
			return fmt.Errorf("%s: it has to be a shell script that calls default_%s", name, name)
		}
	}
	return nil
}

// homes are where packages may put files: the rest is the user's, the kernel's, or
// gone at the next start.
var homes = []string{"etc", "lib", "sbin", "usr", "www"}

func (p *Package) checkFiles() error {
	for n := range p.Files {
		e := &p.Files[n]
		top, _, below := strings.Cut(e.Path, "/")
		if !slices.Contains(homes, top) || (!below && !e.IsDir()) {
			return fmt.Errorf("/%s: no package puts anything there", e.Path)
		}
		if e.IsDir() && (n+1 == len(p.Files) || !strings.HasPrefix(p.Files[n+1].Path, e.Path+"/")) {
			return fmt.Errorf("/%s: a folder with nothing in it", e.Path)
		}
		if e.Mode == tree.Program && !bytes.HasPrefix(e.Data, []byte("\x7fELF")) && !bytes.HasPrefix(e.Data, []byte("#!")) {
			return fmt.Errorf("/%s: it is no program, but its mode says so", e.Path)
		}
	}
	for _, c := range p.Conffiles {
		if e := p.Files.Find(strings.TrimPrefix(c, "/")); e == nil || !strings.HasPrefix(c, "/") || e.IsDir() {
			return fmt.Errorf("conffiles: %s is no file of the package", c)
		}
	}
	return nil
}

// unpack reads a gzipped tar file: entries of root's in order, each below a folder
// that came before, all of one time. Of a whole tree the first one is its root.
func unpack(file []byte, whole bool) (files tree.Tree, seconds int64, size int, err error) {
	in := bytes.NewReader(file)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, 0, 0, err
	}
	z.Multistream(false)
	raw, err := io.ReadAll(io.LimitReader(z, maxSize))
	switch {
	case err != nil:
		return nil, 0, 0, err
	case len(raw) == maxSize:
		return nil, 0, 0, fmt.Errorf("it unpacks to more than %d bytes", maxSize)
	case in.Len() > 0:
		return nil, 0, 0, fmt.Errorf("%d bytes stand behind its end", in.Len())
	}
	files, seconds, err = untar(raw, whole)
	return files, seconds, len(raw), err
}

func untar(raw []byte, whole bool) (files tree.Tree, seconds int64, err error) {
	r := tar.NewReader(bytes.NewReader(raw))
	for n := 0; ; n++ {
		h, err := r.Next()
		if err == io.EOF {
			return files, seconds, ordered(files)
		}
		if err != nil {
			return nil, 0, err
		}
		e, err := entry(h, r)
		if err != nil {
			return nil, 0, fmt.Errorf("%.100s: %w", h.Name, err)
		}
		switch {
		case n == 0:
			seconds = h.ModTime.Unix()
		case seconds != h.ModTime.Unix():
			return nil, 0, fmt.Errorf("%s: its time is not that of the others", h.Name)
		}
		if isRoot := h.Name == "./"; isRoot != (whole && n == 0) {
			return nil, 0, fmt.Errorf("%s: the root stands first, and nowhere else", h.Name)
		} else if !isRoot {
			files = append(files, e)
		}
	}
}

func entry(h *tar.Header, r io.Reader) (e tree.Entry, err error) {
	e.Path = strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
	e.Mode = fs.FileMode(h.Mode)
	switch {
	case h.Format == tar.FormatPAX:
		return e, errors.New("opkg does not know this kind of tar header")
	case !strings.HasPrefix(h.Name, "./"):
		return e, errors.New("its name does not begin with ./")
	case e.Path != "" && (path.Clean("/"+e.Path) != "/"+e.Path || strings.ContainsAny(e.Path, " \t\n\\")):
		return e, errors.New("its name is not a plain path")
	case h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "":
		return e, fmt.Errorf("it belongs to %d:%d %q:%q, not to root", h.Uid, h.Gid, h.Uname, h.Gname)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		e.Mode |= fs.ModeDir
	case tar.TypeSymlink:
		e.Mode |= fs.ModeSymlink
		if e.Target = h.Linkname; path.Clean(e.Target) != e.Target {
			return e, fmt.Errorf("it leads to %q, which is not a plain path", e.Target)
		}
	case tar.TypeReg:
		if e.Data, err = io.ReadAll(r); err != nil {
			return e, err
		}
	default:
		return e, fmt.Errorf("its type is %q", h.Typeflag)
	}
	if !slices.Contains([]fs.FileMode{tree.Dir, tree.Program, tree.File, tree.Link}, e.Mode) {
		return e, fmt.Errorf("its mode is %s", e.Mode)
	}
	return e, nil
}

// ordered reports an entry that stands twice, or before the folder it is in.
func ordered(files tree.Tree) error {
	seen, dirs := map[string]bool{}, map[string]bool{".": true}
	for n := range files {
		e := &files[n]
		switch {
		case seen[e.Path]:
			return fmt.Errorf("%s: it stands there twice", e.Path)
		case !dirs[path.Dir(e.Path)]:
			return fmt.Errorf("%s: it stands there before its folder", e.Path)
		}
		seen[e.Path], dirs[e.Path] = true, e.IsDir()
	}
	return nil
}
