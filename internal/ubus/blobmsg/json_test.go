package blobmsg

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What json-c 0.16's tokener does (read in its source) beyond the recordings.
func TestParseJSON(t *testing.T) {
	nested := func(open, inner, shut string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	tests := []struct {
		name string
		in   string
		want string // as printed; "" is refused
	}{
		{"literals in any case", `{"a":TrUe,"b":FALSE,"c":NULL,"d":nAN,"e":-iNFINITY,"f":infinity}`, `{"a":true,"b":false,"c":null,"d":nan,"e":-inf,"f":inf}`},
		{"literal cut short", `{"a":tru}`, ""},
		{"literal with a tail", `{"a":nullx}`, ""},
		{"null that turns into nan", `{"a":nun}`, ""},
		{"number then Infinity", `{"a":-1Infinity}`, ""},
		{"exponent without digits", `{"a":1e,"b":1e+,"c":1.e-,"d":12.}`, `{"a":1.000000,"b":1.000000,"c":1.000000,"d":12.000000}`},
		{"point first after the sign", `{"a":-.5}`, `{"a":-0.500000}`},
		{"point first", `{"a":.5}`, ""},
		{"sign after the point", `{"a":1.-5}`, ""},
		{"dangling sign after the point", `{"a":1.-}`, `{"a":1.000000}`},
		{"exponent without a mantissa", `{"a":-e5}`, ""},
		{"only a sign and a point", `{"a":-.}`, ""},
		{"two signs", `{"a":--1}`, ""},
		{"two points", `{"a":1.2.3}`, ""},
		{"point in the exponent", `{"a":1e2.5}`, ""},
		{"two exponents", `{"a":1e2e3}`, ""},
		{"negative with leading zeros", `{"a":-0012}`, `{"a":-12}`},
		{"underscore", `{"a":1_000}`, ""},
		{"sum", `{"a":1+1}`, ""},
		{"out of range and tiny", `{"a":-1e999,"b":1e-999}`, `{"a":-inf,"b":0.000000}`},
		{"beyond int64", `{"a":99999999999999999999,"b":-99999999999999999999}`, `{"a":9223372036854775807,"b":-9223372036854775808}`},
		{"both comments", "{/*a*/\"a\"//b\n:/**/1/* c */,//d\n}", `{"a":1}`},
		{"comment of stars", `{"a":1/***/}`, ""},
		{"comment of even stars", `{"a":1/****/}`, `{"a":1}`},
		{"slash alone", `{"a":1}/`, ""},
		{"slash and more", `{"a":1} /x`, ""},
		{"line comment at the end", `{"a":1} // x`, `{"a":1}`},
		{"open comment at the end", `{"a":1} /* x`, `{"a":1}`},
		{"open comment that ends in a star", `{"a":1} /* x *`, `{"a":1}`},
		{"open comment behind an inner object", `{"a":[{"b":2} /* x`, `{"b":2}`},
		{"open comment behind an inner number", `{"a":2 /* x`, ""},
		{"open comment before a value", `{"a":{"b":1},"c": /* x`, ""},
		{"open comment before a name", `{"a":{"b":1}, /* x`, ""},
		{"object in an array, open comment", `[{"b":2}//`, `{"b":2}`},
		{"anything behind", `{"a":1}]}{`, `{"a":1}`},
		{"NUL ends the text", "{\"a\":1}\x00/x", `{"a":1}`},
		{"NUL inside", "{\"a\":\x001}", ""},
		{"comma alone in a table", `{,}`, ""},
		{"comma alone in an array", `{"a":[,]}`, ""},
		{"two commas", `{"a":1,,"b":2}`, ""},
		{"no value", `{"a":}`, ""},
		{"no colon", `{"a" 1}`, ""},
		{"bare name", `{a:1}`, ""},
		{"mixed brackets", `{"a":[1}`, ""},
		{"quotes inside others", `{'a"':"b'"}`, `{"a\"":"b'"}`},
		{"escaped single quote", `{'a\'':1}`, ""},
		{"all escapes", `{"a":"\"\\\/\b\f\n\r\t"}`, `{"a":"\"\\/\b\u000c\n\r\t"}`},
		{"NUL in a string", `{"a":"b\u0000c"}`, `{"a":"b"}`},
		{"names equal up to a NUL", `{"a\u0000b":1,"a":2}`, `{"a":2}`},
		{"half a pair at the end", `{"a":"\ud83d"}`, `{"a":"�"}`},
		{"half a pair, then text", `{"a":"\ud83dx"}`, `{"a":"�x"}`},
		{"half a pair, then an escape", `{"a":"\ud83d\n"}`, `{"a":"�\n"}`},
		{"half a pair, then a bad escape", `{"a":"\ud83d\x"}`, ""},
		{"half a pair, then a letter", `{"a":"\ud83d\u0041"}`, `{"a":"�A"}`},
		{"half a pair, then short digits", `{"a":"\ud83d\u00"}`, ""},
		{"empty name", `{"":1}`, `{1}`},
		{"duplicate keeps its place", `{"a":1,"b":2,"a":null}`, `{"a":null,"b":2}`},
		{"values 31 deep", nested(`{"a":`, `[]`, `}`, 31), nested(`{"a":`, `[]`, `}`, 31)},
		{"values 32 deep", nested(`{"a":`, `1`, `}`, 32), ""},
		{"form feed is no white space", "{\f\"a\":1}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, err := ParseJSON([]byte(tt.in))
			if err != nil {
				if !errors.Is(err, ErrJSON) {
					t.Errorf("error of another kind: %v", err)
				}
				if tt.want != "" {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, string(AppendJSON(nil, table))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseJSONDuplicatesInLongTables(t *testing.T) {
	var in bytes.Buffer
	in.WriteByte('{')
	for i := range 200 {
		in.WriteString(`"k` + strconv.Itoa(i%100) + `":` + strconv.Itoa(i) + `,`)
	}
	in.WriteByte('}')
	got, err := ParseJSON(in.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	want := Table{}
	for i := range 100 {
		want = append(want, Field{"k" + strconv.Itoa(i), int32(100 + i)})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A quadratic loop over 200,000 names would take minutes.
func TestParseJSONIsLinear(t *testing.T) {
	in := []byte{'{'}
	for i := range 200_000 {
		in = append(in, '"')
		in = strconv.AppendInt(in, int64(i), 10)
		in = append(in, `":0,`...)
	}
	in = append(in, '}')
	done := make(chan int, 1)
	go func() {
		table, _ := ParseJSON(in)
		done <- len(table)
	}()
	select {
	case n := <-done:
		if n != 200_000 {
			t.Errorf("%d members", n)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still busy after 30 s")
	}
}

func TestAppendJSON(t *testing.T) {
	tests := []struct {
		name     string
		v        any
		want     string
		indented string
	}{
		{"scalar", int32(5), "5", "5"},
		{"string", "a\"\\\n\x01\x7f/é", `"a\"\\\n\u0001` + "\x7f" + `/é"`, `"a\"\\\n\u0001` + "\x7f" + `/é"`},
		{"int", 1 << 20, "1048576", "1048576"},
		{"not a number", Array{math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(math.NaN(), -1)}, "[inf,-inf,nan,-nan]", "[\n\tinf,\n\t-inf,\n\tnan,\n\t-nan\n]"},
		{"empty", Table{{"a", Array{}}, {"t", Table{}}}, `{"a":[],"t":{}}`, "{\n\t\"a\": [\n\t\t\n\t],\n\t\"t\": {\n\t\t\n\t}\n}"},
		{"kinds", Table{{"b", true}, {"n", nil}, {"s", int16(-3)}, {"d", 1.5}}, `{"b":true,"n":null,"s":-3,"d":1.500000}`, "{\n\t\"b\": true,\n\t\"n\": null,\n\t\"s\": -3,\n\t\"d\": 1.500000\n}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, string(AppendJSON(nil, tt.v))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff("x"+tt.indented, string(AppendJSONIndent([]byte("x"), tt.v))); diff != "" {
				t.Errorf("indented (-want +got):\n%s", diff)
			}
		})
	}
}

// libubox's indentation ends at 16 tabs.
func TestAppendJSONIndentDeep(t *testing.T) {
	v := any(int32(1))
	for range 20 {
		v = Array{v}
	}
	got := string(AppendJSONIndent(nil, v))
	if want := "\n" + strings.Repeat("\t", 16) + "1"; !strings.Contains(got, want) {
		t.Errorf("no line of 16 tabs and 1 in\n%s", got)
	}
	if strings.Contains(got, strings.Repeat("\t", 17)) {
		t.Errorf("more than 16 tabs in\n%s", got)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,"x\u00e4\ud83d\ude00",true,null,NaN,-Infinity],'b':{}}`,
		"{\"a\":1/*x*/,//\n}", `{"a":{"b":1}/*`, `{"a":1.,"a":1e,"":{"":0}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := ParseJSON(b)
		if err != nil {
			if !errors.Is(err, ErrJSON) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		wire := Append(nil, table)
		back, err := DecodeUnnamed(wire)
		if err != nil {
			t.Fatalf("encoded and refused: %v", err)
		}
		printed := AppendJSON(nil, table)
		if again := AppendJSON(nil, back); !bytes.Equal(printed, again) {
			t.Fatalf("printed %q, over the wire %q", printed, again)
		}
	})
}
