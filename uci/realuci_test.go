package uci

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/test/conformance"
	"github.com/wgnetifd/wgnetifd/test/need"
)

// realUCI is the program of OpenWrt, with folders of its own.
type realUCI struct {
	path, conf, save string
}

func (r realUCI) run(t *testing.T, argv []string) (exit int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(r.path, append([]string{"-c", r.conf, "-t", r.save}, argv...)...)
	// argv[0] stands before its error messages.
	cmd.Args[0] = "uci"
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// The words that random commands and staged changes are made of. There are few of
// them, so that they meet.
var (
	someSections = []string{
		"s", "s", "n", "other", "cfg02b619", "cfg03b61a", "cfg04b619", "cfg05b619",
		"@t[0]", "@t[-1]", "@t[2]", "@[1]", "@[-2]", "@u[0]", "@u[9]", "@t[x]", "@t[]", "@t", "my-lan", "",
	}
	someOptions = []string{"a", "a", "b", "l", "l", "m", "my-opt", ""}
	someTypes   = []string{"t", "u", "v", "longer", "a b", "it's", "a-b.c", ""}
	someValues  = []string{"1", "one", "x", "y", "", "it's", "a b", "a\nb", "\x1b", "-1", "0", "2", "a=b", "t.u", `\`, "# c; d", "n", "cfg04b619"}
)

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// randomRef gives what most commands take, mostly in the right form.
func randomRef(r *rand.Rand) string {
	ref := "network." + pick(r, someSections)
	if r.IntN(3) > 0 {
		ref += "." + pick(r, someOptions)
	}
	switch r.IntN(40) {
	case 0:
		return "network"
	case 1:
		return "nope" + strings.TrimPrefix(ref, "network")
	case 2:
		return ref + ".more"
	}
	return ref
}

func randomCommand(r *rand.Rand) []string {
	switch r.IntN(16) {
	case 0, 1, 2:
		return []string{"set", randomRef(r) + "=" + pick(r, someValues)}
	case 3:
		return []string{"set", "network." + pick(r, someSections) + "=" + pick(r, someTypes)}
	case 4:
		return []string{"add", "network", pick(r, someTypes)}
	case 5, 6:
		return []string{"add_list", randomRef(r) + "=" + pick(r, someValues)}
	case 7:
		return []string{"del_list", randomRef(r) + "=" + pick(r, someValues)}
	case 8:
		return []string{"delete", randomRef(r)}
	case 9:
		return []string{"delete", randomRef(r) + "=" + pick(r, someValues)}
	case 10:
		return []string{"rename", randomRef(r) + "=" + pick(r, someValues)}
	case 11, 12:
		return []string{"reorder", randomRef(r) + "=" + fmt.Sprint(r.IntN(8)-1)}
	case 13:
		return []string{"revert", randomRef(r)}
	case 14:
		return []string{pick(r, []string{"show", "get", "changes", "export"}), randomRef(r)}
	}
	return []string{pick(r, []string{"show", "commit", "changes", "export", "set", "get", "rename", "delete"}), "network"}
}

func randomStaged(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(6) {
		line := pick(r, []string{"", "", "", "+", "-", "@", "^", "|", "~"}) + randomRef(r)
		if r.IntN(5) > 0 {
			line += "=" + pick(r, []string{string(appendQuoted(nil, pick(r, someValues))), pick(r, someValues)})
		}
		b.WriteString(line + pick(r, []string{"\n", "\n", "\n", "\n", " \n", "\r\n", ";x\n", "#\n"}))
	}
	return b.String()
}

const someConfig = `
config t 's'
	option a 'one'
	option b 'two'
	list l 'x'
	list l 'y'
	list l 'x'

config t
	option a '1'

config u
	option a '2'

config t
	list a '3'
`

// TestRealOps gives the same commands to uci and to this package.
func TestRealOps(t *testing.T) {
	path := need.OpenWrt(t, "uci")[0]
	for seed := range uint64(opsRuns) {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { compareOps(t, path, seed) }) {
			break
		}
	}
}

// pieces are what mutations put into a configuration file.
var pieces = []string{
	"'", `"`, `\`, ";", "#", "\n", "\r\n", " ", "\t", "\v", "\f", "\r", "''", "\\\n", "\\\r\n",
	"config", "option", "list", "package", "c", "o", "l", "p", " t ", " 's'", " a", "cfg01b619",
	"config t 'x'\n", "config t\n", "\toption a 'b'\n", "\tlist a 'b'\n", "option a b;", "option a 'b' ; ", "é", "-", ".",
}

// mutate changes a few places of a file.
func mutate(r *rand.Rand, data []byte) []byte {
	data = bytes.Clone(data)
	for range r.IntN(4) + 1 {
		at := r.IntN(len(data) + 1)
		switch r.IntN(3) {
		case 0:
			data = slices.Delete(data, at, min(at+1, len(data)))
		case 1:
			data = slices.Insert(data, at, []byte(pick(r, pieces))...)
		case 2:
			data = data[:at]
		}
	}
	return data
}

// TestRealParse gives damaged files to uci and to this package.
func TestRealParse(t *testing.T) {
	path := need.OpenWrt(t, "uci")[0]
	dir := conformance.Dir(t, "uci/parse")
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range cases(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name+".in"))
		if err != nil {
			t.Fatal(err)
		}
		if data = mutate(r, data); bytes.IndexByte(data, 0) < 0 {
			t.Run(name, func(t *testing.T) { compareParse(t, path, data) })
		}
	}
}

