// Size writes the section about the program's size into docs/performance.md: what
// it takes on each architecture, what of it is whose, and what each way to build
// it costs. `make docs-size` runs it; it builds with the Makefile, some minutes
// long where nothing is in Go's build cache.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	page  = "docs/performance.md"
	begin = "<!-- size: written by `make docs-size`, do not edit -->\n"
	end   = "<!-- end of size -->\n"

	table = "scripts/openwrt-arch.txt"
	// reference is the architecture of the small routers.
	reference = "mipsel_24kc"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func write() error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	head, rest, ok := bytes.Cut(old, []byte(begin))
	_, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks a mark where the sizes begin or end: %s %s", page, strings.TrimSpace(begin), end)
	}
	text, err := section()
	if err != nil {
		return err
	}
	return os.WriteFile(page, bytes.Join([][]byte{head, []byte(begin), []byte(text), []byte(end), tail}, nil), 0o644)
}

func section() (string, error) {
	dir, err := os.MkdirTemp("", "size")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	var b strings.Builder
	fmt.Fprintf(&b, "\nBytes of the binary, raw and as `xz -9`, built by %s.\n\n", runtime.Version())
	for _, part := range []func(*strings.Builder, string) error{architectures, choices, contributors} {
		if err := part(&b, dir); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// build builds for an architecture, with variables of the Makefile set otherwise.
func build(dir, arch string, variables ...string) (path string, err error) {
	cmd := exec.Command("make", append([]string{"--silent", "build", "ARCH=" + arch, "BIN=" + dir}, variables...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return filepath.Join(dir, "wgnetifd"), nil
}

// size is what a binary takes, in bytes.
type size struct{ raw, xz int }

func measure(path string) (s size, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return s, err
	}
	packed, err := exec.Command("xz", "-9", "--stdout", path).Output()
	if err != nil {
		return s, fmt.Errorf("xz %s: %w", path, err)
	}
	return size{int(st.Size()), len(packed)}, nil
}

func architectures(b *strings.Builder, dir string) error {
	groups, err := readTable(table)
	if err != nil {
		return err
	}
	b.WriteString("| OpenWrt architecture | Go | raw | `xz -9` |\n|---|---|--:|--:|\n")
	for _, g := range groups {
		path, err := build(dir, g.names[0])
		if err != nil {
			return err
		}
		s, err := measure(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", strings.Join(g.names, ", "), g.environment, digits(s.raw), digits(s.xz))
	}
	return nil
}

// group is the architectures that are built with one environment: they get the
// same binary.
type group struct {
	environment string
	names       []string
}

func readTable(path string) (groups []group, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at := map[string]int{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		environment := strings.Join(fields[1:], " ")
		n, ok := at[environment]
		if !ok {
			n = len(groups)
			at[environment] = n
			groups = append(groups, group{environment: environment})
		}
		groups[n].names = append(groups[n].names, fields[0])
	}
	if len(groups) == 0 {
		err = errors.New(path + " has no line")
	}
	return groups, errors.Join(err, lines.Err())
}

// choices compares ways to build the same source.
func choices(b *strings.Builder, dir string) error {
	fmt.Fprintf(b, "\nThe same source on %s, built in other ways:\n\n| built by | raw | `xz -9` |\n|---|--:|--:|\n", reference)
	ways := []string{"", "GCFLAGS=$(GO_COLD_LIST)", "GCFLAGS=", "LDFLAGS="}
	what := []string{"as it is: nothing inlined", "cold packages without inlining, as elsewhere", "everything inlined", "with symbols and DWARF"}
	for n, variables := range ways {
		path, err := build(dir, reference, strings.Fields(variables)...)
		if err != nil {
			return err
		}
		s, err := measure(path)
		if err != nil {
			return err
		}
		command := strings.TrimSpace("make ARCH=" + reference + " " + quoted(variables))
		fmt.Fprintf(b, "| %s: `%s` | %s | %s |\n", what[n], command, digits(s.raw), digits(s.xz))
	}
	return nil
}

// quoted is a word of the shell where it has to be one.
func quoted(word string) string {
	if name, value, ok := strings.Cut(word, "="); ok && strings.Contains(value, "$") {
		return name + "='" + value + "'"
	}
	return word
}

// digits groups a number's digits.
func digits(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
