package schema

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Level says what a Problem costs.
type Level uint8

const (
	// Note: the value is used, and the text says what was made of it.
	Note Level = iota
	// LeftOut: the value is not used; for an option of a peer that the peer
	// cannot do without, the peer is left out. Nobody else is affected.
	LeftOut
	// Fatal: the interface cannot come up.
	Fatal
)

// String returns the word for the level that status and logs show.
func (l Level) String() string {
	switch l {
	case Note:
		return "note"
	case LeftOut:
		return "left out"
	default:
		return "fatal"
	}
}

// Problem is something in the configuration that is not right. It is an error.
type Problem struct {
	Level Level
	// Section as `uci show network` prints it: a name, or @wireguard_wg0[3].
	Section string
	// Option is empty when the section as a whole is meant.
	Option string
	// Value as it stands in the file; empty for secrets.
	Value string
	// Text says what is wrong or what is right.
	Text string
}

// maxValue is how much of a value a message shows, in characters: enough to
// find it in the file, and a pasted book does not flood the log.
const maxValue = 64

// Error returns `network.SECTION.OPTION: "VALUE": TEXT`.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Path())
	b.WriteString(": ")
	if p.Value != "" {
		b.WriteString(strconv.Quote(p.ShortValue()))
		b.WriteString(": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// ShortValue returns the value, at most 64 characters of it; empty for secrets.
func (p *Problem) ShortValue() string { return shorten(p.Value) }

// Path returns network.SECTION.OPTION, the words that `uci set` takes.
func (p *Problem) Path() string {
	if p.Option == "" {
		return "network." + p.Section
	}
	return "network." + p.Section + "." + p.Option
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxValue {
		return s
	}
	n := 0
	for i := range s {
		if n == maxValue {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