func compareParse(t *testing.T, path string, data []byte) {
	real := realUCI{path: path, conf: t.TempDir(), save: t.TempDir()}
	writeFile(t, filepath.Join(real.conf, "network"), data, "0600")
	p, err := Parse("network", data)
	exit, stdout, _ := real.run(t, []string{"-n", "export", "network"})
	if (exit == 0) != (err == nil) {
		t.Fatalf("%q: uci ends with %d, Parse with %v", data, exit, err)
	}
	if err == nil {
		if diff := cmp.Diff(stdout, exportNamed(p)); diff != "" {
			t.Errorf("%q (-uci +Parse):\n%s", data, diff)
		}
	}
	lenient, _ := ParseLenient("network", data)
	if _, stdout, _ = real.run(t, []string{"-S", "-n", "export", "network"}); stdout != exportNamed(lenient) {
		t.Errorf("%q (-uci +ParseLenient):\n%s", data, cmp.Diff(stdout, exportNamed(lenient)))
	}
}

// exportNamed is Export with the generated ids, as "uci -n export" prints it.
func exportNamed(p *Package) string {
	named := &Package{Name: p.Name}
	for _, s := range p.Sections {
		named.Sections = append(named.Sections, &Section{Type: s.Type, Name: s.Name, Options: s.Options})
	}
	return string(named.Export())
}

// opsRuns is how many lists of commands TestRealOps compares.
const opsRuns = 300

func compareOps(t *testing.T, path string, seed uint64) {
	root := t.TempDir()
	real := realUCI{path: path, conf: filepath.Join(root, "c1"), save: filepath.Join(root, "s1")}
	ours := command{dir: Dir{Config: filepath.Join(root, "c2"), Save: filepath.Join(root, "s2")}}
	r := rand.New(rand.NewPCG(seed, 0))
	staged := ""
	if r.IntN(3) == 0 {
		staged = randomStaged(r)
	}
	for _, dir := range [][2]string{{real.conf, real.save}, {ours.dir.Config, ours.dir.Save}} {
		mkdir(t, dir[0])
		writeFile(t, filepath.Join(dir[0], "network"), []byte(someConfig), "0600")
		if staged != "" {
			mkdir(t, dir[1])
			writeFile(t, filepath.Join(dir[1], "network"), []byte(staged), "0600")
		}
	}
	log := fmt.Sprintf("staged %q", staged)
	for range 8 {
		argv := randomCommand(r)
		log += fmt.Sprintf("\n%q", argv)
		exit, stdout, stderr := real.run(t, argv)
		got := ours.run(argv)
		if i := strings.Index(stderr, " ("); i >= 0 {
			stderr = stderr[:i] + "\n"
		}
		if exit == 255 {
			stderr = "" // the usage
		}
		type result struct {
			Exit                          int
			Stdout, Stderr, File, Staging string
		}
		want := result{exit, stdout, stderr, content(real.conf), content(real.save)}
		have := result{got, ours.stdout.String(), ours.stderr, content(ours.dir.Config), content(ours.dir.Save)}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("%s\n(-want +got):\n%s", log, diff)
		}
	}
}

func content(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "network"))
	if err != nil {
		return "no file"
	}
	return string(data)
}
