package packager

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/packager/apk"
	"github.com/wgnetifd/wgnetifd/internal/packager/ipk"
	"github.com/wgnetifd/wgnetifd/internal/packager/recipe"
)

// recipes are the folders of the packages, in the checkout.
var recipes = []string{"openwrt-feed/wgnetifd", "luci-app"}

// Options say what to make.
type Options struct {
	// Source is the checkout, Out the folder for the feeds, Scratch one for what is
	// made on the way.
	Source, Out, Scratch string
	Groups               []Group
	// Version and Release of the packages; empty: those of openwrt-feed/version.mk.
	Version, Release string
	// Epoch is the time of everything, in seconds since 1970.
	Epoch int64
	// Keys sign; nil: nothing is signed.
	Keys *Keys
	// Compile puts the program wgnetifd of an environment's architecture into dir.
	Compile func(arch, version, dir string) error
	// Gzip compresses the files of opkg's packages; nil: as package ipk does.
	Gzip func([]byte) ([]byte, error)
	// Progress is told what is made; may be nil.
	Progress func(line string)
}

// Made is one package file.
type Made struct {
	// Name of the package, Arch as OpenWrt has it, or "all".
	Name, Arch string
	// Ipk and Apk are the paths of the files.
	Ipk, Apk string
	// IpkSize and ApkSize in bytes.
	IpkSize, ApkSize int
}

// builder holds what one run needs throughout.
type builder struct {
	Options
	packages []*recipe.Package // those that differ from router to router
	everyone []product         // the packages that fit every router
	made     []Made
}

// product is a package in both formats.
type product struct {
	name, arch       string
	ipkName, apkName string
	ipk, apk         []byte
}

// Build makes the packages and a feed for each architecture:
//
//	Out/opkg/ARCH/*.ipk, Packages, Packages.gz, Packages.manifest, Packages.sig
//	Out/apk/ARCH/*.apk, packages.adb
//	Out/keys/…, the public halves
//
// Feeds of architectures that are not asked for stay as they are.
func Build(o Options) ([]Made, error) {
	b := &builder{Options: o}
	if err := b.open(); err != nil {
		return nil, err
	}
	for _, g := range b.Groups {
		if err := b.group(g); err != nil {
			return nil, err
		}
	}
	if b.Keys != nil {
		if err := b.Keys.writePublic(filepath.Join(b.Out, "keys")); err != nil {
			return nil, err
		}
	}
	return b.made, nil
}

func (b *builder) say(format string, args ...any) {
	if b.Progress != nil {
		b.Progress(fmt.Sprintf(format, args...))
	}
}

// open reads the Makefiles, once: a commit while the packages are made is not theirs.
// It makes the packages that fit every router.
func (b *builder) open() error {
	var variables []string
	if b.Version != "" {
		variables = append(variables, "PKG_VERSION="+b.Version)
	}
	if b.Release != "" {
		variables = append(variables, "PKG_RELEASE="+b.Release)
	}
	for n, dir := range recipes {
		m, err := recipe.Open(filepath.Join(b.Source, dir), filepath.Join(b.Scratch, fmt.Sprint("recipe", n)), variables...)
		if errors.Is(err, fs.ErrNotExist) && n > 0 {
			b.say("%s has no Makefile: left out", dir)
			continue
		}
		if err != nil {
			return err
		}
		packages, err := m.Packages()
		if err != nil {
			return err
		}
		for _, p := range packages {
			if p.Arch != all {
				b.packages = append(b.packages, p)
				continue
			}
			made, err := b.product(p, all, "")
			if err != nil {
				return err
			}
			b.everyone = append(b.everyone, made)
			b.made = append(b.made, made.describe("", ""))
		}
	}
	return nil
}

// product installs a package's files and packs them.
func (b *builder) product(p *recipe.Package, arch, binaries string) (out product, err error) {
	files, err := p.Stage("BINARIES=" + binaries)
	if err != nil {
		return out, err
	}
	forOpkg, forApk := ipkOf(p, arch, files, b.Epoch), apkOf(p, arch, files, b.Epoch)
	forOpkg.Gzip = b.Gzip
	out = product{name: p.Name, arch: arch, ipkName: forOpkg.FileName(), apkName: forApk.FileName()}
	if out.ipk, err = forOpkg.Write(); err != nil {
		return out, err
	}
	if _, err := ipk.Read(out.ipk); err != nil {
		return out, fmt.Errorf("%s: %w", out.ipkName, err)
	}
	out.apk, err = forApk.Write(b.Keys.apkKey())
	return out, err
}

func (p *product) describe(ipkDir, apkDir string) Made {
	return Made{
		Name: p.name, Arch: p.arch, IpkSize: len(p.ipk), ApkSize: len(p.apk),
		Ipk: filepath.Join(ipkDir, p.ipkName), Apk: filepath.Join(apkDir, p.apkName),
	}
}

// group makes the packages and feeds of the architectures with one program.
func (b *builder) group(g Group) error {
	binaries := filepath.Join(b.Scratch, "binaries")
	if err := os.RemoveAll(binaries); err != nil {
		return err
	}
	for n, arch := range g.Names {
		products := slices.Clone(b.everyone)
		for _, p := range b.packages {
			if n == 0 { // the others of the group have the same
				b.say("%s %s for %s", p.Name, p.Version, g.Environment)
				if err := b.Compile(arch, p.Version, binaries); err != nil {
					return err
				}
			}
			made, err := b.product(p, arch, binaries)
			if err != nil {
				return err
			}
			products = append(products, made)
		}
		if err := b.feed(arch, products); err != nil {
			return err
		}
	}
	return nil
}

// feed writes the folders of one architecture, anew.
func (b *builder) feed(arch string, products []product) error {
	ipks, apks := map[string][]byte{}, map[string][]byte{}
	var list [][]byte
	ipkDir, apkDir := filepath.Join(b.Out, "opkg", arch), filepath.Join(b.Out, "apk", arch)
	for _, p := range products {
		ipks[p.ipkName], apks[p.apkName] = p.ipk, p.apk
		list = append(list, p.apk)
		if p.arch != all {
			b.made = append(b.made, p.describe(ipkDir, apkDir))
		}
	}
	index, err := ipk.NewIndex(ipks)
	if err != nil {
		return err
	}
	ipks["Packages"], ipks["Packages.gz"], ipks["Packages.manifest"] = index.Packages, index.Gzipped, index.Manifest
	if b.Keys != nil {
		ipks["Packages.sig"] = b.Keys.Opkg.Sign(index.Packages, "signed by key "+b.Keys.Opkg.Number.String())
	}
	if apks["packages.adb"], err = apk.NewIndex(list, b.Keys.apkKey()); err != nil {
		return err
	}
	return errors.Join(replace(ipkDir, ipks), replace(apkDir, apks))
}

// replace writes a folder that holds these files and no other.
func replace(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
