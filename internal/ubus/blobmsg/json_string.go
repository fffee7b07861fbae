package blobmsg

import (
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string or a name up to the quote that it began with.
func (p *jsonParser) string(quote byte) (string, error) {
	p.pos++
	start := p.pos
	var buf []byte // nil as long as nothing was escaped
	for {
		switch p.peek() {
		case quote:
			end := p.pos
			p.pos++
			if buf == nil {
				return string(p.b[start:end]), nil
			}
			return cBytes(append(buf, p.b[start:end]...)), nil
		case '\\':
			buf = append(buf, p.b[start:p.pos]...)
			var err error
			if buf, err = p.escape(buf); err != nil {
				return "", err
			}
			start = p.pos
		case 0:
			return "", p.fail("string without end")
		default:
			p.pos++
		}
	}
}

// escape reads what a backslash begins and appends what it stands for.
func (p *jsonParser) escape(buf []byte) ([]byte, error) {
	p.pos++
	c := p.peek()
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		p.pos++
		return p.unicode(buf)
	default:
		return nil, p.fail("unknown escape")
	}
	p.pos++
	return append(buf, c), nil
}

// unicode reads the four digits of \u and, where they are the first half of a
// surrogate pair, the second half. A half without its other is U+FFFD.
func (p *jsonParser) unicode(buf []byte) ([]byte, error) {
	r, err := p.hex4()
	if err != nil {
		return nil, err
	}
	for r >= 0xd800 && r < 0xdc00 {
		if p.pos+1 >= len(p.b) || p.b[p.pos] != '\\' || p.b[p.pos+1] != 'u' {
			return utf8.AppendRune(buf, utf8.RuneError), nil
		}
		p.pos += 2
		low, err := p.hex4()
		if err != nil {
			return nil, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return utf8.AppendRune(buf, pair), nil
		}
		buf = utf8.AppendRune(buf, utf8.RuneError)
		r = low
	}
	// AppendRune makes U+FFFD of a lone second half.
	return utf8.AppendRune(buf, r), nil
}

func (p *jsonParser) hex4() (rune, error) {
	var r rune
	for range 4 {
		c := p.peek()
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, p.fail("four hexadecimal digits expected")
		}
		r = r<<4 | rune(c)
		p.pos++
	}
	return r, nil
}
