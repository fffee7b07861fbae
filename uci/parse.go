package uci

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// ParseError says where a configuration file cannot be read, and why. It never
// shows what stands there: it may be a private key.
type ParseError struct {
	File   string // as given to Parse, or the path that was read
	Line   int    // from 1
	Column int    // in bytes, from 1
	Msg    string
}

// Error gives "FILE:LINE: MESSAGE".
func (e *ParseError) Error() string {
	return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Msg
}

// Parse reads a configuration file as strictly as uci, rpcd and ucode do: the
// first line that is wrong refuses the file. The error is a [*ParseError] that
// has name as its file.
//
// A "package" line is checked and otherwise ignored, as it is when libuci loads
// a file. A file with a NUL byte, which libuci reads up to some point, is refused.
func Parse(name string, data []byte) (*Package, error) {
	return parse(name, name, string(data), nil)
}

// ParseLenient reads a configuration file as netifd does: it leaves out what is
// wrong, mostly the whole line, which may put the options behind it into another
// section. The errors, of type [*ParseError], say what was wrong with each; there
// is none just when Parse takes the file.
func ParseLenient(name string, data []byte) (*Package, []error) {
	p := newParser(name, name, string(data))
	p.src = blankNULLines(p.src, func(at int) {
		p.errs = append(p.errs, p.errorAt(at, msgNUL))
	})
	for p.line() {
		if err := p.statements(); err != nil {
			p.errs = append(p.errs, err)
		}
	}
	return p.pkg, p.errs
}

// parse notes in again, unless it is nil, what the next version of the file can be
// read on.
func parse(name, file, src string, again *basis) (*Package, error) {
	p := newParser(name, file, src)
	p.strict = true
	p.pkg.basis = again
	if i := strings.IndexByte(src, 0); i >= 0 {
		return nil, p.errorAt(i, msgNUL)
	}
	for p.line() {
		if err := p.statements(); err != nil {
			return nil, err
		}
	}
	p.found()
	return p.pkg, nil
}

const msgNUL = "NUL byte: this is not a configuration file, or it was damaged"

// blankNULLines puts spaces in place of the lines that have a NUL byte, and
// reports where each has its first.
func blankNULLines(src string, report func(at int)) string {
	if strings.IndexByte(src, 0) < 0 {
		return src
	}
	text := []byte(src)
	at := 0
	for line := range bytes.Lines(text) {
		if i := bytes.IndexByte(line, 0); i >= 0 {
			report(at + i)
			for j := range line {
				if line[j] != '\n' {
					line[j] = ' '
				}
			}
		}
		at += len(line)
	}
	return string(text)
}

// parser turns the words of a file into a Package.
type parser struct {
	scanner
	file    string
	strict  bool
	pkg     *Package
	section *Section
	slab    slab
	errs    []error
	begins  []int // of the sections, where there is to be a basis

	// statement is where the statement began that is being read.
	statement int
	// line number lineNo begins at lineAt; errors count on from here.
	lineNo, lineAt int
}

func newParser(name, file, src string) *parser {
	// A peer as LuCI writes it takes some 300 bytes. This only saves growing.
	sections := min(len(src)/300, 1<<14)
	return &parser{
		scanner: scanner{src: src},
		file:    file,
		pkg: &Package{
			Name:  name,
			index: sectionIndex{first: make(map[string]*Section, sections)},
		},
		lineNo: 1,
	}
}

// statements reads a line, which may hold several statements with semicolons
// between them, and may go on over further lines.
func (p *parser) statements() error {
	p.skipSpace()
	for {
		word, more := p.keyword()
		if word == "" || word[0] == '#' {
			return nil
		}
		p.statement = p.start
		var err error
		switch word {
		case "c", "config":
			err = p.config(more)
		case "o", "option":
			err = p.option(more, false)
		case "l", "list":
			err = p.option(more, true)
		case "p", "package":
			err = p.packageLine(more)
		default:
			err = p.fail("a statement begins with package, config, option or list")
		}
		if err != nil {
			return err
		}
	}
}

// packageLine reads "package NAME". It has a meaning only where several files
// are imported at once.
func (p *parser) packageLine(more bool) error {
	if !more {
		return p.lacks("package without a name")
	}
	name, err := p.arg()
	if err != nil {
		return err
	}
	if name == "" {
		return p.lacks("package without a name")
	}
	if !validName(name, true) {
		return p.fail("a package name has letters, digits, underscores and dashes only")
	}
	return p.end()
}

