package netifd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/test/conformance"
)

// dumpCase is a line of dump.json.
type dumpCase struct {
	Name    string     `json:"name"`
	Files   []dumpFile `json:"files"`
	Others  []bool     `json:"other_handlers_present"`
	Offered object     `json:"handlers"`
	Status  object     `json:"interface_status"`
	UpRC    int        `json:"up_rc"`
	Calls   []string   `json:"calls_after_up"`
	Repeat  bool       `json:"calls_repeat"`
}

// dumpFile is a handler.
type dumpFile struct {
	File      string     `json:"file"`
	Lines     []dumpLine `json:"lines"`
	NoNewline bool       `json:"no_newline"`
	Stderr    string     `json:"stderr"`
	Exit      int        `json:"exit"`
	Kill      bool       `json:"kill"`
	Sleep     float64    `json:"sleep"`
	Mode      any        `json:"mode"`
	Symlink   bool       `json:"symlink"`
}

// dumpLine is a line, or a long one of which only the ends are given.
type dumpLine string

func (l *dumpLine) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, (*string)(l)) == nil {
		return nil
	}
	var long struct {
		Len                 int
		Head, Tail, Filling string
	}
	if err := json.Unmarshal(b, &long); err != nil {
		return err
	}
	filling := long.Filling
	if filling == "blanks" {
		filling = " "
	}
	n := long.Len - len(long.Head) - len(long.Tail)
	*l = dumpLine(long.Head + strings.Repeat(filling, n) + long.Tail)
	return nil
}

// builtin are netifd's own protocols.
var builtin = []string{"static"}

func TestConformanceDump(t *testing.T) {
	needNamespaces(t)
	for _, c := range readCases[dumpCase](t, "dump.json") {
		t.Run(c.Name, func(t *testing.T) {
			runCase(t, func(t testing.TB, _ *machine) { runDumpCase(t, c) })
		})
	}
}

// readCases reads a file of the recordings that holds all cases.
func readCases[T any](t *testing.T, file string) []T {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(conformance.Dir(t, "netifd"), file))
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s: no cases", file)
	}
	return cases
}

func runDumpCase(t testing.TB, c dumpCase) {
	l := newLab(t, "t0")
	others := []string{"000", "zzz"}
	for _, name := range others {
		l.writeScript(dumpFile{File: name + ".sh", Lines: []dumpLine{dumpLine(`{"name":"` + name + `"}`)}})
	}
	for _, f := range c.Files {
		l.writeScript(f)
	}
	l.write("config interface 'e0'\n\toption proto 'elf'\n\toption auto '0'\n", "config", "network")
	l.start()

	offered, rc := l.call("network", "get_proto_handlers", nil)
	if rc != 0 {
		t.Fatalf("get_proto_handlers: %d", rc)
	}
	got := toJSON(offered)
	for k, name := range others {
		if _, ok := got[name]; k < len(c.Others) && ok != c.Others[k] {
			t.Errorf("handler %s is there: %v, want %v", name, ok, c.Others[k])
		}
		delete(got, name)
	}
	for _, name := range builtin {
		delete(got, name)
	}
	for name, h := range c.Offered { // a long list is recorded as its length
		want, isTable := h.(object)
		n, isCount := want["validate"].(float64)
		if have, ok := got[name].(object); isTable && isCount && ok {
			if list, ok := have["validate"].(object); ok && len(list) == int(n) {
				have["validate"] = n
			}
		}
	}
	if diff := gocmp.Diff(c.Offered, got); diff != "" {
		t.Errorf("handlers (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(c.Status, trimStatus(l.statusOf("e0"), c.Status)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	l.checkCalls(c)
}

// writeScript makes a handler that prints its lines for dump and notes other
// calls.
func (l *lab) writeScript(f dumpFile) {
	l.t.Helper()
	var out strings.Builder
	for k, line := range f.Lines {
		out.WriteString(string(line))
		if k < len(f.Lines)-1 || !f.NoNewline {
			out.WriteByte('\n')
		}
	}
	printed := l.path(f.File + ".printed")
	l.write(out.String(), f.File+".printed")
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\nif [ \"$2\" != dump ]; then echo \"$0 $1 $2 $3\" >> '%s'; exit 0; fi\n", l.path(linesFile))
	if f.Sleep > 0 {
		fmt.Fprintf(&b, "sleep %v\n", f.Sleep)
	}
	if f.Stderr != "" {
		fmt.Fprintf(&b, "echo '%s' >&2\n", f.Stderr)
	}
	fmt.Fprintf(&b, "cat '%s'\n", printed)
	if f.Kill {
		b.WriteString("kill -9 $$\n")
	}
	fmt.Fprintf(&b, "exit %d\n", f.Exit)

	path := []string{"proto", f.File}
	if f.Symlink {
		path = []string{"behind.sh"}
		if err := os.Symlink(l.path(path...), l.path("proto", f.File)); err != nil {
			l.t.Fatal(err)
		}
	}
	l.writeProgram(b.String(), path...)
	mode := os.FileMode(0o755)
	if f.Mode != nil {
		var m uint32
		if _, err := fmt.Sscanf(fmt.Sprint(f.Mode), "%o", &m); err != nil {
			l.t.Fatalf("mode %v: %v", f.Mode, err)
		}
		mode = os.FileMode(m)
	}
	if err := os.Chmod(l.path(path...), mode); err != nil {
		l.t.Fatal(err)
	}
}

// checkCalls takes the interface up and looks which handlers are run.
func (l *lab) checkCalls(c dumpCase) {
	l.t.Helper()
	if _, rc := l.call("network.interface.e0", "up", nil); rc != c.UpRC {
		l.t.Errorf("up: return code %d, want %d", rc, c.UpRC)
	}
	var got []string
	for end := time.Now().Add(settleTime); ; time.Sleep(20 * time.Millisecond) {
		got = l.fileLines(linesFile)
		if c.Repeat && len(got) > 2*len(c.Calls) || time.Now().After(end) {
			break
		}
		if !c.Repeat && time.Now().After(end.Add(400*time.Millisecond-settleTime)) && len(got) >= len(c.Calls) {
			break
		}
	}
	if c.Repeat {
		if len(got) <= 2*len(c.Calls) {
			l.t.Errorf("the calls do not go on: %q", got)
		}
		got = got[:min(len(got), len(c.Calls))]
	}
	if !slices.Equal(got, c.Calls) {
		l.t.Errorf("calls after up: %q, want %q", got, c.Calls)
	}
}
