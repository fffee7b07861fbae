package rpcd

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/conformance"
)

// object is a JSON object of a recording. Its members are taken one by one, and
// what nobody took is an error: an unseen case may expect something that this
// test does not know.
type object struct {
	where   string
	members map[string]json.RawMessage
	errs    []error
}

func newObject(where string, text []byte) *object {
	o := &object{where: where}
	if err := json.Unmarshal(text, &o.members); err != nil {
		o.failf("%v", err)
	}
	return o
}

func (o *object) failf(format string, args ...any) {
	o.errs = append(o.errs, fmt.Errorf("%s: "+format, append([]any{o.where}, args...)...))
}

// take decodes a member and reports whether it is there.
func (o *object) take(name string, into any) bool {
	text, ok := o.members[name]
	if !ok {
		return false
	}
	delete(o.members, name)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		o.failf("%s: %v", name, err)
	}
	return true
}

// object takes a member that is an object itself.
func (o *object) object(name string) *object {
	text, ok := o.members[name]
	if !ok {
		return nil
	}
	delete(o.members, name)
	return newObject(o.where+"."+name, text)
}

// end returns what was wrong with the object, and the inner ones.
func (o *object) end(inner ...*object) error {
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		o.failf("this test does not know %q: %s", name, o.members[name])
	}
	for _, i := range inner {
		if i != nil {
			o.errs = append(o.errs, i.end())
		}
	}
	return errors.Join(o.errs...)
}

// text is a text of a recording: whole, or its length, sum, begin and end.
type text struct {
	whole      []byte
	long       bool
	length     int
	sum        string
	head, tail string
}

// text takes a text in one of its spellings; nil is none.
func (o *object) text(name string) *text {
	var s, sum, head, tail string
	var length int
	switch {
	case o.take(name, &s):
		return &text{whole: []byte(s), length: len(s)}
	case o.take(name+"_b64", &s):
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			o.failf("%s_b64: %v", name, err)
		}
		return &text{whole: b, length: len(b)}
	case o.take(name+"_sha256", &sum):
		if !o.take(name+"_len", &length) || !o.take(name+"_head", &head) || !o.take(name+"_tail", &tail) {
			o.failf("%s: a long text needs its len, sha256, head and tail", name)
		}
		return &text{long: true, length: length, sum: sum, head: head, tail: tail}
	}
	return nil
}

// diff says how got differs from the text, or "".
func (w *text) diff(got []byte) string {
	if !w.long {
		if bytes.Equal(w.whole, got) {
			return ""
		}
		return fmt.Sprintf("\n got %q\nwant %q", got, w.whole)
	}
	if len(got) == w.length && sha(got) == w.sum {
		return ""
	}
	return fmt.Sprintf("\n got %d bytes %.60q…\nwant %d bytes %.60q…", len(got), got, w.length, w.head)
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// bytes is the text. A long one is made anew from its begin and end, and its
// sum tells whether that went well.
func (w *text) bytes() ([]byte, error) {
	if !w.long {
		return w.whole, nil
	}
	middle := w.length - len(w.head) - len(w.tail)
	if middle < 0 {
		return nil, errors.New("a long text is shorter than its begin and end")
	}
	for period := 1; period <= len(w.head)/2; period++ {
		b := []byte(w.head)
		for range middle {
			b = append(b, b[len(b)-period])
		}
		if b = append(b, w.tail...); sha(b) == w.sum {
			return b, nil
		}
	}
	if b := countedKeys(w); sha(b) == w.sum {
		return b, nil
	}
	return nil, fmt.Errorf("a text of %d bytes cannot be made anew from its begin %.60q… and end", w.length, w.head)
}

var countedKey = regexp.MustCompile(`^\{"(\D*)(0+)":( ?)0(, ?)"`)

// countedKeys makes an object of many keys, each with its number.
func countedKeys(w *text) []byte {
	m := countedKey.FindStringSubmatch(w.head)
	if m == nil {
		return nil
	}
	b := []byte("{")
	for i := 0; len(b) < w.length; i++ {
		if i > 0 {
			b = append(b, m[4]...)
		}
		b = fmt.Appendf(b, `"%s%0*d":%s%d`, m[1], len(m[2]), i, m[3], i)
		if len(b) == w.length-1 {
			break
		}
	}
	return append(b, '}')
}

// word is an argument of a command: a string, or a long one that is filled up.
type word string

func (w *word) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*w = word(s)
		return nil
	}
	var long struct {
		Len              int
		Head, Tail, Fill string
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&long); err != nil {
		return err
	}
	n := long.Len - len(long.Head) - len(long.Tail)
	if n < 0 || len(long.Fill) != 1 {
		return fmt.Errorf("long argument %s", b)
	}
	*w = word(long.Head + strings.Repeat(long.Fill, n) + long.Tail)
	return nil
}

// words takes a command line.
func (o *object) words(name string) []string {
	var list []word
	if o.take(name, &list) {
		words := make([]string, len(list))
		for i := range list {
			words[i] = string(list[i])
		}
		return words
	}
	var encoded [][]byte // encoding/json reads base64 into bytes
	o.take(name+"_b64", &encoded)
	words := make([]string, len(encoded))
	for i := range encoded {
		words[i] = string(encoded[i])
	}
	return words
}

// takeSteps takes what a plugin does. present tells a list without steps from
// none.
func (o *object) takeSteps(name string) (steps []step, present bool) {
	var list []json.RawMessage
	if !o.take(name, &list) {
		return nil, false
	}
	return o.parseSteps(name, list), true
}

func (o *object) parseSteps(name string, list []json.RawMessage) (steps []step) {
	for i, raw := range list {
		one := newObject(fmt.Sprintf("%s.%s[%d]", o.where, name, i), raw)
		var s step
		if w := one.text("print"); w != nil {
			b, err := w.bytes()
			if err != nil {
				one.failf("print: %v", err)
			}
			s.Print = append([]byte{}, b...) // not nil: printing nothing is a step
		}
		one.take("sleep_ms", &s.SleepMS)
		one.take("exit_code", &s.ExitCode)
		one.take("raise_signal", &s.RaiseSignal)
		one.take("close_fd", &s.CloseFD)
		one.take("stderr_bytes", &s.StderrBytes)
		one.take("child_keeps_output_open_ms", &s.ChildMS)
		one.take("marker", &s.Marker)
		one.take("wait_before_reading_stdin_ms", &s.WaitMS)
		if err := one.end(); err != nil {
			o.errs = append(o.errs, err)
		}
		steps = append(steps, s)
	}
	return steps
}

// eachCase runs one subtest for each case of each file, side by side.
func eachCase(t *testing.T, run func(t *testing.T, c *object)) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(conformance.Dir(t, "rpcd/exec"), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no files with cases")
	}
	for _, path := range files {
		file := filepath.Base(path)
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var cases []json.RawMessage
			if err := json.Unmarshal(content, &cases); err != nil {
				t.Fatal(err)
			}
			if len(cases) == 0 {
				t.Fatal("no cases")
			}
			for i, raw := range cases {
				c := newObject(fmt.Sprintf("%s[%d]", file, i), raw)
				var name string
				c.take("name", &name)
				t.Run(cmp.Or(name, strconv.Itoa(i)), func(t *testing.T) {
					t.Parallel()
					run(t, c)
				})
			}
		})
	}
}
