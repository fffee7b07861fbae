package rpcd

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// plain takes the bytes of a string or a name that stand for themselves, in one
// go: answers are mostly these, and up to megabytes. It returns their number.
func (t *tokener) plain(piece []byte) int {
	if l := t.top(); l.state != stateString && l.state != stateNameText {
		return 0
	}
	for _, end := range []byte{t.quote, '\\', 0} {
		if i := bytes.IndexByte(piece, end); i >= 0 {
			piece = piece[:i]
		}
	}
	t.text = append(t.text, piece...)
	return len(piece)
}

func (t *tokener) stringByte(c byte) {
	l := t.top()
	switch {
	case c == t.quote && l.state == stateNameText:
		l.name, _, _ = strings.Cut(string(t.text), "\x00")
		l.state, l.next = stateSpace, stateNameEnd
	case c == t.quote:
		s, _, _ := strings.Cut(string(t.text), "\x00")
		t.done(s)
	case c == '\\':
		l.state, l.next = stateEscape, l.state
	default:
		t.text = append(t.text, c)
	}
}

func (t *tokener) escape(c byte) error {
	l := t.top()
	if c == 'u' {
		t.code, t.word, l.state = 0, 0, stateUnicode
		return nil
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if i < 0 {
		return errToken
	}
	t.text = append(t.text, "\"\\/\b\f\n\r\t"[i])
	l.state = l.next
	return nil
}

func (t *tokener) unicode(c byte) error {
	digit, err := strconv.ParseUint(string([]byte{c}), 16, 8)
	if err != nil {
		return errToken
	}
	t.code = t.code<<4 | rune(digit)
	if t.word++; t.word < 4 {
		return nil
	}
	const surrogate, low = 0xd800, 0xdc00
	isHigh, isLow := t.code&^0x3ff == surrogate, t.code&^0x3ff == low
	switch {
	case t.high != 0 && isLow:
		t.code = (t.high&0x3ff)<<10 + t.code&0x3ff + 0x10000
	case t.high != 0:
		t.text = utf8.AppendRune(t.text, utf8.RuneError)
	}
	t.high, t.word = 0, 0
	if isHigh {
		t.high, t.code = t.code, 0
		t.top().state = stateNeedBackslash
		return nil
	}
	t.text = utf8.AppendRune(t.text, t.code) // U+FFFD for a lone second half
	t.top().state = t.top().next
	return nil
}

// secondHalf takes what stands behind the first half of a surrogate pair.
func (t *tokener) secondHalf(c byte) (again bool) {
	l := t.top()
	switch {
	case l.state == stateNeedBackslash && c == '\\':
		l.state = stateNeedU
		return false
	case l.state == stateNeedU && c == 'u':
		l.state = stateUnicode
		return false
	case l.state == stateNeedBackslash:
		l.state = l.next
	default:
		l.state = stateEscape
	}
	t.text = utf8.AppendRune(t.text, utf8.RuneError)
	t.high, t.code, t.word = 0, 0, 0
	return true
}
