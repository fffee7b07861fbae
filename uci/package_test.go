package uci

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t testing.TB, text string) *Package {
	t.Helper()
	p, err := Parse("network", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAccessors(t *testing.T) {
	literal := &Package{Name: "network", Sections: []*Section{
		{Type: "t", Name: "s", Options: []*Option{
			{Name: "a", Values: []string{"one"}},
			{Name: "l", List: true, Values: []string{"x", "y z"}},
			{Name: "none", List: true},
		}},
		{Type: "u", Name: "cfg02b61a", Anonymous: true},
		{Type: "t", Name: "s"},
	}}
	parsed := mustParse(t, "config t s\n option a one\n list l x\n list l 'y z'\nconfig u\n")
	for name, p := range map[string]*Package{"literal": literal, "parsed": parsed} {
		t.Run(name, func(t *testing.T) {
			s := p.Section("s")
			if s == nil || s != p.Sections[0] {
				t.Fatalf("Section(s) = %v, want the first", s)
			}
			if got := p.Section("cfg02b61a"); got != p.Sections[1] {
				t.Errorf("Section by generated id = %v", got)
			}
			if got := p.Section("nope"); got != nil {
				t.Errorf("Section(nope) = %v", got)
			}
			if got := p.OfType("u"); len(got) != 1 || got[0] != p.Sections[1] {
				t.Errorf("OfType(u) = %v", got)
			}
			if got := p.OfType("nope"); got != nil {
				t.Errorf("OfType(nope) = %v", got)
			}
			for _, tt := range []struct {
				option, value string
				ok            bool
				values        []string
			}{
				{"a", "one", true, []string{"one"}},
				{"l", "x y z", true, []string{"x", "y z"}},
				{"nope", "", false, nil},
			} {
				value, ok := s.Get(tt.option)
				if value != tt.value || ok != tt.ok {
					t.Errorf("Get(%s) = %q, %v", tt.option, value, ok)
				}
				if diff := cmp.Diff(tt.values, s.Values(tt.option)); diff != "" {
					t.Errorf("Values(%s) (-want +got):\n%s", tt.option, diff)
				}
			}
		})
	}
}

// Callers may have changed the exported fields themselves.
func TestSectionAfterDirectChange(t *testing.T) {
	p := mustParse(t, "config t a\nconfig t b\nconfig t c\n")
	p.Sections = append(p.Sections[:0:0], p.Sections[1:]...)
	if got := p.Section("a"); got != nil {
		t.Errorf("a deleted section is still found: %v", got)
	}
	p.Sections[0].Name = "new"
	if got := p.Section("new"); got != p.Sections[0] {
		t.Errorf("Section(new) = %v", got)
	}
	if got := p.Section("b"); got != nil {
		t.Errorf("Section(b) = %v, it was renamed", got)
	}
	s := p.Sections[1]
	s.Options = append(s.Options, &Option{Name: "o", Values: []string{"1"}})
	s.Set("o", "2")
	if got := string(p.Bytes()); got != "\nconfig t 'new'\n\nconfig t 'c'\n\toption o '2'\n\n" {
		t.Errorf("written %q", got)
	}
}

func TestEqual(t *testing.T) {
	const text = "config t s\n option a 1\n list l 1\nconfig u\n"
	p := mustParse(t, text)
	other := mustParse(t, "config v\n"+text) // another generated id for u
	other.DeleteSection(other.Sections[0])
	if !p.Equal(other) {
		t.Error("generated ids make a difference")
	}
	for _, text := range []string{
		"config t r\n option a 1\n list l 1\nconfig u\n",
		"config v s\n option a 1\n list l 1\nconfig u\n",
		"config t s\n option a 2\n list l 1\nconfig u\n",
		"config t s\n option b 1\n list l 1\nconfig u\n",
		"config t s\n list a 1\n list l 1\nconfig u\n",
		"config t s\n option a 1\n list l 1\n list l 1\nconfig u\n",
		"config t s\n list l 1\n option a 1\nconfig u\n",
		"config t s\n option a 1\n list l 1\nconfig u x\n",
		"config t s\n option a 1\n list l 1\n",
	} {
		if p.Equal(mustParse(t, text)) {
			t.Errorf("equal to %q", text)
		}
	}
	if p.Equal(nil) || !(*Package)(nil).Equal(nil) {
		t.Error("nil")
	}
}

func TestChanges(t *testing.T) {
	const text = `
config t 's'
	option a '1'
	list l 'x'

config t

config u
	option b '2'

`
	tests := []struct {
		name   string
		change func(p *Package)
		want   string
	}{
		{"set in place", func(p *Package) { p.Section("s").Set("a", "it's") }, strings.Replace(text, "'1'", `'it'\''s'`, 1)},
		{"set new", func(p *Package) { p.Section("s").Set("n", "1") }, strings.Replace(text, "'x'\n", "'x'\n\toption n '1'\n", 1)},
		{"set empty", func(p *Package) { p.Section("s").Set("a", "") }, strings.Replace(text, "\toption a '1'\n", "", 1)},
		{"set a list", func(p *Package) { p.Section("s").Set("l", "y") }, strings.Replace(text, "list l 'x'", "option l 'y'", 1)},
		{"list in place", func(p *Package) { p.Section("s").SetList("a", "2", "3") }, strings.Replace(text, "\toption a '1'\n", "\tlist a '2'\n\tlist a '3'\n", 1)},
		{"list new", func(p *Package) { p.Section("s").SetList("n", "2") }, strings.Replace(text, "'x'\n", "'x'\n\tlist n '2'\n", 1)},
		{"list empty", func(p *Package) { p.Section("s").SetList("l") }, strings.Replace(text, "\tlist l 'x'\n", "", 1)},
		{"add to list", func(p *Package) { p.Section("s").AddList("l", "y") }, strings.Replace(text, "'x'\n", "'x'\n\tlist l 'y'\n", 1)},
		{"add to option", func(p *Package) { p.Section("s").AddList("a", "y") }, strings.Replace(text, "\toption a '1'\n", "\tlist a '1'\n\tlist a 'y'\n", 1)},
		{"add new list", func(p *Package) { p.Section("s").AddList("n", "y") }, strings.Replace(text, "'x'\n", "'x'\n\tlist n 'y'\n", 1)},
		{"delete missing", func(p *Package) {
			if p.Section("s").Delete("nope") {
				panic("deleted what is not there")
			}
		}, text},
		{"delete section", func(p *Package) { p.DeleteSection(p.Sections[1]) }, strings.Replace(text, "\nconfig t\n", "", 1)},
		{"delete by type", func(p *Package) {
			p.DeleteFunc(func(s *Section) bool { return s.Type == "t" })
		}, "\nconfig u\n\toption b '2'\n\n"},
		{"rename", func(p *Package) { p.RenameSection(p.Sections[1], "new") }, strings.Replace(text, "config t\n", "config t 'new'\n", 1)},
		{"add named", func(p *Package) { p.AddSection("v", "n").Set("a", "1") }, text + "config v 'n'\n\toption a '1'\n\n"},
		{"add anonymous", func(p *Package) { p.AddSection("v", "") }, text + "config v\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustParse(t, text)
			tt.change(p)
			if diff := cmp.Diff(tt.want, string(p.Bytes())); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			if err := p.Check(); err != nil {
				t.Errorf("Check: %v", err)
			}
			checkIndex(t, p)
		})
	}
}

// The ids are those of the recordings; numbers go on where a file was changed.
func TestAddSectionID(t *testing.T) {
	p := mustParse(t, "config t s\nconfig t\nconfig u\nconfig t\n")
	p.DeleteSection(p.Sections[0])
	if got := p.AddSection("t", "").Name; got != "cfg05b619" {
		t.Errorf("id %s, want cfg05b619", got)
	}
	if got := p.AddSection("wireguard_wg0", "").Name; got != "cfg0696fc" {
		t.Errorf("id %s, want cfg0696fc", got)
	}
	literal := &Package{Name: "network", Sections: []*Section{{Type: "t", Name: "s"}}}
	if got := literal.AddSection("t", "").Name; got != "cfg02b619" {
		t.Errorf("id %s, want cfg02b619", got)
	}
}

func TestCheck(t *testing.T) {
	option := func(name string, values ...string) []*Option { return []*Option{{Name: name, Values: values}} }
	tests := []struct {
		name     string
		sections []*Section
		want     string // a part of the error
	}{
		{"quote in type", []*Section{{Type: "it's", Name: "s"}}, `network.s: section type "it's"`},
		{"comment in type", []*Section{{Type: "a#b", Name: "s"}}, "section type"},
		{"no type", []*Section{{Name: "s"}}, "section type"},
		{"line feed in type", []*Section{{Type: "a\n", Name: "s"}}, "section type"},
		{"section name", []*Section{{Type: "t", Name: "a' b"}}, `section name "a' b"`},
		{"no section name", []*Section{{Type: "t"}}, "section name"},
		{"twice", []*Section{{Type: "t", Name: "s"}, {Type: "t", Name: "s"}}, "network.s: a section of this name"},
		{"generated id before", []*Section{{Type: "t", Anonymous: true}, {Type: "t", Name: "cfg01b619"}}, "generated id"},
		{"option name", []*Section{{Type: "t", Name: "s", Options: option("my opt", "1")}}, `network.s: option name "my opt"`},
		{"option twice", []*Section{{Type: "t", Name: "s", Options: append(option("a", "1"), option("a", "2")...)}}, "network.s.a: there are two"},
		{"no value", []*Section{{Type: "t", Name: "s", Options: option("a")}}, "has one value, this one has 0"},
		{"two values", []*Section{{Type: "t", Name: "s", Options: option("a", "1", "2")}}, "has one value, this one has 2"},
		{"empty value", []*Section{{Type: "t", Name: "s", Options: option("a", "")}}, "network.s.a: an empty value"},
		{"empty list", []*Section{{Type: "t", Name: "s", Options: []*Option{{Name: "l", List: true}}}}, "an empty list"},
		{"NUL", []*Section{{Type: "t", Name: "s", Options: option("private_key", "secret\x00")}}, "network.s.private_key: a value may not have a NUL byte"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &Package{Name: "network", Sections: tt.sections}
			err := p.Check()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Check = %v, want %q in it", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a value: %v", err)
			}
			checkWrites(t, p)
		})
	}
	var options []*Option
	for i := range 2 * indexFrom {
		options = append(options, &Option{Name: fmt.Sprint("o", i), Values: []string{"1"}})
	}
	p := &Package{Name: "network", Sections: []*Section{{Type: "t", Name: "s", Options: options}}}
	if err := p.Check(); err != nil {
		t.Errorf("many options: %v", err)
	}
	options[3].Name = "o7"
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), "network.s.o7") {
		t.Errorf("many options, one twice: %v", err)
	}
	if err := mustParse(t, string(manyPeers(50))).Check(); err != nil {
		t.Errorf("a good file: %v", err)
	}
	both := &Package{Name: "network", Sections: []*Section{{Type: "a'b", Name: "s"}, {Type: "t", Name: "x y"}}}
	var joined interface{ Unwrap() []error }
	if err := both.Check(); !errors.As(err, &joined) || len(joined.Unwrap()) != 2 {
		t.Errorf("Check = %v, want both errors", err)
	}
}

// Deleting, renaming and reordering where several sections have one name keeps
// the index what a walk over the file would say.
func TestIndexWithTwins(t *testing.T) {
	p := mustParse(t, "config t a\nconfig t b\nconfig t c\nconfig t d\n")
	a, b, c, d := p.Sections[0], p.Sections[1], p.Sections[2], p.Sections[3]
	steps := []struct {
		name string
		do   func()
	}{
		{"c is another a", func() { p.rename(c, "a") }},
		{"b is a third", func() { p.rename(b, "a") }},
		{"the third goes first", func() { p.reorder(c, 0) }},
		{"and is deleted", func() { p.remove(c) }},
		{"the first is renamed", func() { p.rename(a, "d") }},
		{"to stand before d", func() { p.reorder(d, 9) }},
		{"d goes", func() { p.remove(d) }},
		{"a is b again", func() { p.rename(b, "b") }},
		{"all go", func() { p.remove(a); p.remove(b) }},
	}
	for _, step := range steps {
		step.do()
		checkIndex(t, p)
		p.compact()
		checkIndex(t, p)
		if t.Failed() {
			t.Fatal(step.name)
		}
	}
	if len(p.Sections) != 0 {
		t.Errorf("%d sections are left", len(p.Sections))
	}
}
