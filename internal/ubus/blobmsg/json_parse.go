package blobmsg

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// ErrJSON is what every error of [ParseJSON] wraps.
var ErrJSON = errors.New("no JSON object")

// maxJSONDepth is the depth that json-c stops at; the outermost value has 0.
const maxJSONDepth = 31

// ParseJSON reads a JSON object as `ubus call` does, which leaves that to
// json-c 0.16. Integers become int32 where they fit and int64 otherwise, all
// other numbers float64. Of a name that occurs twice the last value counts, at
// the place of the first; strings and names end at a NUL; bytes that are not
// UTF-8 are kept.
//
// More than JSON is taken: text in single quotes, comments, a comma before a
// closing bracket, literals in any case, NaN and Infinity, leading zeros,
// numbers like "1." and "1e", control characters in strings, and anything at
// all behind the object. Integers beyond 64 bits become the nearest that there
// is. Values may stand at most 32 deep.
func ParseJSON(b []byte) (Table, error) {
	for i, c := range b {
		if c == 0 { // json-c is given a C string
			b = b[:i]
			break
		}
	}
	p := jsonParser{b: b}
	v, err := p.value(0)
	if errors.Is(err, errCut) {
		v, err = p.cut, nil
	}
	if err != nil {
		return nil, err
	}
	t, ok := v.(Table)
	if !ok {
		return nil, fmt.Errorf("%w: the text is another kind of value", ErrJSON)
	}
	return t, nil
}

var (
	// errCut ends the parser where the text ends in a comment behind a
	// complete value: json-c then takes this value, however deep, for the
	// whole.
	errCut = errors.New("text ends in a comment behind a value")
	// errOpenComment is a comment that the text ends in.
	errOpenComment = errors.New("comment without end")
)

type jsonParser struct {
	b   []byte
	pos int
	cut any // with errCut
}

// peek returns the next byte, or 0 at the end: the text holds no NUL.
func (p *jsonParser) peek() byte {
	if p.pos < len(p.b) {
		return p.b[p.pos]
	}
	return 0
}

// fail describes the place, never the text: it may hold secrets.
func (p *jsonParser) fail(what string) error {
	if p.pos >= len(p.b) {
		what = "text ends too early"
	}
	return fmt.Errorf("%w: at byte %d: %s", ErrJSON, p.pos, what)
}

// skip passes over white space and comments.
func (p *jsonParser) skip() error {
	for {
		switch p.peek() {
		case ' ', '\t', '\n', '\r':
			p.pos++
		case '/':
			if err := p.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (p *jsonParser) comment() error {
	p.pos++
	switch p.peek() {
	case '/':
		for p.pos < len(p.b) && p.b[p.pos] != '\n' {
			p.pos++
		}
		if p.pos < len(p.b) {
			return nil
		}
	case '*':
		p.pos++
		for p.pos < len(p.b) {
			if p.b[p.pos] != '*' {
				p.pos++
				continue
			}
			// json-c takes two bytes from a star on, so that "**/" does
			// not close a comment.
			p.pos += 2
			if p.pos <= len(p.b) && p.b[p.pos-1] == '/' {
				return nil
			}
		}
		p.pos = len(p.b)
	default:
		return p.fail("comment expected")
	}
	return fmt.Errorf("%w: at byte %d: %w", ErrJSON, p.pos, errOpenComment)
}

// value reads a value and what may stand between it and the next sign.
func (p *jsonParser) value(depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, p.fail("nested too deeply")
	}
	if err := p.skip(); err != nil {
		return nil, err
	}
	v, err := p.bare(depth)
	if err != nil {
		return nil, err
	}
	if err := p.skip(); err != nil {
		if errors.Is(err, errOpenComment) {
			p.cut = v
			err = errCut
		}
		return nil, err
	}
	return v, nil
}

func (p *jsonParser) bare(depth int) (any, error) {
	switch c := p.peek(); c {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"', '\'':
		return p.string(c)
	case 't', 'T':
		return true, p.literal("true")
	case 'f', 'F':
		return false, p.literal("false")
	case 'i', 'I':
		return math.Inf(1), p.literal("infinity")
	case 'n', 'N':
		if p.pos+1 < len(p.b) && p.b[p.pos+1]|0x20 == 'a' {
			return math.Float64frombits(0x7ff8000000000000), p.literal("nan")
		}
		return nil, p.literal("null")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return p.number()
		}
		return nil, p.fail("unexpected character")
	}
}

// literal passes over a word of lower-case letters in any case.
func (p *jsonParser) literal(word string) error {
	for i := 0; i < len(word); i++ {
		c := p.peek()
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return p.fail(word + " expected")
		}
		p.pos++
	}
	return nil
}

