package main

import (
	"cmp"
	"debug/elf"
	"fmt"
	"slices"
	"strings"
)

// owners say whose a package is; the first prefix that fits counts.
var owners = []struct{ prefix, owner string }{
	{"github.com/wgnetifd/", "this project"},
	{"main.", "this project"},
	{"golang.zx2c4.com/wireguard/wgctrl", "wgctrl"},
	{"github.com/vishvananda/", "vishvananda/netlink"},
	{"github.com/mdlayher/", "mdlayher/netlink, genetlink, socket"},
	{"golang.org/x/sys", "x/sys"},
	{"golang.org/x/", "x/net, x/crypto, x/sync"},
	{"vendor/", "x/net, x/crypto, x/sync"},
	{"crypto", "crypto"},
	{"net/netip", "net/netip"},
	{"net", "net"},
	{"runtime", "Go's runtime"},
	{"internal/runtime", "Go's runtime"},
	{"internal/abi", "Go's runtime"},
	{"internal/bytealg", "Go's runtime"},
	{"fmt", "fmt, reflect, strconv"},
	{"reflect", "fmt, reflect, strconv"},
	{"strconv", "fmt, reflect, strconv"},
	{"internal/strconv", "fmt, reflect, strconv"},
	{"internal/fmtsort", "fmt, reflect, strconv"},
	{"os", "os, syscall, internal/poll"},
	{"syscall", "os, syscall, internal/poll"},
	{"internal/poll", "os, syscall, internal/poll"},
	{"internal/syscall", "os, syscall, internal/poll"},
	{"time", "time"},
}

// owner returns whose a symbol is. A function's symbol starts with its package,
// or with "type:.eq." and the like where the compiler made it.
func owner(symbol string) string {
	symbol = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(symbol, "type:.eq."), "type:.hash."), "go:")
	for _, o := range owners {
		rest, ok := strings.CutPrefix(symbol, o.prefix)
		// "net" is neither "netip" nor "net/netip".
		if ok && (strings.HasSuffix(o.prefix, "/") || strings.HasSuffix(o.prefix, ".") || strings.IndexAny(rest, "./") == 0) {
			return o.owner
		}
	}
	return "others"
}

// contributors lists what the binary consists of: code by its owner, then the
// sections that belong to all of it.
func contributors(b *strings.Builder, dir string) error {
	path, err := build(dir, reference, "LDFLAGS=")
	if err != nil {
		return err
	}
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return err
	}
	code := map[string]int{}
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			code[owner(s.Name)] += int(s.Size)
		}
	}
	type share struct {
		name  string
		bytes int
	}
	var shares []share
	for name, n := range code {
		shares = append(shares, share{"code: " + name, n})
	}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOBITS && s.Name != ".text" && s.Size > 10000 {
			shares = append(shares, share{"`" + s.Name + "`" + sections[s.Name], int(s.Size)})
		}
	}
	slices.SortFunc(shares, func(a, b share) int { return cmp.Or(b.bytes-a.bytes, strings.Compare(a.name, b.name)) })
	fmt.Fprintf(b, "\nWhat the %s binary consists of, raw:\n\n| part | bytes |\n|---|--:|\n", reference)
	for _, s := range shares {
		fmt.Fprintf(b, "| %s | %s |\n", s.name, digits(s.bytes))
	}
	b.WriteString("\n")
	return nil
}

// sections say what Go's sections hold.
var sections = map[string]string{
	".gopclntab": ": names and lines of functions, for stack traces and the garbage collector",
	".rodata":    ": constants, strings and types",
	".noptrdata": ": data without pointers",
	".data":      ": data with pointers",
	".typelink":  ": index of types",
	".itablink":  ": index of interfaces",
}
