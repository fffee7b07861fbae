package uci

import (
	"errors"
	"strings"
)

// scanner takes apart the text of a configuration file or of staged changes.
//
// It gives what libuci's tokenizer gives, which works in place on one line: what
// it has unquoted is written back into the line in front of what it has yet to
// read, and a NUL ends the line. Two of its habits come from that and are kept
// here, since they decide what a file means:
//
//   - A semicolon straight after a bare word is overwritten by the NUL that ends
//     the word, so the rest of the line is lost. When anything in the word was
//     quoted or escaped, the NUL lands earlier and the semicolon is seen.
//   - At the end of a line there is a NUL, and so not white space: a line end
//     after "config" belongs to the word.
type scanner struct {
	src string
	pos int
	// end is where the current line ends, its line feed included, or where a
	// comment began.
	end int
	// next is where the following line starts.
	next int
	// start is where the word begins that was read last.
	start int

	joined []byte
}

var errUnterminated = errors.New("the quote is never closed")

// line moves on to the next line. At the end of the text it gives false.
func (s *scanner) line() bool {
	s.pos = s.next
	if s.next >= len(s.src) {
		s.end = s.next
		return false
	}
	s.seek(s.next)
	return true
}

// seek makes the line that from belongs to the current one.
func (s *scanner) seek(from int) {
	if i := strings.IndexByte(s.src[from:], '\n'); i >= 0 {
		s.end = from + i + 1
	} else {
		s.end = len(s.src)
	}
	s.next = s.end
}

// cur gives the current character, 0 at the end of the line.
func (s *scanner) cur() byte {
	if s.pos < s.end {
		return s.src[s.pos]
	}
	return 0
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func (s *scanner) skipSpace() {
	for s.pos < s.end && isSpace(s.src[s.pos]) {
		s.pos++
	}
}

// keyword reads up to a space or a tab; quotes mean nothing to it. more is false
// when the line ends with the word, which then has the line end in it.
func (s *scanner) keyword() (word string, more bool) {
	for s.pos < s.end && (s.src[s.pos] == ' ' || s.src[s.pos] == '\t') {
		s.pos++
	}
	s.start = s.pos
	for s.pos < s.end && s.src[s.pos] != ' ' && s.src[s.pos] != '\t' {
		s.pos++
	}
	word = s.src[s.start:s.pos]
	if more = s.pos < s.end; more {
		s.pos++
	}
	return word, more
}

// word reads one argument: bare, quoted, or pieces of both without a space
// between them. It is empty at the end of the line, at a comment and at a
// semicolon. The error is errUnterminated, with start at the open quote.
func (s *scanner) word() (string, error) {
	s.skipSpace()
	s.start = s.pos
	if s.cur() == ';' {
		s.pos++
		return "", nil
	}
	var (
		text  string // the only piece so far
		count int
		bare  = true // nothing quoted or escaped so far
	)
	take := func(piece string) {
		switch {
		case piece == "":
			return
		case count == 0:
			text = piece
		case count == 1:
			s.joined = append(append(s.joined[:0], text...), piece...)
		default:
			s.joined = append(s.joined, piece...)
		}
		count++
	}
loop:
	for {
		switch c := s.cur(); c {
		case 0:
			break loop
		case '#':
			s.end = s.pos
			break loop
		case ';':
			if bare {
				s.end = s.pos
			}
			break loop
		case '\'':
			bare = false
			piece, err := s.singleQuoted()
			if err != nil {
				return "", err
			}
			take(piece)
		case '"':
			bare = false
			if err := s.doubleQuoted(take); err != nil {
				return "", err
			}
		case '\\':
			bare = false
			if s.escape() {
				s.pos++
				take(s.src[s.pos-1 : s.pos])
			}
		default:
			from := s.pos
			for s.pos < s.end && isBare[s.src[s.pos]] {
				s.pos++
			}
			take(s.src[from:s.pos])
		}
		if c := s.cur(); c == 0 {
			break
		} else if isSpace(c) {
			s.pos++
			break
		}
	}
	if count > 1 {
		text = string(s.joined)
	}
	return text, nil
}

// isBare tells the characters of a bare word that mean nothing special.
var isBare = func() (t [256]bool) {
	for c := range t {
		t[c] = !isSpace(byte(c)) && strings.IndexByte("'\"#;\\", byte(c)) < 0
	}
	return t
}()

// singleQuoted reads from the opening to the closing quote, over as many lines
// as it takes.
func (s *scanner) singleQuoted() (string, error) {
	from := s.pos + 1
	n := strings.IndexByte(s.src[from:], '\'')
	if n < 0 {
		return "", s.unterminated()
	}
	s.pos = from + n + 1
	if s.pos > s.end {
		s.seek(s.pos)
	}
	return s.src[from : from+n], nil
}

// doubleQuoted is singleQuoted for quotes in which a backslash escapes.
func (s *scanner) doubleQuoted(take func(string)) error {
	open := s.pos
	s.pos++
	for {
		n := strings.IndexAny(s.src[s.pos:], `"\`)
		if n < 0 {
			s.pos = open
			return s.unterminated()
		}
		take(s.src[s.pos : s.pos+n])
		s.pos += n
		if s.pos >= s.end {
			s.seek(s.pos)
		}
		if s.src[s.pos] == '"' {
			s.pos++
			return nil
		}
		if s.escape() {
			s.pos++
			take(s.src[s.pos-1 : s.pos])
		}
	}
}

// unterminated gives up at an open quote that runs to the end of the text.
func (s *scanner) unterminated() error {
	s.start = s.pos
	s.pos, s.end, s.next = len(s.src), len(s.src), len(s.src)
	return errUnterminated
}

// escape steps over a backslash. It reports whether the next character stands
// for itself; a backslash at the end of a line joins the next one instead.
func (s *scanner) escape() bool {
	s.pos++
	switch s.cur() {
	case 0, '\n':
	case '\r':
		if s.pos+2 != s.end || s.src[s.pos+1] != '\n' {
			return true
		}
	default:
		return true
	}
	s.line()
	return false
}
