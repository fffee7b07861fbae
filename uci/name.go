package uci

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ValidName reports whether a section or an option may have this name: ASCII
// letters, digits and underscores, at least one.
func ValidName(s string) bool { return validName(s, false) }

// validName also allows the dash that names in a "package" line may have.
func validName(s string, dash bool) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && !('0' <= c && c <= '9') && c != '_' && !(dash && c == '-') {
			return false
		}
	}
	return s != ""
}

// validType reports whether libuci takes s as a section's type: printable ASCII
// without spaces.
func validType(s string) bool {
	for i := range len(s) {
		if s[i] < 33 || s[i] > 126 {
			return false
		}
	}
	return s != ""
}

// ValidType reports whether a section may be made with this type: printable
// ASCII without spaces, quotes, backslashes, number signs and semicolons. libuci
// takes those five too, but writes types unquoted and cannot read them again.
func ValidType(s string) bool {
	return validType(s) && !strings.ContainsAny(s, "'\"\\#;")
}

// validText reports whether "uci set" and a staged change may have this value:
// no control characters except tab and line ends. A configuration file may have
// others.
func validText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 32 && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}

// checkPackageName keeps file names from leaving their folder. libuci takes
// every printable character, slashes too.
func checkPackageName(name string) error {
	if !validType(name) || name[0] == '.' || strings.ContainsRune(name, '/') {
		return fmt.Errorf("%q is not the name of a configuration file: %w", name, ErrInvalid)
	}
	return nil
}

// generatedID is the name that libuci gives the nth section of a file when it is
// anonymous: cfg, n and 16 bits of Bernstein's hash of the type, both in
// hexadecimal. Where the hash meets a byte above 126, which no file can contain
// in a type, libuci's result depends on the processor; this is x86's and MIPS's.
func generatedID(n int, typ string) string {
	hash := uint32(5381)
	for i := range len(typ) {
		hash += hash<<5 + uint32(int8(typ[i]))
	}
	id := make([]byte, 0, 16)
	id = append(id, "cfg"...)
	if n < 0x10 {
		id = append(id, '0')
	}
	id = strconv.AppendUint(id, uint64(n), 16)
	for shift := 12; shift >= 0; shift -= 4 {
		id = append(id, "0123456789abcdef"[hash>>shift&0xf])
	}
	return string(id)
}

// Check reports everything that would not be the same when [Package.Bytes] is
// read again: names and types that libuci does not take or writes so that it
// cannot read them, names that occur twice, empty values and NUL bytes.
func (p *Package) Check() error {
	var errs []error
	names := make(map[string]struct{}, len(p.Sections))
	for i, s := range p.Sections {
		if s.gone {
			continue
		}
		if !ValidType(s.Type) {
			errs = append(errs, fmt.Errorf("%s.%s: section type %q: want printable characters without space, quote, backslash, # and ;", p.Name, s.Name, s.Type))
		}
		name := s.Name
		if s.Anonymous {
			// What the section will be called once the file is read again; a
			// later section of that name would be merged into it.
			name = generatedID(i+1, s.Type)
		} else if !ValidName(name) {
			errs = append(errs, fmt.Errorf("%s: section name %q: want letters, digits and underscores", p.Name, name))
		} else if _, taken := names[name]; taken {
			errs = append(errs, fmt.Errorf("%s.%s: a section of this name, or with this generated id, stands before it", p.Name, name))
		}
		names[name] = struct{}{}
		errs = append(errs, s.check(p.Name+"."+s.Name)...)
	}
	return errors.Join(errs...)
}

func (s *Section) check(path string) []error {
	var errs []error
	twice := repeated(s.Options)
	for _, o := range s.Options {
		switch {
		case !ValidName(o.Name):
			errs = append(errs, fmt.Errorf("%s: option name %q: want letters, digits and underscores", path, o.Name))
		case twice[o.Name]:
			errs = append(errs, fmt.Errorf("%s.%s: there are two options of this name", path, o.Name))
			delete(twice, o.Name)
		case !o.List && len(o.Values) != 1:
			errs = append(errs, fmt.Errorf("%s.%s: an option has one value, this one has %d", path, o.Name, len(o.Values)))
		case o.List && len(o.Values) == 0:
			errs = append(errs, fmt.Errorf("%s.%s: an empty list cannot be written: delete it", path, o.Name))
		case !o.List && o.Values[0] == "":
			errs = append(errs, fmt.Errorf("%s.%s: an empty value cannot be written: delete the option", path, o.Name))
		}
		for _, v := range o.Values {
			if strings.IndexByte(v, 0) >= 0 {
				errs = append(errs, fmt.Errorf("%s.%s: a value may not have a NUL byte", path, o.Name))
			}
		}
	}
	return errs
}

// repeated gives the names that occur more than once.
func repeated(options []*Option) map[string]bool {
	if len(options) <= indexFrom {
		var twice map[string]bool
		for i, o := range options {
			for _, before := range options[:i] {
				if before.Name == o.Name {
					if twice == nil {
						twice = make(map[string]bool)
					}
					twice[o.Name] = true
				}
			}
		}
		return twice
	}
	seen := make(map[string]bool, len(options))
	for _, o := range options {
		_, again := seen[o.Name]
		seen[o.Name] = again
	}
	return seen
}
