package main

import (
	"bytes"
	"os"
	"testing"
)

func TestCurrent(t *testing.T) {
	t.Chdir("../../..")
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, script()) {
		t.Errorf("%s is not what the schema says: run `make docs`", file)
	}
}
