package router

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// raceLog is where programs that are built with the race detector report, in files
// that end with their process ids: what some of them write to standard error is
// nobody's to read.
const raceLog = Root + "/race"

// listenForRaces has programs that are started from now on report there, and end at
// once when they end: the detector would have each wait for a second.
func listenForRaces() error {
	return os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0 log_path="+raceLog))
}

// races returns what programs have reported since the last call; empty: nothing.
func races() (string, error) {
	files, err := filepath.Glob(raceLog + ".*")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s", text)
		if err := os.Remove(f); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// noRaces fails the test if a program has reported a data race.
func (r *Router) noRaces() {
	r.t.Helper()
	text, err := races()
	if err != nil {
		r.t.Fatalf("look for data races: %v", err)
	}
	if text != "" {
		r.t.Fatalf("a program has a data race:\n%s", text)
	}
}
