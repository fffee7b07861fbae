package rpcd

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// What rpcd answers for these outputs was seen on the real one.
var tokenerTests = []struct {
	pieces []string
	want   verdict // after the last piece
	value  any
}{
	{[]string{`{"a":1}`}, verdictDone, blobmsg.Table{{Name: "a", Value: int32(1)}}},
	{[]string{`{"a":1}x`}, verdictDone, blobmsg.Table{{Name: "a", Value: int32(1)}}},
	{[]string{`{`, `"a`, `":`, `"b`, `c"`, `}`}, verdictDone, blobmsg.Table{{Name: "a", Value: "bc"}}},
	{[]string{`{"a":1,"b":2,"a":3}`}, verdictDone, blobmsg.Table{{Name: "a", Value: int32(3)}, {Name: "b", Value: int32(2)}}},
	{[]string{`[1,[],{}]`}, verdictDone, blobmsg.Array{int32(1), blobmsg.Array{}, blobmsg.Table{}}},
	{[]string{`"x"`}, verdictDone, "x"},

	// Words and numbers end where something else begins.
	{[]string{`null`}, verdictMore, nil},
	{[]string{"null\n"}, verdictDone, nil},
	{[]string{`tr`, `ue `}, verdictDone, true},
	{[]string{`NaN `}, verdictDone, math.Float64frombits(0x7ff8000000000000)},
	{[]string{`5`}, verdictMore, nil},
	{[]string{`5`, ` `}, verdictDone, int32(5)},
	{[]string{" \n"}, verdictMore, nil},
	{[]string{`nulx`}, verdictBroken, nil},

	{
		[]string{`[1.,1.e5,123e+,-.5,1e400,01,-0]`},
		verdictDone,
		blobmsg.Array{1.0, 1e5, 123.0, -.5, math.Inf(1), int32(1), int32(0)},
	},
	{
		[]string{`[2147483648,-9223372036854775809,99999999999999999999]`},
		verdictDone,
		blobmsg.Array{int64(2147483648), int64(math.MinInt64), int64(math.MaxInt64)},
	},
	{[]string{`[-Infinity,iNfInItY]`}, verdictDone, blobmsg.Array{math.Inf(-1), math.Inf(1)}},
	{[]string{`[1-2]`}, verdictBroken, nil},
	{[]string{`[1`, `-2]`}, verdictDone, blobmsg.Array{int32(1)}},
	{[]string{`[1.+5]`}, verdictBroken, nil},
	{[]string{`[+1]`}, verdictBroken, nil},
	{[]string{`[-]`}, verdictBroken, nil},

	{[]string{`{"a":1,}`}, verdictDone, blobmsg.Table{{Name: "a", Value: int32(1)}}},
	{[]string{`[1,]`}, verdictDone, blobmsg.Array{int32(1)}},
	{[]string{`{,}`}, verdictBroken, nil},
	{[]string{`{a:1}`}, verdictBroken, nil},
	{[]string{`{"a" 1}`}, verdictBroken, nil},
	{[]string{`[1 2]`}, verdictBroken, nil},
	{[]string{`{'a':'"'}`}, verdictDone, blobmsg.Table{{Name: "a", Value: `"`}}},

	{[]string{"/* x */ [ // y\n1/**/]"}, verdictDone, blobmsg.Array{int32(1)}},
	{[]string{`{"a":1}/* x`}, verdictMore, nil},
	{[]string{`{"a":1/***/}`}, verdictMore, nil}, // the second star does not begin the end
	{[]string{`/x`}, verdictBroken, nil},

	{[]string{`"\u00e9\u20ac\ud83d\ude00\b\f\n\r\t\/\\\""`}, verdictDone, "é€😀\b\f\n\r\t/\\\""},
	{[]string{`"\ud83d`, `\ude00"`}, verdictDone, "😀"},
	{[]string{`"\ud83dx\ude00\ud83d\n"`}, verdictDone, "\ufffdx\ufffd\ufffd\n"},
	{[]string{`{"a\u0000b":"c\u0000d","a":1}`}, verdictDone, blobmsg.Table{{Name: "a", Value: int32(1)}}},
	{[]string{`"\x"`}, verdictBroken, nil},
	{[]string{`"\u12g4"`}, verdictBroken, nil},
	{[]string{"\"caf\xe9\x01\""}, verdictDone, "caf\xe9\x01"},

	// A NUL ends the text.
	{[]string{"{\"s\":\"ab\x00cd\"}"}, verdictBroken, nil},
	{[]string{"{}\x00"}, verdictDone, blobmsg.Table{}},
	{[]string{"\x00"}, verdictBroken, nil},
	{[]string{"{\"a\":1/*\x00"}, verdictDone, int32(1)},

	{[]string{strings.Repeat("[", 32) + strings.Repeat("]", 32)}, verdictDone, nested(32)},
	{[]string{strings.Repeat("[", 33)}, verdictBroken, nil},
}

