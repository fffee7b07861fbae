package rpcd

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// sharedScript is the file that all plugins of the tests are links to. It is
// written before anything is started: a file that some child still has open for
// writing cannot be executed.
var sharedScript string

// ignoredBefore are the signals that were ignored when the tests began. What
// runs them may ignore some; plugins inherit that too.
var ignoredBefore []int

// argvMode in the environment makes this program the plugin of
// TestPluginIsAProgram.
const argvMode = "RPCD_TEST_SHOW_ARGV"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == pluginMode {
		os.Exit(pluginMain(os.Args[2:]))
	}
	if os.Getenv(argvMode) != "" {
		os.Exit(showArgv())
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	flag.Parse()
	// The tests mostly wait for plugins that sleep; the default is the number
	// of processors.
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		if err := flag.Set("test.parallel", "8"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ignoredBefore = signalSet(string(status), "SigIgn")

	// What the tests' own parent left open is not the daemon's.
	for fd := 3; fd < 1024; fd++ {
		unix.CloseOnExec(fd)
	}

	dir, err := os.MkdirTemp("", "rpcd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	sharedScript = filepath.Join(dir, "plugin")
	if err := writeScript(sharedScript); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
