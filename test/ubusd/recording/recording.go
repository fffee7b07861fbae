// Package recording reads the recorded conversations between the real ubusd and
// its clients (test/conformance, ubus/frames) for the tests that play them.
package recording

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/conformance"
)

// Recording is one conversation, as index.json describes it.
type Recording struct {
	File     string
	ACL      json.RawMessage // rules in force, nil: none
	Commands []Command
	Entries  []*Entry `json:"-"`
}

// Command is a client program that took part.
type Command struct {
	Conn   string
	Argv   []string
	Exit   *int // nil: ended by a signal
	Stdout Text
	Stderr string
}

// Text is what a program printed: all of it, or a description where it is long.
type Text struct {
	Whole  string
	Len    int // of a long one
	SHA256 string
}

// UnmarshalJSON reads a string or an object that describes a long one.
func (t *Text) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		return json.Unmarshal(b, &t.Whole)
	}
	var long struct {
		Len    int
		SHA256 string
	}
	err := json.Unmarshal(b, &long)
	t.Len, t.SHA256 = long.Len, long.SHA256
	return err
}

// Is reports whether s is the text.
func (t *Text) Is(s string) bool {
	if t.SHA256 == "" {
		return s == t.Whole
	}
	sum := sha256.Sum256([]byte(s))
	return len(s) == t.Len && hex.EncodeToString(sum[:]) == t.SHA256
}

// Entry is a line: a message, or what happened to a connection.
type Entry struct {
	Conn    string
	Dir     string // c2s or s2c
	Type    string // of the message, or CONNECT, CLOSE, PARTIAL
	TypeID  int    `json:"type_id"`
	Seq     uint16
	Peer    uint32
	Len     int
	Attrs   map[string]any // numbers are json.Number
	Hex     string
	HexHead string `json:"hex_head"`
	HexTail string `json:"hex_tail"`
	SHA256  string
}

// Load reads the whole directory; every file in it is a case. It fails the test
// if there is none, or one that the index does not know.
func Load(t testing.TB) []*Recording {
	t.Helper()
	dir := conformance.Dir(t, "ubus/frames")
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []*Recording
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatalf("index.json: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) == 0 || len(files) != len(list) {
		t.Fatalf("%d recordings, %d in the index (%v)", len(files), len(list), err)
	}
	for _, r := range list {
		r.read(t, filepath.Join(dir, r.File))
	}
	return list
}

func (r *Recording) read(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		e := &Entry{}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(e); err != nil {
			t.Fatalf("%s: %v", r.File, err)
		}
		r.Entries = append(r.Entries, e)
	}
	if err := lines.Err(); err != nil || len(r.Entries) == 0 {
		t.Fatalf("%s: %d lines, %v", r.File, len(r.Entries), err)
	}
}

// Name is the file's without its ending.
func (r *Recording) Name() string { return strings.TrimSuffix(r.File, ".jsonl") }

// Of returns the entries of one connection.
func (r *Recording) Of(conn string) []*Entry {
	var list []*Entry
	for _, e := range r.Entries {
		if e.Conn == conn {
			list = append(list, e)
		}
	}
	return list
}

// IsFrame tells a message from CONNECT, CLOSE and PARTIAL.
func (e *Entry) IsFrame() bool {
	return e.Type != "CONNECT" && e.Type != "CLOSE" && e.Type != "PARTIAL"
}

// ID returns an id from the entry's attributes.
func (e *Entry) ID(t testing.TB, name string) (uint32, bool) {
	t.Helper()
	n, ok := e.Attrs[name].(json.Number)
	if !ok {
		return 0, false
	}
	v, err := n.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return uint32(v), true
}

// Bytes returns what was on the wire. Of long messages the recording keeps the
// ends: between them one byte is repeated.
func (e *Entry) Bytes(t testing.TB) []byte {
	t.Helper()
	if e.Hex != "" {
		return unhex(t, e.Hex)
	}
	head, tail := unhex(t, e.HexHead), unhex(t, e.HexTail)
	if len(head) == 0 || e.Len < len(head)+len(tail) {
		t.Fatalf("a %s without its bytes", e.Type)
	}
	fill := bytes.Repeat(head[len(head)-1:], e.Len-len(head)-len(tail))
	b := append(append(head, fill...), tail...)
	if sum := sha256.Sum256(b); e.SHA256 != "" && hex.EncodeToString(sum[:]) != e.SHA256 {
		t.Fatalf("a %s of %d bytes cannot be put together again from the recording", e.Type, e.Len)
	}
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
