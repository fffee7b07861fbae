package apk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
)

// errDatabase: a value leads out of the database, or is not of its type.
var errDatabase = errors.New("the database is damaged")

// reader reads values; the first error stays.
type reader struct {
	buf []byte
	err error
}

func (r *reader) at(v value, skip, size int) []byte {
	start := int(v&numberMask) + skip
	if r.err != nil || size < 0 || start < headerLen || start+size > len(r.buf) {
		r.fail()
		return make([]byte, min(max(size, 0), 8))
	}
	return r.buf[start : start+size]
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errDatabase
	}
}

func (r *reader) number(v value) uint64 {
	switch v & typeMask {
	case typeInt:
		return uint64(v & numberMask)
	case typeInt32:
		return uint64(binary.LittleEndian.Uint32(r.at(v, 0, 4)))
	case typeInt64:
		return binary.LittleEndian.Uint64(r.at(v, 0, 8))
	}
	if v != null {
		r.fail()
	}
	return 0
}

func (r *reader) blob(v value) []byte {
	switch v & typeMask {
	case typeBlob8:
		return r.at(v, 1, int(r.at(v, 0, 1)[0]))
	case typeBlob16:
		return r.at(v, 2, int(binary.LittleEndian.Uint16(r.at(v, 0, 2))))
	case typeBlob32:
		return r.at(v, 4, int(binary.LittleEndian.Uint32(r.at(v, 0, 4))))
	}
	if v != null {
		r.fail()
	}
	return nil
}

func (r *reader) text(v value) string { return string(r.blob(v)) }

// slots reads an array or an object, without the number in front.
func (r *reader) slots(v value) []value {
	if v == null {
		return nil
	}
	if kind := v & typeMask; kind != typeArray && kind != typeObject {
		r.fail()
		return nil
	}
	count := int(binary.LittleEndian.Uint32(r.at(v, 0, 4)))
	if r.err != nil || count < 1 || count > len(r.buf)/4 {
		r.fail()
		return nil
	}
	data := r.at(v, 4, 4*(count-1))
	var out []value
	for ; len(data) >= 4 && r.err == nil; data = data[4:] {
		out = append(out, value(binary.LittleEndian.Uint32(data)))
	}
	return out
}

// object is a function that returns fields by their number.
func (r *reader) object(v value) func(int) value {
	values := r.slots(v)
	return func(n int) value {
		if n > len(values) {
			return null
		}
		return values[n-1]
	}
}

// Read reads a package file and checks it: the digests of its files, and, where
// key is not nil, that it was signed by it.
func Read(file []byte, key *PublicKey) (*Package, error) {
	db, blocks, err := open(file, schemaPackage, key)
	if err != nil {
		return nil, err
	}
	r := &reader{buf: db}
	p := &Package{Scripts: map[string]string{}}
	root := r.object(value(binary.LittleEndian.Uint32(db[4:])))
	p.readInfo(r, root(packageInfo))
	scripts := r.object(root(packageScripts))
	for n, name := range scriptFields {
		if text := r.text(scripts(max(n, 1))); name != "" && text != "" {
			p.Scripts[name] = text
		}
	}
	data := slices.DeleteFunc(blocks, func(b block) bool { return b.kind != blockData })
	for n, v := range r.slots(root(packagePaths)) {
		dir := r.object(v)
		name := r.text(dir(dirName))
		if name != "" {
			p.Files = append(p.Files, tree.Entry{Path: name, Mode: fs.ModeDir | p.mode(r, dir(dirACL))})
		}
		for k, v := range r.slots(dir(dirFiles)) {
			e, size, sum := p.readFile(r, name, v)
			if e.Mode != tree.Link && size > 0 {
				if e.Data, data, err = take(data, n+1, k+1, size); err != nil {
					return nil, fmt.Errorf("/%s: %w", e.Path, err)
				}
			}
			if got := sha256.Sum256(e.Data); e.Mode != tree.Link && !bytes.Equal(got[:], sum) {
				return nil, fmt.Errorf("/%s: its digest is wrong", e.Path)
			}
			p.Files = append(p.Files, e)
		}
	}
	p.Files.Sort()
	if r.err == nil && len(data) > 0 {
		r.err = errors.New("it has data of no file")
	}
	return p, r.err
}

