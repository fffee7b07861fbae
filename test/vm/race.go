package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// raceLimit is how long an interface may take to come up, unless the flags say
// otherwise: shells are slow in an emulator.
const raceLimit = "10m"

// raceSystem is what the race calls the system that it runs on.
const raceSystem = "PRETTY_NAME='emulated by QEMU (TCG)'\n"

// runRace runs the program of test/race in a machine, with all that it needs of
// this one.
func runRace(ctx context.Context, program string, kernelPackages, flags []string) error {
	// It says itself what is missing.
	list := exec.CommandContext(ctx, program, "-needs")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("%s -needs: %w", program, err)
	}
	kernels, err := preparePC(kernelPackages)
	if err != nil {
		return err
	}
	return runEach(ctx, kernels, func(files string) error { return writeRace(files, program, string(out), flags) })
}

// writeRace writes the archive of a race: the program, and the files and folders
// that needs names, a line each: the place in the machine, a tab, the place here.
// The shell and the small programs are busybox's, as on a router.
func writeRace(file, program, needs string, flags []string) error {
	return writeCommand(file, raceCommand(flags), func(a *archive) error {
		a.text("etc/os-release", raceSystem)
		a.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n") // ubusd talks to nobody without a name.
		a.text("etc/group", "root:x:0:\n")
		a.folder("etc/config")
		a.copy("/usr/bin/race", program)
		for line := range strings.Lines(needs) {
			at, from, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			if !ok {
				return fmt.Errorf("%s -needs: %q is no line of two places", program, line)
			}
			a.copy(at, from)
			if err := a.addLibraries(from); err != nil {
				return err
			}
		}
		return nil
	})
}

// raceCommand returns the shell commands that run the race in a machine. Handlers
// and netifd name by their paths what devtmpfs and a folder of applets lack.
func raceCommand(flags []string) string {
	command := "busybox --install -s /bin\nln -s /bin/busybox /usr/bin/env\nln -s /proc/self/fd/0 /dev/stdin\n" +
		"exec race -limit " + raceLimit
	for _, f := range flags {
		command += " " + quote(f)
	}
	return command + "\n"
}
