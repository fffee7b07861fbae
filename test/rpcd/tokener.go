package rpcd

import (
	"errors"
	"math"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// verdict is what a tokener knows after a piece of text.
type verdict int

const (
	verdictNone   verdict = iota // nothing was read yet
	verdictMore                  // so far so good, but no complete value
	verdictDone                  // a complete value
	verdictBroken                // not JSON, whatever follows
)

// maxLevels is json-c's default for values inside one another.
const maxLevels = 32

// tokener reads JSON that arrives in pieces, as json-c's json_tokener_parse_ex
// does for rpcd and uhttpd. [blobmsg.ParseJSON] reads whole texts, whose end is
// the end of a value too; in a pipe only a bracket, a quote or the next byte
// ends one, so that a plugin's bare "5" is never complete. What json-c takes
// beyond JSON is listed there.
type tokener struct {
	levels [maxLevels]level
	depth  int

	text   []byte // of the string, name, number or word being read
	quote  byte
	word   int // bytes of a word, or digits of \u, that were read
	code   rune
	high   rune // first half of a surrogate pair, 0 if there is none
	number numberState
}

// level is one value that is being read.
type level struct {
	state, next tokenState // next follows white space and escapes
	value       any        // scalars
	open        *container // tables and arrays
	name        string     // of the member being read
}

// container is a table or an array that is being read.
type container struct {
	table blobmsg.Table
	place map[string]int
	array blobmsg.Array
	isArr bool
}

type tokenState int

const (
	stateSpace tokenState = iota
	stateStart
	stateFinish
	stateNull // or NaN
	stateInfinity
	stateBoolean
	stateNumber
	stateCommentStart
	stateComment
	stateCommentLine
	stateCommentEnd
	stateString
	stateEscape
	stateUnicode
	stateNeedBackslash
	stateNeedU
	stateArray
	stateArrayAdd
	stateArraySeparator
	stateName
	stateNameText
	stateNameEnd
	stateMember
	stateMemberAdd
	stateMemberSeparator
)

var errToken = errors.New("not JSON")

// parse takes the next piece. With verdictDone it returns the value (nil is
// null) and is ready for another; what is left of the piece is dropped.
func (t *tokener) parse(piece []byte) (any, verdict) {
	if t.top().next == 0 {
		t.reset(0)
	}
	if t.top().state == stateNumber {
		t.number.resume(t.text)
	}
	for i := 0; i < len(piece); i++ {
		i += t.plain(piece[i:])
		if i == len(piece) {
			break
		}
		c := piece[i]
		end, err := t.char(c)
		switch {
		case err != nil:
			return nil, verdictBroken
		case end:
			return t.finish(), verdictDone
		case c == 0:
			// json-c takes a NUL for the end of the text.
			if l := t.top(); l.state != stateFinish && l.next != stateFinish {
				return nil, verdictBroken
			}
			return t.finish(), verdictDone
		}
	}
	if l := t.top(); t.depth == 0 && l.state == stateSpace && l.next == stateFinish {
		return t.finish(), verdictDone
	}
	return nil, verdictMore
}

func (t *tokener) top() *level { return &t.levels[t.depth] }

func (t *tokener) reset(depth int) {
	t.levels[depth] = level{state: stateSpace, next: stateStart}
}

// finish returns the value of the level that the text ended in.
func (t *tokener) finish() any {
	v := t.top().result()
	for ; t.depth > 0; t.depth-- {
		t.reset(t.depth)
	}
	t.reset(0)
	return v
}

func (l *level) result() any {
	switch {
	case l.open == nil:
		return l.value
	case l.open.isArr:
		return l.open.array
	default:
		return l.open.table
	}
}

// done ends a value: only white space may follow at this level.
func (t *tokener) done(v any) {
	l := t.top()
	l.value, l.state, l.next = v, stateSpace, stateFinish
}

// char takes one byte; end tells that the outermost value ended before it.
func (t *tokener) char(c byte) (end bool, err error) {
	for again := true; again; {
		if l := t.top(); l.state == stateFinish && t.depth == 0 {
			return true, nil
		}
		if again, err = t.step(c); err != nil {
			return false, err
		}
	}
	return false, nil
}

// step does what the present state does with c; again asks for another step
// with the same byte.
func (t *tokener) step(c byte) (again bool, err error) {
	switch l := t.top(); l.state {
	case stateSpace:
		return t.space(c), nil
	case stateStart:
		return t.start(c)
	case stateFinish:
		v := l.result()
		t.reset(t.depth)
		t.depth--
		t.top().value = v // for the add state, which takes it away
		return true, nil
	case stateCommentStart, stateComment, stateCommentLine, stateCommentEnd:
		return false, t.comment(c)
	case stateString, stateNameText:
		t.stringByte(c)
		return false, nil
	case stateEscape:
		return false, t.escape(c)
	case stateUnicode:
		return false, t.unicode(c)
	case stateNeedBackslash, stateNeedU:
		return t.secondHalf(c), nil
	case stateNull, stateBoolean:
		return t.wordByte(c)
	case stateInfinity:
		return t.infinity(c)
	case stateNumber:
		return t.numberByte(c)
	default:
		return t.structure(c)
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (t *tokener) space(c byte) (again bool) {
	l := t.top()
	switch {
	case isSpace(c):
		return false
	case c == '/':
		l.state = stateCommentStart
		return false
	default:
		l.state = l.next
		return true
	}
}

func (t *tokener) start(c byte) (again bool, err error) {
	l := t.top()
	t.text, t.word = t.text[:0], 0
	switch c {
	case '{':
		l.open = &container{table: blobmsg.Table{}, place: map[string]int{}}
		l.state, l.next = stateSpace, stateName
	case '[':
		l.open = &container{array: blobmsg.Array{}, isArr: true}
		l.state, l.next = stateSpace, stateArray
	case '"', '\'':
		l.state, t.quote = stateString, c
	case 'n', 'N':
		l.state, again = stateNull, true
	case 'i', 'I':
		l.state, again = stateInfinity, true
	case 't', 'T', 'f', 'F':
		l.state, again = stateBoolean, true
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		t.number = numberState{minus: true}
		l.state, again = stateNumber, true
	default:
		return false, errToken
	}
	return again, nil
}

func (t *tokener) comment(c byte) error {
	l := t.top()
	switch {
	case l.state == stateCommentStart && c == '*', l.state == stateCommentEnd && c != '/':
		l.state = stateComment
	case l.state == stateCommentStart && c == '/':
		l.state = stateCommentLine
	case l.state == stateCommentStart:
		return errToken
	case l.state == stateComment && c == '*':
		l.state = stateCommentEnd
	case l.state == stateCommentLine && c == '\n', l.state == stateCommentEnd:
		l.state = stateSpace
	}
	return nil
}

// structure is what stands between the values of a table or an array.
func (t *tokener) structure(c byte) (again bool, err error) {
	l := t.top()
	switch l.state {
	case stateArray:
		if c == ']' { // behind a comma too
			l.state, l.next = stateSpace, stateFinish
			return false, nil
		}
		l.state = stateArrayAdd
		return true, t.descend()
	case stateArrayAdd:
		l.open.array = append(l.open.array, l.value)
		l.value, l.state, l.next = nil, stateSpace, stateArraySeparator
		return true, nil
	case stateName:
		switch c {
		case '}':
			l.state, l.next = stateSpace, stateFinish
		case '"', '\'':
			l.state, t.quote, t.text = stateNameText, c, t.text[:0]
		default:
			return false, errToken
		}
		return false, nil
	case stateMember:
		l.state = stateMemberAdd
		return true, t.descend()
	case stateMemberAdd:
		l.open.put(l.name, l.value)
		l.value, l.state, l.next = nil, stateSpace, stateMemberSeparator
		return true, nil
	}
	for _, s := range separators {
		if s.state == l.state && s.char == c {
			l.state, l.next = stateSpace, s.next
			return false, nil
		}
	}
	return false, errToken
}

var separators = []struct {
	state tokenState
	char  byte
	next  tokenState
}{
	{stateArraySeparator, ']', stateFinish},
	{stateArraySeparator, ',', stateArray},
	{stateNameEnd, ':', stateMember},
	{stateMemberSeparator, '}', stateFinish},
	{stateMemberSeparator, ',', stateName},
}

func (t *tokener) descend() error {
	if t.depth >= maxLevels-1 {
		return errToken
	}
	t.depth++
	t.reset(t.depth)
	return nil
}

// put keeps the place of the first and the value of the last of equal names.
func (o *container) put(name string, v any) {
	if i, ok := o.place[name]; ok {
		o.table[i].Value = v
		return
	}
	o.place[name] = len(o.table)
	o.table = append(o.table, blobmsg.Field{Name: name, Value: v})
}

// words are the values that are spelled out, in any mixture of cases.
var words = []struct {
	state tokenState
	word  string
	value any
}{
	{stateNull, "null", nil},
	{stateNull, "nan", math.Float64frombits(0x7ff8000000000000)}, // C's NAN; Go's has another bit
	{stateBoolean, "true", true},
	{stateBoolean, "false", false},
}

// wordByte ends a word at the byte behind it, as json-c does.
func (t *tokener) wordByte(c byte) (again bool, err error) {
	sofar := strings.ToLower(string(t.text))
	for _, w := range words {
		if w.state != t.top().state || !strings.HasPrefix(w.word, sofar) {
			continue
		}
		if w.word == sofar {
			t.done(w.value)
			return true, nil
		}
		if w.word[len(sofar)] == c|0x20 && c >= 'A' {
			t.text = append(t.text, c)
			return false, nil
		}
	}
	return false, errToken
}

// infinity reads that word; a minus before it is in the text.
func (t *tokener) infinity(c byte) (again bool, err error) {
	const word = "infinity"
	if t.word == len(word) {
		sign := 1
		if len(t.text) > 0 && t.text[0] == '-' {
			sign = -1
		}
		t.done(math.Inf(sign))
		return true, nil
	}
	if word[t.word] != c|0x20 || c < 'A' {
		return false, errToken
	}
	t.word++
	return false, nil
}
