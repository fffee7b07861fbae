// Mkpackages makes the packages and feeds of this project (`make packages`), the
// keys that sign them (`make feed-key`) and the table of their sizes in README.md
// (`make docs-packages`). It runs in the root of the checkout.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/packager"
)

const (
	table = "scripts/openwrt-arch.txt"
	out   = "build/packages"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mkpackages:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("mkpackages", flag.ContinueOnError)
	keys := flags.String("keys", "", "`folder` of the feed's keys; without keys nothing is signed")
	dir := flags.String("out", out, "`folder` for the feeds")
	version := flags.String("version", "", "`version` of the packages (default: of openwrt-feed/version.mk)")
	release := flags.String("release", "", "`release` of the packages, a number (default: the time of the commit)")
	quick := flags.Bool("quick", false, "compress as gzip does: for tests")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), "usage: mkpackages [flags] build [ARCHITECTURE...] | sizes | key\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	b := &build{keys: *keys, out: *dir, version: *version, release: *release, quick: *quick}
	switch flags.Arg(0) {
	case "build":
		_, err := b.run(flags.Args()[1:])
		return err
	case "sizes":
		return b.sizes()
	case "key":
		return newKeys(*keys)
	}
	flags.Usage()
	return errors.New("say what to do")
}

func newKeys(dir string) error {
	k, err := packager.NewKeys(dir, ".")
	if err != nil {
		return err
	}
	fmt.Printf("%s: made. Keep it, and to yourself: who has it can sign for your feed.\nopkg's key is %s.\n", dir, k.Opkg.Number)
	return nil
}

type build struct {
	keys, out, version, release string

	quick bool
}

func (b *build) run(archs []string) ([]packager.Made, error) {
	groups, err := packager.ReadTable(table)
	if err != nil {
		return nil, err
	}
	if groups, err = packager.Select(groups, archs); err != nil {
		return nil, err
	}
	keys, err := packager.ReadKeys(b.keys)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		fmt.Println("there is no key, the feeds are not signed (`make feed-key` makes one)")
	}
	source, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "mkpackages")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	when, err := epoch()
	if err != nil {
		return nil, err
	}
	zip := smaller(scratch)
	if b.quick {
		zip = nil
	}
	made, err := packager.Build(packager.Options{
		Source: source, Out: b.out, Scratch: scratch, Groups: groups,
		Version: b.version, Release: b.release, Epoch: when, Keys: keys,
		Compile: compile, Gzip: zip, Progress: func(line string) { fmt.Println(line) },
	})
	if err == nil {
		fmt.Printf("%d packages in %s\n", len(made), b.out)
	}
	return made, err
}

// compile has the Makefile build the program.
func compile(arch, version, dir string) error {
	cmd := exec.Command("make", "--silent", "build", "ARCH="+arch, "BIN="+dir, "VERSION="+version)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, text)
	}
	return nil
}

// smaller returns a way to compress that takes longer than gzip and gets the program
// 4 % smaller: zopfli, whose files gzip reads. What has been compressed before, for
// another architecture with the same program, is not again.
func smaller(scratch string) func([]byte) ([]byte, error) {
	done := map[[sha256.Size]byte][]byte{}
	return func(data []byte) ([]byte, error) {
		sum := sha256.Sum256(data)
		if packed, ok := done[sum]; ok {
			return packed, nil
		}
		file := filepath.Join(scratch, "data.tar")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return nil, err
		}
		packed, err := exec.Command("zopfli", "--i5", "-c", file).Output()
		if err != nil {
			return nil, fmt.Errorf("zopfli, of Debian's package of that name: %w", err)
		}
		done[sum] = packed
		return packed, nil
	}
}

// epoch is the time of all files: SOURCE_DATE_EPOCH, else that of the commit.
func epoch() (int64, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		if commit, err := exec.Command("git", "log", "-1", "--format=%ct").Output(); err == nil {
			text = strings.TrimSpace(string(commit))
		} else {
			text = "0"
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("SOURCE_DATE_EPOCH=%q is not a number of seconds since 1970", text)
	}
	return n, nil
}

const (
	page  = "README.md"
	begin = "<!-- packages: written by `make docs-packages`, do not edit -->\n"
	end   = "<!-- end of packages -->\n"
)

// sizes writes the table of sizes. The page is read again after the packages have
// been made: that takes minutes, and somebody may have written to it.
func (b *build) sizes() error {
	if _, _, err := around(); err != nil {
		return err
	}
	made, err := b.run(nil)
	if err != nil {
		return err
	}
	head, tail, err := around()
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(head+begin+sizeTable(made)+end+tail), 0o644)
}

// around returns what stands before and behind the table.
func around() (head, tail string, err error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return "", "", err
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", "", fmt.Errorf("%s lacks a mark: %s", page, strings.TrimSpace(begin))
	}
	return head, tail, nil
}

// sizeTable has a line for each size: architectures with one program share it.
func sizeTable(made []packager.Made) string {
	var t strings.Builder
	t.WriteString("\n| package | architectures | `.ipk` | `.apk` |\n|---|---|--:|--:|\n")
	for n := 0; n < len(made); {
		m := made[n]
		var names []string
		for ; n < len(made) && made[n].Name == m.Name && near(made[n].IpkSize, m.IpkSize); n++ {
			names = append(names, made[n].Arch)
		}
		fmt.Fprintf(&t, "| `%s` | %s | %s | %s |\n", m.Name, strings.Join(names, ", "), kilobytes(m.IpkSize), kilobytes(m.ApkSize))
	}
	t.WriteString("\n")
	return t.String()
}

// near: the same program, and a few bytes for another name of the architecture.
func near(a, b int) bool { return a-b < 100 && b-a < 100 }

func kilobytes(n int) string { return strconv.Itoa((n+999)/1000) + " KB" }
