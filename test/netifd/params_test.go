package netifd

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

func TestAppendParams(t *testing.T) {
	params := []param{
		{name: "list", typ: blobmsg.TypeArray},
		{name: "table", typ: blobmsg.TypeTable},
		{name: "text", typ: blobmsg.TypeString},
		{name: "int64", typ: blobmsg.TypeInt64},
		{name: "int", typ: blobmsg.TypeInt32},
		{name: "int16", typ: blobmsg.TypeInt16},
		{name: "flag", typ: blobmsg.TypeBool},
		{name: "double", typ: blobmsg.TypeDouble},
		{name: "both", typ: blobmsg.TypeString},
		{name: "both", typ: blobmsg.TypeInt32},
		{name: "both", typ: blobmsg.TypeString},
	}
	one := func(name, value string) option { return option{name: name, values: []string{value}} }
	tests := []struct {
		name    string
		options []option
		want    string
	}{
		{"order of the file", []option{one("text", "b"), one("flag", "1"), one("int", "5")}, `{"text":"b","flag":true,"int":5}`},
		{"unknown", []option{one("other", "b")}, `{}`},
		{"blanks in a list of one option", []option{one("list", " a b\tc  ")}, `{"list":["a","b","c"]}`},
		{"list", []option{{"list", true, []string{"a b", ""}}}, `{"list":["a b",""]}`},
		{"list for a string", []option{{"text", true, []string{"a"}}}, `{}`},
		{"booleans", []option{one("flag", "yes"), one("flag", "false"), one("flag", "true")}, `{"flag":false,"flag":true}`},
		{"numbers", []option{one("int", "0x10"), one("int", " 7"), one("int", "7x"), one("int", "4294967297")}, `{"int":16,"int":7,"int":1}`},
		{"64 bits", []option{one("int64", "-9999999999"), one("int64", "1e3")}, `{"int64":-9999999999}`},
		{"types without values", []option{one("table", "x"), one("int16", "5"), one("double", "1.5")}, `{}`},
		{"announced more than once", []option{one("both", "5")}, `{"both":"5","both":5}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := appendParams(nil, &section{options: tt.options}, params)
			if diff := gocmp.Diff(tt.want, string(blobmsg.AppendJSON(nil, got))); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSameParams(t *testing.T) {
	params := []param{{name: "a", typ: blobmsg.TypeString}, {name: "l", typ: blobmsg.TypeArray}}
	base := blobmsg.Table{{Name: "a", Value: "1"}, {Name: "l", Value: blobmsg.Array{"x"}}, {Name: "other", Value: "1"}}
	tests := []struct {
		name  string
		other blobmsg.Table
		want  bool
	}{
		{"equal", base, true},
		{"what is not announced", blobmsg.Table{{Name: "a", Value: "1"}, {Name: "l", Value: blobmsg.Array{"x"}}}, true},
		{"changed", blobmsg.Table{{Name: "a", Value: "2"}, {Name: "l", Value: blobmsg.Array{"x"}}}, false},
		{"list changed", blobmsg.Table{{Name: "a", Value: "1"}, {Name: "l", Value: blobmsg.Array{"x", "y"}}}, false},
		{"gone", blobmsg.Table{{Name: "l", Value: blobmsg.Array{"x"}}}, false},
		{"of another type", blobmsg.Table{{Name: "a", Value: int32(1)}, {Name: "l", Value: blobmsg.Array{"x"}}}, false},
	}
	for _, tt := range tests {
		if got := sameParams(base, tt.other, params); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A member of another type hides nothing: the next of that name counts.
func TestMemberByType(t *testing.T) {
	msg := blobmsg.Table{{Name: "a", Value: int32(5)}, {Name: "a", Value: "x"}, {Name: "a", Value: "y"}}
	if s, ok := stringMember(msg, "a"); s != "x" || !ok {
		t.Errorf("string: %q, %v", s, ok)
	}
	if n, ok := intMember(msg, "a"); n != 5 || !ok {
		t.Errorf("integer: %d, %v", n, ok)
	}
	if _, ok := boolMember(msg, "a"); ok {
		t.Error("there is no boolean")
	}
}