// config reads "config TYPE [NAME]".
func (p *parser) config(more bool) error {
	if !more {
		return p.lacks("config without a type")
	}
	typ, err := p.arg()
	if err != nil {
		return err
	}
	if typ == "" {
		return p.lacks("config without a type")
	}
	if !validType(typ) {
		return p.fail("a section type has printable ASCII characters only")
	}
	name, err := p.arg()
	if err != nil {
		return err
	}
	if name != "" && !ValidName(name) {
		return p.fail("a section name has letters, digits and underscores only")
	}
	at := p.start
	if err := p.end(); err != nil {
		return err
	}
	if name == "" {
		p.section = p.slab.section(Section{Type: typ, Name: generatedID(p.pkg.made+1, typ), Anonymous: true})
		p.pkg.add(p.section)
		p.begin()
		return nil
	}
	if s := p.pkg.find(name); s != nil {
		p.pkg.basis = nil // What it says stands in two places.
		if s.Type != typ {
			p.start = at
			if err := p.tolerate("there is a section of this name already, and of another type"); err != nil {
				return err
			}
			s.retype(typ)
		}
		p.section = s
		return nil
	}
	p.section = p.slab.section(Section{Type: typ, Name: name})
	p.pkg.add(p.section)
	p.begin()
	return nil
}

// option reads "option NAME VALUE" and "list NAME VALUE".
func (p *parser) option(more, list bool) error {
	if p.section == nil {
		return p.fail("option or list before the first section")
	}
	if !more {
		return p.lacks("option or list without a name")
	}
	name, err := p.arg()
	if err != nil {
		return err
	}
	if name == "" {
		return p.lacks("option or list without a name")
	}
	if !ValidName(name) {
		return p.fail("an option name has letters, digits and underscores only")
	}
	value, err := p.arg()
	if err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	switch o := p.section.find(name); {
	case list && o == nil:
		p.slab.option(p.section, Option{Name: name, List: true}, value)
	case list:
		p.slab.item(o, value)
	case value == "":
		// It does not take away what an earlier line has set.
	case o == nil:
		p.slab.option(p.section, Option{Name: name}, value)
	default:
		o.set(value)
	}
	return nil
}

// arg reads one word of a statement.
func (p *parser) arg() (string, error) {
	word, err := p.word()
	if err != nil {
		return "", p.fail(err.Error())
	}
	return word, nil
}

// end makes sure that nothing follows the last word of a statement. A lenient
// reader passes over one word more, and takes the next for a statement.
func (p *parser) end() error {
	word, err := p.arg()
	if err == nil && word != "" {
		err = p.tolerate("more words than the statement has: is a quote missing?")
	}
	return err
}

// lacks is fail for a word that is not there.
func (p *parser) lacks(msg string) *ParseError {
	p.start = p.statement
	return p.fail(msg)
}

// tolerate is fail for what a lenient reader goes on after.
func (p *parser) tolerate(msg string) error {
	err := p.fail(msg)
	if p.strict {
		return err
	}
	p.errs = append(p.errs, err)
	return nil
}

// fail gives an error for the word that was read last.
func (p *parser) fail(msg string) *ParseError {
	from, _ := p.position(p.statement)
	err := p.errorAt(p.start, msg)
	if err.Line != from {
		err.Msg += fmt.Sprintf(" (the statement began on line %d)", from)
	}
	return err
}

func (p *parser) errorAt(offset int, msg string) *ParseError {
	line, column := p.position(offset)
	return &ParseError{File: p.file, Line: line, Column: column, Msg: msg}
}

// position gives the line and the column of an offset. Offsets that grow from
// call to call cost one pass over the file in all.
func (p *parser) position(offset int) (line, column int) {
	if offset < p.lineAt {
		p.lineNo, p.lineAt = 1, 0
	}
	passed := p.src[p.lineAt:offset]
	if n := strings.Count(passed, "\n"); n > 0 {
		p.lineNo += n
		p.lineAt += strings.LastIndexByte(passed, '\n') + 1
	}
	return p.lineNo, offset - p.lineAt + 1
}
