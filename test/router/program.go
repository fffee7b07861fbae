package router

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"

	// The modules that the program is built of come with the tests that way. In a
	// namespace without a network they could not be fetched any more.
	_ "github.com/wgnetifd/wgnetifd/proto"
	_ "github.com/wgnetifd/wgnetifd/rpcd"
)

// EnvProgram names the environment variable that holds the path of a program to
// install. Without it the program is built, once in a process, which takes Go; with
// the race detector when the tests are.
const EnvProgram = "WGNETIFD_PROGRAM"

// install puts the program into its place.
func install() error {
	if path := os.Getenv(EnvProgram); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("%s: %w", EnvProgram, err)
		}
		return os.WriteFile(program, data, 0o755)
	}
	args := []string{"build", "-buildvcs=false", "-o", program}
	// What is not there cannot be fetched from within a network namespace, so that
	// trying would only take time.
	env := append(os.Environ(), "GOPROXY=off")
	if raceDetector {
		// With the flags of the tests, whose packages are built already.
		args, env = append(args, "-race"), append(env, "CGO_ENABLED=1")
	} else {
		// As the Makefile builds it.
		args, env = append(args, "-trimpath", "-ldflags=-s -w"), append(env, "CGO_ENABLED=0")
	}
	cmd := exec.Command("go", append(args, "github.com/wgnetifd/wgnetifd/cmd/wgnetifd")...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build wgnetifd (or name one in %s): %w: %s", EnvProgram, err, bytes.TrimSpace(out))
	}
	return nil
}
