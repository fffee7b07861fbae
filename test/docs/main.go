// Docs writes the option table of README.md from the schema. `make docs` runs
// it; a test sees to it that the table is current.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

const (
	readme = "README.md"
	begin  = "<!-- options: written by `make docs`, do not edit -->\n"
	end    = "<!-- end of options -->\n"
)

func main() {
	old, err := os.ReadFile(readme)
	if err == nil {
		var text []byte
		if text, err = replace(old); err == nil && !bytes.Equal(old, text) {
			err = os.WriteFile(readme, text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// replace returns the README with the table between its marks made anew.
func replace(readme []byte) ([]byte, error) {
	head, rest, ok := bytes.Cut(readme, []byte(begin))
	if !ok {
		return nil, errors.New("README.md has no mark where the options begin: " + strings.TrimSpace(begin))
	}
	_, tail, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, errors.New("README.md has no mark where the options end: " + strings.TrimSpace(end))
	}
	return bytes.Join([][]byte{head, []byte(begin), []byte(tables()), []byte(end), tail}, nil), nil
}

func tables() string {
	var own, netifd []schema.Spec
	for _, s := range schema.InterfaceOptions() {
		if s.Netifd {
			netifd = append(netifd, s)
		} else {
			own = append(own, s)
		}
	}
	var b strings.Builder
	table(&b, "Interface: `config interface 'NAME'` with `option proto 'wireguard'`", own)
	table(&b, "Interface: options that netifd itself acts on", netifd)
	table(&b, "Peer: `config wireguard_NAME`", schema.PeerOptions())
	return b.String()
}

func table(b *strings.Builder, title string, specs []schema.Spec) {
	fmt.Fprintf(b, "\n**%s**\n\n| option | value | default | what it does |\n|---|---|---|---|\n", title)
	for _, s := range specs {
		kind, help := s.Type, s.Help
		if s.List {
			kind = "list of " + kind
		}
		if s.Daemon {
			help += " The daemon does this."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", s.Name, cell(kind), cell(s.Default), cell(help))
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
