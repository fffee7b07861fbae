// Package apk writes and reads packages and indexes for apk, version 3: what
// OpenWrt 25.12 and later install.
//
// A file is a database, a tree of values that a schema gives meaning to, then
// signatures of it, then the content of the files, all in one compressed stream
// (apk-tools, doc/apk-v3.5.scd; the numbers of the schemas' fields are those of its
// src/apk_adb.h). The same input makes the same bytes.
package apk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
)

// Package is the content of a package file.
type Package struct {
	Name, Version string
	// Arch is OpenWrt's name of an architecture, or "noarch".
	Arch string

	Description, License, Origin, Maintainer, URL string

	// Depends are names of packages. Provides are names, which may have a version
	// (NAME=VERSION): two packages with one of those exclude each other.
	Depends, Provides []string
	// Tags of the package, NAME=VALUE.
	Tags []string
	// Scripts by apk's names, such as post-install.
	Scripts map[string]string
	Files   tree.Tree
	// Time of all files in seconds since 1970.
	Time int64
}

// FileName is what a package file is called in a feed.
func (p *Package) FileName() string { return p.Name + "-" + p.Version + ".apk" }

// Fields of the objects that a file consists of.
const (
	depName    = 1
	depVersion = 2

	infoName          = 1
	infoVersion       = 2
	infoHash          = 3
	infoDescription   = 4
	infoArch          = 5
	infoLicense       = 6
	infoOrigin        = 7
	infoMaintainer    = 8
	infoURL           = 9
	infoInstalledSize = 12
	infoFileSize      = 13
	infoDepends       = 15
	infoProvides      = 16
	infoTags          = 21

	aclMode  = 1
	aclUser  = 2
	aclGroup = 3

	fileName   = 1
	fileACL    = 2
	fileSize   = 3
	fileTime   = 4
	fileHash   = 5
	fileTarget = 6

	dirName  = 1
	dirACL   = 2
	dirFiles = 3

	packageInfo    = 1
	packagePaths   = 2
	packageScripts = 3

	indexPackages = 2
)

// scriptFields are the scripts of a package by their number.
var scriptFields = []string{
	2: "pre-install", 3: "post-install", 4: "pre-deinstall", 5: "post-deinstall", 6: "pre-upgrade", 7: "post-upgrade",
}

// linkMode is how the target of a symbolic link begins: S_IFLNK, little-endian.
var linkMode = []byte{0x00, 0xa0}

// uniqueLen is the length of the name that a package has besides its own: the
// start of SHA-256 of the database with zeros in its place.
const uniqueLen = 20

const owner = "root"

// Write returns the package file, signed where key is not nil.
func (p *Package) Write(key *Key) ([]byte, error) {
	d := newDatabase()
	dirs := p.directories()
	scripts := fields{}
	for _, name := range slices.Sorted(maps.Keys(p.Scripts)) {
		n := slices.Index(scriptFields, name)
		if n < 0 || name == "" {
			return nil, fmt.Errorf("%s: %q is not a script that apk knows", p.Name, name)
		}
		scripts[n] = d.text(p.Scripts[name])
	}
	unique, place := d.unique()
	info := p.info(d)
	info[infoHash] = unique
	root := d.object(fields{
		packageInfo:    d.object(info),
		packagePaths:   d.directories(dirs, p.Time),
		packageScripts: d.object(scripts),
	})
	db := d.root(root)
	sum := sha256.Sum256(db)
	copy(db[place:], sum[:uniqueLen])

	blocks, err := signed(schemaPackage, db, key)
	if err != nil {
		return nil, err
	}
	for n, dir := range dirs {
		for k, f := range dir.files {
			if f.Mode == tree.Link || len(f.Data) == 0 {
				continue
			}
			header := binary.LittleEndian.AppendUint32(nil, uint32(n+1))
			header = binary.LittleEndian.AppendUint32(header, uint32(k+1))
			blocks = append(blocks, block{blockData, append(header, f.Data...)})
		}
	}
	return encode(schemaPackage, blocks)
}

func signed(s schema, db []byte, key *Key) ([]block, error) {
	blocks := []block{{blockDatabase, db}}
	if key == nil {
		return blocks, nil
	}
	signature, err := key.sign(s, db)
	return append(blocks, block{blockSignature, signature}), err
}

// unique writes the place of the unique name, which nothing else may share.
func (d *database) unique() (v value, place int) {
	kind, data, align := encodeBlob(make([]byte, uniqueLen))
	at := d.raw(data, align)
	return kind | value(at), at + 1
}

