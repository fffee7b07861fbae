package blobmsg_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/conformance"
)

// recorded is a case of any of the four files of ubus/blobmsg.
type recorded struct {
	Name       string
	JSON       *string
	JSONB64    *string `json:"json_b64"`
	Hex        string
	Printed    *string
	PrintedB64 *string `json:"printed_b64"`
	Indented   *string `json:"printed_indented"`
	IndentB64  *string `json:"printed_indented_b64"`
	Expect     string
}

// either returns the text that is given plainly or in base64, and whether one is.
func either(t *testing.T, plain, b64 *string) (string, bool) {
	t.Helper()
	if plain != nil {
		return *plain, true
	}
	if b64 == nil {
		return "", false
	}
	b, err := base64.StdEncoding.DecodeString(*b64)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), true
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// eachCase runs f for every case of a file of the recordings.
func eachCase(t *testing.T, file string, f func(t *testing.T, c recorded)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(conformance.Dir(t, "ubus/blobmsg"), file))
	if err != nil {
		t.Fatal(err)
	}
	var cases []recorded
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s holds no case", file)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { f(t, c) })
	}
}

// checkPrinted compares what the decoded bytes print as, on one line and indented.
func checkPrinted(t *testing.T, c recorded, table blobmsg.Table) {
	t.Helper()
	want, ok := either(t, c.Printed, c.PrintedB64)
	if !ok {
		t.Fatal("the case does not say what is printed")
	}
	if diff := cmp.Diff(want, string(blobmsg.AppendJSON(nil, table))); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
	if want, ok = either(t, c.Indented, c.IndentB64); ok {
		if diff := cmp.Diff(want, string(blobmsg.AppendJSONIndent(nil, table))); diff != "" {
			t.Errorf("printed with indentation (-want +got):\n%s", diff)
		}
	}
}

func TestConformanceEncode(t *testing.T) {
	eachCase(t, "encode.json", func(t *testing.T, c recorded) {
		text, ok := either(t, c.JSON, c.JSONB64)
		if !ok {
			t.Fatal("the case has no JSON")
		}
		table, err := blobmsg.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		wire := blobmsg.Append(nil, table)
		if diff := cmp.Diff(c.Hex, hex.EncodeToString(wire)); diff != "" {
			t.Errorf("bytes (-want +got):\n%s", diff)
		}
		// An empty name is a name for JSON and none for blobmsg.
		back, err := blobmsg.DecodeUnnamed(wire)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.Hex, hex.EncodeToString(blobmsg.Append(nil, back))); diff != "" {
			t.Errorf("decoded and encoded again (-want +got):\n%s", diff)
		}
		checkPrinted(t, c, back)
	})
}

func TestConformanceEncodeRefused(t *testing.T) {
	eachCase(t, "encode-refused.json", func(t *testing.T, c recorded) {
		text, ok := either(t, c.JSON, c.JSONB64)
		if !ok || c.Expect != "error" {
			t.Fatalf("not understood: JSON %v, expect %q", ok, c.Expect)
		}
		if table, err := blobmsg.ParseJSON([]byte(text)); !errors.Is(err, blobmsg.ErrJSON) {
			t.Errorf("taken as %v, error %v", table, err)
		}
	})
}

func TestConformanceDecode(t *testing.T) {
	eachCase(t, "decode.json", func(t *testing.T, c recorded) {
		wire := unhex(t, c.Hex)
		table, err := blobmsg.Decode(wire)
		switch c.Expect {
		case "ok", "ok-rest-ignored":
			if err != nil {
				t.Fatal(err)
			}
			checkPrinted(t, c, table)
		case "ok-unless-name-required":
			if !errors.Is(err, blobmsg.ErrMalformed) {
				t.Errorf("names required: taken as %v, error %v", table, err)
			}
		default:
			t.Fatalf("not understood: expect %q", c.Expect)
		}
		if table, err = blobmsg.DecodeUnnamed(wire); err != nil {
			t.Fatal(err)
		}
		checkPrinted(t, c, table)
	})
}

func TestConformanceMalformed(t *testing.T) {
	eachCase(t, "malformed.json", func(t *testing.T, c recorded) {
		if c.Expect != "error" {
			t.Fatalf("not understood: expect %q", c.Expect)
		}
		if table, err := blobmsg.Decode(unhex(t, c.Hex)); !errors.Is(err, blobmsg.ErrMalformed) {
			t.Errorf("taken as %v, error %v", table, err)
		}
	})
}
