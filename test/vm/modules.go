package main

import (
	"fmt"
	"path"
	"strings"
)

// loadOrder returns the files of the wanted modules with all that they depend on,
// each one after what it depends on. depFile is the text of modules.dep, as
// depmod(8) writes it ("FILE: FILE…", nearest dependencies first), and builtinFile
// that of modules.builtin, whose modules are there already.
func loadOrder(depFile, builtinFile string, wanted []string) ([]string, error) {
	type module struct {
		file  string
		needs []string
	}
	byName := map[string]module{}
	for line := range strings.Lines(depFile) {
		file, needs, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok {
			byName[moduleName(file)] = module{file, strings.Fields(needs)}
		}
	}
	builtin := map[string]bool{}
	for line := range strings.Lines(builtinFile) {
		builtin[moduleName(strings.TrimSpace(line))] = true
	}
	var order []string
	placed := map[string]bool{}
	place := func(file string) {
		if !placed[file] {
			placed[file] = true
			order = append(order, file)
		}
	}
	for _, name := range wanted {
		m, ok := byName[name]
		if !ok && !builtin[name] {
			return nil, fmt.Errorf("the kernel has no module %s", name)
		}
		// The line has all dependencies, and of two the one that needs the other first.
		for n := len(m.needs) - 1; n >= 0; n-- {
			place(m.needs[n])
		}
		if ok {
			place(m.file)
		}
	}
	return order, nil
}

// moduleName returns the name of a module's file: kernel/net/a-b.ko.xz is a_b.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".")
	return strings.ReplaceAll(name, "-", "_")
}
