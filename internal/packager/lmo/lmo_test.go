package lmo

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const catalogue = `# A comment.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=n != 1;\n"

#: a.js:1
msgid "Peer"
msgstr "Gegenstelle"

msgctxt "state"
msgid "up"
msgstr "ve"
"rbunden"

msgid "%d peer"
msgid_plural "%d peers"
msgstr[0] "%d Gegenstelle"
msgstr[1] "%d Gegenstellen"

msgid "a \"b\" \\ \n c"
msgstr "ä \"ö\" \\ \n ü"

msgid "MTU"
msgstr "MTU"

msgid "not yet"
msgstr ""
`

// look finds a message as LuCI does.
func look(t *testing.T, file []byte, key uint32) string {
	t.Helper()
	place := binary.BigEndian.Uint32(file[len(file)-4:])
	for index := file[place : len(file)-4]; len(index) > 0; index = index[16:] {
		if binary.BigEndian.Uint32(index) == key {
			at, n := binary.BigEndian.Uint32(index[8:]), binary.BigEndian.Uint32(index[12:])
			return string(file[at : at+n])
		}
	}
	return ""
}

func TestCompile(t *testing.T) {
	file, err := Compile([]byte(catalogue))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"": look(t, file, 0)}
	for _, key := range []string{"Peer", "state\x01up", "%d peer\x020", "%d peer\x021", `a "b" \ \n c`, "MTU", "not yet"} {
		got[key] = look(t, file, hash(key))
	}
	want := map[string]string{
		"": "nplurals=2; plural=n != 1;", "Peer": "Gegenstelle", "state\x01up": "verbunden",
		"%d peer\x020": "%d Gegenstelle", "%d peer\x021": "%d Gegenstellen",
		`a "b" \ \n c`: `ä "ö" \ \n ü`, "MTU": "", "not yet": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHash: values of LuCI's own compiler, for each length of the rest and for
// letters beyond ASCII.
func TestHash(t *testing.T) {
	for text, want := range hashes {
		if got := hash(text); got != want {
			t.Errorf("%q: got %#08x, want %#08x", text, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no quotes": "msgid x\n", "no end": "msgid \"x\n", "keyword": "msgid \"x\"\nmsgfoo \"y\"\n",
		"order": "msgid \"x\"\nmsgstr[1] \"y\"\n", "text first": "msgstr \"x\"\n", "loose": "\"x\"\n",
	} {
		if _, err := Compile([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if file, err := Compile([]byte("msgid \"\"\nmsgstr \"\"\n")); err != nil || file != nil {
		t.Errorf("no translation: %v, %v", file, err)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(catalogue))
	f.Fuzz(func(_ *testing.T, po []byte) { _, _ = Compile(po) })
}

var hashes = map[string]uint32{
	"a":            0x115ea782,
	"ab":           0x516b8b44,
	"abc":          0xd2be198a,
	"abcd":         0xdad8b8db,
	"Peer":         0xca92dc7e,
	"Gegenstelle":  0x7ff776cd,
	"ä":            0xaaed0581,
	"aä":           0x885595f7,
	"abä":          0xe056d4f7,
	"Schlüssel":    0x9591b281,
	"%d peer\x020": 0x1104062d,
}
