// Package lmo compiles a translation of LuCI, a gettext catalogue (.po), to the form
// that LuCI looks messages up in: the texts, each padded to four bytes, then an index
// sorted by the hash of the message, then the index's place, all big-endian.
package lmo

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// message is an entry of a catalogue.
type message struct {
	context, id, plural string
	translations        []string
}

type entry struct {
	key     uint32 // hash of the message; 0: the rule of plurals
	plurals uint32 // how many forms it has up to this one
	offset  uint32
	length  uint32
}

// Compile returns the compiled catalogue, or nothing if it translates nothing.
func Compile(po []byte) ([]byte, error) {
	messages, err := parse(po)
	if err != nil {
		return nil, err
	}
	var texts []byte
	var index []entry
	add := func(key, plurals uint32, text string) {
		index = append(index, entry{key, plurals, uint32(len(texts)), uint32(len(text))})
		texts = append(texts, text...)
		for len(texts)%4 != 0 {
			texts = append(texts, 0)
		}
	}
	for _, m := range messages {
		if m.id == "" {
			if rule := pluralRule(m.translations); rule != "" {
				add(0, 0, rule)
			}
			continue
		}
		for form, text := range m.translations {
			key := hash(m.key(form))
			if text == "" || key == hash(text) {
				continue // shown as it is
			}
			add(key, uint32(len(m.translations)), text)
		}
	}
	if len(index) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(index, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	place := uint32(len(texts))
	for _, e := range index {
		for _, word := range []uint32{e.key, e.plurals, e.offset, e.length} {
			texts = binary.BigEndian.AppendUint32(texts, word)
		}
	}
	return binary.BigEndian.AppendUint32(texts, place), nil
}

// key is what LuCI hashes to find one form of a message.
func (m *message) key(form int) string {
	key := m.id
	if m.context != "" {
		key = m.context + "\x01" + key
	}
	if m.plural != "" {
		key += "\x02" + strconv.Itoa(form)
	}
	return key
}

// pluralRule is a line of the catalogue's header, which is the translation of "".
func pluralRule(header []string) string {
	for line := range strings.SplitSeq(strings.Join(header, ""), `\n`) {
		if rule, ok := strings.CutPrefix(line, "Plural-Forms: "); ok {
			return rule
		}
	}
	return ""
}

// hash is Paul Hsieh's, as LuCI has it: signed bytes at the end, and the length to
// begin with.
func hash(s string) uint32 {
	if s == "" {
		return 0
	}
	h := uint32(len(s))
	pair := func(at int) uint32 { return uint32(s[at]) | uint32(s[at+1])<<8 }
	at := 0
	for ; len(s)-at >= 4; at += 4 {
		h += pair(at)
		h = h<<16 ^ pair(at+2)<<11 ^ h
		h += h >> 11
	}
	switch len(s) - at {
	case 3:
		h += pair(at)
		h ^= h << 16
		h ^= uint32(int32(int8(s[at+2]))) << 18
		h += h >> 11
	case 2:
		h += pair(at)
		h ^= h << 11
		h += h >> 17
	case 1:
		h += uint32(int32(int8(s[at])))
		h ^= h << 10
		h += h >> 1
	}
	h ^= h << 3
	h += h >> 5
	h ^= h << 4
	h += h >> 17
	h ^= h << 25
	h += h >> 6
	return h
}

// maxForms of a message: LuCI's own compiler has room for as many.
const maxForms = 10

// parse reads a catalogue: keywords with a quoted text, which goes on in the
// quoted lines that follow.
func parse(po []byte) (out []*message, err error) {
	var m *message
	var last *string
	number := 0
	fail := func(line string) ([]*message, error) {
		return nil, fmt.Errorf("line %d: %.60q is not understood", number, line)
	}
	begin := func() { m = &message{}; out = append(out, m) }
	lines := bufio.NewScanner(bytes.NewReader(po))
	for lines.Scan() {
		number++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		keyword, text, ok := strings.Cut(line, `"`)
		if !ok || !strings.HasSuffix(text, `"`) {
			return fail(line)
		}
		text = unescape(strings.TrimSuffix(text, `"`))
		switch keyword = strings.TrimSpace(keyword); {
		case keyword == "" && last != nil:
			*last += text
			continue
		case keyword == "msgctxt":
			begin()
			last = &m.context
		case keyword == "msgid":
			if m == nil || m.translations != nil {
				begin()
			}
			last = &m.id
		case m == nil:
			return fail(line)
		case keyword == "msgid_plural":
			last = &m.plural
		case keyword == "msgstr" || keyword == fmt.Sprintf("msgstr[%d]", len(m.translations)) && len(m.translations) < maxForms:
			m.translations = append(m.translations, "")
			last = &m.translations[len(m.translations)-1]
		default:
			return fail(line)
		}
		*last = text
	}
	return out, lines.Err()
}

// unescape takes the backslash from quotes and backslashes; LuCI leaves \n and the
// like as they are, in messages and texts alike.
func unescape(s string) string {
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s)
}
