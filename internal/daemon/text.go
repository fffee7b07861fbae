package daemon

import (
	"strconv"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// ResultText returns the answer of the method reload for people, a line for each
// thing that changed or was refused.
func ResultText(reply blobmsg.Table) string {
	var b strings.Builder
	changed, _ := reply.Table("changed")
	for _, f := range changed {
		c, _ := f.Value.(blobmsg.Table)
		for _, word := range []string{"added", "removed", "changed"} {
			line(&b, f.Name+": "+word, c, word, word+"_total")
		}
		line(&b, f.Name+": changed of the interface", c, "device", "")
	}
	refused, _ := reply.Array("refused")
	for _, item := range refused {
		t, _ := item.(blobmsg.Table)
		option, _ := t.String("option")
		value, _ := t.String("value")
		text, _ := t.String("text")
		b.WriteString("refused: " + option)
		if value != "" {
			b.WriteString(": " + strconv.Quote(value))
		}
		b.WriteString(": " + text + "\n")
	}
	if total, _ := reply.Int("refused_total"); int(total) > len(refused) {
		b.WriteString("refused: " + strconv.Itoa(int(total)-len(refused)) + " more\n")
	}
	if b.Len() == 0 && !reply.Has("error") {
		return "nothing changed\n"
	}
	return b.String()
}

func line(b *strings.Builder, head string, t blobmsg.Table, list, total string) {
	names, _ := t.Strings(list)
	if len(names) == 0 {
		return
	}
	for n := range names {
		names[n] = strings.Map(printable, names[n])
	}
	b.WriteString(head + ": " + strings.Join(names, ", "))
	if all, _ := t.Int(total); int(all) > len(names) {
		b.WriteString(" and " + strconv.Itoa(int(all)-len(names)) + " more")
	}
	b.WriteByte('\n')
}

// printable keeps what stands in the configuration from moving a terminal's
// cursor.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
		return '?'
	}
	return r
}