func (p *jsonParser) object(depth int) (Table, error) {
	t := Table{}
	var seen map[string]int // name to place, only in tables that are long
	p.pos++
	for {
		if err := p.skip(); err != nil {
			return nil, err
		}
		c := p.peek()
		if c == '}' {
			p.pos++
			return t, nil
		}
		if c != '"' && c != '\'' {
			return nil, p.fail("name in quotes expected")
		}
		name, err := p.string(c)
		if err != nil {
			return nil, err
		}
		if err := p.skip(); err != nil {
			return nil, err
		}
		if p.peek() != ':' {
			return nil, p.fail("':' expected")
		}
		p.pos++
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		t, seen = put(t, seen, name, v)
		switch p.peek() {
		case ',':
			p.pos++
		case '}':
		default:
			return nil, p.fail("',' or '}' expected")
		}
	}
}

// put adds a member or replaces the one of that name. From longTable members on
// a map finds it, so that long tables stay linear.
func put(t Table, seen map[string]int, name string, v any) (Table, map[string]int) {
	const longTable = 16
	if seen == nil && len(t) < longTable {
		return t.Set(name, v), nil
	}
	if seen == nil {
		seen = make(map[string]int, 4*longTable)
		for i := range t {
			seen[t[i].Name] = i
		}
	}
	if i, ok := seen[name]; ok {
		t[i].Value = v
		return t, seen
	}
	seen[name] = len(t)
	return append(t, Field{Name: name, Value: v}), seen
}

func (p *jsonParser) array(depth int) (Array, error) {
	a := Array{}
	p.pos++
	for {
		if err := p.skip(); err != nil {
			return nil, err
		}
		if p.peek() == ']' {
			p.pos++
			return a, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
		switch p.peek() {
		case ',':
			p.pos++
		case ']':
		default:
			return nil, p.fail("',' or ']' expected")
		}
	}
}

// number reads what json-c takes for one: a sign may follow a point and an "e"
// as well, and what is left dangling at the end is cut off.
func (p *jsonParser) number() (any, error) {
	start, double, exponent := p.pos, false, false
	minus, plus := true, false // may a sign stand here?
scan:
	for {
		switch c := p.peek(); {
		case c >= '0' && c <= '9', c == '-' && minus, c == '+' && plus:
			minus, plus = false, false
		case c == '.' && !double:
			double, minus, plus = true, true, true
		case (c == 'e' || c == 'E') && !exponent:
			double, exponent, minus, plus = true, true, true, true
		default:
			break scan
		}
		p.pos++
	}
	text := string(p.b[start:p.pos])
	switch p.peek() {
	case ',', ']', '}', '/', ' ', '\t', '\n', '\r':
	case 'i', 'I':
		if text == "-" {
			return math.Inf(-1), p.literal("infinity")
		}
	default:
		return nil, p.fail("number expected")
	}
	if !double {
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil && !errors.Is(err, strconv.ErrRange):
			return nil, p.fail("number expected")
		case n >= math.MinInt32 && n <= math.MaxInt32:
			return int32(n), nil
		default:
			return n, nil
		}
	}
	for len(text) > 1 {
		if c := text[len(text)-1]; c != 'e' && c != 'E' && c != '-' && c != '+' {
			break
		}
		text = text[:len(text)-1]
	}
	f, ok := parseDouble(text)
	if !ok {
		return nil, p.fail("number expected")
	}
	return f, nil
}
