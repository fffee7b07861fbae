// Package recipe reads the Makefile of an OpenWrt package: what it is called, what
// it depends on, its scripts, and the files that it installs. It runs make on the
// Makefile with includes of its own in place of OpenWrt's, so that a package made
// here and one that OpenWrt's build makes come from one list.
package recipe

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/packager/lmo"
	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
)

//go:embed stub
var stub embed.FS

// Package is what a Makefile says of one package.
type Package struct {
	Name    string
	Version string // with its release, as opkg and apk compare it
	// Arch is "all" where the package fits every router, else empty.
	Arch        string
	Section     string
	Title       string
	Description string
	License     string
	URL         string
	Maintainer  string
	SourceName  string
	// Depends, Conflicts, Provides, Replaces and Suggests are names of packages, and
	// so are Recommends, which are installed as well where they are to be had.
	Depends, Conflicts, Provides, Replaces, Recommends, Suggests []string
	// Conffiles are files that a user edits: kept by upgrades.
	Conffiles []string
	// Scripts by opkg's names: preinst, postinst, prerm, postrm.
	Scripts map[string]string

	makefile *Makefile
}

// Makefile runs make on one package Makefile.
type Makefile struct {
	dir       string
	variables []string
	scratch   string
}

// scripts are opkg's names of the scripts of a package.
var scripts = []string{"preinst", "postinst", "prerm", "postrm"}

// Open prepares to read the Makefile in dir, which is an absolute path. Variables
// are given to make, such as BINARIES=DIR, the folder with what the package
// installs of what was compiled. Everything is kept below scratch.
func Open(dir, scratch string, variables ...string) (*Makefile, error) {
	if _, err := os.Stat(filepath.Join(dir, "Makefile")); err != nil {
		return nil, err
	}
	m := &Makefile{dir: dir, variables: variables, scratch: scratch}
	sub, err := fs.Sub(stub, "stub")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(m.path("top"), sub); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return m, nil
}

func (m *Makefile) path(name string) string { return filepath.Join(m.scratch, name) }

// Run runs a target with further variables and returns what it prints.
func (m *Makefile) Run(target string, variables ...string) (string, error) {
	args := []string{
		"--no-print-directory", "--directory=" + m.dir,
		"TOPDIR=" + m.path("top"), "OUT=" + m.path("out"), "STAGE=" + m.path("stage"),
	}
	args = append(append(append(args, m.variables...), variables...), target)
	cmd := exec.Command("make", args...)
	// What an outer make exports is not meant for this one.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=")
	})
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: make %s: %w\n%s", m.dir, target, err, out)
	}
	return string(out), nil
}

// Packages returns the packages that the Makefile describes.
func (m *Makefile) Packages() ([]*Package, error) {
	if err := os.RemoveAll(m.path("out")); err != nil {
		return nil, err
	}
	if _, err := m.Run("describe"); err != nil {
		return nil, err
	}
	dirs, err := os.ReadDir(m.path("out"))
	if err != nil {
		return nil, err
	}
	var out []*Package
	for _, d := range dirs {
		p, err := m.read(d.Name())
		if err != nil {
			return nil, fmt.Errorf("%s: package %s: %w", m.dir, d.Name(), err)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		err = fmt.Errorf("%s: the Makefile has no package", m.dir)
	}
	return out, err
}

func (m *Makefile) read(name string) (*Package, error) {
	fields := map[string]string{}
	files, err := os.ReadDir(filepath.Join(m.path("out"), name))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(m.path("out"), name, f.Name()))
		if err != nil {
			return nil, err
		}
		fields[f.Name()] = strings.Trim(string(text), "\n")
	}
	p := &Package{
		Name:        name,
		Version:     fields["VERSION"],
		Arch:        fields["PKGARCH"],
		Section:     fields["SECTION"],
		Title:       fields["TITLE"],
		Description: oneLine(fields["description"]),
		License:     fields["LICENSE"],
		URL:         fields["URL"],
		Maintainer:  fields["MAINTAINER"],
		SourceName:  fields["SOURCENAME"],
		Conflicts:   strings.Fields(fields["CONFLICTS"]),
		Provides:    strings.Fields(fields["PROVIDES"]),
		Replaces:    strings.Fields(fields["REPLACES"]),
		Recommends:  strings.Fields(fields["RECOMMENDS"]),
		Suggests:    strings.Fields(fields["SUGGESTS"]),
		Conffiles:   strings.Fields(fields["conffiles"]),
		Scripts:     map[string]string{},
		makefile:    m,
	}
	if p.Description == "" {
		p.Description = p.Title
	}
	if p.Depends, err = dependencies(fields["DEPENDS"]); err != nil {
		return nil, err
	}
	for _, s := range scripts {
		if text := fields[s]; text != "" {
			p.Scripts[s] = text + "\n"
		}
	}
	return p, p.check()
}

// Stage installs the package's files and returns them. Variables are given to make.
func (p *Package) Stage(variables ...string) (tree.Tree, error) {
	dir := filepath.Join(p.makefile.path("stage"), p.Name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if _, err := p.makefile.Run("stage-"+p.Name, variables...); err != nil {
		return nil, err
	}
	files, err := tree.Read(dir)
	if err != nil {
		return nil, err
	}
	return translate(files)
}

// translate compiles the catalogues, which the stub's po2lmo has only copied: what
// compiles them runs on no other machine than this, and in no other process.
func translate(files tree.Tree) (out tree.Tree, err error) {
	for n := range files {
		e := files[n]
		if path.Ext(e.Path) == ".lmo" {
			if e.Data, err = lmo.Compile(e.Data); err != nil {
				return nil, fmt.Errorf("%s: %w", e.Path, err)
			}
			if e.Data == nil { // nothing is translated
				continue
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// dependencies reads DEPENDS. `+NAME` has OpenWrt's build select the package as
// well, `@SYMBOL` is a condition of that build: neither is one on the router.
func dependencies(text string) (out []string, err error) {
	for _, word := range strings.Fields(text) {
		if strings.HasPrefix(word, "@") {
			continue
		}
		word = strings.TrimPrefix(word, "+")
		if strings.Contains(word, ":") {
			return nil, fmt.Errorf("DEPENDS: %q depends on OpenWrt's configuration, which is not known here", word)
		}
		out = append(out, word)
	}
	return out, nil
}

// oneLine joins lines as OpenWrt's build does for apk; opkg shows both alike.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// What both package managers take for a name and a version.
var (
	validName    = regexp.MustCompile(`^[a-z0-9][a-z0-9+._-]*$`)
	validVersion = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*(_(alpha|beta|pre|rc|git|p)[0-9]*)*(~[0-9a-f]+)?(-r[0-9]+)?$`)
)

func (p *Package) check() error {
	if !validName.MatchString(p.Name) {
		return fmt.Errorf("the name %q is not one that opkg and apk take", p.Name)
	}
	if !validVersion.MatchString(p.Version) {
		return fmt.Errorf("the version %q is not one that opkg and apk both compare", p.Version)
	}
	for _, list := range [][]string{p.Depends, p.Conflicts, p.Provides, p.Replaces, p.Recommends, p.Suggests} {
		for _, name := range list {
			if !validName.MatchString(name) {
				return fmt.Errorf("%q is not the name of a package", name)
			}
		}
	}
	for field, value := range map[string]string{"TITLE": p.Title, "LICENSE": p.License, "SECTION": p.Section, "MAINTAINER": p.Maintainer} {
		if value == "" {
			return fmt.Errorf("%s is empty", field)
		}
	}
	return nil
}
