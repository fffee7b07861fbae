package blobmsg

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAccessors(t *testing.T) {
	tab := Table{
		{"s", "text"},
		{"n", int16(-2)},
		{"i", int32(7)},
		{"l", int64(1) << 40},
		{"word", 9},
		{"d", 2.0},
		{"half", 0.5},
		{"huge", 0x1p63},
		{"low", -0x1p63},
		{"nan", math.NaN()},
		{"digits", "-12"},
		{"yes", true},
		{"no", false},
		{"null", nil},
		{"t", Table{{"x", "y"}}},
		{"a", Array{"p", "q"}},
		{"mixed", Array{"p", int32(1)}},
		{"s", "second"},
	}
	ints := []struct {
		name string
		want int64
		ok   bool
	}{
		{"n", -2, true},
		{"i", 7, true},
		{"l", 1 << 40, true},
		{"word", 9, true},
		{"d", 2, true},
		{"half", 0, false},
		{"huge", 0, false},
		{"low", math.MinInt64, true},
		{"nan", 0, false},
		{"digits", -12, true},
		{"yes", 1, true},
		{"no", 0, true},
		{"s", 0, false},
		{"null", 0, false},
		{"t", 0, false},
		{"missing", 0, false},
	}
	for _, tt := range ints {
		if got, ok := tab.Int(tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("Int(%q) = %d, %v, want %d, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
	bools := []struct {
		name     string
		want, ok bool
	}{
		{"yes", true, true},
		{"no", false, true},
		{"i", true, true},
		{"n", true, true},
		{"l", true, true},
		{"word", true, true},
		{"s", false, false},
		{"missing", false, false},
	}
	for _, tt := range bools {
		if got, ok := tab.Bool(tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("Bool(%q) = %v, %v, want %v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
	if s, ok := tab.String("s"); s != "text" || !ok {
		t.Errorf("String: %q, %v: the first of a name counts", s, ok)
	}
	if _, ok := tab.String("i"); ok {
		t.Error("an integer is no string")
	}
	if sub, ok := tab.Table("t"); !ok || sub.Get("x") != "y" {
		t.Errorf("Table: %v, %v", sub, ok)
	}
	if list, ok := tab.Strings("a"); !ok || !cmp.Equal(list, []string{"p", "q"}) {
		t.Errorf("Strings: %v, %v", list, ok)
	}
	for _, name := range []string{"mixed", "t", "missing"} {
		if list, ok := tab.Strings(name); ok {
			t.Errorf("Strings(%q) = %v", name, list)
		}
	}
	if !tab.Has("null") || tab.Has("missing") {
		t.Error("Has: null is a member, a missing one is none")
	}
}

func TestSet(t *testing.T) {
	tab := Table{{"a", int32(1)}}.Set("b", "x").Set("a", nil)
	if diff := cmp.Diff(Table{{"a", nil}, {"b", "x"}}, tab); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAppendRefusesForeignKinds(t *testing.T) {
	for name, f := range map[string]func(){
		"wire": func() { Append(nil, Table{{"x", uint8(1)}}) },
		"JSON": func() { AppendJSON(nil, Array{struct{}{}}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestAppendCutsAtNUL(t *testing.T) {
	want := Append(nil, Table{{"na", "va"}})
	got := Append(nil, Table{{"na\x00me", "va\x00lue"}})
	if !bytes.Equal(want, got) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// The choice that libubox's blobmsg_json.c makes for numbers.
func TestAppendInt(t *testing.T) {
	tests := []struct {
		n    int64
		want any
	}{
		{0, int32(0)},
		{math.MaxInt32, int32(math.MaxInt32)},
		{math.MinInt32, int32(math.MinInt32)},
		{math.MaxInt32 + 1, int64(math.MaxInt32 + 1)},
		{math.MinInt32 - 1, int64(math.MinInt32 - 1)},
	}
	for _, tt := range tests {
		if int64(int(tt.n)) != tt.n {
			continue // 32-bit machine: an int cannot hold it
		}
		got, err := Decode(Append(nil, Table{{"n", int(tt.n)}}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Table{{"n", tt.want}}, got); diff != "" {
			t.Errorf("%d (-want +got):\n%s", tt.n, diff)
		}
	}
}

// nest returns n tables inside one another, the outermost as wire bytes.
func nest(n int) []byte {
	t := Table{}
	for range n - 1 {
		t = Table{{"t", t}}
	}
	return Append(nil, t)
}

func TestDecodeDepth(t *testing.T) {
	if _, err := Decode(nest(MaxDepth)); err != nil {
		t.Errorf("%d deep: %v", MaxDepth, err)
	}
	if _, err := Decode(nest(MaxDepth + 1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("%d deep: error %v", MaxDepth+1, err)
	}
}

// An error says where, and never repeats what may be a secret.
func TestErrorsHoldNoValue(t *testing.T) {
	const secret = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
	wire := Append(nil, Table{{"private_key", secret}})
	wire[len(wire)-4] = 'x' // the NUL
	_, err := Decode(wire)
	if err == nil || strings.Contains(err.Error(), secret[:8]) {
		t.Errorf("Decode: %v", err)
	}
	_, err = ParseJSON([]byte(`{"private_key":"` + secret))
	if err == nil || strings.Contains(err.Error(), secret[:8]) {
		t.Errorf("ParseJSON: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x85\x00\x00\x0c\x00\x01a\x00\x00\x00\x00\x01\x83\x00\x00\x0b\x00\x01b\x00xy\x00\x00"))
	f.Add(Append(nil, Table{{"a", Array{nil, true, int16(1), int64(2), 0.5, Array{}, Table{{"x", ""}}}}}))
	f.Add(nest(40))
	f.Fuzz(func(t *testing.T, b []byte) {
		strict, err := Decode(b)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("error of another kind: %v", err)
		}
		loose, looseErr := DecodeUnnamed(b)
		if err == nil && (looseErr != nil || !bytes.Equal(Append(nil, strict), Append(nil, loose))) {
			t.Fatalf("with names required %v, without %v (%v)", strict, loose, looseErr)
		}
		if looseErr != nil {
			return
		}
		once := Append(nil, loose)
		again, err := DecodeUnnamed(once)
		if err != nil {
			t.Fatalf("what was decoded and encoded is refused: %v", err)
		}
		if !bytes.Equal(once, Append(nil, again)) {
			t.Fatalf("%v became %v", loose, again)
		}
		AppendJSON(nil, loose)
		AppendJSONIndent(nil, loose)
	})
}
