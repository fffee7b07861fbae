package uci

import "slices"

// AddSection appends a section. Without a name it is anonymous and gets the id
// that libuci would generate. Names and types are not checked here: [Dir.Edit]
// refuses what cannot be written.
func (p *Package) AddSection(typ, name string) *Section {
	p.indexed()
	s := &Section{Type: typ, Name: name}
	if name == "" {
		s.Name, s.Anonymous = generatedID(p.made+1, typ), true
	}
	p.add(s)
	return s
}

// DeleteSection takes a section out of the file. It reports whether the file had it.
func (p *Package) DeleteSection(s *Section) bool {
	return p.DeleteFunc(func(t *Section) bool { return t == s }) > 0
}

// DeleteFunc takes out the sections for which del is true, and says how many.
func (p *Package) DeleteFunc(del func(*Section) bool) int {
	p.indexed()
	for _, s := range p.Sections {
		if !s.gone && del(s) {
			p.remove(s)
		}
	}
	n := p.gone
	p.compact()
	return n
}

// RenameSection gives a section another name; an anonymous one is not anonymous
// any more. [Dir.Edit] refuses a name that another section has.
func (p *Package) RenameSection(s *Section, name string) { p.rename(s, name) }

// Set sets an option in its place, or appends it. What was a list becomes an
// option. An empty value deletes it, for a file cannot tell the two apart.
func (s *Section) Set(name, value string) {
	if value == "" {
		s.Delete(name)
	} else if o := s.find(name); o != nil {
		o.set(value)
	} else {
		s.push(&Option{Name: name, Values: []string{value}})
	}
}

// SetList sets a list in its place, or appends it. Without values it is deleted.
func (s *Section) SetList(name string, values ...string) {
	if len(values) == 0 {
		s.Delete(name)
		return
	}
	o := s.find(name)
	if o == nil {
		o = &Option{Name: name}
		s.push(o)
	}
	o.List, o.Values = true, slices.Clone(values)
}

// AddList appends a value to a list. An option becomes a list of its value first.
func (s *Section) AddList(name, value string) {
	if o := s.find(name); o != nil {
		o.add(value)
	} else {
		s.push(&Option{Name: name, List: true, Values: []string{value}})
	}
}

// Delete deletes an option or a list. It reports whether there was one.
func (s *Section) Delete(name string) bool {
	o := s.find(name)
	if o == nil {
		return false
	}
	s.drop(o)
	return true
}

// drop takes an option out of its section.
func (s *Section) drop(o *Option) {
	i := slices.Index(s.Options, o)
	s.Options = Splice(s.Options, i, i+1, nil)
	s.index = nil
}

// set makes o an option with this value.
func (o *Option) set(value string) {
	o.List, o.Values = false, []string{value}
}

// add makes o a list, and appends a value.
func (o *Option) add(value string) {
	o.List = true
	o.Values = append(o.Values, value)
}

// retype changes a section's type as libuci does: where the new one has another
// length it makes the section anew, and that forgets that it was anonymous.
func (s *Section) retype(typ string) {
	if len(typ) != len(s.Type) {
		s.Anonymous = false
	}
	s.Type = typ
}
