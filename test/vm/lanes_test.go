package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestLanes: each test runs in exactly one lane.
func TestLanes(t *testing.T) {
	p := testPackage{dir: t.TempDir()}
	text := "package p\n\nfunc TestMain(m *testing.M) {}\nfunc TestA(t *testing.T) {}\n\nfunc helper() {}\nfunc TestAB(t *testing.T) {\n}\n" +
		"// func TestNot(t *testing.T)\nfunc FuzzC(f *testing.F) {}\nfunc BenchmarkD(b *testing.B) {}\nfunc ExampleE() {}\n"
	if err := os.WriteFile(filepath.Join(p.dir, "a_test.go"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := testsOf(p)
	if want := []string{"TestA", "TestAB", "FuzzC", "ExampleE"}; err != nil || !slices.Equal(names, want) {
		t.Fatalf("%v, %v, want %v", names, err, want)
	}
	const of = 3
	for _, name := range names {
		runs := 0
		for lane := range of {
			if mine := share(names, lane, of); mine != "" && regexp.MustCompile(mine).MatchString(name) {
				runs++
			}
		}
		if runs != 1 {
			t.Errorf("%s runs %d times", name, runs)
		}
	}
	if mine := share(names[:1], 1, of); mine != "" {
		t.Errorf("a lane without tests has %q", mine)
	}
}