// open takes a file apart, and checks its signature.
func open(file []byte, want schema, key *PublicKey) (db []byte, rest []block, err error) {
	s, blocks, err := decode(file)
	switch {
	case err != nil:
		return nil, nil, err
	case s != want:
		return nil, nil, fmt.Errorf("its schema is %#x, not %#x", uint32(s), uint32(want))
	case len(blocks) == 0 || blocks[0].kind != blockDatabase || len(blocks[0].payload) < headerLen:
		return nil, nil, errors.New("it does not begin with a database")
	case !slices.IsSortedFunc(blocks, func(a, b block) int { return int(a.kind) - int(b.kind) }):
		return nil, nil, errors.New("its blocks are not in order")
	}
	db = blocks[0].payload
	if key != nil {
		err = key.verify(s, db, blocks)
	}
	return db, blocks[1:], err
}

// take returns the data of a file, which has to be the next.
func take(data []block, dir, file, size int) ([]byte, []block, error) {
	const header = 8
	if len(data) == 0 || len(data[0].payload) != header+size {
		return nil, nil, errors.New("its data is missing, or not of its size")
	}
	b := data[0].payload
	if int(binary.LittleEndian.Uint32(b)) != dir || int(binary.LittleEndian.Uint32(b[4:])) != file {
		return nil, nil, errors.New("the data is another file's")
	}
	return b[header:], data[1:], nil
}

func (p *Package) readInfo(r *reader, v value) {
	info := r.object(v)
	for field, to := range map[int]*string{
		infoName: &p.Name, infoVersion: &p.Version, infoDescription: &p.Description, infoArch: &p.Arch,
		infoLicense: &p.License, infoOrigin: &p.Origin, infoMaintainer: &p.Maintainer, infoURL: &p.URL,
	} {
		*to = r.text(info(field))
	}
	for field, to := range map[int]*[]string{infoDepends: &p.Depends, infoProvides: &p.Provides} {
		for _, v := range r.slots(info(field)) {
			dep := r.object(v)
			*to = append(*to, strings.TrimSuffix(r.text(dep(depName))+"="+r.text(dep(depVersion)), "="))
		}
	}
	for _, v := range r.slots(info(infoTags)) {
		p.Tags = append(p.Tags, r.text(v))
	}
}

// mode reads who a file belongs to, which has to be root, and its mode.
func (p *Package) mode(r *reader, v value) fs.FileMode {
	acl := r.object(v)
	if r.text(acl(aclUser)) != owner || r.text(acl(aclGroup)) != owner {
		r.fail()
	}
	return fs.FileMode(r.number(acl(aclMode)))
}

func (p *Package) readFile(r *reader, dir string, v value) (e tree.Entry, size int, sum []byte) {
	f := r.object(v)
	e.Path, e.Mode = path.Join(dir, r.text(f(fileName))), p.mode(r, f(fileACL))
	p.Time = int64(r.number(f(fileTime)))
	size = int(r.number(f(fileSize)))
	if target := r.blob(f(fileTarget)); target != nil {
		to, ok := bytes.CutPrefix(target, linkMode)
		if !ok || size != len(to) {
			r.fail()
		}
		e.Mode, e.Target = e.Mode|fs.ModeSymlink, string(to)
	}
	return e, size, r.blob(f(fileHash))
}

// ReadIndex reads packages.adb: the packages without their files.
func ReadIndex(file []byte, key *PublicKey) ([]*Package, error) {
	db, _, err := open(file, schemaIndex, key)
	if err != nil {
		return nil, err
	}
	r := &reader{buf: db}
	var out []*Package
	for _, v := range r.slots(r.object(value(binary.LittleEndian.Uint32(db[4:])))(indexPackages)) {
		p := &Package{}
		p.readInfo(r, v)
		out = append(out, p)
	}
	return out, r.err
}
