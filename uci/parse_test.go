package uci

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseErrorPosition(t *testing.T) {
	const key = "QF6sZwJmwanlqoYouM92/PsWyrmJm0+rhIdoXBkh7lQ="
	tests := []struct {
		name, in     string
		line, column int
		msg          string // a part of it
	}{
		{"unknown statement", "config t\n\n\tprivate_key " + key + "\n", 3, 2, "a statement begins with"},
		{"option first", "\n option a 1\n", 2, 2, "before the first section"},
		{"too many words", "config t\n\toption private_key " + key[:10] + " " + key[10:] + "\n", 2, 32, "more words"},
		{"quote never closed", "config t\n\toption a 1\n\toption private_key '" + key + "\n\n", 3, 21, "never closed"},
		{"double quote never closed", "config t \"x\n# y\n", 1, 10, "never closed"},
		{
			// The mistake is on line 2, and shows on line 3.
			"quote missing", "config t\n\toption private_key '" + key + "\n\toption b '1'\n", 3, 13,
			"(the statement began on line 2)",
		},
		{"continued", "config t \\\n\\\n a b\n", 3, 2, "(the statement began on line 1)"},
		{"option name", "config t\n\toption my-key '" + key + "'\n", 2, 9, "an option name has"},
		{"no option name", "config t\n\toption\t\n", 2, 2, "without a name"},
		{"section name", "config t 'my-lan'\n", 1, 10, "a section name has"},
		{"section type", "config 'a b'\n", 1, 8, "a section type has"},
		{"no section type", "config ''\n", 1, 1, "without a type"},
		{"type of another section", "config a 'x'\nconfig b 'x'\n", 2, 10, "another type"},
		{"package name", "package a.b\n", 1, 9, "a package name has"},
		{"NUL", "config t\n\toption k '" + key + "\x00'\n", 2, 56, "NUL byte"},
		{"CRLF", "config t\r\n\toption a b c\r\n", 2, 13, "more words"},
		{"second statement of a line", "config t 's'\noption a 'b'; foo\n", 2, 15, "a statement begins with"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("network", []byte(tt.in))
			var perr *ParseError
			if !errors.As(err, &perr) {
				t.Fatalf("error %v, want a ParseError", err)
			}
			if perr.Line != tt.line || perr.Column != tt.column {
				t.Errorf("error at %d:%d, want %d:%d", perr.Line, perr.Column, tt.line, tt.column)
			}
			if want := fmt.Sprintf("network:%d: ", tt.line); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("error %q, want it to begin with %q", err, want)
			}
			if !strings.Contains(perr.Msg, tt.msg) {
				t.Errorf("error %q, want %q in it", err, tt.msg)
			}
			for _, part := range []string{key, key[:10], key[10:]} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("the error shows a key: %s", err)
				}
			}
		})
	}
}

// A lenient reader names every line, in the lines of the file as it is, also
// behind one that was left out for a NUL byte.
func TestParseLenientErrors(t *testing.T) {
	in := "config t 's'\n\toption a '1'\n\x00\x00\x00 x\n\tfoo bar\n\toption b '2' 3\n" +
		"\toption c\x00 '3'\n\toption d '4'\nconfig u 's'\n\toption my-e '5'\n\tlist f 'unclosed\n"
	p, errs := ParseLenient("network", []byte(in))
	var lines []int
	for _, err := range errs {
		var perr *ParseError
		if !errors.As(err, &perr) {
			t.Fatalf("%T is not a ParseError", err)
		}
		lines = append(lines, perr.Line)
	}
	if diff := cmp.Diff([]int{3, 6, 4, 5, 8, 9, 10}, lines); diff != "" {
		t.Errorf("lines with errors (-want +got):\n%s", diff)
	}
	want := &Package{Name: "network", Sections: []*Section{{Type: "u", Name: "s", Options: []*Option{
		{Name: "a", Values: []string{"1"}}, {Name: "b", Values: []string{"2"}}, {Name: "d", Values: []string{"4"}},
	}}}}
	if diff := cmp.Diff(describe(want), describe(p)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// The package must not depend on the bytes it was read from.
func TestParseCopies(t *testing.T) {
	data := []byte("config t 's'\n\toption a 'value'\n")
	p, err := Parse("network", data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = '!'
	}
	if got, _ := p.Section("s").Get("a"); got != "value" {
		t.Errorf("a = %q", got)
	}
}

// Options whose pieces were cut from one slice must not grow into each other.
func TestParsedOptionsAreApart(t *testing.T) {
	p, err := Parse("network", []byte("config t 's'\n\tlist a '1'\n\toption b '2'\n\tlist c '3'\n\nconfig t 'r'\n\toption d '4'\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, r := p.Section("s"), p.Section("r")
	s.AddList("a", "new")
	s.AddList("b", "new")
	s.Set("e", "new")
	r.Set("f", "new")
	want := "\nconfig t 's'\n\tlist a '1'\n\tlist a 'new'\n\tlist b '2'\n\tlist b 'new'\n\tlist c '3'\n\toption e 'new'\n" +
		"\nconfig t 'r'\n\toption d '4'\n\toption f 'new'\n\n"
	if diff := cmp.Diff(want, string(p.Bytes())); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

// What a file costs grows with its length and no faster.
func TestParseIsLinear(t *testing.T) {
	shapes := map[string]func(n int) string{
		"peers": func(n int) string { return string(manyPeers(n)) },
		"options of one section": func(n int) string {
			var b strings.Builder
			b.WriteString("config t 's'\n")
			for i := range n {
				fmt.Fprintf(&b, "\toption o%d '%d'\n", i, i)
			}
			return b.String()
		},
		"one section again and again": func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "config t 's'\n\toption o%d '%d'\nconfig t 'r'\n\tlist l '%d'\n", i, i, i)
			}
			return b.String()
		},
		"one list":       func(n int) string { return "config t 's'\n" + strings.Repeat("\tlist l 'x'\n", n) },
		"clashing names": clashingNames,
		"quotes":         func(n int) string { return "config t 's'\n\toption o " + strings.Repeat(`'a'"b\c"d`, n) },
		"one line":       func(n int) string { return "config t 's'" + strings.Repeat("; option 'o' 'x'", n) },
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			const n = 2000
			small, large := []byte(shape(n)), []byte(shape(8*n))
			cost := func(data []byte) float64 {
				return testing.AllocsPerRun(3, func() {
					if _, err := Parse("network", data); err != nil {
						t.Fatal(err)
					}
				})
			}
			if a, b := cost(small), cost(large); b > 8.8*a+100 {
				t.Errorf("%d times the file takes %v allocations instead of %v", 8, b, a)
			}
		})
	}
}

// clashingNames has named sections with the ids that anonymous ones get later.
func clashingNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "config t '%s'\n", generatedID(n+i+1, "t"))
	}
	b.WriteString(strings.Repeat("config t\n", n))
	return b.String()
}

// Allocations do not show a walk over all sections; that there is none follows
// from the indexes, which must be there and complete.
func TestParseIndexes(t *testing.T) {
	var b strings.Builder
	b.WriteString(clashingNames(1000))
	b.WriteString("config t 's'\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "\toption o%d '1'\n", i)
	}
	p, err := Parse("network", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if !p.index.covers(p) {
		t.Error("the sections are not indexed")
	}
	if s := p.Section("s"); !s.index.covers(s) {
		t.Error("the options of a long section are not indexed")
	}
	checkIndex(t, p)
}
