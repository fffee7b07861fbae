package ubusd_test

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

// recording is a conversation of ubus/frames.
type recording struct {
	File     string
	ACL      json.RawMessage
	Commands []command
	entries  []*entry
}

// command is a client program that was recorded.
type command struct {
	Conn   string
	Argv   []string
	Exit   *int
	Stdout json.RawMessage // a string, or an object that describes a long one
	Stderr string
}

// entry is a line of a recording.
type entry struct {
	Conn    string
	Dir     string
	Type    string
	TypeID  int `json:"type_id"`
	Seq     uint16
	Peer    uint32
	Len     int
	Attrs   map[string]any
	Hex     string
	HexHead string `json:"hex_head"`
	HexTail string `json:"hex_tail"`
	SHA256  string
}

// recordings reads the whole directory; every file in it is a case.
func recordings(t *testing.T) []*recording {
	t.Helper()
	dir := conformance.Dir(t, "ubus/frames")
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []*recording
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

func (r *recording) read(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		e := &entry{}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(e); err != nil {
			t.Fatalf("%s: %v", r.File, err)
		}
		r.entries = append(r.entries, e)
	}
	if err := lines.Err(); err != nil || len(r.entries) == 0 {
		t.Fatalf("%s: %d lines, %v", r.File, len(r.entries), err)
	}
}

func (r *recording) name() string { return strings.TrimSuffix(r.File, ".jsonl") }

// isFrame tells a message from CONNECT, CLOSE and PARTIAL.
func (e *entry) isFrame() bool { return e.Hex+e.HexHead != "" && e.Type != "PARTIAL" }

// id returns an id from the entry's attributes.
func (e *entry) id(t *testing.T, name string) (uint32, bool) {
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

// bytes returns what was on the wire. Of long messages the recording keeps the
// ends: between them one byte is repeated.
func (e *entry) bytes(t *testing.T) []byte {
	t.Helper()
	if e.Hex != "" {
		return unhex(t, e.Hex)
	}
	head, tail := unhex(t, e.HexHead), unhex(t, e.HexTail)
	fill := bytes.Repeat(head[len(head)-1:], e.Len-len(head)-len(tail))
	b := append(append(head, fill...), tail...)
	if sum := sha256.Sum256(b); e.SHA256 != "" && hex.EncodeToString(sum[:]) != e.SHA256 {
		t.Fatalf("a %s of %d bytes cannot be put together again from the recording", e.Type, e.Len)
	}
	return b
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
