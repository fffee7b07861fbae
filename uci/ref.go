package uci

import (
	"errors"
	"fmt"
	"strings"
)

// What went wrong with an operation; the errors that are returned wrap these.
// A file that does not exist is [io/fs.ErrNotExist], one that cannot be read a
// [*ParseError].
var (
	// ErrNotFound: there is no such section or option.
	ErrNotFound = errors.New("entry not found")
	// ErrInvalid: an operation that makes no sense, such as an option for a
	// section that does not exist, or an index behind the last section.
	ErrInvalid = errors.New("invalid argument")
	// ErrSyntax: not of the form package.section.option=value, or a character
	// that may not stand there.
	ErrSyntax = errors.New("parse error")
)

// ref is what "uci" and the files of staged changes call things by:
// package[.section[.option]][=value].
type ref struct {
	pkg, section, option, value string
	hasSection, hasValue        bool
	// extended is true when the section is not a name, so @type[index] perhaps.
	extended bool
}

func parseRef(text string) (ref, error) {
	var r ref
	path, value, hasValue := strings.Cut(text, "=")
	r.value, r.hasValue = value, hasValue
	var hasOption bool
	r.pkg, path, r.hasSection = strings.Cut(path, ".")
	if r.hasSection {
		r.section, path, hasOption = strings.Cut(path, ".")
		r.option = path
	}
	switch {
	case !validType(r.pkg):
		return ref{}, fmt.Errorf("package name: %w", ErrSyntax)
	case hasOption && !ValidName(r.option): // a further dot is caught here too
		return ref{}, fmt.Errorf("option name: %w", ErrSyntax)
	case !validText(value):
		return ref{}, fmt.Errorf("control character in the value: %w", ErrSyntax)
	}
	r.extended = r.hasSection && !ValidName(r.section)
	return r, nil
}

// target is the section and the option that an operation is about.
type target struct {
	// section is the name that was asked for, also where nothing has it.
	section, option string
	s               *Section
	o               *Option
	// complete is true when everything that was named is there.
	complete bool
}

// target looks a section and an option up, which are empty when not named.
func (p *Package) target(section, option string) (target, error) {
	t := target{section: section, option: option}
	switch {
	case section == "":
		t.complete = true
		return t, nil
	case ValidName(section):
		t.s = p.find(section)
	default:
		var err error
		if t.s, err = p.byIndex(section); err != nil {
			return t, err
		}
	}
	if t.s == nil {
		return t, nil
	}
	t.section = t.s.Name
	if option != "" {
		t.o = t.s.find(option)
	}
	t.complete = option == "" || t.o != nil
	return t, nil
}

// byIndex finds a section as @TYPE[N] or @[N], counted from 0, or from the end
// and -1 when N is negative. It is nil when there are not so many.
func (p *Package) byIndex(text string) (*Section, error) {
	invalid := fmt.Errorf("%s: section %q: want a name or @type[index]: %w", p.Name, text, ErrInvalid)
	rest, ok := strings.CutPrefix(text, "@")
	if !ok {
		return nil, invalid
	}
	typ, rest, ok := strings.Cut(rest, "[")
	if !ok || typ != "" && !validType(typ) {
		return nil, invalid
	}
	number, rest, ok := strings.Cut(rest, "]")
	if !ok || rest != "" {
		return nil, invalid
	}
	n, rest, digits := leadingInt(number)
	if digits && rest != "" || !digits && number != "" {
		return nil, invalid
	}
	p.compact()
	matches := p.Sections
	if typ != "" {
		matches = p.OfType(typ)
	}
	if n < 0 {
		n += int64(len(matches))
	}
	if n < 0 || n >= int64(len(matches)) {
		return nil, nil
	}
	return matches[n], nil
}

// leadingInt reads a decimal number as C's strtol does on the machines that
// uci's results were recorded on, cut to 32 bits as uci does with it: white space
// and a sign may stand before it, anything behind it. ok is false without digits.
func leadingInt(text string) (n int64, rest string, ok bool) {
	rest = strings.TrimLeft(text, " \t\n\v\f\r")
	negative := false
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		negative = rest[0] == '-'
		rest = rest[1:]
	}
	var u uint64
	over := false
	for rest != "" && '0' <= rest[0] && rest[0] <= '9' {
		d := uint64(rest[0] - '0')
		if u > (1<<63-1-d)/10 {
			over = true
		}
		u = u*10 + d
		rest = rest[1:]
		ok = true
	}
	n = int64(u)
	switch {
	case over && negative:
		n = -1 << 63
	case over:
		n = 1<<63 - 1
	case negative:
		n = -n
	}
	return int64(int32(n)), rest, ok
}