func (p *Package) info(d *database) fields {
	size := 0
	for n := range p.Files {
		size += len(p.Files[n].Data)
	}
	return fields{
		infoName:          d.text(p.Name),
		infoVersion:       d.text(p.Version),
		infoDescription:   d.text(p.Description),
		infoArch:          d.text(p.Arch),
		infoLicense:       d.text(p.License),
		infoOrigin:        d.text(p.Origin),
		infoMaintainer:    d.text(p.Maintainer),
		infoURL:           d.text(p.URL),
		infoInstalledSize: d.number(uint64(max(size, 1))),
		infoDepends:       d.dependencies(p.Depends),
		infoProvides:      d.dependencies(p.Provides),
		infoTags:          d.texts(p.Tags),
	}
}

func (d *database) texts(list []string) value {
	var values []value
	for _, s := range list {
		values = append(values, d.text(s))
	}
	return d.array(values)
}

// dependencies writes NAME and NAME=VERSION, sorted as apk looks them up.
func (d *database) dependencies(list []string) value {
	var values []value
	for _, s := range slices.Sorted(slices.Values(list)) {
		name, version, _ := strings.Cut(s, "=")
		values = append(values, d.object(fields{depName: d.text(name), depVersion: d.text(version)}))
	}
	return d.array(values)
}

// directory is a folder of a package and the files in it.
type directory struct {
	path  string
	files tree.Tree
}

// directories are the folders, the root included, sorted by their whole path.
func (p *Package) directories() []directory {
	dirs := []directory{{}}
	for n := range p.Files {
		if p.Files[n].IsDir() {
			dirs = append(dirs, directory{path: p.Files[n].Path})
		}
	}
	slices.SortFunc(dirs, func(a, b directory) int { return strings.Compare(a.path, b.path) })
	for n := range dirs {
		for k := range p.Files {
			if f := &p.Files[k]; !f.IsDir() && parent(f.Path) == dirs[n].path {
				dirs[n].files = append(dirs[n].files, *f)
			}
		}
		dirs[n].files.Sort()
	}
	return dirs
}

func parent(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

func (d *database) directories(dirs []directory, seconds int64) value {
	var paths []value
	for _, dir := range dirs {
		var files []value
		for n := range dir.files {
			files = append(files, d.file(&dir.files[n], seconds))
		}
		paths = append(paths, d.object(fields{
			dirName: d.text(dir.path), dirACL: d.acl(uint64(tree.Dir.Perm())), dirFiles: d.array(files),
		}))
	}
	return d.array(paths)
}

func (d *database) acl(mode uint64) value {
	return d.object(fields{aclMode: d.number(mode), aclUser: d.text(owner), aclGroup: d.text(owner)})
}

func (d *database) file(e *tree.Entry, seconds int64) value {
	f := fields{
		fileName: d.text(path.Base(e.Path)),
		fileACL:  d.acl(uint64(e.Mode.Perm())),
		fileTime: d.number(uint64(seconds)),
	}
	if e.Mode == tree.Link {
		f[fileSize] = d.number(uint64(len(e.Target)))
		f[fileTarget] = d.blob(append(bytes.Clone(linkMode), e.Target...))
		return d.object(f)
	}
	sum := sha256.Sum256(e.Data)
	f[fileSize], f[fileHash] = d.number(uint64(len(e.Data))), d.blob(sum[:])
	return d.object(f)
}

// NewIndex lists package files of one architecture: packages.adb of a feed.
func NewIndex(files [][]byte, key *Key) ([]byte, error) {
	type listed struct {
		p *Package
		v value
	}
	d := newDatabase()
	var list []listed
	for _, file := range files {
		p, err := Read(file, nil)
		if err != nil {
			return nil, err
		}
		_, blocks, err := decode(file)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(blocks[0].payload)
		info := p.info(d)
		info[infoHash], info[infoFileSize] = d.blob(sum[:]), d.number(uint64(len(file)))
		list = append(list, listed{p, d.object(info)})
	}
	slices.SortFunc(list, func(a, b listed) int { return strings.Compare(a.p.Name, b.p.Name) })
	var values []value
	for n, l := range list {
		if n > 0 && l.p.Name == list[n-1].p.Name {
			return nil, errors.New(l.p.Name + " stands in the index twice")
		}
		values = append(values, l.v)
	}
	blocks, err := signed(schemaIndex, d.root(d.object(fields{indexPackages: d.array(values)})), key)
	if err != nil {
		return nil, err
	}
	return encode(schemaIndex, blocks)
}
