package uci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/test/conformance"
)

// FuzzParse reads anything strictly and leniently: there must be an error in the
// one where there is one in the other, and nothing that Check passes may read
// differently once it was written.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(conformance.Dir(f, "uci/parse"), "*.in"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 4<<10 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("network", data)
		lenient, errs := ParseLenient("network", data)
		for _, err := range errs {
			checkPosition(t, data, err)
		}
		if err != nil {
			checkPosition(t, data, err)
			if len(errs) == 0 {
				t.Fatalf("Parse: %v, but ParseLenient reports nothing", err)
			}
			checkWrites(t, lenient)
			return
		}
		if len(errs) > 0 || !lenient.Equal(p) {
			t.Fatalf("Parse takes it, ParseLenient reports %v", errs)
		}
		checkWrites(t, p)
	})
}

func checkPosition(t *testing.T, data []byte, err error) {
	t.Helper()
	var perr *ParseError
	if !asParseError(err, &perr) {
		t.Fatalf("%T is not a ParseError", err)
	}
	lines := strings.Split(string(data), "\n")
	if perr.Line < 1 || perr.Line > len(lines) {
		t.Fatalf("%v: there are %d lines", err, len(lines))
	}
	if n := len(lines[perr.Line-1]); perr.Column < 1 || perr.Column > n+1 {
		t.Fatalf("%v: column %d of a line with %d bytes", err, perr.Column, n)
	}
}

// checkWrites checks that a package reads the same again just when Check says so.
func checkWrites(t *testing.T, p *Package) {
	t.Helper()
	check := p.Check()
	again, err := Parse(p.Name, p.Bytes())
	if same := err == nil && again.Equal(p); same != (check == nil) {
		t.Fatalf("Check = %v, but reading again gives %v\n%s", check, err, cmp.Diff(describe(p), describe(again)))
	}
	if check == nil {
		if diff := cmp.Diff(string(p.Bytes()), string(again.Bytes())); diff != "" {
			t.Fatalf("written again (-first +second):\n%s", diff)
		}
	}
}

// describe gives a package as something that cmp shows the inside of.
func describe(p *Package) any {
	if p == nil {
		return nil
	}
	return asRecorded(p, nil)
}

// FuzzWriteRead writes packages that nobody has checked and reads them again:
// what Check passes must come back as it was, whatever quotes, line feeds or
// statements are in it, and nothing else may.
func FuzzWriteRead(f *testing.F) {
	f.Add("interface", "wg0", "private_key", "abc=", "x", false, false)
	f.Add("wireguard_wg0", "", "description", "it's", "two\nlines", true, false)
	f.Add("t", "s", "a", "x'\n\nconfig t 'evil'\n\toption a '1", `\`, false, true)
	f.Add("t", "cfg02b619", "a", "# no comment", "; \"", true, true)
	f.Add("it's", "s", "a", "1", "2", false, false)
	f.Add("a#b", "s", "a", "1", "2", false, false)
	f.Add("", "", "", "", "", true, false)
	f.Add("t", "s", "a\toption", "\x00", "\r\n", true, false)
	f.Fuzz(func(t *testing.T, typ, name, option, one, two string, list, twins bool) {
		p := &Package{Name: "network"}
		p.AddSection("t", "").Set("before", "1")
		s := p.AddSection(typ, name)
		if list {
			s.SetList(option, one, two)
		} else {
			s.Set(option, one)
			s.Set("other", two)
		}
		if twins {
			p.AddSection("t", name)
			p.AddSection(typ, "").AddList(option, two)
		}
		checkWrites(t, p)
	})
}

// FuzzStaged merges any staged changes into any file: what was read of them must
// be read the same again once it was written, and the index must not be behind.
func FuzzStaged(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(conformance.Dir(f, "uci/ops"), "*.staged"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		staged, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		before, err := os.ReadFile(strings.TrimSuffix(file, ".staged") + ".before")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(before), string(staged))
	}
	f.Add(someConfig, "@network.s='cfg02b619'\n^network.cfg02b619='2'\n-network.cfg02b619\n-network.cfg02b619\n")
	f.Add(someConfig, "@network.s.a='l'\n-network.s.l='0'\n~network.s.l='y'\n-network.s.l\n|network.s.l='z'\n")
	f.Fuzz(func(t *testing.T, file, staged string) {
		p, _ := ParseLenient("network", []byte(file))
		done := p.replay(staged)
		again := (&Package{Name: "network"}).replay(string(appendChanges(nil, "network", done.read)))
		if diff := cmp.Diff(done.read, again.read, cmp.AllowUnexported(Change{})); diff != "" {
			t.Fatalf("staged again (-first +second):\n%s", diff)
		}
		checkIndex(t, p)
	})
}

// checkIndex compares what the indexes say with the file.
func checkIndex(t *testing.T, p *Package) {
	t.Helper()
	if !p.index.covers(p) {
		t.Fatalf("the index has %d sections, the file %d and %d deleted", p.index.size, len(p.Sections), p.gone)
	}
	for _, s := range p.Sections {
		if got, want := p.find(s.Name), p.scan(s.Name); got != want || p.Section(s.Name) != want {
			t.Fatalf("section %q: the index has %p, the file %p", s.Name, got, want)
		}
		for _, o := range s.Options {
			if got, want := s.find(o.Name), s.scan(o.Name); got != want || s.Option(o.Name) != want {
				t.Fatalf("option %q: the index has %p, the section %p", o.Name, got, want)
			}
		}
	}
	if p.find("no section") != nil {
		t.Fatal("the index has a section that the file has not")
	}
}
