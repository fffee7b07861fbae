package netifd

import (
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// elfDump is a line that registers a protocol.
const elfDump = `{"name": "elf", "config": [], "no-device": true, "available": true}`

// padded fills elfDump up to n characters.
func padded(n int) string {
	return strings.TrimSuffix(elfDump, "}") + strings.Repeat(" ", n-len(elfDump)) + "}"
}

func TestParseDump(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []string // names
	}{
		{"object", []string{elfDump}, []string{"elf"}},
		{"two lines", []string{elfDump, `{"name": "elf2"}`}, []string{"elf", "elf2"}},
		{"text behind the object", []string{elfDump + " xyz"}, []string{"elf"}},
		{"text before it", []string{"xyz " + elfDump}, nil},
		{"other values first", []string{"5", `"x"`, "null", "[1]", elfDump}, []string{"elf"}},
		{"single quotes", []string{"{'name': 'elf'}"}, []string{"elf"}},
		{"comment", []string{"/* x */ " + elfDump}, []string{"elf"}},
		{"object across lines", []string{`{"name": "elf",`, `"config": []}`}, nil},
		{"object not closed, then a good one", []string{`{"name": "x"`, elfDump}, []string{"elf"}},
		// netifd reads 511 characters at a time.
		{"noise as long as a piece", []string{strings.Repeat("x", 511) + elfDump}, []string{"elf"}},
		{"noise one shorter", []string{strings.Repeat("x", 510) + elfDump}, nil},
		{"second object in the same piece", []string{padded(400) + `{"name": "elf2"}`}, []string{"elf"}},
		{"second object in the next piece", []string{padded(511) + `{"name": "elf2"}`}, []string{"elf", "elf2"}},
		{"object in three pieces", []string{padded(1400)}, []string{"elf"}},
		{"nothing", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range parseDump(strings.NewReader(strings.Join(tt.lines, "\n") + "\n")) {
				if h := newScriptHandler("./elf.sh", d); h != nil {
					got = append(got, h.name)
				}
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseParams(t *testing.T) {
	tests := []struct {
		config string
		want   []param
		ok     bool
	}{
		{`[]`, nil, true},
		{`[["a", 3], ["b", 1, "more"]]`, []param{{name: "a", typ: 3}, {name: "b", typ: 1}}, true},
		{`[["a:ipaddr", 3], [":x", 5], ["a:b:c", 7]]`, []param{
			{name: "a", typ: 3, check: "ipaddr"}, {name: "", typ: 5, check: "x"}, {name: "a", typ: 7, check: "b:c"},
		}, true},
		{`[["a", 3], ["b"]]`, nil, false},
		{`[["a", 3], [5, 3]]`, nil, false},
		{`[["a", 3], ["b", "3"]]`, nil, false},
		{`[["a", 3], ["b", 3.0]]`, nil, false},
		{`[["a", 3], ["b", 9]]`, nil, false},
		{`[["a", 3], ["b", -1]]`, nil, false},
		{`[["a", 3], {"b": 3}]`, nil, false},
	}
	for _, tt := range tests {
		d, err := blobmsg.ParseJSON([]byte(`{"config": ` + tt.config + `}`))
		if err != nil {
			t.Fatal(err)
		}
		config, _ := d.Array("config")
		got, ok := parseParams(config)
		if diff := gocmp.Diff(tt.want, got, gocmp.AllowUnexported(param{})); diff != "" || ok != tt.ok {
			t.Errorf("%s: ok %v, want %v (-want +got):\n%s", tt.config, ok, tt.ok, diff)
		}
	}
}

func TestFirstHandlerOfANameStays(t *testing.T) {
	s := handlerSet{}
	s.add(protoStatic)
	for _, script := range []string{"./a.sh", "./b.sh"} {
		for _, name := range []string{"elf", "static"} {
			s.add(newScriptHandler(script, blobmsg.Table{{Name: "name", Value: name}}))
		}
	}
	if got := slices.Sorted(maps.Keys(s)); !slices.Equal(got, []string{"elf", "static"}) {
		t.Errorf("protocols: %q", got)
	}
	if s.get("elf").script != "./a.sh" || s.get("static") != protoStatic || s.get("none") != protoNone || s.get("x") != nil {
		t.Errorf("elf is %q", s.get("elf").script)
	}
}

// What a handler prints may be anything; what comes out has a name and types
// that exist.
func FuzzParseDump(f *testing.F) {
	for _, s := range []string{elfDump + "\n", "{\n", "x{}\n", padded(600) + elfDump, `{"name":"a","config":[["b",3]]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, out string) {
		for _, d := range parseDump(strings.NewReader(out)) {
			h := newScriptHandler("./x.sh", d)
			if h == nil {
				continue
			}
			for _, p := range h.params {
				if p.typ > blobmsg.TypeDouble {
					t.Errorf("%q: an option of type %d", out, p.typ)
				}
			}
			if !h.validated && len(h.params) > 0 {
				t.Errorf("%q: options of a list that is not valid", out)
			}
			handlerSet{h.name: h}.table()
		}
	})
}