func nested(n int) any {
	a := blobmsg.Array{}
	for range n - 1 {
		a = blobmsg.Array{a}
	}
	return a
}

// wireDiff compares values by their bytes on the bus: these tell types and NaNs
// apart, and go-cmp takes ages for what is nested deeply.
func wireDiff(want, got any) string {
	w := blobmsg.Append(nil, blobmsg.Table{{Name: "v", Value: want}})
	g := blobmsg.Append(nil, blobmsg.Table{{Name: "v", Value: got}})
	if bytes.Equal(w, g) {
		return ""
	}
	return "-" + string(blobmsg.AppendJSON(nil, want)) + "\n+" + string(blobmsg.AppendJSON(nil, got))
}

func TestTokener(t *testing.T) {
	for _, tt := range tokenerTests {
		var tokens tokener
		var value any
		var got verdict
		for _, p := range tt.pieces {
			value, got = tokens.parse([]byte(p))
		}
		if got != tt.want {
			t.Errorf("%q: verdict %d, want %d", tt.pieces, got, tt.want)
		}
		if diff := wireDiff(tt.value, value); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.pieces, diff)
		}
	}
}

// One tokener reads value after value.
func TestTokenerGoesOn(t *testing.T) {
	var tokens tokener
	for i, want := range []any{nil, blobmsg.Table{}, "x", blobmsg.Array{}} {
		piece := []string{"null ", "{}", `'x'`, "[]"}[i]
		value, got := tokens.parse([]byte(piece))
		if diff := wireDiff(want, value); diff != "" || got != verdictDone {
			t.Errorf("%q: verdict %d (-want +got):\n%s", piece, got, diff)
		}
	}
}

// FuzzTokener holds it to the parser of whole texts: with a NUL behind it a
// text is whole.
func FuzzTokener(f *testing.F) {
	for _, tt := range tokenerTests {
		f.Add([]byte(strings.Join(tt.pieces, "")), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		text, _, _ = bytes.Cut(text, []byte{0})
		want, err := blobmsg.ParseJSON(text)
		var tokens tokener
		value, got := tokens.parse(append(bytes.Clone(text), 0))
		table, ok := value.(blobmsg.Table)
		if isTable := got == verdictDone && ok; isTable != (err == nil) {
			t.Fatalf("%q: verdict %d, %T; ParseJSON: %v", text, got, value, err)
		}
		if diff := wireDiff(want, table); diff != "" {
			t.Errorf("%q (-ParseJSON +tokener):\n%s", text, diff)
		}
		if cut <= 0 || cut >= len(text) || bytes.ContainsAny(text, "-+/0123456789") {
			return // json-c reads numbers otherwise where a piece ends
		}
		// In two pieces it is the same, as long as the first is not whole.
		var twice tokener
		if _, first := twice.parse(text[:cut]); first != verdictMore {
			return
		}
		again, second := twice.parse(append(bytes.Clone(text[cut:]), 0))
		if second != got {
			t.Errorf("%q cut at %d: verdict %d, want %d", text, cut, second, got)
		}
		if diff := wireDiff(value, again); diff != "" && got == verdictDone {
			t.Errorf("%q cut at %d (-want +got):\n%s", text, cut, diff)
		}
	})
}
