package netifd

import (
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func init() {
	// Tests change the network namespace of their threads. The main thread
	// stays out of that: /proc/self is what it sees.
	runtime.LockOSThread()
}

// TestMain is the tests, or one of the programs that they need: the handler
// that records how it is called, and the command ubus that handlers call. The
// test binary is both, under other names.
func TestMain(m *testing.M) {
	switch name := os.Args[0]; {
	case strings.HasPrefix(name, "./") && strings.HasSuffix(name, ".sh"):
		exit(recordRun(os.Args))
	case filepath.Base(name) == "ubus":
		exit(ubusCommand(os.Args[1:]))
	}
	flag.Parse()
	if !isSet("test.parallel") {
		// The tests mostly wait.
		if err := flag.Set("test.parallel", "16"); err != nil {
			panic(err)
		}
	}
	syscall.Umask(0o022) // of the recordings
	if signal.Ignored(syscall.SIGHUP) {
		// Under nohup programs would inherit that; some here are to die of it.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	os.Exit(m.Run())
}

// exit ends the process at once: with the race detector, os.Exit waits for a
// second.
func exit(code int) { syscall.Exit(code) }

func isSet(name string) bool {
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}
