package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// lanes is how many machines of one kernel share the tests. Half of the time a test
// waits for something, and that costs no processor.
const lanes = 2

// testFunction is the head of what go test runs.
var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)\(`)

// testsOf returns the names of a package's tests in the order of its files.
func testsOf(p testPackage) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(p.dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
			if m[1] != "TestMain" {
				names = append(names, m[1])
			}
		}
	}
	return names, nil
}

// share returns what a lane runs of the tests of a package, as a regular expression;
// empty: nothing. Neighbours, which are alike, go to different lanes.
func share(names []string, lane, of int) string {
	var mine []string
	for n, name := range names {
		if n%of == lane {
			mine = append(mine, name)
		}
	}
	if len(mine) == 0 {
		return ""
	}
	return "^(" + strings.Join(mine, "|") + ")$"
}
