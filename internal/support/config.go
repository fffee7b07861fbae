package support

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// The options by what may be shown of them.
var secretOptions, openOptions = byKind()

func byKind() (secret, open map[string]bool) {
	secret, open = map[string]bool{}, map[string]bool{"proto": true}
	for _, o := range append(schema.InterfaceOptions(), schema.PeerOptions()...) {
		if o.Secret {
			secret[o.Name] = true
		} else {
			open[o.Name] = true
		}
	}
	return secret, open
}

// configuration writes the sections of WireGuard. Of options that are not ours only
// the names: they may hold a secret of somebody else's.
func configuration(b *strings.Builder, pkg *uci.Package) error {
	names := schema.Names(pkg)
	for _, section := range pkg.Sections {
		peerOf, isPeer := strings.CutPrefix(section.Type, "wireguard_")
		if !slices.Contains(names, section.Name) && (!isPeer || !slices.Contains(names, peerOf)) {
			continue
		}
		b.WriteString("config " + section.Type)
		if !section.Anonymous {
			b.WriteString(" '" + section.Name + "'")
		}
		b.WriteString("\n")
		for _, o := range section.Options {
			writeOption(b, o)
		}
		b.WriteString("\n")
	}
	return nil
}

func writeOption(b *strings.Builder, o *uci.Option) {
	word := "option"
	if o.List {
		word = "list"
	}
	for _, v := range o.Values {
		switch {
		case v == "" || v == schema.GenerateKey:
		case secretOptions[o.Name]:
			v = "(set)"
		case !openOptions[o.Name]:
			v = "(not shown)"
		}
		fmt.Fprintf(b, "\t%s %s '%s'\n", word, o.Name, clean(v))
	}
}

// clean keeps what came from a configuration from steering the terminal, and from
// looking like a line of ours.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
