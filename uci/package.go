package uci

import (
	"slices"
	"strings"
)

// Package is one configuration file.
//
// Sections may be read and their options changed freely. Sections are added,
// deleted and renamed with the methods, which keep [Package.Section] fast. A
// Package may be read by several goroutines at once, and changed by one.
type Package struct {
	// Name is the file's name without its folder, for instance "network".
	Name string
	// Sections are the sections in file order.
	Sections []*Section

	index sectionIndex
	// made counts the sections that were ever made, the deleted ones too:
	// libuci numbers anonymous sections with it.
	made int
	// gone counts the sections in Sections that are deleted but not yet taken
	// out, see remove.
	gone int
	// basis is what the next version of the file can be read on; nil: it cannot.
	basis *basis
}

// Section is one "config" block.
type Section struct {
	// Type is the word after "config", for instance "interface".
	Type string
	// Name is the section's name. An anonymous section has the id that libuci
	// generates, cfgXXXXXX, which is good until the file changes.
	Name string
	// Anonymous is true where the file gives no name.
	Anonymous bool
	// Options are the options and lists in file order.
	Options []*Option

	index *optionIndex
	gone  bool
}

// Option is one "option", or all "list" lines of one name.
type Option struct {
	Name string
	// List is true for a list.
	List bool
	// Values has exactly one element unless List is true.
	Values []string
}

// Section gives the section with this name or generated id, nil when there is
// none. Of several, which libuci can produce, it gives the first as libuci does.
func (p *Package) Section(name string) *Section {
	if p.index.covers(p) {
		if s := p.index.first[name]; s != nil && s.Name == name {
			return s
		}
	}
	// Not indexed, not there, or renamed behind the index's back.
	return p.scan(name)
}

func (p *Package) scan(name string) *Section {
	for _, s := range p.Sections {
		if s.Name == name && !s.gone {
			return s
		}
	}
	return nil
}

// OfType gives the sections of one type in file order. The slice is not to be changed.
func (p *Package) OfType(typ string) []*Section {
	if Shares && p.basis != nil {
		return p.basis.types[typ]
	}
	return ofType(p.Sections, typ)
}

func ofType(sections []*Section, typ string) []*Section {
	var out []*Section
	for _, s := range sections {
		if s.Type == typ {
			out = append(out, s)
		}
	}
	return out
}

// Equal reports whether both packages say the same. The generated ids of
// anonymous sections are not compared.
func (p *Package) Equal(q *Package) bool {
	if p == nil || q == nil {
		return p == q
	}
	return p.Name == q.Name && slices.EqualFunc(p.Sections, q.Sections, (*Section).Equal)
}

// Option gives the option or list of this name, nil when there is none.
func (s *Section) Option(name string) *Option {
	if s.index.covers(s) {
		if o := s.index.first[name]; o != nil && o.Name == name {
			return o
		}
	}
	return s.scan(name)
}

func (s *Section) scan(name string) *Option {
	for _, o := range s.Options {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// Get gives the value of an option; of a list its values with one space between
// them, as "uci get" does. ok is false when there is neither.
func (s *Section) Get(name string) (value string, ok bool) {
	o := s.Option(name)
	switch {
	case o == nil:
		return "", false
	case len(o.Values) == 1:
		return o.Values[0], true
	}
	return strings.Join(o.Values, " "), true
}

// Values gives the values of a list, or the one value of an option, nil when
// there is neither. The slice is the section's own: do not change it.
func (s *Section) Values(name string) []string {
	if o := s.Option(name); o != nil {
		return o.Values
	}
	return nil
}

// Equal reports whether both sections say the same. The generated ids of
// anonymous sections are not compared.
func (s *Section) Equal(t *Section) bool {
	if s == nil || t == nil {
		return s == t
	}
	return s.Type == t.Type && s.Anonymous == t.Anonymous &&
		(s.Anonymous || s.Name == t.Name) &&
		slices.EqualFunc(s.Options, t.Options, (*Option).equal)
}

func (o *Option) equal(q *Option) bool {
	return o.Name == q.Name && o.List == q.List && slices.Equal(o.Values, q.Values)
}
