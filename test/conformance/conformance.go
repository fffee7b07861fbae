// Package conformance finds the recordings of the real OpenWrt programs that
// the tests named TestConformance… are held to.
//
// The recordings were made with the uci, ubusd, rpcd and netifd of OpenWrt; the
// README.md of each folder describes its format. Another folder of the same
// layout takes their place when the environment variable CONFORMANCE_DIR names
// it, so that more cases can be tried without touching the repository.
package conformance

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Dir returns the folder that holds the recordings of one subject, for
// instance Dir(t, "uci/parse"). It ends the test when the folder is missing.
func Dir(t testing.TB, subject string) string {
	t.Helper()
	root := os.Getenv("CONFORMANCE_DIR")
	if root == "" {
		_, file, _, ok := runtime.Caller(0)
		if !ok {
			t.Fatal("conformance: cannot find the source folder")
		}
		root = filepath.Join(filepath.Dir(file), "testdata")
	}
	dir := filepath.Join(root, filepath.FromSlash(subject))
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("conformance: no recordings of %s: %v", subject, err)
	}
	return dir
}
