package uci

import (
	"errors"
	"fmt"
	"strings"
)

// Staged changes are lines like
//
//	network.wg0.listen_port='51820'     set an option
//	network.wg0='interface'             make a section, or change its type
//	+network.cfg04a1b2='wireguard_wg0'  make an anonymous section
//	-network.wg0.mtu                    delete
//	-network.wg0.dns='1'                delete a list's value by its index
//	@network.phone='mobile'             rename
//	^network.phone='2'                  move to a position
//	|network.wg0.dns='10.0.0.1'         add to a list
//	~network.wg0.dns='10.0.0.1'         delete from a list
//
// quoted like words of a configuration file. libuci leaves out the lines that it
// cannot read or apply.

// appendTo appends the line that libuci stages for the change.
func (c Change) appendTo(out []byte, pkg string) []byte {
	if c.op != opSet {
		out = append(out, byte(c.op))
	}
	out = append(append(append(out, pkg...), '.'), c.Section...)
	if c.Option != "" {
		out = append(append(out, '.'), c.Option...)
	}
	if c.op != opDelete || c.hasValue {
		out = appendQuoted(append(out, '='), c.value)
	}
	return append(out, '\n')
}

// String gives the change as "uci changes" shows it, without the package's name.
// Values are left out: they may be keys.
func (c Change) String() string {
	path := c.Section
	if c.Option != "" {
		path += "." + c.Option
	}
	switch c.op {
	case opDelete:
		return "-" + path
	case opAddList:
		return path + "+="
	case opDelList:
		return path + "-="
	}
	return path + "="
}

// readChanges calls found for every line of a file of staged changes. A line
// that libuci cannot read is reported with an error, and reading goes on.
func readChanges(text string, found func(pkg string, c Change, err error)) {
	s := scanner{src: blankNULLines(text, func(int) { found("", nothing, ErrSyntax) })}
	for s.line() {
		found(s.change())
	}
}

// change reads one line.
func (s *scanner) change() (pkg string, c Change, err error) {
	word, err := s.word()
	if err != nil {
		return "", nothing, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	if s.cur() != 0 {
		// A second word. A carriage return makes one, too: staged files
		// with Windows line ends have no effect.
		return "", nothing, fmt.Errorf("more than one word: %w", ErrInvalid)
	}
	if word != "" && strings.IndexByte("+-@^|~", word[0]) >= 0 {
		c.op = op(word[0])
		word = word[1:]
	}
	r, err := parseRef(word)
	if err != nil {
		return "", nothing, err
	}
	c.Section, c.Option, c.value, c.hasValue = r.section, r.option, r.value, r.hasValue
	switch {
	case !r.hasSection, r.extended,
		!r.hasValue && c.op != opDelete,
		r.option != "" && c.op == opReorder,
		!ValidName(r.value) && c.op == opRename,
		r.option == "" && (c.op == opAddList || c.op == opDelList):
		return "", nothing, fmt.Errorf("staged change: %w", ErrInvalid)
	}
	return r.pkg, c, nil
}

// replayed is what came of applying a file of staged changes.
type replayed struct {
	// applied is how many had no error.
	applied int
	// read are those that were for this package, applied or not.
	read []Change
	// implied are the deletions that a set to an empty value has made. libuci
	// takes them for changes of the program's own, and stages them when it
	// saves.
	implied []Change
}

// add adds what more files of staged changes were.
func (r *replayed) add(more replayed) {
	r.applied += more.applied
	r.read = append(r.read, more.read...)
	r.implied = append(r.implied, more.implied...)
}

// replay applies a file of staged changes to p.
func (p *Package) replay(text string) (done replayed) {
	if text != "" {
		p.basis = nil // The text does not say any more what p has.
	}
	readChanges(text, func(pkg string, c Change, err error) {
		if err != nil || pkg != p.Name {
			return
		}
		done.read = append(done.read, c)
		made, err := p.apply(c)
		if err != nil {
			return
		}
		done.applied++
		if c.op != opDelete && made.op == opDelete {
			done.implied = append(done.implied, made)
		}
	})
	p.compact()
	return done
}

// apply makes one change. It returns the one that libuci would have staged for
// what happened.
func (p *Package) apply(c Change) (Change, error) {
	t, err := p.target(c.Section, c.Option)
	if err != nil {
		return nothing, err
	}
	switch c.op {
	case opReorder:
		if !t.complete {
			return nothing, p.failed(t, ErrNotFound)
		}
		n, _, _ := leadingInt(c.value)
		p.reorder(t.s, n)
		return c, nil
	case opRename:
		return p.renameTo(&t, c.value)
	case opDelete:
		made, err := p.delete(&t, c.value, c.hasValue)
		if errors.Is(err, errIndex) {
			err = nil
		}
		return made, err
	case opAddList:
		return p.addList(&t, c.value)
	case opDelList:
		return p.delList(&t, c.value)
	case opAdd:
		made, err := p.set(&t, c.value)
		if err == nil && t.option == "" && t.s != nil {
			t.s.Anonymous = true
		}
		return made, err
	default:
		return p.set(&t, c.value)
	}
}
