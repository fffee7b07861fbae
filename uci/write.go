package uci

import "strings"

// Bytes gives the file as libuci writes it: no comments, a tab before options,
// values in single quotes. Section types stand there unquoted, so some that
// libuci takes cannot be read again; [Package.Check] finds them.
func (p *Package) Bytes() []byte {
	return p.appendTo(make([]byte, 0, p.size()))
}

// Export gives what "uci export" prints: the file after a line with its name.
func (p *Package) Export() []byte {
	out := appendEscaped([]byte("package "), p.Name)
	return p.appendTo(append(out, '\n'))
}

func (p *Package) appendTo(out []byte) []byte {
	for _, s := range p.Sections {
		if s.gone {
			continue
		}
		out = appendEscaped(append(out, "\nconfig "...), s.Type)
		if !s.Anonymous {
			out = appendQuoted(append(out, ' '), s.Name)
		}
		out = append(out, '\n')
		for _, o := range s.Options {
			keyword := "\toption "
			if o.List {
				keyword = "\tlist "
			}
			for _, v := range o.Values {
				out = appendEscaped(append(out, keyword...), o.Name)
				out = appendQuoted(append(out, ' '), v)
				out = append(out, '\n')
			}
		}
	}
	return append(out, '\n')
}

// size is how long the file will be, quotes inside values not counted.
func (p *Package) size() int {
	n := 1
	for _, s := range p.Sections {
		n += len("\nconfig  ''\n") + len(s.Type) + len(s.Name)
		for _, o := range s.Options {
			for _, v := range o.Values {
				n += len("\toption  ''\n") + len(o.Name) + len(v)
			}
		}
	}
	return n
}

// appendQuoted puts s between single quotes.
func appendQuoted(out []byte, s string) []byte {
	return append(appendEscaped(append(out, '\''), s), '\'')
}

// appendEscaped ends the quotes around s at every quote in it, writes that one
// with a backslash, and opens them again.
func appendEscaped(out []byte, s string) []byte {
	for {
		before, after, found := strings.Cut(s, "'")
		out = append(out, before...)
		if !found {
			return out
		}
		out = append(out, `'\''`...)
		s = after
	}
}
