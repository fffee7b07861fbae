package uci

import (
	"errors"
	"fmt"
	"slices"
)

// The operations of libuci on a package in memory, with its own opinion of what
// is an error, what is nothing, and what is a change that has to be staged. They
// are what staged changes are replayed with, so they decide what netifd sees.

// op is the kind of a change; the bytes are those of staged files.
type op byte

const (
	opSet     op = 0
	opAdd     op = '+'
	opDelete  op = '-'
	opRename  op = '@'
	opReorder op = '^'
	opAddList op = '|'
	opDelList op = '~'
)

// Change is one change as it is staged.
type Change struct {
	op op
	// Section and Option say what was changed; Option is empty for sections.
	Section, Option string
	value           string
	hasValue        bool // a delete may have one: the index of a list's value
}

// nothing is the result of an operation that changed nothing and failed neither.
var nothing Change

func (c Change) isNothing() bool { return c.Section == "" }

func (p *Package) failed(t target, err error) error {
	path := p.Name
	if t.section != "" {
		path += "." + t.section
	}
	if t.option != "" {
		path += "." + t.option
	}
	return fmt.Errorf("%s: %w", path, err)
}

// set sets an option, or makes a section or changes its type. An empty value
// deletes what is there.
func (p *Package) set(t *target, value string) (Change, error) {
	switch {
	case t.s == nil && (t.option != "" || t.section == ""),
		t.option == "" && value != "" && !validType(value):
		return nothing, p.failed(*t, ErrInvalid)
	case value == "" && !t.complete:
		return nothing, nil
	case value == "":
		return p.delete(t, "", false)
	case t.option == "" && t.s == nil:
		t.s = &Section{Type: value, Name: t.section}
		p.add(t.s)
	case t.option == "":
		if t.s.Type == value {
			return nothing, nil
		}
		t.s.retype(value)
	case t.o == nil:
		t.o = &Option{Name: t.option, Values: []string{value}}
		t.s.push(t.o)
	default:
		if !t.o.List && t.o.Values[0] == value {
			return nothing, nil
		}
		t.o.set(value)
	}
	return Change{op: opSet, Section: t.section, Option: t.option, value: value, hasValue: true}, nil
}

// errIndex is a delete with a value that is not a number. libuci counts it among
// the changes that it has applied.
var errIndex = errors.New("the index of a list's value is not a number")

// delete deletes a section or an option; of a list only the value at an index,
// when one is given.
func (p *Package) delete(t *target, index string, hasIndex bool) (Change, error) {
	if !t.complete {
		return nothing, p.failed(*t, ErrNotFound)
	}
	if t.s == nil {
		return nothing, p.failed(*t, ErrInvalid)
	}
	c := Change{op: opDelete, Section: t.section, Option: t.option}
	if t.o != nil && t.o.List && hasIndex && index != "" {
		n, _, ok := leadingInt(index)
		if !ok {
			return nothing, p.failed(*t, errIndex)
		}
		if n < 0 || n >= int64(len(t.o.Values)) {
			return nothing, nil
		}
		t.o.Values = Splice(t.o.Values, int(n), int(n)+1, nil)
		c.value, c.hasValue = index, true
		return c, nil
	}
	if t.o != nil {
		t.s.drop(t.o)
		t.o = nil
	} else {
		p.remove(t.s)
		t.s = nil
	}
	return c, nil
}

// addList appends a value to a list, and makes a list of an option first.
func (p *Package) addList(t *target, value string) (Change, error) {
	if t.s == nil {
		return nothing, p.failed(*t, ErrInvalid)
	}
	switch {
	case t.option == "":
		// libuci makes a list without a name of it and stages that. The line
		// has no effect when it is read.
	case t.o == nil:
		t.o = &Option{Name: t.option, List: true, Values: []string{value}}
		t.s.push(t.o)
	default:
		t.o.add(value)
	}
	return Change{op: opAddList, Section: t.section, Option: t.option, value: value, hasValue: true}, nil
}

// delList deletes every occurrence of a value in a list. The list stays, even
// when it is empty; libuci writes nothing for it then.
func (p *Package) delList(t *target, value string) (Change, error) {
	if t.s == nil {
		return nothing, p.failed(*t, ErrInvalid)
	}
	if t.o == nil || !t.o.List {
		return nothing, nil
	}
	t.o.Values = slices.DeleteFunc(t.o.Values, func(v string) bool { return v == value })
	return Change{op: opDelList, Section: t.section, Option: t.option, value: value, hasValue: true}, nil
}

// renameTo gives a section or an option another name, whatever it is and whether
// or not another one has it.
func (p *Package) renameTo(t *target, name string) (Change, error) {
	if !t.complete {
		return nothing, p.failed(*t, ErrNotFound)
	}
	if t.s == nil {
		return nothing, p.failed(*t, ErrInvalid)
	}
	if t.o != nil {
		t.o.Name = name
		t.s.index = nil
	} else {
		p.rename(t.s, name)
	}
	return Change{op: opRename, Section: t.section, Option: t.option, value: name, hasValue: true}, nil
}

// reorder moves a section so that position others stand before it: to the start
// when it is negative, to the end when it is beyond that. It reports whether the
// section stands elsewhere now.
func (p *Package) reorder(s *Section, position int64) bool {
	p.compact()
	from := slices.Index(p.Sections, s)
	to := int(min(max(position, 0), int64(len(p.Sections)-1)))
	p.Sections = Splice(Splice(p.Sections, from, from+1, nil), to, to, []*Section{s})
	if x := p.indexed(); x.twins[s.Name] > 0 {
		x.pick(p, s.Name, nil)
	}
	return from != to
}
