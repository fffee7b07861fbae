package uci

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/conformance"
)

// checkAgain fails unless a text read on the basis of another is what it is read
// alone, and returns what it was read as; shared says on what there was a basis.
func checkAgain(t *testing.T, last *Package, text string) (p *Package, shared bool) {
	t.Helper()
	p = parseAgain(last, strings.NewReader(text).ReadAt, int64(len(text)))
	alone, err := parse("network", "network", text, &basis{})
	switch {
	case p == nil:
		return alone, false
	case err != nil:
		t.Fatalf("there is a package of a text that is wrong: %v\n%q\nbefore: %q", err, text, strings.Join(last.basis.texts(), ""))
	case !p.Equal(alone) || p.made != alone.made || !slices.Equal(names(p), names(alone)):
		t.Fatalf("read again:\n%s\nalone:\n%s\nthe text: %q\nbefore: %q", p.Bytes(), alone.Bytes(), text, strings.Join(last.basis.texts(), ""))
	case alone.basis == nil || !slices.Equal(p.basis.texts(), alone.basis.texts()) || p.basis.size != alone.basis.size:
		t.Fatalf("the next basis: %q, alone: %q\n%q", p.basis.texts(), alone.basis.texts(), text)
	}
	for typ, list := range p.basis.types {
		if !slices.Equal(list, ofType(p.Sections, typ)) {
			t.Fatalf("sections of type %q\n%q\nbefore: %q", typ, text, strings.Join(last.basis.texts(), ""))
		}
	}
	for _, s := range p.Sections {
		if p.basis.types[s.Type] == nil {
			t.Fatalf("no sections of type %q\n%q\nbefore: %q", s.Type, text, strings.Join(last.basis.texts(), ""))
		}
	}
	return p, true
}

// texts returns what stands before the sections, and each of them.
func (b *basis) texts() (texts []string) {
	for _, r := range b.runs {
		for n := range r.at {
			one := r.from(n)
			texts = append(texts, one.to(min(1, len(one.at))).text)
		}
	}
	return texts
}

func names(p *Package) (list []string) {
	for _, s := range p.Sections {
		list = append(list, s.Name)
	}
	return list
}

const house = `
# the house
config interface 'lan'
	option proto 'static'

config interface 'wg0'
	option proto 'wireguard'
	list addresses '10.0.0.1/24'

config wireguard_wg0 'a'
	option public_key 'A'
	list allowed_ips '10.0.0.2/32'

config wireguard_wg0
	option public_key 'B'
config wireguard_wg0
	option public_key 'C'
	option description 'two
lines'

config wireguard_wg0 'd'
	option public_key 'D'
`

func TestParseAgain(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		// fresh is how many sections are not those of the package before; -1: there is
		// no basis.
		fresh int
	}{
		{"nothing", "", "", 0},
		{"a value", "'C'", "'E'", 1},
		{"a longer value", "'A'", "'longer'", 1},
		{"the first section", "'static'", "'dhcp'", 1},
		{"the last section", "'D'", "'E'", 1},
		{"an option behind others", "'10.0.0.2/32'\n", "'10.0.0.2/32'\n\toption x '1'\n", 1},
		{"an option at the end of a section without a line behind it", "'B'\n", "'B'\n\toption x '1'\n", 1},
		{"an option at the end", "'D'\n", "'D'\n\toption x '1'\n", 1},
		{"an option less", "\tlist allowed_ips '10.0.0.2/32'\n", "", 1},
		{"a section with a name at the end", "'D'\n", "'D'\n\nconfig wireguard_wg0 'e'\n", 2},
		{"a section without a name at the end", "'D'\n", "'D'\n\nconfig wireguard_wg0\n", 2},
		{"a section before ones without a name", "config wireguard_wg0 'a'", "config wireguard_wg0 'z'\n\nconfig wireguard_wg0 'a'", -1},
		{"a section less at the end", "\nconfig wireguard_wg0 'd'\n\toption public_key 'D'\n", "", 1},
		{"a section less before ones without a name", "config wireguard_wg0 'a'\n", "", -1},
		{"another name", "'d'", "'e'", 1},
		{"a name that is there", "'d'", "'a'", -1},
		{"a generated name", "'d'", "'cfg043bc8'", 1},
		{"a generated name that is there", "wg0\n\toption public_key 'B'", "wg0 'cfg0596fc'\n\toption public_key 'B'", -1},
		{"a comment", "# the house", "# my house", 0},
		{"a comment behind", "'D'\n", "'D'\n# end\n", 1},
		{"a quote that is left open", "'A'", "'A", -1},
		{"a quote that closes in the next section", "'B'", "'B", -1},
		{"a line that goes on", "'B'\n", "B\\\n", -1},
		{"a line that goes on, of DOS", "'B'\n", "B\\\r\n", -1},
		{"two statements in a line", "option public_key 'D'", "option x '1' ; config wireguard_wg0 'e'", -1},
		{"no statement", "option public_key 'A'", "public_key 'A'", -1},
		{"a NUL", "'A'", "'\x00'", -1},
		{"options before all sections", "config interface 'lan'\n", "", -1},
		{"no line end", "'D'\n", "'D'", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			last, err := parse("network", "network", house, &basis{})
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(house, tt.old, tt.new, 1)
			if (text == house) != (tt.old == tt.new) {
				t.Fatal("nothing is replaced")
			}
			p, shared := checkAgain(t, last, text)
			if !shared {
				if tt.fresh >= 0 && Shares {
					t.Error("there is no basis")
				}
				return
			}
			fresh := 0
			for _, s := range p.Sections {
				if !slices.Contains(last.Sections, s) {
					fresh++
				}
			}
			if fresh != tt.fresh {
				t.Errorf("%d sections are new, want %d", fresh, tt.fresh)
			}
			checkAgain(t, p, house)
		})
	}
}

