package main

import (
	"strconv"
	"strings"
)

// messages reads a .po file: the translations by their text, behind the context
// and the byte 1 where there is one, as LuCI looks them up.
func messages(text string) map[string]string {
	out := map[string]string{}
	var context, id, str string
	var field *string
	done := func() {
		if id != "" && str != "" {
			if context != "" {
				id = context + "\x01" + id
			}
			out[id] = str
		}
		context, id, str, field = "", "", "", nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "msgctxt": // begins an entry
			done()
			field = &context
		case "msgid":
			if field != &context {
				done()
			}
			field = &id
		case "msgstr":
			field = &str
		default:
			rest = line
		}
		if s, err := strconv.Unquote(rest); err == nil && field != nil {
			*field += s
		} else if line == "" {
			done()
		}
	}
	done()
	return out
}
