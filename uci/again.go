package uci

import (
	"slices"
	"strconv"
	"strings"
)

// Reading ten thousand sections again to learn that one has changed costs more than
// what follows from the change. A package can therefore be read on the basis of the
// one before: the file is compared with the text of that, and only what stands between
// what both have at the beginning and at the end is parsed, and kept.

// Shares says whether packages are read on the basis of former ones. Not where a word
// has 32 bits: the routers that have such a processor have no thousands of peers, but
// little flash, and the package would be larger than `make size` lets it.
const Shares = strconv.IntSize == 64

const (
	// maxAgain is how many sections are parsed on the basis of a former package: the
	// names of each are looked for among all others.
	maxAgain = 64
	// maxRuns is of how many parts a file may be known: changes in many places, one
	// after the other, cut it up, and each part is read by itself.
	maxRuns = 256
	// chunk is how many bytes of a file are compared at a time.
	chunk = 32 << 10
)

// basis is what a package has been read from.
type basis struct {
	// runs are the file, one behind the other.
	runs []run
	size int64 // of the file in bytes
	// types are the sections of each type.
	types map[string][]*Section
}

// run is a part of a file, from the line of one "config" to that of another; the first
// one begins with what stands before all sections.
type run struct {
	text string
	// at is where the sections begin, what stands before them counted as one. Base is
	// what is to be taken off.
	at   []int
	base int
}

// from returns the run from a section on.
func (r *run) from(n int) run {
	if n == len(r.at) {
		return run{}
	}
	return run{r.text[r.at[n]-r.base:], r.at[n:], r.at[n]}
}

// to returns the run up to a section.
func (r *run) to(n int) run {
	if n == len(r.at) {
		return *r
	}
	return run{r.text[:r.at[n]-r.base], r.at[:n], r.base}
}

// LoadAgain is Load that shares with last, which was loaded from the same file, the
// sections whose text is as it was. Neither package may be changed from then on. last
// may be nil.
func (d Dir) LoadAgain(name string, last *Package) (*Package, error) {
	p, _, err := d.load(name, true, last)
	return p, err
}

// begin notes where a section begins that the parser has just made.
func (p *parser) begin() {
	if !Shares || p.pkg.basis == nil {
		return
	}
	line := strings.LastIndexByte(p.src[:p.statement], '\n') + 1
	if strings.Trim(p.src[line:p.statement], " \t") != "" {
		p.pkg.basis = nil // Another statement stands on its line.
		return
	}
	p.begins = append(p.begins, line)
}

// found makes the basis of a package that was parsed whole.
func (p *parser) found() {
	b := p.pkg.basis
	if !Shares || b == nil {
		return
	}
	b.runs = []run{{text: p.src, at: append([]int{0}, p.begins...)}}
	b.size, b.types = int64(len(p.src)), map[string][]*Section{}
	for _, s := range p.pkg.Sections {
		b.types[s.Type] = append(b.types[s.Type], s)
	}
	// Who never changes the package never looks for names in it.
	p.pkg.index = sectionIndex{}
}

// readAt reads a file like its method ReadAt.
type readAt func(buf []byte, at int64) (n int, err error)

// place is a place in a basis and in the file that is read on it.
type place struct {
	run, n int   // a section of a run, or behind its last one
	at     int64 // in the file
}

// parseAgain is parse of a file of some size on the basis of last; nil where that
// cannot be. It is last itself where the file is the same.
func parseAgain(last *Package, read readAt, size int64) *Package {
	if !Shares || last == nil || last.basis == nil || len(last.basis.runs) > maxRuns {
		return nil
	}
	runs, buf := last.basis.runs, make([]byte, chunk)
	var head place
	same := 0
	for {
		r := &runs[head.run]
		same = sameStart(read, head.at, r.text, buf)
		if same < len(r.text) || head.run == len(runs)-1 {
			break
		}
		head.run++
		head.at += int64(same)
	}
	r := &runs[head.run]
	if same == len(r.text) && head.at+int64(same) == size {
		return last
	}
	// What begins before the change may go on in another way.
	head.n, _ = slices.BinarySearch(r.at, r.base+same)
	if head.n == 0 && head.run > 0 {
		head.run--
		r = &runs[head.run]
		head.at -= int64(len(r.text))
		head.n = len(r.at)
	}
	head.n = max(head.n-1, 0)
	head.at += int64(r.at[head.n] - r.base)

	tail := place{run: len(runs) - 1, at: size}
	for {
		r = &runs[tail.run]
		text := r.text
		if tail.run == head.run {
			text = r.from(head.n).text
		}
		text = text[len(text)-int(min(int64(len(text)), tail.at-head.at)):]
		same = sameEnd(read, tail.at, text, buf)
		tail.at -= int64(same)
		if same < len(r.text) || tail.run == head.run {
			break
		}
		tail.run--
	}
	begin := r.base + len(r.text) - same
	tail.n, _ = slices.BinarySearch(r.at, begin)
	if tail == (place{at: tail.at}) {
		tail.n = 1 // What stands before all sections is read with what comes before it.
	}
	if tail.n < len(r.at) {
		tail.at += int64(r.at[tail.n] - begin)
	} else {
		tail.at += int64(same)
	}
	return last.with(head, tail, read, size)
}

