package uci

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wgnetifd/wgnetifd/test/conformance"
)

// The JSON of the recordings, see test/conformance/testdata/uci/*/README.md.

type recordedRead struct {
	OK       bool              `json:"ok"`
	Sections []recordedSection `json:"sections"`
}

type recordedSection struct {
	Type      string           `json:"type"`
	Name      string           `json:"name"`
	Anonymous bool             `json:"anonymous"`
	Index     int              `json:"index"`
	TypeIndex int              `json:"type_index"`
	Options   []recordedOption `json:"options"`
}

type recordedOption struct {
	Name         string   `json:"name"`
	List         bool     `json:"list"`
	Values       []string `json:"values"`
	ValuesB64    []string `json:"values_b64"`
	ValuesLen    []int    `json:"values_len"`
	ValuesSHA256 []string `json:"values_sha256"`
}

type recordedParse struct {
	recordedRead
	Lenient          *recordedRead `json:"lenient"`
	Written          *string       `json:"written"`
	WrittenB64       *string       `json:"written_b64"`
	WrittenLen       int           `json:"written_len"`
	WrittenSHA256    string        `json:"written_sha256"`
	WrittenReadsBack bool          `json:"written_reads_back"`
}

// asRecorded gives a package in the form of a recording. Values that the
// recording has only as length and hash are given as such.
func asRecorded(p *Package, want []recordedSection) []recordedSection {
	types := make(map[string]int)
	var out []recordedSection
	for i, s := range p.Sections {
		r := recordedSection{
			Type: s.Type, Name: s.Name, Anonymous: s.Anonymous,
			Index: i, TypeIndex: types[s.Type],
		}
		types[s.Type]++
		for j, o := range s.Options {
			ro := recordedOption{Name: o.Name, List: o.List}
			var like recordedOption
			if i < len(want) && j < len(want[i].Options) {
				like = want[i].Options[j]
			}
			for _, v := range o.Values {
				switch {
				case like.ValuesB64 != nil:
					ro.ValuesB64 = append(ro.ValuesB64, base64.StdEncoding.EncodeToString([]byte(v)))
				case like.ValuesSHA256 != nil:
					sum := sha256.Sum256([]byte(v))
					ro.ValuesLen = append(ro.ValuesLen, len(v))
					ro.ValuesSHA256 = append(ro.ValuesSHA256, hex.EncodeToString(sum[:]))
				default:
					ro.Values = append(ro.Values, v)
				}
			}
			r.Options = append(r.Options, ro)
		}
		out = append(out, r)
	}
	return out
}

func diffRecorded(want []recordedSection, p *Package) string {
	return cmp.Diff(want, asRecorded(p, want), cmpopts.EquateEmpty())
}

// readCase reads the JSON file of a case.
func readCase(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// cases gives the names of the cases in a folder of recordings, which are those
// of the JSON files.
func cases(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("%s: no cases", dir)
	}
	for i := range files {
		files[i] = strings.TrimSuffix(filepath.Base(files[i]), ".json")
	}
	return files
}

func TestConformanceParse(t *testing.T) {
	dir := conformance.Dir(t, "uci/parse")
	for _, name := range cases(t, dir) {
		t.Run(name, func(t *testing.T) {
			var want recordedParse
			readCase(t, filepath.Join(dir, name+".json"), &want)
			in, err := os.ReadFile(filepath.Join(dir, name+".in"))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.IndexByte(in, 0) >= 0 {
				// What libuci reads of these depends on how its buffer
				// grows; the recordings' README lets a reader refuse them.
				testRefusesNUL(t, in)
				return
			}
			checkParse(t, in, want)
		})
	}
}

func testRefusesNUL(t *testing.T, in []byte) {
	t.Helper()
	_, err := Parse("network", in)
	var perr *ParseError
	if !asParseError(err, &perr) {
		t.Fatalf("Parse = %v, want a ParseError for the NUL byte", err)
	}
	if want := 1 + bytes.Count(in[:bytes.IndexByte(in, 0)], []byte("\n")); perr.Line != want {
		t.Errorf("error in line %d, want %d", perr.Line, want)
	}
	if _, errs := ParseLenient("network", in); len(errs) == 0 {
		t.Error("ParseLenient does not report the NUL byte")
	}
}

func checkParse(t *testing.T, in []byte, want recordedParse) {
	t.Helper()
	p, err := Parse("network", in)
	lenient, errs := ParseLenient("network", in)
	if !want.OK {
		var perr *ParseError
		if !asParseError(err, &perr) {
			t.Fatalf("Parse = %v, want a ParseError", err)
		}
		if lines := 1 + bytes.Count(in, []byte("\n")); perr.Line < 1 || perr.Line > lines || perr.Column < 1 {
			t.Errorf("error at %d:%d, the file has %d lines", perr.Line, perr.Column, lines)
		}
		if diff := diffRecorded(want.Lenient.Sections, lenient); diff != "" {
			t.Errorf("ParseLenient (-want +got):\n%s", diff)
		}
		if len(errs) == 0 {
			t.Error("ParseLenient reports nothing")
		}
		return
	}
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if diff := diffRecorded(want.Sections, p); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
	if len(errs) > 0 || !lenient.Equal(p) {
		t.Errorf("ParseLenient differs from Parse, errors %v", errs)
	}
	checkWritten(t, p, want)
}

func checkWritten(t *testing.T, p *Package, want recordedParse) {
	t.Helper()
	written := p.Bytes()
	switch {
	case want.WrittenSHA256 != "":
		sum := sha256.Sum256(written)
		if len(written) != want.WrittenLen || hex.EncodeToString(sum[:]) != want.WrittenSHA256 {
			t.Errorf("Bytes gives %d bytes %x, want %d bytes %s", len(written), sum, want.WrittenLen, want.WrittenSHA256)
		}
	case want.WrittenB64 != nil:
		if got := base64.StdEncoding.EncodeToString(written); got != *want.WrittenB64 {
			t.Errorf("Bytes = %s, want %s", got, *want.WrittenB64)
		}
	case want.Written != nil:
		if diff := cmp.Diff(*want.Written, string(written)); diff != "" {
			t.Errorf("Bytes (-want +got):\n%s", diff)
		}
	default:
		t.Fatal("the recording does not have what libuci wrote")
	}
	again, err := Parse("network", written)
	if got := err == nil && again.Equal(p); got != want.WrittenReadsBack {
		t.Errorf("reads back: %v (%v), want %v", got, err, want.WrittenReadsBack)
	}
	if err := p.Check(); (err == nil) != want.WrittenReadsBack {
		t.Errorf("Check = %v, but reads back: %v", err, want.WrittenReadsBack)
	}
}

func asParseError(err error, target **ParseError) bool {
	perr, ok := err.(*ParseError)
	*target = perr
	return ok
}
