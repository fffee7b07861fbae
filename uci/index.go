package uci

// A file may have ten thousand sections, and libuci's rules ask for a section's
// name at every "config NAME" line and at every staged change. The indexes here
// answer without walking the file. libuci walks it: where a name occurs twice,
// which only its own renames and generated ids bring about, the first one counts.

// sectionIndex finds the first section of a name.
type sectionIndex struct {
	first map[string]*Section
	// twins counts, for a name that more than one section has, the others.
	twins map[string]int
	size  int
}

// covers reports whether the index was made from as many sections as p has now.
func (x *sectionIndex) covers(p *Package) bool {
	return x.first != nil && x.size == len(p.Sections)-p.gone
}

// indexed makes sure that the index can be relied upon. It changes p, so only
// what changes p may call it.
func (p *Package) indexed() *sectionIndex {
	if !p.index.covers(p) {
		p.index = sectionIndex{first: make(map[string]*Section, len(p.Sections))}
		for _, s := range p.Sections {
			if !s.gone {
				p.index.enter(s)
			}
		}
		p.made = max(p.made, len(p.Sections))
	}
	return &p.index
}

// enter takes in a section that stands behind all others of its name.
func (x *sectionIndex) enter(s *Section) {
	x.size++
	if x.first[s.Name] == nil {
		x.first[s.Name] = s
		return
	}
	if x.twins == nil {
		x.twins = make(map[string]int)
	}
	x.twins[s.Name]++
}

// leave takes a section out that is still in p.Sections.
func (x *sectionIndex) leave(p *Package, s *Section) {
	x.size--
	twins := x.twins[s.Name]
	if twins > 0 {
		x.twins[s.Name]--
	}
	if x.first[s.Name] != s {
		return
	}
	delete(x.first, s.Name)
	if twins > 0 {
		x.pick(p, s.Name, s)
	}
}

// pick finds again which section of a name is the first, one of them left out.
func (x *sectionIndex) pick(p *Package, name string, but *Section) {
	for _, s := range p.Sections {
		if s.Name == name && s != but && !s.gone {
			x.first[name] = s
			return
		}
	}
}

// find gives the first section of a name like Section, for callers that change
// p and look up many names that do not exist.
func (p *Package) find(name string) *Section { return p.indexed().first[name] }

// add appends a section.
func (p *Package) add(s *Section) {
	p.indexed()
	p.made++
	p.Sections = append(p.Sections, s)
	p.index.enter(s)
}

// remove deletes a section, but leaves it in Sections until compact is called:
// deleting many stays linear that way.
func (p *Package) remove(s *Section) {
	p.indexed().leave(p, s)
	s.gone = true
	p.gone++
}

// compact takes the deleted sections out of Sections.
func (p *Package) compact() {
	if p.gone == 0 {
		return
	}
	kept := p.Sections[:0]
	for _, s := range p.Sections {
		if !s.gone {
			kept = append(kept, s)
		}
	}
	clear(p.Sections[len(kept):])
	p.Sections, p.gone = kept, 0
}

// rename gives a section another name, which another section may have.
func (p *Package) rename(s *Section, name string) {
	x := p.indexed()
	x.leave(p, s)
	s.Name, s.Anonymous = name, false
	x.enter(s)
	if x.twins[name] > 0 {
		x.pick(p, name, nil)
	}
}

// indexFrom is the number of options from which on a section gets an index: up
// to here comparing names is faster than a map.
const indexFrom = 16

// optionIndex finds the first option of a name in a section with many options.
type optionIndex struct {
	first map[string]*Option
	size  int
}

func (x *optionIndex) covers(s *Section) bool {
	return x != nil && x.size == len(s.Options)
}

func (x *optionIndex) enter(o *Option) {
	x.size++
	if x.first[o.Name] == nil {
		x.first[o.Name] = o
	}
}

// find gives the first option of a name like Option, for callers that change s.
func (s *Section) find(name string) *Option {
	if len(s.Options) <= indexFrom {
		return s.scan(name)
	}
	if !s.index.covers(s) {
		s.index = &optionIndex{first: make(map[string]*Option, 2*len(s.Options))}
		for _, o := range s.Options {
			s.index.enter(o)
		}
	}
	return s.index.first[name]
}

// push appends an option whose name the section does not have.
func (s *Section) push(o *Option) {
	indexed := s.index.covers(s)
	s.Options = append(s.Options, o)
	if indexed {
		s.index.enter(o)
	}
}
