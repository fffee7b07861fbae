package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/test/need"
)

// seconds is how long a package took, which depends on the machine.
var seconds = regexp.MustCompile(` [0-9]+s\n`)

// TestCommand runs what a machine is given, with tests that fail, pass, and show
// what they were called with.
func TestCommand(t *testing.T) {
	need.Command(t, "sh")
	packages := []testPackage{
		{path: "example.org/it's", dir: t.TempDir(), binary: "/a"},
		{path: "example.org/b", dir: t.TempDir(), binary: "/b"},
	}
	for _, fails := range []bool{false, true} {
		// Stand-ins for the binaries, which are in folders that only a machine has.
		dir := t.TempDir()
		lines, err := commandLines(packages, []string{"-test.run=A b'c"}, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		lines = strings.ReplaceAll(lines, "/tests/", dir+"/")
		lines = strings.ReplaceAll(lines, "/skipped", dir+"/skipped")
		status, result := "0", "ok  "
		if fails {
			status, result = "2", "FAIL"
		}
		for name, code := range map[string]string{"a": status, "b": "0"} {
			text := "#!/bin/sh\necho " + name + " got \"$@\" in $PWD, $WGNETIFD_VM\nexit " + code + "\n"
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(dir+"/skipped", []byte("TestX: why\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-c", lines).CombinedOutput()
		if (err != nil) != fails {
			t.Errorf("%v, want an error: %v", err, fails)
		}
		want := "a got -test.run=A b'c in " + packages[0].dir + ", 1\n" + result + " example.org/it's 0s\n" +
			"b got -test.run=A b'c in " + packages[1].dir + ", 1\nok   example.org/b 0s\n" +
			"skipped:\nTestX: why\n"
		if diff := cmp.Diff(want, seconds.ReplaceAllString(string(out), " 0s\n")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
