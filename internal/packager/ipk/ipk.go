// Package ipk writes and reads packages for opkg: OpenWrt's format, which is a
// gzipped tar file of three files, two of which are gzipped tar files themselves.
//
// The same input makes the same bytes. Reading is as strict as opkg is lax: what it
// passes over in silence (a file of somebody else's, a mode that nobody meant, a
// header that its tar reader does not know) is an error here.
package ipk

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
)

// Package is the content of a package file.
type Package struct {
	Control Control
	// Scripts are what stands beside the control file, by name: preinst, postinst,
	// postinst-pkg, prerm, prerm-pkg, postrm.
	Scripts map[string]string
	// Conffiles are paths, with a slash in front, of files of the package that a
	// user edits.
	Conffiles []string
	Files     tree.Tree
	// Time of all files in seconds since 1970.
	Time int64
	// Gzip compresses the files, as gzip does; nil is Go's way, which is quick.
	Gzip func([]byte) ([]byte, error)
}

// Field is a line of the control file.
type Field struct{ Name, Value string }

// Control is the fields of the control file in their order.
type Control []Field

// The order that OpenWrt's build writes the fields in, with those that opkg knows
// besides. Installed-Size is filled in by Write, Filename, Size and SHA256sum by
// the index.
var fieldOrder = []string{
	"Package", "Version", "Depends", "Conflicts", "Provides", "Replaces", "Recommends", "Suggests", "Alternatives",
	"Source", "SourceName", "License", "LicenseFiles", "Section", "SourceDateEpoch", "URL", "Maintainer",
	"Architecture", "Installed-Size", "Filename", "Size", "SHA256sum", "Description",
}

// required: a package without one of these is of no use to opkg, or to people.
var required = []string{"Package", "Version", "Section", "Maintainer", "License", "Architecture", "Installed-Size", "Description"}

// Get returns the value of a field, or "".
func (c Control) Get(name string) string {
	for _, f := range c {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Set gives a field a value; "" takes it out. The order stays OpenWrt's.
func (c *Control) Set(name, value string) {
	*c = slices.DeleteFunc(*c, func(f Field) bool { return f.Name == name })
	if value == "" {
		return
	}
	place := slices.Index(fieldOrder, name)
	at := slices.IndexFunc(*c, func(f Field) bool { return slices.Index(fieldOrder, f.Name) > place })
	if at < 0 {
		at = len(*c)
	}
	*c = slices.Insert(*c, at, Field{name, value})
}

// String is the text of the control file, as in the index.
func (c Control) String() string {
	var b strings.Builder
	for _, f := range c {
		if f.Name == "Description" { // ipkg-build leaves two blanks there
			fmt.Fprintf(&b, "%s:  %s\n", f.Name, f.Value)
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	return b.String()
}

// FileName is what a package file is called in a feed.
func (p *Package) FileName() string {
	return fmt.Sprintf("%s_%s_%s.ipk", p.Control.Get("Package"), p.Control.Get("Version"), p.Control.Get("Architecture"))
}

// maxLine is the length of a line that opkg reads whole.
const maxLine = 4095

// parseControl reads a control file, and holds it to what opkg makes of it.
func parseControl(text string) (Control, error) {
	var c Control
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("control: its last line has no end")
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		name, value, ok := strings.Cut(line, ": ")
		value = strings.TrimPrefix(value, " ")
		switch {
		case !ok:
			return nil, fmt.Errorf("control: %.60q is not `Name: value`", line)
		case len(line) > maxLine:
			return nil, fmt.Errorf("control: %s: %d bytes, opkg reads %d", name, len(line), maxLine)
		case !slices.Contains(fieldOrder, name):
			return nil, fmt.Errorf("control: %.60q is not a field that opkg knows", name)
		case c.Get(name) != "":
			return nil, fmt.Errorf("control: %s stands there twice", name)
		case value == "" || strings.TrimSpace(value) != value:
			return nil, fmt.Errorf("control: %s is empty, or has blanks around it", name)
		}
		c = append(c, Field{name, value})
	}
	return c, c.check()
}

var (
	name    = regexp.MustCompile(`^[a-z0-9][a-z0-9+._-]*$`)
	depend  = regexp.MustCompile(`^[a-z0-9][a-z0-9+._-]*( \((<<|<=|=|>=|>>) ?[0-9][0-9A-Za-z.+~_-]*\))?$`)
	version = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~_-]*$`)
	number  = regexp.MustCompile(`^[0-9]+$`)
)

func (c Control) check() error {
	for _, f := range required {
		if c.Get(f) == "" {
			return fmt.Errorf("control: there is no %s", f)
		}
	}
	rules := []struct {
		rule   *regexp.Regexp
		list   bool
		fields []string
	}{
		{name, false, []string{"Package", "Architecture", "Section"}},
		{version, false, []string{"Version"}},
		{number, false, []string{"Installed-Size", "Size", "SourceDateEpoch"}},
		{depend, true, []string{"Depends", "Conflicts", "Provides", "Replaces", "Recommends", "Suggests"}},
	}
	for _, r := range rules {
		for _, f := range r.fields {
			value := c.Get(f)
			if value == "" {
				continue
			}
			values := []string{value}
			if r.list {
				values = strings.Split(value, ", ")
			}
			for _, v := range values {
				if !r.rule.MatchString(v) {
					return fmt.Errorf("control: %s: %.60q is not one", f, v)
				}
			}
		}
	}
	return nil
}

// installedSize is what the control file says: bytes, as a number.
func (c Control) installedSize() int {
	n, _ := strconv.Atoi(c.Get("Installed-Size"))
	return n
}
