package uci

// slab hands out the small pieces that a Package consists of from larger ones. A
// file with ten thousand peers has some hundred thousand of them.
type slab struct {
	sections []Section
	options  []Option
	pointers []*Option
	values   []string

	// owner is the section whose options are the last of pointers.
	owner *Section
}

// room is the capacity of the next piece after one that is full.
func room(full int) int { return min(max(2*full, 16), 1024) }

func (b *slab) section(s Section) *Section {
	if len(b.sections) == cap(b.sections) {
		b.sections = make([]Section, 0, room(cap(b.sections)))
	}
	b.sections = append(b.sections, s)
	return &b.sections[len(b.sections)-1]
}

// option appends an option with its first value to a section.
func (b *slab) option(s *Section, o Option, value string) {
	if len(b.values) == cap(b.values) {
		b.values = make([]string, 0, room(cap(b.values)))
	}
	n := len(b.values)
	b.values = append(b.values, value)
	o.Values = b.values[n : n+1 : n+1]
	if len(b.options) == cap(b.options) {
		b.options = make([]Option, 0, room(cap(b.options)))
	}
	b.options = append(b.options, o)
	b.push(s, &b.options[len(b.options)-1])
}

// item appends a value to a list. The list whose values are the last of values,
// which is where lists stand in one block, grows in place.
func (b *slab) item(o *Option, value string) {
	n, used := len(o.Values), len(b.values)
	if o.List && n > 0 && used >= n && used < cap(b.values) && &o.Values[n-1] == &b.values[used-1] {
		b.values = append(b.values, value)
		o.Values = b.values[used-n : used+1 : used+1]
		return
	}
	o.add(value)
}

// push is Section.push, with the options of the section that is being read in
// one piece with those of others.
func (b *slab) push(s *Section, o *Option) {
	n, used := len(s.Options), len(b.pointers)
	fresh := n == 0 || b.owner == s && n <= used && &s.Options[n-1] == &b.pointers[used-1]
	if !fresh || n > indexFrom {
		s.push(o)
		return
	}
	if used == cap(b.pointers) {
		b.pointers = make([]*Option, 0, room(cap(b.pointers)))
		b.pointers = append(b.pointers, s.Options...)
		used = n
	}
	b.owner = s
	b.pointers = append(b.pointers, o)
	s.Options = b.pointers[used-n : used+1 : used+1]
}
