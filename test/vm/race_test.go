package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWriteRace: what the race needs lies where it looks for it, and of two in one
// place the later one comes last, which is what the kernel leaves there.
func TestWriteRace(t *testing.T) {
	from, file := source(t), filepath.Join(t.TempDir(), "race.cpio")
	program := filepath.Join(from, "sub/tool")
	needs := "/usr/bin/netifd\t" + program + "\n/lib/netifd\t" + from + "\n/lib/netifd/sub/text\t" + program + "\n"
	if err := writeRace(file, program, needs, []string{"-sizes", "1,10"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/init", "/command", "/etc/os-release", "/etc/passwd", "/etc/group", "/usr/bin/race", "/usr/bin/netifd",
		"/lib/netifd/link", "/lib/netifd/sub/text", "/lib/netifd/sub/tool", "/lib/netifd/sub/text",
	}
	if diff := cmp.Diff(want, fileNames(t, data)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if command := "exec race -limit 10m '-sizes' '1,10'\n"; !strings.Contains(string(data), command) {
		t.Errorf("no command %q", command)
	}

	if err := writeRace(file, program, "/usr/bin/netifd\t/nothing/netifd\n", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := writeRace(file, program, "usage: race\n", nil); err == nil || !strings.Contains(err.Error(), "usage: race") {
		t.Errorf("a program that does not know -needs: %v", err)
	}
}