// with returns the package with what a file has between two places.
func (p *Package) with(head, tail place, read readAt, size int64) *Package {
	runs := p.basis.runs
	first, behind := head.n-1, tail.n-1 // sections
	for n := range runs {
		if n < head.run {
			first += len(runs[n].at)
		}
		if n < tail.run {
			behind += len(runs[n].at)
		}
	}
	atStart := first < 0
	first = max(first, 0)
	buf := make([]byte, tail.at-head.at)
	if n, _ := read(buf, head.at); n < len(buf) || behind-first > maxAgain {
		return nil
	}
	text := string(buf)
	if strings.IndexByte(text, 0) >= 0 || tail.at < size && text != "" && (!strings.HasSuffix(text, "\n") || continued(text[:len(text)-1])) {
		return nil
	}
	part := newParser(p.Name, "", text)
	part.strict, part.pkg.basis, part.pkg.made = true, &basis{}, first
	for part.line() {
		// An error has another place in the whole text, if there is one at all.
		if part.statements() != nil {
			return nil
		}
	}
	middle := run{text: text, at: part.begins}
	if atStart {
		middle.at = append([]int{0}, part.begins...)
	} else if text != "" && (len(part.begins) == 0 || part.begins[0] > 0) {
		return nil
	}
	between := part.pkg.Sections
	if part.pkg.basis == nil || len(between) > maxAgain || !p.takes(between, first, behind) {
		return nil
	}
	next := &Package{Name: p.Name, Sections: Splice(p.Sections, first, behind, between)}
	next.made = len(next.Sections)
	next.basis = &basis{size: size, types: p.typesWith(between, first, behind)}
	next.basis.add(runs[:head.run]...)
	next.basis.add(runs[head.run].to(head.n), middle, runs[tail.run].from(tail.n))
	next.basis.add(runs[tail.run+1:]...)
	return next
}

// add adds runs, unless there is nothing in them.
func (b *basis) add(runs ...run) {
	for _, r := range runs {
		if len(r.at) > 0 {
			b.runs = append(b.runs, r)
		}
	}
}

// sameStart returns how many bytes of the text a file has from a place on.
func sameStart(read readAt, at int64, text string, buf []byte) (n int) {
	for n < len(text) {
		k, _ := read(buf[:min(len(buf), len(text)-n)], at+int64(n)) // an error comes up again where all is read
		if string(buf[:k]) != text[n:n+k] {
			for i := 0; buf[i] == text[n]; i++ {
				n++
			}
			return n
		}
		if k == 0 {
			return n
		}
		n += k
	}
	return n
}

// sameEnd returns how many bytes of the end of the text a file has before a place.
func sameEnd(read readAt, end int64, text string, buf []byte) (n int) {
	for n < len(text) {
		k := min(len(buf), len(text)-n)
		if got, _ := read(buf[:k], end-int64(n+k)); got < k {
			return n
		}
		to := len(text) - n
		if string(buf[:k]) != text[to-k:to] {
			for ; buf[k-1] == text[to-1]; k-- {
				to--
			}
			return len(text) - to
		}
		n += k
	}
	return n
}

// typesWith returns the sections of each type with others in place of those from
// head to tail.
func (p *Package) typesWith(sections []*Section, head, tail int) map[string][]*Section {
	types := make(map[string][]*Section, len(p.basis.types))
	for typ, list := range p.basis.types {
		types[typ] = list
	}
	done := map[string]bool{}
	for _, list := range [2][]*Section{p.Sections[head:tail], sections} {
		for _, s := range list {
			if done[s.Type] {
				continue
			}
			done[s.Type] = true
			old, start := types[s.Type], 0
			for n := head - 1; n >= 0 && start == 0; n-- {
				if p.Sections[n].Type == s.Type {
					start = slices.Index(old, p.Sections[n]) + 1
				}
			}
			types[s.Type] = Splice(old, start, start+len(ofType(p.Sections[head:tail], s.Type)), ofType(sections, s.Type))
		}
	}
	return types
}

// takes reports whether sections may stand in place of those from head to tail
// without a change of any other: a name that is there already would make two
// sections one, and generated names count the sections before them.
func (p *Package) takes(sections []*Section, head, tail int) bool {
	before, behind := p.Sections[:head], p.Sections[tail:]
	if len(sections) != tail-head && slices.ContainsFunc(behind, isAnonymous) {
		return false
	}
	for _, s := range sections {
		is := func(other *Section) bool { return other.Name == s.Name }
		// What stood for one of that name does so again, whoever else may have it.
		stood := func(other *Section) bool { return is(other) && other.Anonymous == s.Anonymous }
		if !slices.ContainsFunc(p.Sections[head:tail], stood) && (slices.ContainsFunc(before, is) || slices.ContainsFunc(behind, is)) {
			return false
		}
	}
	return true
}

func isAnonymous(s *Section) bool { return s.Anonymous }

// continued reports whether a line that ends here may go on in the next one.
func continued(line string) bool {
	return strings.HasSuffix(strings.TrimSuffix(line, "\r"), `\`)
}

// Differ returns how many elements two lists have in common at their beginning, and
// up to where they differ then: what follows is the same in both.
func Differ[T comparable](a, b []T) (head, endA, endB int) {
	endA, endB = len(a), len(b)
	for head < min(endA, endB) && a[head] == b[head] {
		head++
	}
	for endA > head && endB > head && a[endA-1] == b[endB-1] {
		endA, endB = endA-1, endB-1
	}
	return head, endA, endB
}

// Splice returns a list with others in place of its elements from head to tail; both
// stay as they are.
func Splice[T any](list []T, head, tail int, others []T) []T {
	out := make([]T, len(list)-(tail-head)+len(others))
	copy(out, list[:head])
	copy(out[head:], others)
	copy(out[head+len(others):], list[tail:])
	return out
}
