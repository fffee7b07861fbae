// Options writes what LuCI's pages know of the options of /etc/config/network,
// from the schema: `make docs` runs it, and a test sees to it that the file is
// current. So the texts of README and forms have one source.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

const file = "luci-app/htdocs/luci-static/resources/wgnetifd/options.js"

const head = `'use strict';
'require baseclass';

/* Written by ` + "`make docs`" + ` from the schema (uci/schema), do not edit. */

`

const tail = `
return baseclass.extend({
	INTERFACE: INTERFACE,
	PEER: PEER,

	/* help returns the help text of an option of an interface or of a peer. */
	help(list, name) {
		for (let o of list)
			if (o.name == name)
				return o.help;

		return '';
	}
});
`

func main() {
	old, err := os.ReadFile(file)
	if text := script(); err != nil || !bytes.Equal(old, text) {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "options:", err)
		os.Exit(1)
	}
}

func script() []byte {
	var b strings.Builder
	b.WriteString(head)
	table(&b, "INTERFACE", schema.InterfaceOptions())
	b.WriteByte('\n')
	table(&b, "PEER", schema.PeerOptions())
	b.WriteString(tail)
	return []byte(b.String())
}

func table(b *strings.Builder, name string, specs []schema.Spec) {
	fmt.Fprintf(b, "const %s = [\n", name)
	separator := ""
	for _, s := range specs {
		if s.Netifd {
			continue // LuCI has fields for them itself
		}
		fmt.Fprintf(b, "%s\t{ name: %s, list: %t, secret: %t,\n\t\ttype: %s,\n\t\tpreset: %s,\n\t\thelp: %s }",
			separator, quote(s.Name), s.List, s.Secret, quote(s.Type), text(s.Default), text(s.Help))
		separator = ",\n"
	}
	b.WriteString("\n];\n")
}

// text marks a text for translation; LuCI's scanner wants one literal. A word
// alone is a value of the file and stays what it is.
func text(s string) string {
	if !strings.Contains(s, " ") {
		return quote(s)
	}
	return "_(" + quote(s) + ")"
}

func quote(s string) string {
	quoted := strings.ReplaceAll(strconv.Quote(s), `\"`, `"`)
	return "'" + strings.ReplaceAll(quoted[1:len(quoted)-1], "'", `\'`) + "'"
}