// TestLoadAgain: what is staged changes nothing in the package before, and a package
// with staged changes is no basis.
func TestLoadAgain(t *testing.T) {
	dir := t.TempDir()
	d := Dir{Config: dir, Save: filepath.Join(dir, "save")}
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(last *Package) *Package {
		t.Helper()
		p, err := d.LoadAgain("network", last)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := os.Mkdir(d.Save, 0o700); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dir, "network"), house)
	first := load(nil)
	same := load(first)
	if Shares && same.Sections[2] != first.Sections[2] {
		t.Error("nothing is shared")
	}
	write(filepath.Join(d.Save, "network"), "network.a.public_key='Z'\n")
	staged := load(same)
	if v, _ := staged.Section("a").Get("public_key"); v != "Z" {
		t.Errorf("public_key is %q", v)
	}
	if v, _ := first.Section("a").Get("public_key"); v != "A" {
		t.Errorf("public_key of the first is %q", v)
	}
	write(filepath.Join(d.Save, "network"), "")
	after := load(staged)
	if v, _ := after.Section("a").Get("public_key"); v != "A" {
		t.Errorf("public_key afterwards is %q", v)
	}
	write(filepath.Join(dir, "network"), "config interface 'x\n")
	if _, err := d.LoadAgain("network", after); fmt.Sprint(err) != filepath.Join(dir, "network")+":1: the quote is never closed" {
		t.Errorf("error: %v", err)
	}
}

// TestManyChanges: a file that changes in one place after the other is not cut up
// without end.
func TestManyChanges(t *testing.T) {
	values := make([]int, 3*maxRuns)
	text := func() string {
		var b strings.Builder
		for n, v := range values {
			fmt.Fprintf(&b, "config peer 'p%d'\n\toption x '%d'\n\n", n, v)
		}
		return b.String()
	}
	last, err := parse("network", "network", text(), &basis{})
	if err != nil {
		t.Fatal(err)
	}
	anew := 0
	for n := range values {
		values[n*7%len(values)]++
		var shared bool
		if last, shared = checkAgain(t, last, text()); !shared {
			anew++
		} else if len(last.basis.runs) > maxRuns+2 {
			t.Fatalf("change %d: %d runs", n, len(last.basis.runs))
		}
	}
	if Shares && (anew == 0 || anew > 10) {
		t.Errorf("%d of %d texts were read anew", anew, len(values))
	}
}

// snippets are put into texts by chance.
var snippets = []string{
	"config wireguard_wg0\n", "config wireguard_wg0 'a'\n", "config wireguard_wg0 b\n", "config interface 'a'\n", "\toption x 'y'\n",
	"\tlist z '1'\n", "'", "\"", "\\", "\n", ";", "#", " ", "\\\n", "\\\r\n", "config", "option", "package n\n", "config a b; option c d\n", "\x00", "'\n'",
}

// TestParseAgainByChance reads texts that were changed by chance on the basis of what
// they were before.
func TestParseAgainByChance(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	texts := []string{house}
	files, err := filepath.Glob(filepath.Join(conformance.Dir(t, "uci/parse"), "*.in"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) < 4<<10 {
			texts = append(texts, string(data))
		}
	}
	based := 0
	for range 20000 {
		text := texts[random.IntN(len(texts))]
		last, err := parse("network", "network", text, &basis{})
		if err != nil {
			continue
		}
		for range 4 {
			at := random.IntN(len(text) + 1)
			piece := snippets[random.IntN(len(snippets))]
			if random.IntN(3) == 0 {
				piece = ""
			}
			cut := 0
			if random.IntN(2) == 0 {
				cut = min(random.IntN(40), len(text)-at)
			}
			next := text[:at] + piece + text[at+cut:]
			p, shared := checkAgain(t, last, next)
			if shared {
				based++
			}
			if p != nil {
				text, last = next, p
			}
		}
	}
	if Shares && based < 5000 {
		t.Errorf("only %d texts had a basis", based)
	}
}

// FuzzParseAgain reads a text on the basis of any other.
func FuzzParseAgain(f *testing.F) {
	f.Add(house, strings.Replace(house, "'C'", "'E'", 1))
	f.Add("config a\n\toption b 'c'\nconfig d e\n", "config a\n\toption b 'c\nconfig d e\n'\nconfig d e\n")
	f.Fuzz(func(t *testing.T, before, text string) {
		if last, err := parse("network", "network", before, &basis{}); err == nil {
			checkAgain(t, last, text)
		}
	})
}
