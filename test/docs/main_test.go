package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOptionTableIsCurrent fails when README.md was not written again after a
// change of the schema.
func TestOptionTableIsCurrent(t *testing.T) {
	old, err := os.ReadFile(filepath.Join("..", "..", readme))
	if err != nil {
		t.Fatal(err)
	}
	text, err := replace(old)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), string(old)); diff != "" {
		t.Errorf("run `make docs` (-want +got):\n%s", diff)
	}
}
